//! Politeness around what somebody wants: copies of the examples with an opening before and a closing after them, so that
//! the model learns that those say nothing of the intent.
//!
//! **Invariant:** which copies there are depends on the examples and their order alone.

use crate::domain::language::language_of_script;

/// Copies of an example at most.
const OF_EXAMPLE: usize = 2;
/// Copies of an intent's examples, and of all examples, at most. More take longer, and bring less and less.
const OF_INTENT: usize = 100;
const IN_ALL: usize = 5000;

/// What is said before and after a request in one language.
struct Phrases {
    openings: &'static [&'static str],
    closings: &'static [&'static str],
}

const ENGLISH: Phrases = Phrases {
    openings: &[
        "hi, ",
        "hello, ",
        "hey, ",
        "hi there, ",
        "good morning, ",
        "good evening team, ",
        "hello, hope you are well, ",
        "hey, how are you doing? ",
        "hi, I hope your day is going well. ",
        "good day, nice to meet you, ",
        "hiya, anybody there? ",
        "excuse me, ",
        "sorry, ",
        "sorry to trouble you but ",
        "please, ",
        "please tell me, ",
        "can you tell me, ",
        "could you tell me ",
        "can you help me, ",
        "could you help me out, ",
        "would you be so kind, ",
        "would it be possible, ",
        "I wonder if you could help, ",
        "I was hoping you could help me, ",
        "I want to ask, ",
        "I'd like to ask you something, ",
        "I would like to find out, ",
        "I need some help, ",
        "just a question, ",
        "one question, ",
        "just wondering, ",
        "do you know, ",
        "do you mind if I ask, ",
        "may I ask, ",
        "well, ",
        "so ",
        "ok so, ",
        "um, ",
        "listen, ",
        "actually, ",
        "if you don't mind, ",
        "when you have a minute, ",
        "thanks for taking my question, ",
        "I've been meaning to ask, ",
        "dear support, ",
    ],
    closings: &[
        " please",
        ", pls",
        " please and thank you",
        ", thanks",
        ", thank you",
        " thanks a lot",
        ", thank you very much",
        ", thanks in advance",
        ", thanks for helping",
        ", appreciate it",
        ", I appreciate your help",
        ", much appreciated",
        ", that would be great",
        ", that would be really helpful",
        ", if you can",
        ", if possible",
        ", if you don't mind",
        ", can you help?",
        ", could you help me please",
        ", any help is welcome",
        ", any idea?",
        ", let me know",
        ", sorry to trouble you",
        ", you are very kind",
        ", that helps a lot",
        ", cheers mate",
        ", sorry",
        ", have a nice day",
        ", right?",
        ", ok?",
        ", best regards",
        ", kind regards",
        " asap",
        ", hope to hear from you soon",
        ", thanks and have a good day",
    ],
};

const CHINESE: Phrases = Phrases {
    openings: &[
        "你好，",
        "您好，",
        "你好呀，",
        "嗨，",
        "早上好，",
        "亲爱的客服，",
        "客服在不在，",
        "有人吗，",
        "请问",
        "请问一下，",
        "想请问下，",
        "我想问一下，",
        "想问问，",
        "我想咨询下，",
        "我想知道",
        "我想了解下",
        "麻烦问下，",
        "麻烦帮我看下，",
        "麻烦您，",
        "不好意思，",
        "抱歉打扰，",
        "打扰了，",
        "劳驾，",
        "能帮我一下吗，",
        "可以帮个忙吗，",
        "能不能帮我查一下，",
        "可不可以告诉我，",
        "你知道吗，",
        "有个问题，",
        "问个问题，",
        "请教一下，",
        "是这样的，",
        "就是说，",
        "嗯，",
        "其实，",
        "这个，",
        "帮我看看，",
        "拜托，",
        "老板，",
        "小姐姐，",
        "辛苦帮忙看下，",
    ],
    closings: &[
        "，谢谢",
        "，谢谢您",
        "，谢谢啦",
        "谢谢",
        "，多谢",
        "，感谢",
        "，十分感谢您",
        "，先谢谢了",
        "，麻烦了",
        "，麻烦你啦",
        "，辛苦您了",
        "，拜托啦",
        "，求帮忙",
        "，可以帮我吗",
        "，能帮忙看看吗",
        "行吗",
        "好吗",
        "，请问",
        "，请告诉我一下",
        "，请回复一下",
        "，急",
        "，在线等",
        "，打扰了",
        "，不好意思",
        "，祝您生活愉快",
        "呀",
        "啊",
        "，谢谢客服",
        "，感谢你的耐心",
        "，期待您的回复",
        "哦",
    ],
};

