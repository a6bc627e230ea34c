//! Several values for one slot that nothing tells apart.

use super::check;

#[test]
fn the_slot_is_asked_and_one_value_answers_it() {
    check(&[("pizza", "a small large one", "ask size"), ("", "large", "pizza size=large")]);
    check(&[("pizza", "要大号小号", "ask size"), ("", "小号", "pizza size=small")]);
    check(&[
        ("cancel_order", "cancel FL123 FL456", "ask order"),
        ("", "FL456", "ask reason"),
        ("deny", "no", "confirm cancel_order"),
        ("affirm", "yes", "cancel_order order=FL456"),
    ]);
}

#[test]
fn it_is_a_miss_of_which_one_more_is_borne() {
    check(&[
        ("pizza", "a pizza", "ask size"),
        ("", "small or large", "ask size again"),
        ("", "大号小号", "ask size again"),
        ("", "large small", "help"),
    ]);
    check(&[("pizza", "来个披萨", "ask size"), ("", "大号小号", "ask size again"), ("", "嗯", "help")]);
    // A no with values says which they aren't, or are, but ends nothing.
    check(&[("track", "track it", "ask order"), ("deny", "no, FL123 FL456", "ask order again")]);
}

#[test]
fn what_else_is_meant_goes_before() {
    check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("delivery", "where are FL123 and FL456?", "delivery, then ask order"),
        ("never_mind", "never mind FL123 and FL456", "never_mind"),
    ]);
    check(&[
        ("cancel_order", "取消订单", "ask order"),
        ("delivery", "FL123和FL456到哪里了", "delivery, then ask order"),
        ("human_agent", "FL123 FL456 转人工", "person"),
    ]);
}

#[test]
fn a_value_that_is_held_gives_way_where_several_correct_it() {
    for text in ["no, FL456 FL789", "不对，FL456 FL789"] {
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("deny", text, "ask order"),
            ("", "FL789", "confirm cancel_order"),
            ("affirm", "yes", "cancel_order order=FL789"),
        ]);
    }
    // Where nothing corrects, it stays.
    for text in ["FL456 and FL789 came broken", "FL456和FL789都坏了"] {
        let expected = format!("cancel_order order=FL123 reason={text}");
        check(&[
            ("cancel_order", "cancel order FL123", "ask reason"),
            ("", text, "confirm cancel_order"),
            ("affirm", "yes", expected.as_str()),
        ]);
    }
}
