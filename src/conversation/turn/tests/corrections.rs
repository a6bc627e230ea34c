//! Values that are corrected, denied and agreed to, whatever the model takes the text for; and what ends an intent.

use super::check;

#[test]
fn of_what_is_said_not_this_but_that_the_other_is_taken() {
    for text in [
        "not FL123 but FL456",
        "no, not FL123, I meant FL456",
        "FL456, not FL123",
        "FL123 is wrong, it's FL456",
        "不是FL123，是FL456",
        "是FL456，不是FL123",
        "FL123不对，应该是FL456",
    ] {
        for intent in ["track", "deny", "cancel_order", ""] {
            check(&[
                ("cancel_order", "cancel order FL123", "ask reason"),
                ("deny", "no", "confirm cancel_order"),
                (intent, text, "confirm cancel_order"),
                ("affirm", "yes", "cancel_order order=FL456"),
            ]);
        }
    }
    // Of two slots of one kind, that which holds the denied one.
    check(&[
        ("flight", "from Paris to London", "confirm flight"),
        ("", "not from Paris but from Rome", "confirm flight"),
        ("affirm", "yes", "flight from=Rome to=London"),
    ]);
    check(&[
        ("flight", "从巴黎飞伦敦", "confirm flight"),
        ("flight", "不是伦敦，是罗马", "confirm flight"),
        ("affirm", "是", "flight from=Paris to=Rome"),
    ]);
    // A denied one alone fills nothing, and a new one behind a no does.
    check(&[("flight", "a flight, but not from Paris, from Rome", "ask to")]);
    check(&[
        ("cancel_order", "取消FL123", "ask reason"),
        ("deny", "没有", "confirm cancel_order"),
        ("track", "不是 FL456", "confirm cancel_order"),
        ("affirm", "是", "cancel_order order=FL456"),
    ]);
}

#[test]
fn a_yes_or_a_no_with_the_value_that_is_held_answers_the_confirmation() {
    for (text, expected) in [
        ("yes, FL123", "cancel_order order=FL123"),
        ("yes, fl123", "cancel_order order=FL123"),
        ("对，FL123", "cancel_order order=FL123"),
        ("是的，就是FL123", "cancel_order order=FL123"),
        ("not FL123", "deny"),
        ("不是FL123", "deny"),
        // It says more, or asks.
        ("is it FL123?", "delivery, then confirm cancel_order"),
        ("yes, FL123 but only the kettle", "delivery, then confirm cancel_order"),
        ("是FL123吗", "delivery, then confirm cancel_order"),
    ] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("delivery", text, expected),
        ]);
    }
    // While a slot is asked it confirms nothing.
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        ("delivery", "yes, FL123", "delivery, then ask reason"),
    ]);
}

#[test]
fn a_no_about_the_intent_ends_it_and_a_bare_one_leaves_the_slot_out() {
    for text in ["no, don't cancel it", "算了，不取消了", "no wait, keep the order", "先不取消"] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", text, "deny"),
            ("affirm", "yes", "affirm"),
        ]);
    }
    for text in ["no", "nope", "没有", "不用", "I'd rather not say", "没有别的原因", "不说了"] {
        check(&[("cancel_order", "cancel order FL123", "ask reason"), ("deny", text, "confirm cancel_order")]);
    }
}

#[test]
fn a_correction_by_its_words_corrects_whatever_the_model_takes_it_for() {
    for text in [
        "不对，我是说FL456",
        "我打错了，是FL456",
        "应该是FL456",
        "sorry I mistyped, the order number is FL456",
        "oh wait, wrong number, it's FL456",
        "actually FL456 please",
        "my mistake, FL456",
        "FL456",
    ] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("delivery", text, "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("affirm", "yes", "cancel_order order=FL456"),
        ]);
    }
}

#[test]
fn a_question_about_another_value_corrects_nothing() {
    for text in ["where is FL456", "FL456到哪里了", "查一下FL456", "sorry, where is FL456?", "I want to return FL456"]
    {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("delivery", text, "delivery, then ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("delivery", text, "delivery, then confirm cancel_order"),
            ("affirm", "yes", "cancel_order order=FL123"),
        ]);
    }
    // What the model isn't sure of may be meant as one.
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        ("deny", "no", "confirm cancel_order"),
        ("", "can it be FL456?", "confirm cancel_order"),
        ("affirm", "yes", "cancel_order order=FL456"),
    ]);
}

