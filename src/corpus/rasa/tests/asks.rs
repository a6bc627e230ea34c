//! What becomes of forms.

use super::{
    super::super::{Ask, Filler, Form, Slot},
    read, replies, told,
};

const NLU: &str = "nlu:\n- intent: book\n  examples: |\n    - a table for [thai](cuisine) food\n- intent: 订位\n  examples: |\n    \
                   - 订个位子\n- intent: affirm\n  examples: |\n    - yes\n";

fn slot(name: &str, filler: Filler, ask: Ask) -> Slot {
    let optional = ask == Ask::Never;
    Slot { name: name.into(), filler, ask, optional }
}

fn entity(name: &str) -> Filler {
    Filler::Entity(name.into())
}

fn asks(text: &str) -> Ask {
    Ask::Text(text.into())
}

fn form(of: &str, slots: &[Slot]) -> Form {
    Form { of: of.into(), slots: slots.to_vec() }
}

/// A domain with one form, of these slots, that `book` starts.
fn domain(slots: &str, form: &str) -> String {
    format!(
        "slots:\n{slots}forms:\n  table_form:\n{form}rules:\n- rule: start\n  steps:\n  - intent: book\n  - action: table_form\n  \
         - active_loop: table_form\n"
    )
}

#[test]
fn a_form_of_version_3_is_what_its_intents_ask() {
    let domain = r"version: '3.1'
entities:
- cuisine
- number
slots:
  cuisine:
    type: text
    mappings:
    - type: from_entity
      entity: cuisine
      not_intent: affirm
  num_people:
    type: float
    mappings:
    - {type: from_entity, entity: number}
  outdoor:
    type: bool
    mappings:
    - type: from_intent
      intent: affirm
      value: true
    - type: from_trigger_intent
      intent: book
      value: false
  notes:
    type: text
    mappings:
    - type: from_text
      conditions:
      - active_loop: table_form
        requested_slot: notes
  requested_slot:
    type: text
forms:
  table_form:
    ignored_intents: [affirm]
    required_slots:
    - cuisine
    - num_people
    - outdoor
    - notes
responses:
  utter_ask_table_form_cuisine:
  - text: Which cuisine?
  utter_ask_cuisine:
  - text: What food?
  utter_ask_num_people: 几位？
  utter_submit:
  - text: All done.
  utter_values:
  - text: '{cuisine} for {num_people}'
actions:
- validate_table_form
";
    let rules = r"rules:
- rule: start
  condition:
  - active_loop: null
  steps:
  - or:
    - intent: book
    - intent: 订位
  - action: table_form
  - active_loop: table_form
- rule: submit
  condition:
  - active_loop: table_form
  steps:
  - action: table_form
  - active_loop: null
  - slot_was_set:
    - requested_slot: null
  - action: utter_submit
  - action: utter_values
";
    let corpus = read(&[NLU, domain, rules]);
    let slots = [
        slot("cuisine", entity("cuisine"), asks("Which cuisine?")),
        slot("num_people", entity("number"), asks("几位？")),
        slot("notes", Filler::Text, Ask::Missing),
    ];
    assert_eq!(corpus.forms, [form("book", &slots), form("订位", &slots)]);
    let said = "All done.\n{cuisine} for {num_people}";
    assert_eq!(replies(&corpus), [("book", said), ("订位", said)]);
    let expected = [
        "intents that a slot's value has to come with aren't kept (f2:9)",
        "from_intent isn't kept: a slot is filled by an entity or by text (f2:19)",
        "from_trigger_intent isn't kept: a slot is filled by an entity or by text (f2:22)",
        "ignored_intents of forms aren't kept: each message may fill what is asked (f2:36)",
        "actions are passed over: what they do is for a program of yours (handler = \"external\") (f2:52)",
        "actions that check slots (validate_…) aren't kept: a slot takes what its entity finds, or any text (f2:53)",
        "slots of forms that neither an entity nor an answer fills were left out: 'outdoor' of table_form",
        "questions of forms that are in none of the files say TODO: utter_ask_notes of table_form",
        "responses that answer no intent by themselves are left out: 'utter_ask_cuisine'",
    ];
    assert_eq!(told(&corpus), expected);
}

