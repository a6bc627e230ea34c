//! Questions in between that documents answer: a "?" in front of the intent says that they do.

use super::check;

#[test]
fn what_documents_answer_interrupts_and_is_no_miss() {
    check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("?", "how much is a dental cleaning", "help, then ask order"),
        ("?", "有停车位吗", "help, then ask order"),
        ("", "hm", "ask order again"),
        ("?", "parking", "help, then ask order"),
        ("", "hm", "person"),
    ]);
    check(&[
        ("flight", "from Paris to London", "confirm flight"),
        ("?", "is there parking", "help, then confirm flight"),
        ("?", "停车", "help, then confirm flight"),
        ("affirm", "yes", "flight from=Paris to=London"),
    ]);
}

#[test]
fn in_place_of_free_text_only_what_asks_is_a_question() {
    check(&[
        ("cancel_order", "cancel FL123", "ask reason"),
        ("?", "is it possible to park there?", "help, then ask reason"),
        ("?", "那里能停车吗", "help, then ask reason"),
        ("?", "parking was too far", "confirm cancel_order"),
        ("affirm", "yes", "cancel_order order=FL123 reason=parking was too far"),
    ]);
    check(&[("note", "take a note", "ask note"), ("?", "停车太远", "note note=停车太远")]);
    // One that documents don't answer is a text like others.
    check(&[("note", "take a note", "ask note"), ("", "may I park there?", "note note=may I park there?")]);
}

#[test]
fn what_answers_the_question_or_is_surely_meant_goes_before_documents() {
    check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("?greeting", "hello", "greeting, then ask order"),
        // The intent that asks is meant once more; only a question is one.
        ("?cancel_order", "cancel the order please", "ask order again"),
        ("?cancel_order", "how do I cancel an order", "help, then ask order"),
        // Nor is a yes that it can't be.
        ("?affirm", "is it possible to park there?", "help, then ask order"),
        ("?", "FL123, how long does it take?", "ask reason"),
        ("?never_mind", "never mind", "never_mind"),
        ("?", "parking", "help"),
    ]);
}

#[test]
fn what_is_no_question_is_answered_twice_and_then_a_miss() {
    for [first, second, third] in [["parking", "the car park", "parking space"], ["停车", "停车场", "停车位"]] {
        check(&[
            ("cancel_order", "cancel my order", "ask order"),
            ("?", first, "help, then ask order"),
            ("?", second, "help, then ask order"),
            ("?", third, "ask order again"),
            // A question is always answered, and counts nothing.
            ("?", "is there parking?", "help, then ask order"),
            ("?", "有停车位吗", "help, then ask order"),
            ("?", third, "person"),
        ]);
        // Each question of the bot's has its own count; a confirmation, too.
        check(&[
            ("cancel_order", "cancel my order", "ask order"),
            ("?", first, "help, then ask order"),
            ("?", second, "help, then ask order"),
            ("", "FL123", "ask reason"),
            ("deny", "no", "confirm cancel_order"),
            ("?", first, "help, then confirm cancel_order"),
            ("?", second, "help, then confirm cancel_order"),
            ("?", third, "confirm cancel_order again"),
            ("?", third, "person"),
        ]);
    }
}
