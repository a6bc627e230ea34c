//! How users correct, agree and refuse in plain words: "I meant FL2", "not FL1 but FL2", 对，FL1, 算了，不取消了.
//!
//! **Invariant:** pure. The words are few and known; what they don't say the model is asked.

use std::ops::Range;

use super::script::Steer;
use crate::entity::{at_boundaries, folded};

/// What corrects wherever it stands.
const CORRECTIONS: &str = "\
    i mean|i meant|meant to say|mistyped|typo|my mistake|my bad|wrong number|wrong order number|我是说|\
    我说的是|我的意思是|打错|写错|输错|说错|记错|填错|更正";
/// What corrects where a text begins with it and asks nothing: "sorry, where is it?" is a question.
const BEGINNINGS: &str = "\
    no|nope|sorry|actually|wait|oh|oops|wrong|correction|不对|不是|不,|错了|等等|抱歉|对不起|不好意思|其实";
/// And where it ends so.
const ENDINGS: &str = "actually|instead|rather|after all|不是|不对|才对";
/// What a value stands behind that is stated: "it should be FL2", 应该是FL2.
const STATEMENTS: &str = "\
    is|was|be|been|it's|its|that's|mean|meant|said|make it|change it to|change that to|是|说|应为|改为|改成|\
    换成|就要";
/// What denies the value behind it.
const DENIALS: &str = "\
    not|isn't|wasn't|aren't|don't want|do not want|don't mean|didn't mean|instead of|rather than|不是|不要|并非|\
    而非";
/// What only looks like that.
const NO_DENIALS: &str = "why not|if not|是不是|要不要|要不是";
/// What replaces the value before it by the one behind it: "Monday, make it Friday", 周一改到周五.
const REPLACEMENTS: &str = "\
    should be|make it|make that|or rather|scratch that|change it to|changed to|move it to|moved to|应该是|应为|改到|\
    改成|改为|换到|换成|挪到|移到|推迟到|提前到|调到|调整到";
/// And where it begins what stands between them, with more behind it: "no onions" says no such thing.
const BARE_NO: &str = "no|nope";
/// What moves: "from Monday to Friday".
const FROM: &str = "from|from the|change|change the|move|move the|从|由";
const TO: &str = "to|to the|into|到|至";
/// What may stand between such a word and the value.
const BETWEEN: &str = "the|a|an|order|number|from|to|in|for|订单号|订单|单号|这个|那个|从|去|到";
/// And around that.
const AROUND: [char; 6] = [' ', ':', '"', '#', '「', '“'];
/// What asks: wherever it stands, and where a text begins with it.
const ASKING: &str = "\
    ?|where|when|what|which|how|who|why|any news|track|look up|吗|哪|什么|怎么|多久|几|呢|帮我|请问|看看|\
    查一下|查询";
const ASKS_AT_FIRST: &str = "is|are|was|has|have|does|did|do you|do i|can|could|will|would|may|check|show|tell me|查";
/// A yes and a no, where they are all that is said about a value. What holds another goes first.
const YES: &str = "\
    that's right|that's correct|yes|yeah|yep|yup|sure|correct|right|exactly|okay|ok|确认|确定|没错|是的|对的|\
    好的|可以|嗯|是|对";
const NO: &str = "no|nope|not|isn't|不是的|不是|不对|不要|否|不";
/// What says nothing beside a value. What holds another goes first.
const LITTLE: &str = "\
    that's it|that's the one|that's|that is|it's|its|it is|the other one|thank you|thanks|please|the|this|that|\
    one|order|number|then|to|from|and|just|is|was|well|ok|oh|hm|订单号|订单|单号|就是|才是|才对|这个|那个|\
    这笔|那笔|这单|谢谢|从|到|去|和|号|是|的|了|吧|啊|就|才|正";

/// What leaves out what isn't needed, where it is all that is said.
const NOTHING: &str = "\
    nothing|none|nope|nah|not really|not needed|no|n/a|na|skip it|skip|没有|没什么|没啥|没|暂无|无|不用|不需要|不必|不填|\
    不要|不了|跳过|不";
/// And of what it may be said.
const OF_WHAT: &str = "\
    nothing|else|special|particular|in particular|at all|at the moment|for now|to add|anything|note|notes|comment|comments|\
    remark|remarks|特殊|特别|别的|其他|其它|备注|要求|补充|留言|原因|需要|什么|说明";
/// Gestures that agree, and that refuse.
const THUMBS_UP: [char; 5] = ['👍', '👌', '✅', '✔', '🆗'];
const THUMBS_DOWN: [char; 3] = ['👎', '❌', '✖'];

/// What a "don't" goes on with that is about the answer, and not about what the bot is to do.
const ABOUT_THE_ANSWER: &str = "\
    have|know|mind|care|think|need any|need one|want any|want one|want to say|want to tell|want to answer|\
    want to share|want to give|like to say|wish to|remember";