#[test]
fn a_form_of_version_2_says_itself_what_fills_its_slots() {
    let slots = [slot("cuisine", entity("cuisine"), asks("What food?")), slot("notes", Filler::Text, Ask::Missing)];
    let responses = "responses:\n  utter_ask_cuisine:\n  - text: What food?\n";
    for required in [
        "    required_slots:\n      cuisine:\n      - type: from_entity\n        entity: cuisine\n      notes:\n      - type: from_text\n",
        "    cuisine:\n    - type: from_entity\n      entity: cuisine\n    notes:\n    - type: from_text\n    ignored_intents: []\n",
        // By the entity of its name.
        "    required_slots:\n      cuisine:\n      notes:\n        type: from_text\n",
    ] {
        let corpus = read(&[NLU, &domain("  cuisine:\n    type: text\n", required), responses]);
        assert_eq!(corpus.forms, [form("book", &slots)], "{required}");
        assert!(told(&corpus).iter().all(|told| !told.starts_with("ignored_intents")), "nothing is ignored");
    }
}

#[test]
fn what_fills_a_slot_is_one_of_what_rasa_tries() {
    fn check(mappings: &str, expected: Option<(Filler, Ask)>, note: &str) {
        let slots = format!("  a:\n    type: text\n{mappings}");
        let responses = "responses:\n  utter_ask_a:\n  - text: A?\n";
        let corpus = read(&[NLU, &domain(&slots, "    required_slots:\n    - a\n"), responses]);
        let expected = expected.map(|(filler, ask)| form("book", &[slot("a", filler, ask)]));
        assert_eq!(corpus.forms, expected.into_iter().collect::<Vec<_>>(), "{mappings}");
        let told = told(&corpus);
        assert!(note.is_empty() || told.iter().any(|told| told.starts_with(note)), "{note} isn't in {told:?}");
    }
    let both = "    mappings:\n    - type: from_entity\n      entity: x\n    - type: from_text\n";
    let text = "slots that an entity or any text fills take any text: 'a' of table_form";
    check(both, Some((Filler::Text, asks("A?"))), text);
    let of_intents =
        "    mappings:\n    - type: from_entity\n      entity: x\n    - type: from_text\n      intent: [inform]\n";
    check(
        of_intents,
        Some((entity("x"), asks("A?"))),
        "intents that a slot's value has to come with aren't kept (f2:7)",
    );
    let text_of_intents = "    mappings:\n    - type: from_text\n      intent: inform\n";
    check(text_of_intents, Some((Filler::Text, asks("A?"))), "");
    let two = "    mappings:\n    - type: from_entity\n      entity: x\n    - type: from_entity\n      entity: y\n      role: to\n";
    let first = "slots that several entities fill take the first: 'a' of table_form";
    check(two, Some((entity("x"), asks("A?"))), first);
    let elsewhere = "    mappings:\n    - type: from_entity\n      entity: x\n      conditions:\n      - active_loop: other_form\n    \
                     - type: from_text\n      conditions:\n      - active_loop: table_form\n";
    check(elsewhere, Some((Filler::Text, asks("A?"))), "");
    let asked = "    mappings:\n    - type: from_entity\n      entity: x\n      conditions:\n      - active_loop: table_form\n        \
                 requested_slot: a\n";
    check(asked, Some((entity("x"), asks("A?"))), "conditions on when a slot is filled aren't kept (f2:5)");
    // No form asks for what has a value.
    let value = "    initial_value: b\n    mappings:\n    - type: from_entity\n      entity: x\n";
    check(value, Some((entity("x"), Ask::Never)), "initial values of slots aren't kept (f2:4)");
    let left_out = "slots of forms that neither an entity nor an answer fills were left out: 'a' of table_form";
    check("    initial_value: b\n    mappings:\n    - type: from_text\n", None, left_out);
    check("    mappings:\n    - type: custom\n", None, left_out);
    // Yes and no would be taken for intents of their own.
    let yes = "    - type: from_intent\n      intent: affirm\n      value: true\n";
    let no = "    - type: from_intent\n      intent: deny\n      value: false\n";
    check(&format!("    mappings:\n{yes}{no}    - type: from_text\n"), None, left_out);
    check(&format!("    mappings:\n{no}    - type: from_text\n      intent: inform\n"), None, left_out);
    let seat = format!("    mappings:\n    - type: from_entity\n      entity: x\n{yes}{no}");
    check(
        &seat,
        Some((entity("x"), asks("A?"))),
        "from_intent isn't kept: a slot is filled by an entity or by text (2 times, first at f2:7)",
    );
    check(
        "",
        None,
        "forms of which no slot can be kept were left out: what they ask is for a program of yours: 'table_form'",
    );
}

