//! The languages that a text can be translated to, by the names that people call them.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// Its BCP 47 tag.
    pub tag: &'static str,
    /// Its name in English, as the model is told it.
    pub name: &'static str,
    /// Its other names: in English in lower case, and in simplified Chinese.
    names: &'static [&'static str],
}

const LANGUAGES: [Language; 25] = [
    of("en", "English", &["英语", "英文", "英"]),
    of("zh-Hant", "Traditional Chinese", &["繁体中文", "繁体"]),
    of("zh", "Chinese", &["simplified chinese", "mandarin", "简体中文", "中文", "汉语", "中国话", "普通话", "中"]),
    of("ja", "Japanese", &["日语", "日文", "日本话", "日本语", "日"]),
    of("ko", "Korean", &["韩语", "韩文", "韩国话", "朝鲜语", "韩"]),
    of("fr", "French", &["法语", "法文", "法"]),
    of("de", "German", &["德语", "德文", "德"]),
    of("es", "Spanish", &["西班牙语", "西班牙文", "西语"]),
    of("it", "Italian", &["意大利语", "意大利文", "意语"]),
    of("pt", "Portuguese", &["葡萄牙语", "葡萄牙文", "葡语"]),
    of("ru", "Russian", &["俄语", "俄文"]),
    of("ar", "Arabic", &["阿拉伯语", "阿拉伯文"]),
    of("hi", "Hindi", &["印地语"]),
    of("vi", "Vietnamese", &["越南语", "越南文"]),
    of("th", "Thai", &["泰语", "泰文"]),
    of("id", "Indonesian", &["印尼语", "印度尼西亚语"]),
    of("ms", "Malay", &["马来语", "马来文"]),
    of("nl", "Dutch", &["荷兰语", "荷兰文"]),
    of("pl", "Polish", &["波兰语", "波兰文"]),
    of("tr", "Turkish", &["土耳其语", "土耳其文"]),
    of("uk", "Ukrainian", &["乌克兰语"]),
    of("sv", "Swedish", &["瑞典语"]),
    of("el", "Greek", &["希腊语", "希腊文"]),
    of("he", "Hebrew", &["希伯来语"]),
    of("cs", "Czech", &["捷克语"]),
];

const fn of(tag: &'static str, name: &'static str, names: &'static [&'static str]) -> Language {
    Language { tag, name, names }
}

impl Language {
    /// The language that is called so.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let name = name.to_lowercase();
        LANGUAGES.iter().find(|it| it.name.eq_ignore_ascii_case(&name) || it.names.contains(&name.as_str()))
    }

    /// The language of a tag, such as that of a request's locale or a setting: `zh-TW` is Chinese where there is no nearer.
    pub fn of_tag(tag: &str) -> Option<&'static Self> {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let exact = LANGUAGES.iter().find(|it| it.tag.eq_ignore_ascii_case(tag));
        exact.or_else(|| LANGUAGES.iter().find(|it| it.tag == primary(tag)))
    }

    /// Every name, the longest first, for a regular expression.
    pub(super) fn all_names() -> String {
        let mut names: Vec<&str> = LANGUAGES.iter().flat_map(|it| it.names.iter().copied().chain([it.name])).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.join("|")
    }
}
