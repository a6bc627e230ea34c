//! Kinds of entities that are known without being told: amounts of money, dates, e-mail addresses, numbers, phone
//! numbers. Their texts are folded before.

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

use super::numeral::{self, ARABIC, CHINESE};

/// A kind of entity that is known without being told. Of two that fit the same text, the earlier here counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltIn {
    /// A day: `2026-11-25`, `--11-25` without a year (ISO 8601), or `today`, `tomorrow`, `yesterday`,
    /// `day_after_tomorrow`, `day_before_yesterday`.
    Date,
    /// A sum of money; its value is the number.
    Amount,
    /// An e-mail address, in lower case.
    Email,
    /// A phone number: digits, maybe after a `+`.
    Phone,
    /// A number, in decimal notation.
    Number,
}

/// The kinds, and what the intents file calls each.
pub const BUILT_IN: [(&str, BuiltIn); 5] = [
    ("amount", BuiltIn::Amount),
    ("date", BuiltIn::Date),
    ("email", BuiltIn::Email),
    ("number", BuiltIn::Number),
    ("phone", BuiltIn::Phone),
];

const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What a form of a kind looks like, and how its value is read; `None` if it isn't one after all.
type Form = (Option<Regex>, Read);
type Read = fn(&Captures<'_>) -> Option<String>;

const MONTHS: &str = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|\
                      oct(?:ober)?|nov(?:ember)?|dec(?:ember)?";

static AMOUNTS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let forms = [
        format!(r"(?:[$€£¥]|rmb|cny|usd|eur|gbp)\s?(?<n>{ARABIC})"),
        format!(
            r"(?<n>{ARABIC}|{CHINESE}+(?:点{CHINESE}+)?)\s?(?:元|圆|块钱|人民币|美元|美金|欧元|英镑|港币|日元|rmb|cny|usd|euros?|eur|gbp|yuan|dollars?|pounds?|bucks)"
        ),
        // 一块 also means 'together'.
        format!(r"(?<n>{ARABIC}|{CHINESE}{{2,}})块"),
    ];
    forms.into_iter().map(|form| (Regex::new(&form).ok(), number as Read)).collect()
});

static DATES: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let forms: [(String, Read); 5] = [
        (r"(?<y>\d{4})[-/.](?<m>\d{1,2})[-/.](?<d>\d{1,2})".to_owned(), day),
        (
            format!(
                r"(?:(?<y>\d{{4}}|{CHINESE}{{4}})年)?(?<m>\d{{1,2}}|{CHINESE}{{1,3}})月(?<d>\d{{1,2}}|{CHINESE}{{1,3}})[日号]"
            ),
            day,
        ),
        (format!(r"(?<d>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?<m>{MONTHS})\b\.?(?:,?\s(?<y>\d{{4}}))?"), day),
        (format!(r"(?<m>{MONTHS})\b\.?\s(?<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?<y>\d{{4}}))?"), day),
        (
            "the day after tomorrow|the day before yesterday|today|tonight|tomorrow|yesterday|\
             今天|今日|今晚|明天|明日|明晚|昨天|昨日|昨晚|大后天|大前天|后天|前天"
                .to_owned(),
            word,
        ),
    ];
    forms.into_iter().map(|(form, read)| (Regex::new(&form).ok(), read)).collect()
});

static EMAILS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = r"[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}";
    vec![(Regex::new(form).ok(), |found| Some(found[0].to_owned()))]
});

/// What is counted in Chinese.
const MEASURES: &str = "[张个位人份件瓶箱双盒只条台本杯次天晚间套支枚名辆袋包桶斤]";
/// What makes another number of the one before it: "two hundred", "two and a half", "eight thirty", "twenty-first".
const JOINED: &str = "thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|\
                      fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|point|half|and a half|\
                      first|second|thirds?|fourth|quarters?|fifths?|sixth|seventh|eighth|ninth";
/// And of the one behind it: "a hundred and two".
const SCALES: &str = "hundred|thousand|million|billion|dozen|point|half";

static NUMBERS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let english = numeral::english_below_hundred();
    let forms: [(String, Read); 6] = [
        // One character alone is more often part of a word: 一下, 万一.
        (format!(r"(?<n>{ARABIC}|{CHINESE}{{2,}}(?:点{CHINESE}+)?)"), number),
        // Unless nothing else is said.
        (r"^\s*(?<at>[零〇一二两三四五六七八九十])[吧。.!\s]*$".to_owned(), counted),
        // Before what is counted it is a number. 第二张 is none, and 一个 is an article where more is said.
        (
            format!(r"(?<other>[第每哪这那另某同几前后上下周期]|{CHINESE})?(?<at>[二两三四五六七八九十]){MEASURES}"),
            counted,
        ),
        (format!(r"^\s*(?:只有?|就)?我?[就只]?[有要]?(?<at>一){MEASURES}人?[吧。.!\s]*$"), counted),
        (
            r"^\s*(?:just |only )?(?<at>one)(?: (?:person|ticket|seat|piece|bottle|box))?(?:,? please)?[.!\s]*$"
                .to_owned(),
            counted,
        ),
        (
            format!(
                r"(?<other>(?:{SCALES})(?: and)?[ -])?(?<at>{english})(?<more>[ -](?:{JOINED})\b(?:(?: and)?[ -](?:{JOINED}|{english})\b)*)?"
            ),
            counted,
        ),
    ];
    forms.into_iter().map(|(form, read)| (Regex::new(&form).ok(), read)).collect()
});