impl Phrases {
    /// Those in the language that a text's script speaks for. English is learned in any that shares its letters.
    fn for_text(text: &str) -> Option<&'static Self> {
        match language_of_script(text) {
            None => Some(&ENGLISH),
            Some("zh") => Some(&CHINESE),
            Some(_) => None,
        }
    }

    /// A text within phrases that the number of its example chooses. The first copy has two openings, so that more of
    /// them are learned.
    fn around(&self, text: &str, copy: usize, number: usize) -> String {
        let opening = |at: usize| self.openings[at % self.openings.len()];
        let at = 7 * number + 13 * copy;
        let second = if copy == 0 { opening(at / 2 + 11) } else { "" };
        let closing = self.closings[(at / 3 + 5 * copy) % self.closings.len()];
        format!("{}{second}{text}{closing}", opening(at))
    }
}

/// A polite copy of an example.
#[derive(Debug, PartialEq)]
pub(super) struct Copy {
    /// The example's place.
    pub(super) of: usize,
    pub(super) text: String,
}

/// Polite copies of examples, of which each has an intent, one of `0..intents`; evenly from all examples of an
/// intent.
pub(super) fn copies(texts: &[&str], labels: &[usize], intents: usize) -> Vec<Copy> {
    let most = OF_INTENT.min(IN_ALL / intents);
    let mut counts = vec![0; intents];
    labels.iter().for_each(|&intent| counts[intent] += 1);
    let mut dealt = vec![0; intents];
    let mut copies = Vec::new();
    for (of, (text, &intent)) in texts.iter().zip(labels).enumerate() {
        let count = counts[intent];
        let all = most.min(OF_EXAMPLE * count);
        let share = all * (dealt[intent] + 1) / count - all * dealt[intent] / count;
        dealt[intent] += 1;
        if let Some(phrases) = Phrases::for_text(text) {
            copies.extend((0..share).map(|copy| Copy { of, text: phrases.around(text, copy, of) }));
        }
    }
    copies
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    #[test]
    fn an_example_has_two_copies_and_an_intent_a_hundred() {
        let count = |examples: usize| {
            let labels = vec![0; examples];
            let mut counts = vec![0; examples];
            copies(&vec!["refund"; examples], &labels, 1).iter().for_each(|copy| counts[copy.of] += 1);
            (counts.iter().sum::<usize>(), counts.iter().copied().min(), counts.iter().copied().max())
        };
        assert_eq!(count(10), (20, Some(2), Some(2)));
        assert_eq!(count(75), (100, Some(1), Some(2)));
        assert_eq!(count(1000), (100, Some(0), Some(1)));
    }

    #[test]
    fn politeness_is_in_the_language_of_the_text() {
        let texts = ["refund", "退款", "返金してください", "환불"];
        let copies = copies(&texts, &[0, 0, 1, 1], 2);
        assert_eq!(copies.iter().map(|copy| copy.of).collect::<Vec<_>>(), [0, 0, 1, 1]);
        for Copy { of, text } in copies {
            assert!(text.contains(texts[of]) && text.len() > texts[of].len(), "{text}");
            assert_eq!(language_of_script(&text), language_of_script(texts[of]));
        }
    }

    /// What the sample bot is tested with proves nothing if it learned it.
    #[test]
    fn no_test_measures_with_these_phrases() {
        let letters = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let fixture = include_str!("../../../tests/fixtures/padding.jsonl");
        let measured: Vec<String> = fixture
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| letters(line.get("before").or(line.get("after")).unwrap().as_str().unwrap()))
            .collect();
        assert!(measured.len() > 40);
        for phrases in [ENGLISH, CHINESE] {
            for phrase in phrases.openings.iter().chain(phrases.closings) {
                assert!(!measured.contains(&letters(phrase)), "{phrase}");
            }
        }
    }
}
