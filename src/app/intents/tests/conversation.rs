//! Conversations: who steers them, and what intents ask.

use super::*;

/// A bot that asks, without a fault; its last line is the 27th.
const ASKING: &str = r#"fallback = "help"
[conversation]
yes = "affirm"
no = "deny"
cancel = "deny2"
person = "agent"
[entities.order_number]
patterns = ['FL\d+']
[entities.colour]
values = ["red", "blue"]
[intents.help]
reply.en = "I can help."
[intents.affirm]
examples.en = ["yes", "yep", "sure", "right", "ok"]
reply.en = "Good."
[intents.deny]
examples.en = ["no", "nope", "wrong", "not that", "don't"]
reply.en = "As you like."
[intents.deny2]
examples.en = ["never mind", "forget it", "stop that", "cancel that", "leave it"]
reply.en = "As you like."
[intents.agent]
examples.en = ["agent", "a human", "a person", "somebody real", "your colleague"]
reply.en = "Nobody is there."
[intents.cancel_order]
examples.en = ["cancel", "cancel my order", "cancel order", "stop my order", "undo my order"]
"#;

#[track_caller]
fn asking_faults(more: &str, expected: &str) {
    faults(&format!("{ASKING}{}", beginning(more)), expected);
}

#[test]
fn what_an_intent_asks_is_read_in_its_order() {
    let more = r#"
slots.reason = { text = true, optional = true, ask.en = "Why?", ask.zh = "原因是？" }
slots.order = { entity = "order_number", ask.en = "Which order?", again.en = "The number, please.", attempts = 3 }
slots.colour = { choices.red = ["红色"], optional = true }
confirm.en = "Cancel {{ slots.order }}?"
give_up = "agent"
reply.en = "Cancelled: {{ slots.order }}{{ slots.reason }}{{ slots }}"
"#;
    let file = parse(&format!("{ASKING}{}", beginning(more))).unwrap().file;
    let conversation = file.conversation.unwrap();
    let steers = [conversation.yes, conversation.no, conversation.cancel, conversation.person];
    assert_eq!(steers.map(|name| name.unwrap().name), ["affirm", "deny", "deny2", "agent"]);
    let form = file.intents.last().unwrap().form.clone().unwrap();
    let position = Position { line: 27, column: 1 };
    let text = |language: &str, text: &str| (language.to_owned(), text.to_owned());
    let name = |name: &str| Name { name: name.into(), position };
    assert_eq!(
        form,
        FormDefinition {
            slots: vec![
                SlotDefinition {
                    name: "reason".into(),
                    fills: SlotFills::Text,
                    optional: true,
                    ask: vec![text("en", "Why?"), text("zh", "原因是？")],
                    again: Vec::new(),
                    attempts: 1,
                },
                SlotDefinition {
                    name: "order".into(),
                    fills: SlotFills::Entity(name("order_number")),
                    optional: false,
                    ask: vec![text("en", "Which order?")],
                    again: vec![text("en", "The number, please.")],
                    attempts: 3,
                },
                SlotDefinition {
                    name: "colour".into(),
                    fills: SlotFills::Choices(vec![("red".into(), vec!["红色".into()])]),
                    optional: true,
                    ask: Vec::new(),
                    again: Vec::new(),
                    attempts: 1,
                },
            ],
            confirm: vec![text("en", "Cancel {{ slots.order }}?")],
            give_up: Some(name("agent")),
            position,
        }
    );
    assert_eq!(parse(SOUND).unwrap().file.conversation, None);
    assert!(parse(&format!("{SOUND}[conversation]\n")).unwrap().file.conversation.is_some());
}

#[test]
fn faults_of_the_table_conversation() {
    faults_after(
        r#"
[conversation]
yes = "by"
no = "bye"
cancel = "bye"
store = "redis"
max_turns = 3
perso = "bye"
"#,
        r#"
line 11, column 7: there is no intent 'by': did you mean 'bye'?
line 13, column 10: conversation.cancel and conversation.no are the same intent 'bye': each needs one of its own
line 14, column 1: store is a setting of whoever runs the bot, and not of this file: set CHATBOT_CONVERSATION_STORE, or write it into the section [conversation] of the file that CHATBOT_CONFIG names
line 15, column 1: max_turns is a setting of whoever runs the bot, and not of this file: set CHATBOT_CONVERSATION_MAX_TURNS, or write it into the section [conversation] of the file that CHATBOT_CONFIG names
line 16, column 1: there is no key 'conversation.perso': did you mean 'person'?
"#,
    );
    faults(
        &format!("conversation = true\n{SOUND}"),
        r#"
line 1, column 16: conversation must be a table, written [conversation], and this is true or false
"#,
    );
}

