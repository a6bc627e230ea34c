//! Texts, and what their words say.

use super::*;

/// Where a text has a value, which is `FL` and digits.
fn values(text: &str) -> Vec<Range<usize>> {
    let chars: Vec<char> = text.chars().collect();
    let begins = |at: &usize| chars[*at..].starts_with(&['F', 'L']);
    let starts = (0..chars.len()).filter(begins);
    starts
        .map(|start| start..start + 2 + chars[start + 2..].iter().take_while(|c| c.is_ascii_digit()).count())
        .collect()
}

#[test]
fn a_correction_is_known_by_its_words() {
    for text in [
        "no, I meant FL2",
        "FL2",
        "it’s FL2",
        "the order number is FL2",
        "oh wait, wrong number, it's FL2",
        "actually FL2 please",
        "my mistake, FL2",
        "sorry, I mistyped FL2",
        "it should be FL2",
        "order FL2, please",
        "不对，我是说FL2",
        "我打错了，是FL2",
        "应该是FL2",
        "订单号是FL2",
        "FL2 不是",
        "改成FL2吧",
    ] {
        assert!(Wording::of(text).corrects(&values(text)), "{text}");
    }
    for text in [
        "where is FL2",
        "sorry, where is FL2?",
        "is FL2 shipped",
        "track FL2",
        "FL2, any news?",
        "change the address of FL2",
        "I want to return FL2",
        "FL2到哪里了",
        "查一下FL2",
        "不好意思，帮我查一下FL2",
        "我要退FL2",
        "I meant well",
        "我是说",
    ] {
        assert!(!Wording::of(text).corrects(&values(text)), "{text}");
    }
}

#[test]
fn what_is_denied_stands_behind_the_denial() {
    let check = |text: &str, expected: &[bool]| {
        let wording = Wording::of(text);
        let found: Vec<bool> = values(text).iter().map(|value| wording.denies(value.start)).collect();
        assert_eq!(found, expected, "{text}");
    };
    check("not FL1 but FL2", &[true, false]);
    check("not the order FL1, I meant FL2", &[true, false]);
    check("FL2, not FL1", &[false, true]);
    check("FL2 instead of FL1", &[false, true]);
    check("不是FL1，是FL2", &[true, false]);
    check("是FL2，不是订单FL1", &[false, true]);
    check("不是，FL2", &[false]);
    check("是不是FL2", &[false]);
    check("不是FL2吗？", &[false]);
    check("why not FL2", &[false]);
    check("no, FL2", &[false]);
    check("a knot FL2", &[false]);
}

#[test]
fn a_yes_or_a_no_about_a_value_says_nothing_else() {
    let check = |text: &str, expected| assert_eq!(Wording::of(text).answer(&values(text)), expected, "{text}");
    check("yes, FL1", Some(Steer::Yes));
    check("Yes, that's the one: FL1.", Some(Steer::Yes));
    check("对，FL1", Some(Steer::Yes));
    check("是的，就是FL1", Some(Steer::Yes));
    check("not FL1", Some(Steer::No));
    check("不是FL1", Some(Steer::No));
    check("yes", None);
    check("FL1", None);
    check("yes, FL1 but only the kettle", None);
    check("yesterday FL1", None);
    check("对不起，FL1", None);
    check("是FL1吗", None);
    check("is it FL1?", None);
    check("对，不是FL1", None);
}

#[test]
fn a_no_that_is_about_the_intent_stops_it() {
    for text in [
        "no, don't cancel it",
        "no, don’t",
        "no wait, keep the order",
        "no need to cancel any more",
        "no, I don't need to cancel",
        "no, leave the order as it is",
        "算了，不取消了",
        "先不取消",
        "别取消",
        "不，请别办了",
        "不买了",
        "弄错了",
    ] {
        assert!(stops(text, "cancel_order"), "{text}");
    }
    for text in [
        "no",
        "nope",
        "no thanks",
        "no reason",
        "I'd rather not say",
        "I don't want to say",
        "no, I don't have one",
        "no longer needed",
        "没有",
        "不用了",
        "不必了",
        "不想说",
        "不说了",
        "没有别的",
        "没什么特别的",
        "没有原因",
        "不加了",
    ] {
        assert!(!stops(text, "cancel_order"), "{text}");
    }
}