#[test]
fn of_two_values_of_one_text_the_one_that_replaces_the_other_counts() {
    for (intent, text, expected) in [
        ("track", "FL123, no, FL456", "track order=FL456"),
        ("track", "FL123 no wait FL456", "track order=FL456"),
        ("track", "FL123, sorry I meant FL456", "track order=FL456"),
        ("track", "FL123，不对，FL456", "track order=FL456"),
        ("track", "FL123，应该是FL456", "track order=FL456"),
        ("track", "from FL123 to FL456", "track order=FL456"),
        ("track", "从FL123到FL456", "track order=FL456"),
        ("track", "把FL123改到FL456", "track order=FL456"),
        ("pizza", "large, no, small", "pizza size=small"),
        ("pizza", "大号，不对，小号", "pizza size=small"),
        // Nothing says so.
        ("track", "FL123 and FL456", "ask order"),
        ("pizza", "large, no small", "ask size"),
    ] {
        check(&[(intent, text, expected)]);
    }
    // Of two slots of one kind, both ends of the way are values.
    check(&[
        ("flight", "from Paris to London, no, Rome", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=Rome"),
    ]);
    check(&[("flight", "从巴黎到伦敦，不对，罗马", "confirm flight"), ("affirm", "是", "flight from=Paris to=Rome")]);
}

#[test]
fn nothing_leaves_an_optional_slot_out_whatever_the_model_takes_it_for() {
    for text in
        ["没有", "没有。", "无", "没", "不用了", "没有备注", "none", "Nothing", "nope", "No, thanks.", "no reason"]
    {
        for intent in ["", "greeting"] {
            check(&[
                ("cancel_order", "cancel order FL123", "ask reason"),
                (intent, text, "confirm cancel_order"),
                ("affirm", "yes", "cancel_order order=FL123"),
            ]);
        }
    }
    // What says more is an answer, and so is it where one is needed.
    for text in ["nothing fits", "没有收到货"] {
        let expected = format!("cancel_order order=FL123 reason={text}");
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("", text, "confirm cancel_order"),
            ("affirm", "yes", expected.as_str()),
        ]);
    }
    check(&[("note", "leave a note", "ask note"), ("", "没有", "note note=没有")]);
    check(&[("cancel_order", "cancel order FL123", "ask reason"), ("never_mind", "不要了", "never_mind")]);
}

#[test]
fn a_gesture_answers_a_confirmation_and_the_value_that_is_held_is_no_miss() {
    for (text, expected) in [
        ("👍", "cancel_order order=FL123"),
        ("👌🏽", "cancel_order order=FL123"),
        ("✔️", "cancel_order order=FL123"),
        ("👎", "deny"),
        ("👍👎", "confirm cancel_order again"),
    ] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("", text, expected),
        ]);
    }
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        ("deny", "no", "confirm cancel_order"),
        ("", "FL123", "confirm cancel_order again"),
        ("", "订单FL123", "confirm cancel_order again"),
        ("", "FL123", "confirm cancel_order again"),
        ("affirm", "yes", "cancel_order order=FL123"),
    ]);
}

#[test]
fn a_correction_that_is_none_loses_nothing_and_one_that_is_replaces() {
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        ("deny", "no", "confirm cancel_order"),
        ("", "sorry, the order is 99", "confirm cancel_order again"),
        ("affirm", "yes", "cancel_order order=FL123"),
    ]);
    for (intent, text) in
        [("deny", "no, FL456"), ("affirm", "yes, but FL456"), ("delivery", "FL456 不是"), ("", "FL456")]
    {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", "没有", "confirm cancel_order"),
            (intent, text, "confirm cancel_order"),
            ("affirm", "好的", "cancel_order order=FL456"),
        ]);
    }
    // The same value again is no correction: the yes counts, and so does the no.
    for (intent, expected) in [("affirm", "cancel_order order=FL123"), ("deny", "deny")] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            (intent, "FL123", expected),
        ]);
    }
    // While something else is asked too.
    check(&[
        ("change_address", "a new address for FL123", "ask address"),
        ("", "sorry, FL456", "ask address"),
        ("", "1 High Street", "confirm change_address"),
        ("affirm", "yes", "change_address address=1 High Street order=FL456"),
    ]);
    // Of two slots of one kind, one value is the later one's, and two are theirs.
    check(&[
        ("flight", "from Paris to London", "confirm flight"),
        ("deny", "no, Rome", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=Rome"),
    ]);
    check(&[
        ("flight", "from Paris to London", "confirm flight"),
        ("deny", "no, from Rome to Paris", "confirm flight"),
        ("affirm", "yes", "flight from=Rome to=Paris"),
    ]);
}
