//! Tests of entities: what a text names, in which characters, and within which bounds.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use proptest::prelude::*;

use super::*;

fn extractor() -> Extractor {
    let values = |values: &[(&str, &[&str])]| -> Vec<(String, Vec<String>)> {
        let owned = |said: &[&str]| said.iter().map(|&word| word.to_owned()).collect();
        values.iter().map(|&(value, said)| (value.to_owned(), owned(said))).collect()
    };
    let definition = |name: &str| Definition { name: name.into(), ..Definition::default() };
    let kettle: &[&str] = &["kettles", "水壶", "电水壶"];
    Extractor::new(&[
        Definition {
            values: values(&[("kettle", kettle), ("kettle stand", &[]), ("Müller", &[])]),
            ..definition("product")
        },
        Definition { patterns: vec![r"[A-Z]{2}\d{6,8}".into(), r"\d{10}".into()], ..definition("order_number") },
        Definition { built_in: Some(BuiltIn::Amount), ..definition("amount") },
        Definition { built_in: Some(BuiltIn::Date), ..definition("date") },
        Definition { built_in: Some(BuiltIn::Phone), ..definition("phone") },
        Definition { built_in: Some(BuiltIn::Email), ..definition("email") },
        Definition { built_in: Some(BuiltIn::Number), ..definition("number") },
    ])
    .unwrap()
    .unwrap()
}

#[test]
fn entities_are_found() {
    let extractor = extractor();
    let check = |text: &str, expected: &[(&str, &str, &str)]| {
        let found = extractor.extract(text);
        let told: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.value.as_str(), it.text.as_str())).collect();
        assert_eq!(told, expected, "{text}");
        for entity in found {
            let there: String = text.chars().skip(entity.start).take(entity.end - entity.start).collect();
            assert_eq!(there, entity.text);
        }
    };
    check("two Kettles, please", &[("number", "2", "two"), ("product", "kettle", "Kettles")]);
    check("the ＫＥＴＴＬＥ stand", &[("product", "kettle stand", "ＫＥＴＴＬＥ stand")]);
    check("kettlestand, akettle, kettle2", &[]);
    check("kettle's lid", &[("product", "kettle", "kettle")]);
    check("我的电水壶坏了", &[("product", "kettle", "电水壶")]);
    check("我的kettle坏了", &[("product", "kettle", "kettle")]);
    check("MÜLLER", &[("product", "Müller", "MÜLLER")]);
    check("order ab123456!", &[("order_number", "ab123456", "ab123456")]);
    check("订单AB123456到哪了", &[("order_number", "AB123456", "AB123456")]);
    check(
        "訂單AB123456到哪了，要三百五十元的水壺",
        &[("order_number", "AB123456", "AB123456"), ("amount", "350", "三百五十元"), ("product", "kettle", "水壺")],
    );
    check("ｆｌ２０２５１１０７", &[("order_number", "fl20251107", "ｆｌ２０２５１１０７")]);
    check("订单ＡＢ１２３４５６到哪了", &[("order_number", "AB123456", "ＡＢ１２３４５６")]);
    check("AB123456789", &[]);
    check("1234567890", &[("order_number", "1234567890", "1234567890")]);
    check("三百五十元的水壶", &[("amount", "350", "三百五十元"), ("product", "kettle", "水壶")]);
    check("$1,234.50 or 99 euros", &[("amount", "1234.50", "$1,234.50"), ("amount", "99", "99 euros")]);
    check("￥３５０", &[("amount", "350", "￥３５０")]);
    check("25块，3万元", &[("amount", "25", "25块"), ("amount", "30000", "3万元")]);
    check("我们一块去", &[]);
    check("on 2026-11-25", &[("date", "2026-11-25", "2026-11-25")]);
    check("二〇二六年十一月二十五日", &[("date", "2026-11-25", "二〇二六年十一月二十五日")]);
    check("11月25号送到", &[("date", "--11-25", "11月25号")]);
    check("Nov 3rd, 2026 or 4 December", &[("date", "2026-11-03", "Nov 3rd, 2026"), ("date", "--12-04", "4 December")]);
    check("明天来, see you tomorrow", &[("date", "tomorrow", "明天"), ("date", "tomorrow", "tomorrow")]);
    check("2026-13-45", &[("phone", "20261345", "2026-13-45")]);
    check("call +86 138-0013-8000", &[("phone", "+8613800138000", "+86 138-0013-8000")]);
    check("电话13800138000", &[("phone", "13800138000", "13800138000")]);
    check("mail Ann.Lee+x@shop.example.com.", &[("email", "ann.lee+x@shop.example.com", "Ann.Lee+x@shop.example.com")]);
    check("3 or 十五个", &[("number", "3", "3"), ("number", "15", "十五")]);
    check("两张", &[("number", "2", "两")]);
    check("我们两个人", &[("number", "2", "两")]);
    check("二张票", &[("number", "2", "二")]);
    check("兩張", &[("number", "2", "兩")]);
    check("十个人，三天", &[("number", "10", "十"), ("number", "3", "三")]);
    check("我要一张", &[("number", "1", "一")]);
    check("一个人", &[("number", "1", "一")]);
    check("two tickets", &[("number", "2", "two")]);
    check("a table for Eight, please", &[("number", "8", "Eight")]);
    check("one", &[("number", "1", "one")]);
    check("thirteen people", &[("number", "13", "thirteen")]);
    check("sixteen or Twenty-Two", &[("number", "16", "sixteen"), ("number", "22", "Twenty-Two")]);
    check("三。", &[("number", "3", "三")]);
    check("十", &[("number", "10", "十")]);
    check("就我一个人", &[("number", "1", "一")]);
    check("Just one ticket, please", &[("number", "1", "one")]);
    check("tonight, 明晚", &[("date", "today", "tonight"), ("date", "tomorrow", "明晚")]);
    let none = [
        "看一下",
        "一点",
        "一样",
        "两者",
        "第二张",
        "每三天",
        "前两次",
        "我有一个问题",
        "再说一次",
        "大后天",
        "星期三晚上",
        "one of them",
        "no one",
        "one moment",
        "which one is it",
        "two hundred",
        "two hundred and five",
        "two and a half",
        "twenty-first",
        "often",
        "network",
        "sixteenth",
    ];
    for text in none {
        check(text, &[]);
    }
    check("", &[]);
}