const DONT: &str = "don't|dont|do not";
/// What stops the bot, where it is said with a no.
const STOPS: &str = "\
    keep|leave it as|leave the|leave my|leave everything|stop|no wait|no, wait|hold on|never mind|nevermind|\
    forget it|changed my mind|wrong|incorrect|算了|先不|留着|留著|保留|停下|停止|停一下|等等|等一下|不取消|\
    不用取消|不要取消|不想取消|错了|弄错|搞错";
/// What makes a name of the bot's intent one that is not wanted: "no need to cancel".
const NEGATIONS: &str = "not|no need|needn't|never|won't|don't|dont|do not";
/// What 不…了 says of an answer, and not of what the bot is to do.
const LEAVES_OUT: &str = "用|必|需|说|想说|方便|要|知道|清楚|记得|麻烦|加|选|填|写|备注|给";

/// A text, for what its words say about the values in it.
pub(super) struct Wording {
    /// Folded, so that a character is one of the text.
    chars: Vec<char>,
    text: String,
}

impl Wording {
    pub(super) fn of(text: &str) -> Self {
        let text = plain(text);
        Self { chars: text.chars().collect(), text }
    }

    /// Whether it corrects, whatever else it may mean: by a word that says so, or as it states a value and nothing else.
    /// `values` are where it has some, in characters.
    pub(super) fn corrects(&self, values: &[Range<usize>]) -> bool {
        if values.is_empty() {
            return false;
        }
        if has(&self.text, CORRECTIONS) {
            return true;
        }
        if self.asks() {
            return false;
        }
        let end = self.text.trim_end_matches([' ', '.', '!', '。']);
        begins(&self.text, BEGINNINGS) || ends(end, ENDINGS) || self.states(values)
    }

    /// Whether it denies the value that begins there: "not FL1 but FL2". "Isn't it FL1?" doesn't.
    pub(super) fn denies(&self, start: usize) -> bool {
        if self.text.trim_end().ends_with(['?', '吗']) {
            return false;
        }
        let before: String = self.chars.get(..start).unwrap_or_default().iter().collect();
        let before = without_between(&before);
        ends(before, DENIALS) && !ends(before, NO_DENIALS)
    }

    /// A yes, or a no, about these values and nothing else: "yes, FL1", 对，FL1, "not FL1".
    pub(super) fn answer(&self, values: &[Range<usize>]) -> Option<Steer> {
        if let Some(steer) = gesture(&self.text) {
            return Some(steer);
        }
        if values.is_empty() || self.asks() {
            return None;
        }
        let rest: String = self.around(values).into_iter().collect();
        if begins(&rest, YES) && is_made_of(&rest, YES) {
            return Some(Steer::Yes);
        }
        (begins(&rest, NO) && is_made_of(&rest, NO)).then_some(Steer::No)
    }

    /// Whether the value that begins at `next` replaces the one at `first`: "Monday, no, Friday". Of what has one slot
    /// alone, `is_alone`, so does "from Monday to Friday".
    pub(super) fn replaces(&self, first: &Range<usize>, next: usize, is_alone: bool) -> bool {
        let part = |part: Range<usize>| self.chars.get(part).unwrap_or_default().iter().collect::<String>();
        let (before, between) = (part(0..first.start), part(first.end..next));
        let (before, between) = (before.trim_end_matches(AROUND), between.trim_end_matches(AROUND));
        let moves = is_alone && ends(before, FROM) && words(TO).any(|word| word == between.trim_start_matches(AROUND));
        moves || ends(without_between(between), REPLACEMENTS) || ends(between, REPLACEMENTS) || takes_back(between)
    }

    /// Whether nothing but a pause, or a word that says nothing, stands between two values: "Friday, the 4th", 明天（周五）.
    pub(super) fn stand_together(&self, first_end: usize, next: usize) -> bool {
        let between: String = self.chars.get(first_end..next).unwrap_or_default().iter().collect();
        matches!(between.trim_matches([' ', ',', '(', '（', '，']), "" | "the" | "on" | "on the")
    }

    /// Whether it says a value, and nothing about it.
    fn states(&self, values: &[Range<usize>]) -> bool {
        let rest = self.around(values);
        values.iter().any(|value| {
            let part = |part: Option<&[char]>| part.unwrap_or_default().iter().collect::<String>();
            let (before, after) = (part(rest.get(..value.start)), part(rest.get(value.end..)));
            let is_stated = is_made_of(&before, "") || ends(without_between(&before), STATEMENTS);
            is_stated && is_made_of(&after, "")
        })
    }

    /// The text without its values.
    fn around(&self, values: &[Range<usize>]) -> Vec<char> {
        let is_value = |at: usize| values.iter().any(|value| value.contains(&at));
        self.chars.iter().enumerate().map(|(at, &c)| if is_value(at) { ' ' } else { c }).collect()
    }

    /// Whether it asks.
    pub(super) fn asks(&self) -> bool {
        has(&self.text, ASKING) || begins(&self.text, ASKS_AT_FIRST)
    }
}

