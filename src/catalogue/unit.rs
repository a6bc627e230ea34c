//! Units of numbers, and what they are in each other.

/// A unit: what it measures, and how many of the smallest unit of that it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit {
    pub(super) of: Measure,
    pub(super) factor: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Money,
    Volume,
    Mass,
    Power,
    Length,
    Time,
    Charge,
    Storage,
}

/// The units of all but money, in the words that texts, cells and the names of columns use; folded.
const UNITS: &[(&[&str], Measure, f64)] = &[
    (&["ml", "毫升"], Measure::Volume, 1.0),
    (&["l", "liter", "liters", "litre", "litres", "升"], Measure::Volume, 1000.0),
    (&["g", "gram", "grams", "克"], Measure::Mass, 1.0),
    (&["kg", "kilo", "kilos", "公斤", "千克"], Measure::Mass, 1000.0),
    (&["斤"], Measure::Mass, 500.0),
    (&["w", "watt", "watts", "瓦"], Measure::Power, 1.0),
    (&["kw", "千瓦"], Measure::Power, 1000.0),
    (&["mm", "毫米"], Measure::Length, 1.0),
    (&["cm", "厘米", "公分"], Measure::Length, 10.0),
    (&["m", "metre", "metres", "meter", "meters", "米"], Measure::Length, 1000.0),
    (&["inch", "inches", "寸", "英寸"], Measure::Length, 25.4),
    (&["min", "minute", "minutes", "分钟"], Measure::Time, 1.0),
    (&["h", "hour", "hours", "小时"], Measure::Time, 60.0),
    (&["day", "days", "天"], Measure::Time, 1440.0),
    (&["month", "months", "个月"], Measure::Time, 43_200.0),
    (&["year", "years", "年"], Measure::Time, 525_600.0),
    (&["mah", "毫安", "毫安时"], Measure::Charge, 1.0),
    (&["mb"], Measure::Storage, 1.0),
    (&["gb"], Measure::Storage, 1024.0),
    (&["tb"], Measure::Storage, 1_048_576.0),
];

/// Currencies, by their codes, in the same words.
const CURRENCIES: &[(&str, &[&str])] = &[
    ("CNY", &["¥", "元", "圆", "块", "块钱", "人民币", "yuan", "rmb", "cny", "cn¥"]),
    ("USD", &["$", "us$", "usd", "美元", "dollar", "dollars", "bucks"]),
    ("EUR", &["€", "eur", "euro", "euros", "欧元"]),
    ("GBP", &["£", "gbp", "pounds"]),
    ("HKD", &["hk$", "hkd", "港元", "港币"]),
    ("TWD", &["nt$", "twd"]),
    ("SGD", &["s$", "sgd"]),
    ("AUD", &["a$", "au$", "aud"]),
    ("CAD", &["c$", "ca$", "cad"]),
    ("BRL", &["r$", "brl"]),
];

/// The code of the currency of a word, folded.
pub(super) fn currency(word: &str) -> Option<&'static str> {
    let word = bare(word);
    CURRENCIES.iter().find(|(_, words)| words.contains(&word)).map(|(code, _)| *code)
}

fn bare(word: &str) -> &str {
    word.trim().trim_matches(['(', ')', '.', '/'])
}

/// The unit of a word, folded.
pub(super) fn of(word: &str) -> Option<Unit> {
    if currency(word).is_some() {
        return Some(Unit { of: Measure::Money, factor: 1.0 });
    }
    let word = bare(word);
    let (_, of, factor) = UNITS.iter().find(|(words, ..)| words.contains(&word))?;
    Some(Unit { of: *of, factor: *factor })
}

/// The unit that a column's name tells, folded: `capacity_l`, `capacity (L)`, 「容量（升）」.
pub(super) fn of_name(name: &str) -> Option<Unit> {
    let last = name.rsplit(['_', ' ', '(', '[']).next().unwrap_or_default().trim_end_matches([')', ']']);
    (last.len() < name.len()).then(|| of(last)).flatten()
}

/// All words of units, the longest first, as alternatives of a regular expression.
pub(super) fn pattern() -> String {
    let money = CURRENCIES.iter().flat_map(|(_, words)| words.iter().copied());
    let mut words: Vec<&str> = UNITS.iter().flat_map(|(words, ..)| words.iter().copied()).chain(money).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    // A unit of letters ends where its word does.
    let escaped = words.iter().map(|word| match word.ends_with(|c: char| c.is_ascii_alphabetic()) {
        true => format!(r"{word}(?-u:\b)"),
        false => regex::escape(word),
    });
    escaped.collect::<Vec<_>>().join("|")
}
