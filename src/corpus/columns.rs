//! Which columns of a table, or keys of objects, hold what: those that are named, else those whose names are known.

use super::{Columns, rows::excerpt};

/// What the column of texts may be called; of two ranks, the earlier one.
const TEXT: &[&[&str]] = &[
    &["text", "texts", "文本"],
    &["utterance", "utterances", "语句", "话语"],
    &[
        "sentence",
        "sentences",
        "query",
        "queries",
        "question",
        "questions",
        "message",
        "phrase",
        "phrases",
        "pattern",
        "patterns",
        "example",
        "examples",
        "training_phrase",
        "training_phrases",
        "user_input",
        "user_query",
        "句子",
        "问题",
        "问句",
        "提问",
        "用户问题",
        "用户输入",
        "语料",
        "例句",
    ],
];

/// The same of the column of intents.
const INTENT: &[&[&str]] = &[
    &["intent", "intents", "意图"],
    &["intent_name", "label_text", "label_name", "意图名称"],
    &["label", "labels", "标签"],
    &["class", "类"],
    &["category", "类别", "分类"],
    &["tag"],
];

/// What the column of replies may be called. It is told, and not taken unless it is named.
const REPLY: &[&str] =
    &["response", "responses", "reply", "replies", "answer", "answers", "回答", "回复", "答复", "答案", "应答"];

/// Where the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) text: usize,
    pub(super) intent: usize,
    pub(super) reply: Option<usize>,
    /// A column that looks as if it held replies, where none was named.
    pub(super) maybe_reply: Option<usize>,
}

/// One of the columns.
struct Sought<'c> {
    what: &'static str,
    option: &'static str,
    known: &'static [&'static [&'static str]],
    chosen: Option<&'c str>,
}

/// Finds the columns by their names; `more_intents` are other names for that of intents, after all that are known.
///
/// # Errors
/// What is missing or ambiguous, which columns there are, and how one is chosen.
pub(super) fn find(names: &[&str], chosen: &Columns, more_intents: &[&str]) -> Result<Found, String> {
    let text = Sought { what: "what users say", option: "--text-column", known: TEXT, chosen: chosen.text.as_deref() };
    let intent =
        Sought { what: "the intents", option: "--intent-column", known: INTENT, chosen: chosen.intent.as_deref() };
    let text = text.find(names)?;
    let intent = intent
        .find(names)
        .or_else(|error| names.iter().position(|name| more_intents.contains(&normal(name).as_str())).ok_or(error));
    let intent = intent.map_err(|error| if is_faq(names, chosen) { format!("{error}{FAQ}") } else { error })?;
    if text == intent {
        return Err(format!("the column '{}' can't hold both the texts and the intents", excerpt(names[text])));
    }
    let reply = Sought { what: "the replies", option: "--reply-column", known: &[], chosen: chosen.reply.as_deref() };
    let reply = chosen.reply.as_ref().map(|_| reply.find(names)).transpose()?;
    let looks_so = |at: &usize| ![text, intent].contains(at) && REPLY.contains(&normal(names[*at]).as_str());
    let maybe_reply = if reply.is_some() { None } else { (0..names.len()).find(looks_so) };
    Ok(Found { text, intent, reply, maybe_reply })
}

/// What to do with questions and their answers, which need no intents.
const FAQ: &str = "; or, as these are questions with their answers, import nothing: name the file in [knowledge] of an \
                   intents file, and let the handler search answer from it";

/// Whether what stands beside the texts is their answers, and no intent.
fn is_faq(names: &[&str], chosen: &Columns) -> bool {
    chosen.intent.is_none()
        && names.iter().any(|name| REPLY.contains(&normal(name).as_str()))
        && !names.iter().any(|name| is_intent(name))
}

/// Whether these names of the columns of texts and intents are the plain ones, so that nobody need be told of them.
pub(super) fn are_plain(text: &str, intent: &str) -> bool {
    (normal(text).as_str(), normal(intent).as_str()) == ("text", "intent")
}

/// Whether one of these names is known, so that they may be those of columns.
pub(super) fn are_known(names: &[&str]) -> bool {
    let known = |name: &str| TEXT.iter().chain(INTENT).any(|rank| rank.contains(&normal(name).as_str()));
    names.iter().any(|name| known(name))
}

/// Whether this is a known name of what users say.
pub(super) fn is_text(name: &str) -> bool {
    TEXT.iter().any(|rank| rank.contains(&normal(name).as_str()))
}

/// Whether a column of this name tells to which part of a data set a row belongs.
pub(super) fn is_split(name: &str) -> bool {
    ["split", "set", "partition", "fold", "dataset_split"].contains(&normal(name).as_str())
}

/// Whether this is a known name of what they meant.
pub(super) fn is_intent(name: &str) -> bool {
    INTENT.iter().any(|rank| rank.contains(&normal(name).as_str()))
}

