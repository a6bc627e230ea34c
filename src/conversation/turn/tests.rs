//! Turns by tables: what is heard, and what the bot does. What users of such systems complain about has a test each.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::sync::LazyLock;

use super::*;
use crate::{
    conversation::script::{Choices, Steering},
    entity::{Definition, Extractor},
};

mod corrections;
mod documents;
mod interruptions;
mod several;

fn name(name: &str) -> IntentName {
    IntentName::new(name).unwrap()
}

fn slot(name: &str, fills: Fills) -> Slot {
    Slot { name: name.into(), fills, optional: false, has_question: true, attempts: ATTEMPTS }
}

fn entity(name: &str) -> Fills {
    Fills::Entity { name: name.into(), listed: None }
}

/// The bot of these tests. `order_status`, `delivery`, `greeting` and others ask nothing.
fn script() -> Script {
    let sizes = [("large", &["大号"][..]), ("small", &["小号"])];
    let sizes = sizes.map(|(size, said)| (size.to_owned(), said.iter().map(|&it| it.to_owned()).collect()));
    let reason = Slot { optional: true, attempts: 1, ..slot("reason", Fills::Text) };
    let cancel = Form {
        slots: vec![slot("order", entity("order_number")), reason],
        confirm: true,
        give_up: Some(name("human_agent")),
    };
    let address = Form {
        slots: vec![slot("order", entity("order_number")), slot("address", Fills::Text)],
        confirm: true,
        give_up: Some(name("call_us")),
    };
    let flight =
        Form { slots: vec![slot("from", entity("city")), slot("to", entity("city"))], confirm: true, give_up: None };
    let pizza = Form {
        slots: vec![slot("size", Fills::Choices(Box::new(Choices::new(sizes.to_vec()).unwrap())))],
        ..Form::default()
    };
    let note = Form { slots: vec![slot("note", Fills::Text)], ..Form::default() };
    let track = Form { slots: vec![slot("order", entity("order_number"))], ..Form::default() };
    let forms = [
        ("cancel_order", cancel),
        ("change_address", address),
        ("flight", flight),
        ("pizza", pizza),
        ("note", note),
        ("track", track),
    ];
    Script {
        fallback: name("help"),
        steering: Steering {
            yes: Some(name("affirm")),
            no: Some(name("deny")),
            cancel: Some(name("never_mind")),
            person: Some(name("human_agent")),
        },
        forms: forms.into_iter().map(|(intent, form)| (name(intent), form)).collect(),
    }
}

fn entities(text: &str) -> Vec<Entity> {
    static EXTRACTOR: LazyLock<Extractor> = LazyLock::new(|| {
        let definition = |name: &str| Definition { name: name.into(), ..Definition::default() };
        let cities = [("Paris", "巴黎"), ("London", "伦敦"), ("Rome", "罗马")];
        let cities = cities.map(|(city, said)| (city.to_owned(), vec![said.to_owned()]));
        let extractor = Extractor::new(&[
            Definition { patterns: vec![r"FL\d{3}".into()], ..definition("order_number") },
            Definition { values: cities.to_vec(), ..definition("city") },
        ]);
        extractor.unwrap().unwrap()
    });
    EXTRACTOR.extract(text)
}

/// Takes a turn. `intent` is what the model is sure of; "" where it is sure of none. "?" in front of it: documents answer the
/// text.
fn take(script: &Script, state: &mut State, intent: &str, text: &str) -> String {
    let (answered, intent) = intent.strip_prefix('?').map_or((false, intent), |intent| (true, intent));
    let sure = !intent.is_empty();
    let (entities, intent) = (entities(text), name(if sure { intent } else { "help" }));
    let heard = Heard { intent: &intent, sure, entities: &entities, text, answered };
    let (next, step) = turn(script, state.clone(), &heard);
    *state = next;
    told(&step)
}

fn told(step: &Step) -> String {
    let asks = |question: &Question| {
        let again = if question.again { " again" } else { "" };
        match &question.asked {
            Asked::Slot(slot) => format!("ask {slot}{again}"),
            Asked::Confirmation => format!("confirm {}{again}", question.intent),
        }
    };
    match step {
        Step::Ask(question) => asks(question),
        Step::Person(_) => "person".to_owned(),
        Step::Run(run) => {
            let slots: String = run.slots.iter().map(|(slot, value)| format!(" {slot}={value}")).collect();
            let slots = if matches!(run.ended, Some(Ended::Done(_))) { slots } else { String::new() };
            let then = run.then.as_ref().map(|question| format!(", then {}", asks(question))).unwrap_or_default();
            format!("{}{slots}{then}", run.intent)
        }
    }
}

