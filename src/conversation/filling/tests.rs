//! Several values of one text.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use super::*;
use crate::{
    conversation::script::{ATTEMPTS, Choices},
    entity::{BuiltIn, Definition, Extractor},
};

fn listed(values: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    values.iter().map(|&(value, said)| (value.to_owned(), vec![said.to_owned()])).collect()
}

fn slot(name: &str, fills: Fills) -> Slot {
    Slot { name: name.into(), fills, optional: false, has_question: true, attempts: ATTEMPTS }
}

fn sized(name: &str) -> Slot {
    let sizes = listed(&[("large", "大份"), ("small", "小份")]);
    slot(name, Fills::Choices(Box::new(Choices::new(sizes).unwrap())))
}

fn of_entity(name: &str) -> Slot {
    slot(name, Fills::Entity { name: name.into(), listed: None })
}

/// What a text says of these slots, as `name=value`, and of which it has several, as `name?value|value`.
#[track_caller]
fn check(slots: Vec<Slot>, text: &str, expected: &[&str]) {
    let definition = |name: &str, values| Definition { name: name.into(), values, ..Definition::default() };
    let extractor = Extractor::new(&[
        Definition {
            built_in: Some(BuiltIn::Date),
            ..definition("day", listed(&[("Monday", "周一"), ("Friday", "周五")]))
        },
        definition("dish", listed(&[("pizza", "披萨"), ("pasta", "意面"), ("large family box", "大份全家桶")])),
    ]);
    let entities = extractor.unwrap().unwrap().extract(text);
    let form = Form { slots, ..Form::default() };
    let Said { changes, unclear, .. } = said(&form, None, &Slots::new(), &entities, text);
    let changes = changes.into_iter().map(|(name, value)| format!("{name}={value}"));
    let unclear = unclear.into_iter().map(|it| format!("{}?{}", it.slot, it.values.join("|")));
    let found: Vec<String> = changes.chain(unclear).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn of_several_values_that_nothing_tells_apart_none_is_taken() {
    for text in ["I want pizza pasta", "pizza and pasta please", "披萨意面", "我要披萨或者意面"] {
        check(vec![of_entity("dish")], text, &["dish?pizza|pasta"]);
    }
    check(vec![sized("size")], "a small large one", &["size?small|large"]);
    check(vec![sized("size")], "要大份小份", &["size?large|small"]);
    check(vec![of_entity("dish"), sized("size")], "pizza, small or large", &["dish=pizza", "size?small|large"]);
    for text in ["Monday Friday", "Monday to Friday", "周一、周五", "周一到周五"] {
        check(vec![of_entity("day")], text, &["day?Monday|Friday"]);
    }
    // One value twice is one.
    check(vec![of_entity("dish")], "pizza, yes Pizza", &["dish=pizza"]);
    check(vec![of_entity("dish")], "披萨，就是披萨", &["dish=pizza"]);
}

#[test]
fn what_corrects_or_moves_leaves_one() {
    for text in
        ["Monday, no, Friday", "from Monday to Friday", "not Monday but Friday", "周一，不对，周五", "从周一到周五"]
    {
        check(vec![of_entity("day")], text, &["day=Friday"]);
    }
}

#[test]
fn one_day_may_be_said_in_two_ways() {
    check(vec![of_entity("day")], "Friday, 4 December", &["day=Friday"]);
    check(vec![of_entity("day")], "on 4 December (Friday)", &["day=--12-04"]);
    check(vec![of_entity("day")], "明天周五", &["day=tomorrow"]);
    check(vec![of_entity("day")], "周五（12月4日）", &["day=Friday"]);
    check(vec![of_entity("day")], "Friday or 4 December", &["day?Friday|--12-04"]);
    check(vec![of_entity("day")], "明天、周五", &["day?tomorrow|Friday"]);
}

#[test]
fn several_values_may_be_of_several_slots() {
    check(vec![sized("size"), sized("drink")], "a small pizza with a large drink", &["size=small", "drink=large"]);
    check(vec![sized("size"), sized("drink")], "小份披萨，大份可乐", &["size=small", "drink=large"]);
    // Part of a longer value is none.
    let slots = || vec![sized("size"), of_entity("dish")];
    check(slots(), "a large family box, small", &["size=small", "dish=large family box"]);
    check(slots(), "大份全家桶，小份", &["size=small", "dish=large family box"]);
}