impl Sought<'_> {
    fn find(&self, names: &[&str]) -> Result<usize, String> {
        let (what, option) = (self.what, self.option);
        if let Some(chosen) = self.chosen {
            let is_it = |name: &str| name.trim() == chosen.trim();
            let alike = |name: &str| normal(name) == normal(chosen);
            return match (positions(names, is_it), positions(names, alike)) {
                (exact, _) if exact.len() == 1 => Ok(exact[0]),
                (_, alike) if alike.len() == 1 => Ok(alike[0]),
                (_, alike) if alike.is_empty() => {
                    Err(format!("there is no column '{}' for {option}; there are {}", excerpt(chosen), listed(names)))
                }
                _ => Err(format!("several columns are called '{}': rename one", excerpt(chosen))),
            };
        }
        for rank in self.known {
            match positions(names, |name| rank.contains(&normal(name).as_str())).as_slice() {
                [] => {}
                [one] => return Ok(*one),
                several => {
                    let several: Vec<&str> = several.iter().map(|&at| names[at]).collect();
                    return Err(format!("{} may each hold {what}: choose one with {option}", listed(&several)));
                }
            }
        }
        let known: Vec<&str> = self.known.iter().filter_map(|rank| rank.first().copied()).collect();
        Err(format!(
            "no column is known to hold {what}, such as {}; there are {}: choose one with {option}",
            known.join(", "),
            listed(names)
        ))
    }
}

fn positions(names: &[&str], is: impl Fn(&str) -> bool) -> Vec<usize> {
    (0..names.len()).filter(|&at| is(names[at])).collect()
}

/// A name whose case, outer white space and way of joining words don't count.
fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

fn listed(names: &[&str]) -> String {
    /// A line of text that isn't a header may have any number of them.
    const MOST: usize = 30;
    let quoted: Vec<_> = names.iter().take(MOST).map(|name| format!("'{}'", excerpt(name))).collect();
    let more = if names.len() > MOST { " and more" } else { "" };
    quoted.join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str, intent: &str, reply: &str) -> Columns {
        let some = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Columns { text: some(text), intent: some(intent), reply: some(reply) }
    }

    #[test]
    fn columns_are_found_by_their_names_or_as_they_are_chosen() {
        fn check(names: &str, chosen: &Columns, text: usize, intent: usize) {
            let names: Vec<&str> = names.split(',').collect();
            let found = find(&names, chosen, &["name"]).map(|found| (found.text, found.intent));
            assert_eq!(found, Ok((text, intent)), "{names:?}");
        }
        let any = Columns::default();
        check("text,intent", &any, 0, 1);
        check("flags,utterance,category,intent", &any, 1, 3);
        check(" Text , LABEL", &any, 0, 1);
        check("text,label,label_text", &any, 0, 2);
        check("category,class,query", &any, 2, 1);
        check("class,label,User Query", &any, 2, 1);
        check("文本,意图", &any, 0, 1);
        check("问题,回答,分类", &any, 0, 2);
        check("query,text,intent", &any, 1, 2);
        check("name,patterns", &any, 1, 0);
        check("flags,instruction,category,intent,response", &columns("instruction", "", ""), 1, 3);
        check("flags,utterance,category,intent", &columns("", "Category", ""), 1, 2);
        check("Text,text,intent", &columns("text", "", ""), 1, 2);
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_told_with_the_columns_that_there_are() {
        fn check(names: &str, chosen: &Columns, said: &[&str]) {
            let names: Vec<&str> = names.split(',').collect();
            let Err(error) = find(&names, chosen, &[]) else { unreachable!("{names:?}") };
            assert!(said.iter().all(|said| error.contains(said)), "{error}");
        }
        let any = Columns::default();
        check(
            "role,instruction,intent,response",
            &any,
            &["what users say", "'role', 'instruction', ", "--text-column"],
        );
        check("text,x", &any, &["the intents", "'text', 'x'", "--intent-column"]);
        check("query,question,intent", &any, &["'query', 'question' may each hold", "--text-column"]);
        check("question,answer", &any, &["--intent-column; or, as these are questions", "[knowledge]", "search"]);
        check("问题,答案", &any, &["--intent-column; or, as these are questions"]);
        check("text,intent,Intent", &any, &["'intent', 'Intent' may each", "--intent-column"]);
        check("text,intent", &columns("utterance", "", ""), &["no column 'utterance'", "there are 'text', 'intent'"]);
        check("text,intent", &columns("", "", "response"), &["no column 'response'", "--reply-column"]);
        check("text,intent", &columns("intent", "", ""), &["can't hold both"]);
        check("<<<<<<< HEAD", &any, &["'<<<<<<< HEAD'"]);
    }

    #[test]
    fn a_column_of_replies_is_told_and_taken_only_by_name() {
        let names = ["text", "intent", "Response"];
        let reply = |chosen| find(&names, &chosen, &[]).map(|found| (found.reply, found.maybe_reply));
        assert_eq!(reply(Columns::default()), Ok((None, Some(2))));
        assert_eq!(reply(columns("", "", "response")), Ok((Some(2), None)));
    }
}