/// A dialogue: the intent that the model is sure of, the text, and what the bot does.
fn check(dialogue: &[(&str, &str, &str)]) -> State {
    let script = script();
    let mut state = State::default();
    for (at, (intent, text, expected)) in dialogue.iter().enumerate() {
        assert_eq!(take(&script, &mut state, intent, text), *expected, "turn {at}: {text}");
        // What is kept is what is read back.
        state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    }
    state
}

#[test]
fn slots_are_asked_in_order_and_confirmed_in_both_languages() {
    let state = check(&[
        ("cancel_order", "please cancel my order", "ask order"),
        ("", "FL123", "ask reason"),
        ("", "it takes too long", "confirm cancel_order"),
        ("affirm", "yes", "cancel_order order=FL123 reason=it takes too long"),
        ("greeting", "hello", "greeting"),
    ]);
    assert!(state.open.is_empty());
    check(&[
        ("cancel_order", "帮我取消订单", "ask order"),
        ("", "FL123", "ask reason"),
        ("", "太慢了", "confirm cancel_order"),
        ("affirm", "对的", "cancel_order order=FL123 reason=太慢了"),
    ]);
    check(&[("flight", "从巴黎飞伦敦", "confirm flight"), ("affirm", "是", "flight from=Paris to=London")]);
    check(&[
        ("cancel_order", "cancel order FL123", "ask reason"),
        // An optional question is left out by a no.
        ("deny", "no", "confirm cancel_order"),
        ("affirm", "ok", "cancel_order order=FL123"),
    ]);
    check(&[("pizza", "a pizza", "ask size"), ("", "大号", "pizza size=large")]);
    check(&[("pizza", "a large pizza", "pizza size=large")]);
}

#[test]
fn an_opening_sentence_or_a_greeting_fills_no_free_text() {
    check(&[
        ("note", "leave a note for the courier", "ask note"),
        ("greeting", "hello", "greeting, then ask note"),
        ("", "ring twice", "note note=ring twice"),
    ]);
    check(&[
        ("note", "我要留言", "ask note"),
        ("greeting", "你好", "greeting, then ask note"),
        ("", "请放门口", "note note=请放门口"),
    ]);
    // Only right after its question: another program has answered in between.
    let script = script();
    let mut state = check(&[("note", "leave a note", "ask note")]);
    state.not_asked_last();
    assert_eq!(take(&script, &mut state, "", "whatever"), "ask note");
    assert_eq!(take(&script, &mut state, "", "ring twice"), "note note=ring twice");
}