#[test]
fn faults_of_slots() {
    asking_faults(
        r#"
slots.a-b = { text = true, ask.en = "?" }
slots.none = { ask.en = "?" }
slots.two = { text = true, entity = "colour", ask.en = "?" }
slots.false = { text = false, ask.en = "?" }
slots.empty = { choices = [], ask.en = "?" }
slots.mute = { text = true }
slots.again = { text = true, again.en = "?" }
slots.unknown = { entity = "order", ask.en = "?", attempts = 0, optional = "yes" }
slots.broken = { text = true, ask.en = "{{ slots.ordr }} {{", ask.cn = "?" }
slots.word = "?"
slots.odd = { text = true, ask = "?", kind = 1 }
reply.en = "Done."
"#,
        r#"
line 27, column 7: intent 'cancel_order': 'a-b' can't be the name of a slot: use letters, digits and _, a letter first, 64 at the most
line 28, column 7: intent 'cancel_order': slots.none has to say what fills it, by one of: entity = "…", choices = ["…"], or text = true for whatever the user says
line 29, column 7: intent 'cancel_order': slots.two has entity and text, and only one can fill it: take out the others
line 30, column 24: intent 'cancel_order': slots.false.text can only be true: take it out, or write what else fills the slot
line 31, column 27: intent 'cancel_order': slots.empty.choices is empty: write such as choices = ["small", "large"]
line 32, column 7: intent 'cancel_order': slots.mute has no question: write such as ask.en = "…", or optional = true
line 33, column 30: intent 'cancel_order': slots.again.again is asked after a first question, and there is none: write such as ask.en = "…"
line 34, column 28: intent 'cancel_order': there is no entity 'order': did you mean 'order_number'?
line 34, column 62: intent 'cancel_order': attempts takes a whole number from 1 to 10
line 34, column 76: intent 'cancel_order': slots.unknown.optional must be true or false, and this is a text
line 35, column 40: intent 'cancel_order': slots.broken.ask.en: line 1 of the text: unexpected end of input, expected expression
line 35, column 67: intent 'cancel_order': 'cn' is no language tag: Chinese is zh
line 36, column 14: intent 'cancel_order': slots.word must be a table, such as { entity = "…", ask.en = "…" }, and this is a text
line 37, column 34: intent 'cancel_order': slots.odd.ask must be told by language, such as ask.en = "…", and this is a text
line 37, column 39: intent 'cancel_order': there is no key 'kind': there are 'entity', 'choices', 'text', 'optional', 'ask', 'again', 'attempts'
"#,
    );
}

#[test]
fn faults_of_ways_in_and_out() {
    faults_after(
        r#"
give_up = "help"
[intents.order]
slots.order = { text = true, ask.en = "?" }
confirm.en = "Right?"
give_up = "hel"
reply.en = "Done."
"#,
        r#"
line 10, column 1: intent 'bye': give_up is for an intent that asks, and this one has neither slots nor confirm: take it out
line 12, column 1: intent 'order': confirm is answered by yes or no, and the bot doesn't know them: write a table [conversation] with yes = "…" and no = "…", the names of two intents
line 14, column 11: intent 'order': there is no intent 'hel': did you mean 'help'?
"#,
    );
    let asks = "slots.why = { text = true, ask.en = \"Why?\" }";
    asking_faults(
        &format!(
            r#"
{asks}
reply.en = "Done."
give_up = "bye"
[intents.bye]
examples.en = ["bye", "goodbye", "see you", "so long", "farewell"]
{asks}
reply.en = "Bye."
"#
        ),
        r#"
line 32, column 1: intent 'bye': it is the give_up of intent 'cancel_order', and so can't ask anything itself: take out its slots and its confirm
"#,
    );
    let bot = format!("{ASKING}reply.en = \"Done.\"\n");
    faults(
        &bot.replace("[intents.help]", &format!("[intents.help]\n{asks}"))
            .replace("[intents.deny]", "[intents.deny]\nconfirm.en = \"No?\""),
        r#"
line 12, column 1: intent 'help': it is the fallback, and so can't ask anything itself: take out its slots and its confirm
line 18, column 1: intent 'deny': it is conversation.no, and so can't ask anything itself: take out its slots and its confirm
"#,
    );
}