/// What has numbers that count nothing: a day, a time, what is below zero. Where more has to stand behind it, it is `at`.
static UNCOUNTED: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    /// What time is counted by. Its number alone, 三天 or "3 days", may be what is asked.
    const SPANS: &str = "(?:分钟|小时|钟头|天|周|星期|礼拜|月|年)";
    const UNITS: &str = r"(?:minute|min|hour|day|week|month|year)s?(?-u:\b)";
    let english = numeral::english_below_hundred();
    let number = format!(r"(?-u:\b)(?:\d+|{english}|one)(?-u:\b)");
    let short = format!(r"(?:\d{{1,2}}|{CHINESE}{{1,3}})");
    let forms = [
        // 25/11/2026, 11/25; 25.11.2026.
        r"\d{1,4}/\d{1,2}(?:/\d{1,4})?".to_owned(),
        r"\d{4}[.-]\d{1,2}[.-]\d{1,2}|\d{1,2}[.-]\d{1,2}[.-]\d{4}".to_owned(),
        // 2026年, 11月25, 25日, 25号下午. 三日游 is a journey of so many days.
        r"\d{4}年".to_owned(),
        format!(r"{short}月(?:{short}(?:[日号]|$))?"),
        format!(r"(?<at>{short}日)(?:$|[^游])"),
        format!(r"(?<at>{short}号)(?:上午|下午|早|晚|中午|之?[前后]|以[前后]|到|至|去|来|走|出发|入住)"),
        // 10:30, 3 pm, three o'clock, half past three.
        r"\d{1,2}:\d{2}(?::\d{2})?".to_owned(),
        format!(r"{number}\s?(?:[ap]\.?m(?-u:\b)|o['’]?clock)"),
        format!(r"(?:half|quarter)\s(?:past|to)\s{number}"),
        // 3点, 三点零五分, and 三点十五 where nothing is counted behind it; but 三点一四 is a decimal.
        format!(r"{short}点(?:{short}分)?"),
        format!(r"(?<at>{short}点(?:\d{{2}}|[二三四五]?十[一二三四五六七八九]?))(?:$|[^\d{CHINESE}{MEASURES}])"),
        format!(
            r"(?<at>(?:上午|下午|早上|晚上|中午|凌晨|傍晚|今晚|明晚)\s?{short}点{short})(?:$|[^\d{CHINESE}{MEASURES}])"
        ),
        // "In three days", "two weeks ago", 三天后.
        format!(r"(?-u:\b)in\s(?:about\s)?{number}\s{UNITS}"),
        format!(r"{number}\s{UNITS}\s(?:ago|later|from\s(?:now|today))(?-u:\b)"),
        format!(r"(?:\d+|{CHINESE}+)\s?个?半?{SPANS}[之以]?[后前]"),
        // -3, minus 3, 负三.
        format!(r"(?:^|[\s(,，:])(?<at>[-−]{ARABIC})"),
        format!(r"(?-u:\b)minus\s{number}|负(?:{ARABIC}|{CHINESE}+)"),
    ];
    forms.iter().map(|form| Regex::new(form).ok()).collect()
});

static PHONES: LazyLock<Vec<Form>> = LazyLock::new(|| vec![(Regex::new(r"\+?\d(?:[ ().-]{0,2}\d){6,14}").ok(), phone)]);

impl BuiltIn {
    /// Where a folded text has entities of this kind, in bytes, and their values.
    pub(super) fn find(self, text: &str) -> Vec<(Range<usize>, String)> {
        let forms = match self {
            Self::Amount => &AMOUNTS,
            Self::Date => &DATES,
            Self::Email => &EMAILS,
            Self::Number => &NUMBERS,
            Self::Phone => &PHONES,
        };
        let mut found = Vec::new();
        if matches!(self, Self::Amount | Self::Phone) && !numeral::may_be_in(text) {
            return found;
        }
        for (form, read) in forms.iter() {
            let matches = form.iter().flat_map(|form| form.captures_iter(text));
            found.extend(matches.filter_map(|it| Some((it.name("at").or(it.get(0))?.range(), read(&it)?))));
        }
        if self == Self::Number && !found.is_empty() {
            let uncounted = uncounted(text);
            let is_within =
                |part: &Range<usize>| uncounted.iter().any(|whole| whole.start <= part.start && part.end <= whole.end);
            found.retain(|(part, _)| !is_within(part));
        }
        found
    }
}