#[test]
fn a_number_of_a_day_or_a_time_counts_nothing() {
    let extractor = extractor();
    let numbers = |text: &str| -> Vec<String> {
        extractor.extract(text).into_iter().filter(|it| it.name == "number").map(|it| it.value).collect()
    };
    let none = [
        "25/11/2026",
        "11/25",
        "at 10:30",
        "3 pm",
        "three o'clock",
        "half past seven",
        "in three days",
        "2 weeks ago",
        "下午3点",
        "三点十五分",
        "三点二十",
        "晚上8点20",
        "三天后",
        "3个小时前",
        "25号下午",
        "12月",
        "-3",
        "minus 3",
        "负三十",
    ];
    for text in none {
        assert!(numbers(text).is_empty(), "{text}: {:?}", numbers(text));
    }
    for (text, expected) in [
        ("3 days", "3"),
        ("三天", "3"),
        ("for two weeks", "2"),
        ("下午三点，两个人", "2"),
        ("明天晚上8点20个人", "20"),
        ("晚上三点十个人", "10"),
        ("on 25/11 for 4", "4"),
        ("3日游", "3"),
    ] {
        assert_eq!(numbers(text), [expected], "{text}");
    }
}

#[test]
fn offsets_are_in_characters() {
    let found = extractor().extract("👋 我要水壶");
    assert_eq!((found[0].start, found[0].end), (4, 6));
}

#[test]
fn what_is_found_is_bounded() {
    let extractor = extractor();
    assert_eq!(extractor.extract(&"kettle ".repeat(10_000)).len(), MAX_ENTITIES);
    assert_eq!(extractor.extract(&format!("{}kettle", "x ".repeat(MAX_TEXT))), []);
    assert_eq!(extractor.extract(&"1".repeat(3000)), []);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let of = |pattern: &str| {
        Extractor::new(&[Definition { patterns: vec![pattern.into()], ..Definition::default() }]).map(|_| ())
    };
    assert_eq!(
        of("(").unwrap_err().to_string(),
        "'(' is no regular expression that can be used: error: unclosed group"
    );
    assert!(of(r"(\w{1000}){1000}").is_err());
    assert!(Extractor::new(&[]).unwrap().is_none());
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "(kettle|水壶|[0-9,.元$年月日号 ]|三百|İ|ß|.){0,40}") {
        let extractor = extractor();
        let mut end = 0;
        for entity in extractor.extract(&text) {
            prop_assert!(entity.start >= end && entity.end > entity.start);
            let there: String = text.chars().skip(entity.start).take(entity.end - entity.start).collect();
            prop_assert_eq!(there, entity.text);
            end = entity.end;
        }
    }
}