#[test]
fn what_a_no_fills_as_well_is_optional() {
    let slots = "  a:\n    mappings:\n    - type: from_intent\n      intent: deny\n      value: nothing\n    - type: from_text\n      \
                 not_intent: affirm\n";
    let responses = "responses:\n  utter_ask_a: A?\n";
    let corpus = read(&[NLU, &domain(slots, "    required_slots: [a]\n"), responses]);
    let optional = Slot { optional: true, ..slot("a", Filler::Text, asks("A?")) };
    assert_eq!(corpus.forms, [form("book", &[optional])]);
}

#[test]
fn a_story_starts_a_form_with_its_first_message_alone() {
    let domain = "slots:\n  a:\n    mappings:\n    - type: from_text\nforms:\n  one:\n    required_slots: [a]\n  two:\n    \
                  required_slots: [a]\nresponses:\n  utter_ask_a: A?\n";
    let stories = "stories:\n- story: first\n  steps:\n  - intent: 订位\n  - action: utter_x\n  - action: one\n  - active_loop: one\n\
                   - story: later\n  steps:\n  - intent: book\n  - action: utter_x\n  - intent: affirm\n  - action: two\n  \
                   - active_loop: two\n";
    let corpus = read(&[NLU, domain, stories]);
    let slots = [slot("a", Filler::Text, asks("A?"))];
    assert_eq!(corpus.forms, [form("订位", &slots)]);
    let not_started = "forms that no rule starts, and no story begins with, were left out: 'two'";
    assert!(told(&corpus).contains(&not_started.to_owned()), "{:?}", told(&corpus));
    // A rule knows better.
    let rules = "rules:\n- rule: a\n  steps:\n  - intent: book\n  - action: utter_x\n  - action: one\n  - active_loop: one\n  \
                 - active_loop: null\n  - action: action_a\n- rule: b\n  steps:\n  - intent: book\n  - action: two\n  - active_loop: two\n";
    let corpus = read(&[NLU, domain, stories, rules]);
    assert_eq!(corpus.forms, [form("book", &slots)]);
    for note in [
        "what is said before a form's first question isn't kept (f4:2)",
        "what is done once a form is filled isn't kept, but for responses alone: it is for a program of yours \
         (handler = \"external\") (f4:2)",
        "an intent that starts several forms starts the first: 'book' starts one, not two",
    ] {
        assert!(told(&corpus).contains(&note.to_owned()), "{note} isn't in {:?}", told(&corpus));
    }
}

#[test]
fn what_no_file_tells_of_a_form_is_told() {
    let rules = "rules:\n- rule: a\n  steps:\n  - intent: nobody\n  - action: one\n  - active_loop: one\n- rule: b\n  steps:\n  \
                 - intent: book\n  - action: two\n  - active_loop: two\n";
    // Version 2.0 lists forms whose slots a program knows.
    let corpus = read(&[NLU, "forms:\n- one\n- two\n- three\n", rules]);
    assert!(corpus.forms.is_empty(), "{:?}", corpus.forms);
    let expected = [
        "intents that start forms and have no examples were left out: 'nobody'",
        "forms of which no slot can be kept were left out: what they ask is for a program of yours (2 times, first 'one')",
        "forms that no rule starts, and no story begins with, were left out: 'three'",
    ];
    assert_eq!(told(&corpus), expected);
}
