//! What is meant in between: which question is asked then, what waits, and what it keeps.

use super::*;

#[test]
fn after_an_interruption_one_question_is_asked() {
    check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("delivery", "how long does delivery take?", "delivery, then ask order"),
        ("delivery", "配送要几天", "delivery, then ask order"),
        // Interruptions aren't counted.
        ("", "hm", "ask order again"),
        ("", "FL123", "ask reason"),
    ]);
    // One that asks itself is asked alone; when it has its answer, the one that waited asks again.
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        ("change_address", "change the address of FL456", "ask address"),
        ("", "1 High Street", "confirm change_address"),
        ("affirm", "yes", "change_address address=1 High Street order=FL456, then ask reason"),
        ("", "too late", "confirm cancel_order"),
        ("affirm", "yes", "cancel_order address=1 High Street order=FL123 reason=too late"),
    ]);
    // What is known holds for both.
    check(&[
        ("change_address", "another address for FL123", "ask address"),
        ("track", "where is it?", "track order=FL123, then ask address"),
    ]);
    // What the other was told isn't taken from it.
    let state = check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("change_address", "no, another address", "ask order"),
        ("", "FL456", "ask address"),
        ("", "1 High Street", "confirm change_address"),
        ("deny", "no", "deny, then ask order"),
    ]);
    assert_eq!((state.slots.get("order"), state.open.len()), (None, 1));
    assert_eq!(state.open[0].before["order"], "FL456");
}

#[test]
fn the_fallback_never_interrupts_and_is_no_answer() {
    check(&[
        ("flight", "a flight", "ask from"),
        // Addressed by its name, it is as unsure as by the model.
        ("help", "help", "ask from again"),
    ]);
    check(&[("", "blah", "help"), ("help", "help", "help")]);
}

#[test]
fn what_was_said_for_another_time_is_asked_anew_and_offered() {
    let done = [("track", "where is FL123", "track order=FL123"), ("cancel_order", "cancel an order", "ask order")];
    let state = check(&done);
    assert_eq!(state.open[0].before["order"], "FL123");
    assert_eq!(state.slots.get("order"), None);
    // What a handler said holds.
    let script = script();
    let mut state = State::default();
    state.slots.give("order", Some("FL789"));
    assert_eq!(take(&script, &mut state, "track", "where is it?"), "track order=FL789");
    assert_eq!(take(&script, &mut state, "track", "and FL456?"), "track order=FL456");
}

#[test]
fn what_waits_is_bounded() {
    let intents = ["change_address", "flight", "pizza", "note", "change_address", "flight"];
    let script = script();
    let mut state = State::default();
    for intent in intents {
        take(&script, &mut state, intent, "and that");
        assert!(state.open.len() <= MOST_OPEN);
    }
    let waiting: Vec<&str> = state.open.iter().map(|open| open.intent.as_str()).collect();
    assert_eq!(waiting, ["note", "change_address", "flight"]);
}