/// Whether a no says more than that a question stays unanswered: that the intent is to end. Where that isn't clear it ends, as
/// nothing is done then.
pub(super) fn stops(text: &str, intent: &str) -> bool {
    let text = plain(text);
    let mut named = intent.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
    if has(&text, STOPS) || (has(&text, NEGATIONS) && named.any(|word| has(&text, &word.to_lowercase()))) {
        return true;
    }
    let dont = words(DONT).find_map(|word| text.get(find(&text, word)? + word.len()..));
    dont.is_some_and(|rest| !begins(rest, ABOUT_THE_ANSWER)) || is_forbidden(&text) || is_given_up(&text)
}

/// 别取消; 特别, 别的 and others are words of their own.
fn is_forbidden(text: &str) -> bool {
    text.match_indices('别').any(|(at, word)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + word.len()..).unwrap_or_default();
        !before.ends_with(['特', '区', '个', '级', '性', '类', '分']) && !after.starts_with(['的', '人', '扰'])
    })
}

/// 不取消了, 不订了.
fn is_given_up(text: &str) -> bool {
    /// The longest word between them, in characters.
    const LONGEST: usize = 5;
    text.match_indices('不').any(|(at, not)| {
        let after = text.get(at + not.len()..).unwrap_or_default();
        let Some((between, _)) = after.split_once('了') else { return false };
        let is_word = (1..=LONGEST).contains(&between.chars().count()) && between.chars().all(char::is_alphanumeric);
        is_word && !words(LEAVES_OUT).any(|word| between.starts_with(word))
    })
}

/// Whether what stands between two values takes back the first of them.
fn takes_back(between: &str) -> bool {
    if has(between, CORRECTIONS) {
        return true;
    }
    let between = between.trim_start_matches(|c: char| !c.is_alphanumeric());
    let no = words(BARE_NO).find(|no| begins(between, no));
    match no.and_then(|no| between.strip_prefix(no)) {
        // "No, Friday", "no wait, Friday", "no it's Friday"; not "no onions".
        Some(rest) => {
            let is_apart = rest.trim_start().starts_with(|c: char| !c.is_alphanumeric());
            is_apart || begins(rest, BEGINNINGS) || ends(rest, STATEMENTS)
        }
        None => begins(between, BEGINNINGS),
    }
}

/// Whether nothing else is said than that there is nothing to say: "none", "no note" where `slot` is that, 没有.
pub(super) fn is_nothing(text: &str, slot: &str) -> bool {
    let text = plain(text);
    let slot = slot.to_lowercase().replace('_', " ");
    begins(&text, NOTHING) && is_made_of(&text, &format!("{OF_WHAT}|{NOTHING}|{slot}s|{slot}"))
}

/// A yes or a no that is a gesture and nothing else.
fn gesture(text: &str) -> Option<Steer> {
    // A skin's tone, and that it is a picture, say nothing.
    let is_said = |c: &char| !c.is_whitespace() && !matches!(*c, '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}');
    let said: Vec<char> = text.chars().filter(is_said).collect();
    let is_of = |gestures: &[char]| !said.is_empty() && said.iter().all(|c| gestures.contains(c));
    match (is_of(&THUMBS_UP), is_of(&THUMBS_DOWN)) {
        (true, _) => Some(Steer::Yes),
        (_, true) => Some(Steer::No),
        _ => None,
    }
}

/// As it is compared: folded, and with plain apostrophes.
fn plain(text: &str) -> String {
    folded(text).replace('’', "'")
}

/// The words of a list.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split('|').filter(|word| !word.is_empty())
}

/// Where a text has a word, as a whole.
fn find(text: &str, word: &str) -> Option<usize> {
    text.match_indices(word).map(|(at, _)| at).find(|at| at_boundaries(text, *at, at + word.len()))
}

fn has(text: &str, list: &str) -> bool {
    words(list).any(|word| find(text, word).is_some())
}

fn begins(text: &str, list: &str) -> bool {
    let text = text.trim_start();
    words(list).any(|word| text.starts_with(word) && at_boundaries(text, 0, word.len()))
}

fn ends(text: &str, list: &str) -> bool {
    without_end(text, list).is_some()
}

/// What stands before one of the words that a text ends with.
fn without_end<'t>(text: &'t str, list: &str) -> Option<&'t str> {
    words(list).filter_map(|word| text.strip_suffix(word)).find(|rest| at_boundaries(text, rest.len(), text.len()))
}

/// Without the small words that it ends with.
fn without_between(text: &str) -> &str {
    let mut rest = text.trim_end_matches(AROUND);
    while let Some(before) = without_end(rest, BETWEEN) {
        rest = before.trim_end_matches(AROUND);
    }
    rest
}

/// Whether a text is made of these words and of those that say nothing.
fn is_made_of(text: &str, list: &str) -> bool {
    let mut rest = text.to_owned();
    for word in words(list).chain(words(LITTLE)) {
        while let Some(at) = find(&rest, word) {
            rest.replace_range(at..at + word.len(), " ");
        }
    }
    !rest.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests;