#[test]
fn templates_read_slots_that_there_are_and_instructions_only_what_the_file_lists() {
    asking_faults(
        r#"
slots.order = { entity = "order_number", ask.en = "{{ slots.ordre }}?" }
slots.colour = { entity = "colour", ask.en = "Which colour?" }
slots.size = { choices = ["large"], ask.en = "Which size?" }
slots.why = { text = true, ask.en = "Why?" }
confirm.en = "{{ slots.sum }}"
handler = ["llm", "template"]
llm.service = "qwen"
llm.system.en = "Colour {{ slots.colour }}, size {{ slots.size }}."
llm.system.zh = "{{ slots.order }} {{ slots.why }} {{ slots[intent] }}"
reply.en = "{{ slots.when }}"
reply.zh = "{{ slots }}"
"#,
        r#"
line 27, column 51: intent 'cancel_order': slots.order.ask.en reads slots.ordre, and no intent has such a slot: did you mean 'order'?
line 31, column 14: intent 'cancel_order': confirm.en reads slots.sum, and no intent has such a slot: there are 'colour', 'order', 'size', 'why'
line 35, column 17: intent 'cancel_order': llm.system.zh reads slots.order, which can hold what a user wrote: instructions may read, by its name, only a slot whose values this file lists (an entity that has values and nothing else, or choices)
line 35, column 17: intent 'cancel_order': llm.system.zh reads slots.why, which can hold what a user wrote: instructions may read, by its name, only a slot whose values this file lists (an entity that has values and nothing else, or choices)
line 35, column 17: intent 'cancel_order': llm.system.zh reads slots, which can hold what a user wrote: instructions may read, by its name, only a slot whose values this file lists (an entity that has values and nothing else, or choices)
line 36, column 12: intent 'cancel_order': reply.en reads slots.when, and no intent has such a slot: there are 'colour', 'order', 'size', 'why'
"#,
    );
    faults_after(
        "[intents.a]\nreply.en = \"{{ slots.order }}\"\n",
        r#"
line 11, column 12: intent 'a': reply.en reads slots.order, and no intent has such a slot: write such as slots.order = { text = true, ask.en = "…" } into one
"#,
    );
}

#[test]
fn labels_are_those_of_slots() {
    asking_faults(
        r#"
slots.order = { entity = "order_number", ask.en = "{{ labels.ordre }}?" }
slots.colour = { entity = "colour", ask.en = "Which colour?" }
handler = ["llm", "template"]
llm.service = "qwen"
llm.system.en = "{{ labels.colour }} {{ labels.order }} {{ labels[intent] }}"
reply.en = "{{ labels.colour }} {{ labels.when }} {{ labels }}"
"#,
        r#"
line 27, column 51: intent 'cancel_order': slots.order.ask.en reads labels.ordre, and no intent has such a slot: did you mean 'order'?
line 31, column 17: intent 'cancel_order': llm.system.en reads labels.order, which can hold what a user wrote: instructions may read, by its name, only a slot whose values this file lists (an entity that has values and nothing else, or choices)
line 31, column 17: intent 'cancel_order': llm.system.en reads labels, which can hold what a user wrote: instructions may read, by its name, only a slot whose values this file lists (an entity that has values and nothing else, or choices)
line 32, column 12: intent 'cancel_order': reply.en reads labels.when, and no intent has such a slot: there are 'colour', 'order'
"#,
    );
}

#[test]
fn a_slot_with_a_fault_is_there_for_the_templates_that_read_it() {
    asking_faults(
        r#"
slots.size = { entity = "colour", choices = ["large"], ask.en = "Which size?" }
slots.none = { ask.en = "{{ slots.size }}?" }
confirm.en = "{{ slots.size }}, {{ slots.none }}?"
reply.en = "Done: {{ slots.size }}."
reply.zh = "好的：{{ slots.none }}。"
"#,
        r#"
line 27, column 7: intent 'cancel_order': slots.size has entity and choices, and only one can fill it: take out the others
line 28, column 7: intent 'cancel_order': slots.none has to say what fills it, by one of: entity = "…", choices = ["…"], or text = true for whatever the user says
"#,
    );
}