/// Where a text has days, times and what is below zero, in bytes.
fn uncounted(text: &str) -> Vec<Range<usize>> {
    let days = DATES.iter().filter_map(|(form, read)| Some((form.as_ref()?, *read)));
    let days = days.flat_map(|(form, read)| {
        form.captures_iter(text).filter_map(move |it| {
            read(&it)?;
            Some(it.get(0)?.range())
        })
    });
    let others = UNCOUNTED.iter().flatten().flat_map(|form| form.captures_iter(text));
    days.chain(others.filter_map(|it| Some(it.name("at").or(it.get(0))?.range()))).collect()
}

fn number(found: &Captures<'_>) -> Option<String> {
    numeral::value(found.name("n")?.as_str())
}

/// A number that is known by what stands around it.
fn counted(found: &Captures<'_>) -> Option<String> {
    let is_part = found.name("other").is_some() || found.name("more").is_some();
    numeral::value(found.name("at")?.as_str()).filter(|_| !is_part)
}

fn phone(found: &Captures<'_>) -> Option<String> {
    Some(found[0].chars().filter(|c| c.is_ascii_digit() || *c == '+').collect())
}

fn day(found: &Captures<'_>) -> Option<String> {
    let part = |name: &str| found.name(name).map(|it| it.as_str());
    let whole = |text: &str| text.parse::<u64>().ok().or_else(|| numeral::chinese(text));
    let month = part("m")?;
    let month = whole(month).or_else(|| {
        let names = MONTHS.split('|').map(|name| name.get(..3).unwrap_or_default());
        names.zip(1..).find(|(name, _)| month.starts_with(name)).map(|(_, number)| number)
    })?;
    let day = whole(part("d")?)?;
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let longest = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !(1..=longest).contains(&day) {
        return None;
    }
    Some(match part("y") {
        Some(year) => format!("{:04}-{month:02}-{day:02}", whole(year)?),
        None => format!("--{month:02}-{day:02}"),
    })
}

/// What a day without a year, or one that is told from today, is called in English and in Chinese. None for what is written
/// in full, or is no day.
pub fn words_of_day(value: &str) -> Option<[String; 2]> {
    let words = match value {
        "today" => ["today", "今天"],
        "tomorrow" => ["tomorrow", "明天"],
        "yesterday" => ["yesterday", "昨天"],
        "day_after_tomorrow" => ["the day after tomorrow", "后天"],
        "day_before_yesterday" => ["the day before yesterday", "前天"],
        _ => {
            let (month, day) = value.strip_prefix("--")?.split_once('-')?;
            let (month, day): (usize, u8) = (month.parse().ok()?, day.parse().ok()?);
            let name = MONTH_NAMES.get(month.checked_sub(1)?)?;
            return Some([format!("{day} {name}"), format!("{month}月{day}日")]);
        }
    };
    Some(words.map(str::to_owned))
}

fn word(found: &Captures<'_>) -> Option<String> {
    let day = match &found[0] {
        "today" | "tonight" | "今天" | "今日" | "今晚" => "today",
        "tomorrow" | "明天" | "明日" | "明晚" => "tomorrow",
        "yesterday" | "昨天" | "昨日" | "昨晚" => "yesterday",
        "the day after tomorrow" | "后天" => "day_after_tomorrow",
        "the day before yesterday" | "前天" => "day_before_yesterday",
        // 大后天 is no 后天.
        _ => return None,
    };
    Some(day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        for forms in [&AMOUNTS, &DATES, &EMAILS, &NUMBERS, &PHONES] {
            assert!(!forms.is_empty() && forms.iter().all(|(form, _)| form.is_some()));
        }
        assert!(UNCOUNTED.iter().all(Option::is_some));
    }

    #[test]
    fn a_day_is_found_in_its_words() {
        let days =
            ["today", "tomorrow", "yesterday", "day_after_tomorrow", "day_before_yesterday", "--05-31", "--12-04"];
        for day in days {
            for words in words_of_day(day).into_iter().flatten() {
                let found = BuiltIn::Date.find(&words.to_lowercase());
                assert!(found.iter().any(|(range, value)| range.len() == words.len() && value == day), "{words}");
            }
            assert!(words_of_day(day).is_some(), "{day}");
        }
        for other in ["2026-12-04", "--13-04", "--00-04", "--12", "monday", ""] {
            assert_eq!(words_of_day(other), None, "{other}");
        }
    }
}