#[test]
fn one_span_fills_one_slot() {
    check(&[
        ("flight", "a flight from Paris", "ask to"),
        ("", "London", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=London"),
    ]);
    check(&[
        ("flight", "a flight", "ask from"),
        ("", "from Paris to London", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=London"),
    ]);
    // Of what is known already, nothing is filled twice.
    check(&[
        ("flight", "a flight from Paris", "ask to"),
        ("", "Paris to London", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=London"),
    ]);
    // There and back again is what was said.
    check(&[
        ("flight", "a flight from Paris", "ask to"),
        ("", "Paris", "confirm flight"),
        ("affirm", "yes", "flight from=Paris to=Paris"),
    ]);
}

#[test]
fn there_is_always_a_way_out() {
    for (intent, text) in [("never_mind", "never mind"), ("never_mind", "算了"), ("deny", "no")] {
        let state = check(&[("cancel_order", "cancel my order", "ask order"), (intent, text, intent)]);
        assert!(state.open.is_empty());
    }
    check(&[
        ("cancel_order", "cancel FL123", "ask reason"),
        ("", "too slow", "confirm cancel_order"),
        ("deny", "no", "deny"),
        ("affirm", "yes", "affirm"),
    ]);
    // Cancelling leaves nothing waiting.
    check(&[
        ("cancel_order", "cancel FL123", "ask reason"),
        ("change_address", "change the address", "ask address"),
        ("never_mind", "never mind all that", "never_mind"),
        ("greeting", "hello", "greeting"),
    ]);
    // Neither does going on asking.
    check(&[
        ("change_address", "another address", "ask order"),
        ("", "hm", "ask order again"),
        ("", "hm", "call_us"),
        ("", "FL123", "help"),
    ]);
    check(&[("flight", "a flight", "ask from"), ("", "hm", "ask from again"), ("", "嗯", "help")]);
    check(&[
        ("cancel_order", "cancel my order", "ask order"),
        ("", "hm", "ask order again"),
        ("", "hm", "person"),
        ("", "hm", "person"),
    ]);
    check(&[
        ("flight", "from Paris to London", "confirm flight"),
        ("", "hm", "confirm flight again"),
        ("", "hm", "help"),
        ("affirm", "yes", "affirm"),
    ]);
}

#[test]
fn a_stray_yes_confirms_nothing() {
    check(&[("affirm", "yes", "affirm"), ("affirm", "好", "affirm")]);
    check(&[
        ("change_address", "another address", "ask order"),
        ("affirm", "yes", "ask order again"),
        ("", "FL123", "ask address"),
        // Nor is it a free text.
        ("affirm", "好的", "ask address again"),
        ("", "长安街1号", "confirm change_address"),
        // Nor does a yes that the model isn't sure of.
        ("", "well yes maybe", "confirm change_address again"),
        ("affirm", "yes", "change_address address=长安街1号 order=FL123"),
        // Once is once.
        ("affirm", "yes", "affirm"),
    ]);
    // Another program has answered in between, so that nobody knows what it is a yes to.
    let script = script();
    let mut state = check(&[("flight", "from Paris to London", "confirm flight")]);
    state.not_asked_last();
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "confirm flight");
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "flight from=Paris to=London");
    // A handler has taken a value away: what is confirmed now wasn't asked.
    let mut state = check(&[("flight", "from Paris to London", "confirm flight")]);
    state.slots.give("to", None);
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "ask to");
}

#[test]
fn what_a_person_has_the_bot_leaves_alone_until_it_comes_back() {
    let script = script();
    let mut state = check(&[
        ("cancel_order", "cancel FL123", "ask reason"),
        ("human_agent", "a person please", "person"),
        ("greeting", "hello", "person"),
        ("never_mind", "never mind", "person"),
        ("", "转人工", "person"),
    ]);
    state.release();
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "affirm");
    assert_eq!(take(&script, &mut state, "human_agent", "转人工"), "person");
}

#[test]
fn a_bot_that_changed_keeps_what_it_still_has_and_asks_for_the_others() {
    let mut script = script();
    let mut state = check(&[
        ("change_address", "another address for FL123", "ask address"),
        ("", "1 High Street", "confirm change_address"),
    ]);
    let form = script.forms.get_mut("change_address").unwrap();
    form.slots.remove(1);
    form.slots.push(slot("floor", Fills::Text));
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "ask floor", "it was another question");
    assert_eq!((state.slots.get("order"), state.slots.get("address")), (Some("FL123"), None));
    assert_eq!(take(&script, &mut state, "", "third"), "confirm change_address");
    script.forms.remove("change_address");
    assert_eq!(take(&script, &mut state, "affirm", "yes"), "affirm");
    assert!(state.open.is_empty());
}

#[test]
fn no_dialogue_loops_or_panics() {
    let script = script();
    let intents = ["", "affirm", "deny", "never_mind", "help", "note", "track", "flight", "cancel_order", "greeting"];
    let texts = ["", "FL123", "Paris to London", "大号 FL456 FL123", "hm"];
    let mut seed = 7_u32;
    let mut state = State::default();
    for turn in 0..5_000 {
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as usize % below
        };
        if turn % 50 == 0 {
            state = State::default();
        }
        take(&script, &mut state, intents[random(intents.len())], texts[random(texts.len())]);
        assert!(state.open.len() <= MOST_OPEN);
        // Whoever only misses gets out.
        let mut stuck = state.clone();
        for _ in 0..=2 * 3 * MOST_OPEN {
            take(&script, &mut stuck, "", "");
        }
        assert!(stuck.open.is_empty(), "{stuck:?}");
    }
}
