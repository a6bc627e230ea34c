//! What a user is told of attachments that weren't used, and of a conversation that isn't known any more: the only sentences
//! that this program says by itself.
//!
//! Chinese to who reads Chinese, English to all others; both where nothing says which.

use crate::domain::{
    AttachmentKind::{self, Audio, File, Image},
    Request, Role,
    language::{choose, language_of_script},
};

/// Why an attachment wasn't used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// Nobody here takes such.
    Unread,
    /// It couldn't be fetched from its address.
    Unfetched,
    /// It was looked at, and nothing could be made of it.
    Unclear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    English,
    Chinese,
}

impl Unused {
    /// The word that metrics use.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Unfetched => "unfetched",
            Self::Unclear => "unclear",
        }
    }
}

/// An answer, and behind it what of the attachments wasn't used.
pub(super) fn beside(
    answer: &str,
    unused: &[(AttachmentKind, Unused)],
    request: &Request,
    locale: Option<&str>,
) -> String {
    let language = locale.map(|tag| of(Some(tag), answer)).or_else(|| language(request));
    let note = in_languages(language, |language| match language {
        Language::English => format!("({})", sentences(unused, language)),
        Language::Chinese => format!("（{}）", sentences(unused, language)),
    });
    format!("{answer}\n\n{note}")
}

/// What is said where there is no answer, and its language where it has one.
pub(super) fn alone(unused: &[(AttachmentKind, Unused)], request: &Request) -> (String, Option<String>) {
    let language = language(request);
    let text = in_languages(language, |language| match language {
        Language::English => format!("{} Please tell me in words.", sentences(unused, language)),
        Language::Chinese => format!("{}请用文字告诉我。", sentences(unused, language)),
    });
    let tag = language.map(|language| if language == Language::Chinese { "zh" } else { "en" });
    (text, tag.map(str::to_owned))
}

/// An answer, and in front of it that what was said before isn't known any more.
pub(super) fn anew(answer: &str, request: &Request, locale: Option<&str>) -> String {
    let language = locale.map(|tag| of(Some(tag), answer)).or_else(|| language(request));
    let note = in_languages(language, |language| match language {
        Language::English => "(I no longer know what we talked about before, so we start afresh.)".to_owned(),
        Language::Chinese => "（之前的对话我已经没有记录了，我们重新开始。）".to_owned(),
    });
    format!("{note}\n\n{answer}")
}

fn in_languages(language: Option<Language>, say: impl Fn(Language) -> String) -> String {
    match language {
        Some(language) => say(language),
        None => format!("{}\n{}", say(Language::English), say(Language::Chinese)),
    }
}

fn sentences(unused: &[(AttachmentKind, Unused)], language: Language) -> String {
    let separator = if language == Language::English { " " } else { "" };
    unused.iter().map(|why| sentence(*why, language)).collect::<Vec<_>>().join(separator)
}

fn sentence(why: (AttachmentKind, Unused), language: Language) -> &'static str {
    use Unused::{Unclear, Unfetched, Unread};
    let (english, chinese) = match why {
        (Image, Unread) => ("I can't look at pictures.", "我看不了图片。"),
        (Audio, Unread) => ("I can't listen to recordings.", "我听不了语音。"),
        (File, Unread) => ("I can't open files.", "我打不开文件。"),
        (Image, Unfetched) => ("I couldn't fetch the picture.", "我没能取到图片。"),
        (Audio, Unfetched) => ("I couldn't fetch the recording.", "我没能取到语音。"),
        (File, Unfetched) => ("I couldn't fetch the file.", "我没能取到文件。"),
        (Image, Unclear) => ("I couldn't make out the picture.", "我没看明白图片。"),
        (Audio, Unclear) => ("I couldn't make out the recording.", "我没听清语音。"),
        (File, Unclear) => ("I couldn't make out the file.", "我没看明白文件。"),
    };
    if language == Language::English { english } else { chinese }
}

/// The user's language: that of the locale, else of the text, else of what was said last; none where nothing says.
fn language(request: &Request) -> Option<Language> {
    let said = request.history.iter().rfind(|turn| turn.role == Role::User).map(|turn| turn.text.as_str());
    let text = Some(request.text.as_str()).filter(|_| request.has_text()).or(said);
    let locale = request.locale.as_deref().filter(|tag| !tag.trim().is_empty());
    (locale.is_some() || text.is_some()).then(|| of(locale, text.unwrap_or_default()))
}

fn of(locale: Option<&str>, text: &str) -> Language {
    // Japanese holds Chinese characters too, and isn't read by who reads Chinese alone.
    let is_other = locale.is_none() && language_of_script(text).is_some_and(|language| language != "zh");
    let languages = [("en", Language::English), ("zh", Language::Chinese)];
    let chosen = choose(&languages, |(tag, _)| tag, locale, text).filter(|_| !is_other);
    chosen.map_or(Language::English, |(_, language)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Turn;

    fn request(text: &str, locale: Option<&str>, said: Option<&str>) -> Request {
        let history = said.map(|text| Turn { role: Role::User, text: text.to_owned() });
        let locale = locale.map(str::to_owned);
        Request { text: text.to_owned(), locale, history: history.into_iter().collect(), ..Request::default() }
    }

    #[test]
    fn a_user_is_told_in_the_users_language() {
        fn check(text: &str, locale: Option<&str>, said: Option<&str>, expected: &str, tag: Option<&str>) {
            let (found, language) = alone(&[(Image, Unused::Unread)], &request(text, locale, said));
            assert_eq!((found.as_str(), language.as_deref()), (expected, tag), "{text} {locale:?} {said:?}");
        }
        const ENGLISH: &str = "I can't look at pictures. Please tell me in words.";
        const CHINESE: &str = "我看不了图片。请用文字告诉我。";
        check("", Some("zh-CN"), None, CHINESE, Some("zh"));
        check("", Some("en-GB"), Some("你好"), ENGLISH, Some("en"));
        check("", Some("fr"), None, ENGLISH, Some("en"));
        check("", None, Some("这是什么"), CHINESE, Some("zh"));
        check("", None, Some("what is this"), ENGLISH, Some("en"));
        check("", None, Some("これは何ですか"), ENGLISH, Some("en"));
        let both = format!("{ENGLISH}\n{CHINESE}");
        check("", None, None, &both, None);
        check(" ", Some(" "), None, &both, None);
    }

    #[test]
    fn what_was_not_used_stands_behind_the_answer() {
        let unused = [(Audio, Unused::Unclear), (File, Unused::Unfetched)];
        assert_eq!(
            beside("Within 30 days.", &unused, &request("how long?", None, None), Some("en")),
            "Within 30 days.\n\n(I couldn't make out the recording. I couldn't fetch the file.)"
        );
        assert_eq!(
            beside("30天内。", &unused, &request("多久？", None, None), None),
            "30天内。\n\n（我没听清语音。我没能取到文件。）"
        );
        // The answer's own language goes first.
        assert!(beside("30天内。", &unused, &request("how long?", Some("en"), None), Some("zh")).ends_with("文件。）"));
    }
}
