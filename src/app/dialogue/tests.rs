//! Turns of a whole bot: an intents file, a model that is sure of what it knows, and what the user reads.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod expiry;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::{intents::IntentsFile, pipeline, settings::Settings};
use crate::{
    config::Variables,
    conversation::State,
    domain::{Outcome, Prediction, Reply, Request, Role, Scored, codec::encode_reply},
    model::{ModelClient, ModelError, Query},
    outbound::stub::{Act, Stub},
    pipeline::{Job, Pipeline, Stage, Turned},
};

const BOT: &str = r#"
fallback = "help"
[conversation]
yes = "affirm"
no = "deny"
cancel = "never_mind"
person = "agent"
[entities.order_number]
patterns = ['FL\d{4}']
[entities.colour]
values.red = ["红色"]
values.blue = ["蓝色"]
[intents.help]
reply.en = "What do you mean?"
reply.zh = "您是说？"
[intents.hello]
reply.en = "Hello."
reply.zh = "您好。"
[intents.affirm]
examples.en = ["yes", "yep"]
examples.zh = ["对", "是的"]
reply.en = "Good."
reply.zh = "好。"
[intents.deny]
examples.en = ["no"]
examples.zh = ["不对"]
reply.en = "As you like."
reply.zh = "好吧。"
[intents.never_mind]
reply.en = "Never mind."
reply.zh = "没关系。"
[intents.agent]
reply.en = "Nobody is there."
[intents.outside]
handler = "external"
[intents.hook]
handler = "webhook"
webhook.service = "shop"
[intents.paint]
slots.colour = { entity = "colour", ask.en = "Which colour?", ask.zh = "什么颜色？" }
reply.en = "Painted {{ slots.colour }}."
[intents.cancel]
slots.order = { entity = "order_number", ask.en = "Which order?", ask.zh = "哪一笔订单？", again.en = "The number?" }
confirm.en = "Cancel {{ slots.order }}?"
confirm.zh = "取消{{ slots.order }}吗？"
give_up = "agent"
reply.en = "Cancelled {{ slots.order }}."
reply.zh = "已取消{{ slots.order }}。"
[intents.x]
examples.en = ["one", "two"]
reply.en = "X"
"#;

/// Sure of the intent that a text names in front of a colon, and of nothing else.
struct AsSaid;

#[async_trait]
impl ModelClient for AsSaid {
    fn name(&self) -> &str {
        "as said"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let (intent, confidence) = match query.text.split_once(':') {
            Some((intent, _)) => (intent, 0.9),
            None => ("hello", 0.1),
        };
        let name = crate::domain::IntentName::new(intent).unwrap();
        Ok(Prediction::ranked(vec![Scored::new(name, confidence)], "as said".into()))
    }
}

fn bot(file: &str, hook: &str) -> Pipeline {
    let intents = IntentsFile::parse("test.toml", file).unwrap().file;
    let variables: Variables = [("CHATBOT_SHOP_KIND", "webhook"), ("CHATBOT_SHOP_URL", hook)].into_iter().collect();
    let settings = Settings::load(&variables, &|_| Ok(Vec::new())).unwrap().settings;
    pipeline(&settings, &intents, Arc::new(AsSaid)).unwrap()
}

fn job(text: &str, locale: Option<&str>) -> Job {
    let request = Request { text: text.to_owned(), locale: locale.map(str::to_owned), ..Request::default() };
    Job::new(request)
}

/// A conversation that is held.
struct Held {
    pipeline: Pipeline,
    state: State,
    turns: u64,
}

impl Held {
    fn new(file: &str, hook: &str) -> Self {
        Self { pipeline: bot(file, hook), state: State::default(), turns: 0 }
    }

    async fn turn(&mut self, text: &str) -> Turned {
        self.turns += 1;
        let turned = self.pipeline.turn(&job(text, None), self.state.clone(), self.turns).await;
        let (turned, state) = turned.unwrap();
        self.state = state;
        turned
    }

    async fn reply(&mut self, text: &str) -> Reply {
        match self.turn(text).await {
            Turned::Outcome(Outcome::Reply(reply)) => (*reply).clone(),
            other => unreachable!("no reply to {text}: {other:?}"),
        }
    }

    /// Says this, and holds what is answered: the text, and the intent and state as a client reads them.
    async fn says(&mut self, text: &str, expected: &str, intent: &str, state: Value) -> Reply {
        let reply = self.reply(text).await;
        let json: Value = serde_json::from_slice(&encode_reply(&reply)).unwrap();
        assert_eq!((&*reply.text, reply.intent.as_str()), (expected, intent), "{text}");
        assert_eq!(json.get("state").cloned().unwrap_or_default(), state, "{text}");
        reply
    }
}

fn titles(reply: &Reply) -> Vec<&str> {
    reply.details.choices.iter().map(|choice| &*choice.title).collect()
}

#[tokio::test]
async fn an_intent_asks_confirms_and_answers_in_the_users_language() {
    let asking = json!({"status": "asking", "intent": "cancel", "slot": "order"});
    let confirming = json!({"status": "confirming", "intent": "cancel"});
    let done = json!({"status": "done", "intent": "cancel"});
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    let opening = held.says("cancel: 取消", "哪一笔订单？", "cancel", asking.clone()).await;
    assert_eq!(opening.classification.unwrap().confidence, Some(0.9), "it is what was heard");
    // An order number has no language: the conversation's holds.
    let filled = held.says("FL1234", "取消FL1234吗？", "cancel", confirming.clone()).await;
    assert_eq!(titles(&filled), ["对", "不对"]);
    let classification = filled.classification.unwrap();
    assert_eq!((classification.confidence, classification.fallback, classification.predicted), (None, false, None));
    assert_eq!(classification.ranking.len(), 1, "the ranking is as classified");
    assert_eq!(filled.entities[0].value, "FL1234");
    let answered = held.says("affirm: 对", "已取消FL1234。", "cancel", done.clone()).await;
    assert_eq!(answered.classification.unwrap().confidence, None);
    assert_eq!(answered.details.handler.as_deref(), Some("template"));
    // The slot is asked again another time, and offers what it held.
    let again = held.says("cancel: another one", "Which order?", "cancel", asking.clone()).await;
    assert_eq!(titles(&again), ["FL1234"]);
    held.says("what?", "The number?", "cancel", asking.clone()).await;
    held.says("hello: hi", "Hello.\n\nWhich order?", "hello", asking).await;
    held.says("it is FL1234 then", "Cancel FL1234?", "cancel", confirming).await;
    held.says("affirm: yes", "Cancelled FL1234.", "cancel", done).await;
    held.says("affirm: yes", "Good.", "affirm", Value::Null).await;
    let (first, last) = (&held.state.history[0], held.state.history.last().unwrap());
    assert_eq!(
        (first.role, &*first.text, last.role, &*last.text),
        (Role::User, "cancel: 取消", Role::Assistant, "Good.")
    );
}

#[tokio::test]
async fn values_of_a_list_are_offered_in_the_users_language() {
    let asking = json!({"status": "asking", "intent": "paint", "slot": "colour"});
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    let reply = held.says("paint: 刷漆", "什么颜色？", "paint", asking.clone()).await;
    assert_eq!(titles(&reply), ["红色", "蓝色"]);
    held.says("红色", "Painted red.", "paint", json!({"status": "done", "intent": "paint"})).await;
    let reply = held.says("paint: please", "Which colour?", "paint", asking).await;
    assert_eq!(titles(&reply), ["red", "blue"]);
}

#[tokio::test]
async fn of_several_values_that_are_said_for_a_slot_it_is_asked_which() {
    let asking = |intent: &str, slot: &str| json!({"status": "asking", "intent": intent, "slot": slot});
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    let reply = held.says("cancel: FL1234 FL5678", "Which order?", "cancel", asking("cancel", "order")).await;
    assert_eq!(titles(&reply), ["FL1234", "FL5678"]);
    let reply = held.says("FL5678 or FL1234", "The number?", "cancel", asking("cancel", "order")).await;
    assert_eq!(titles(&reply), ["FL5678", "FL1234"]);
    held.says("FL5678", "Cancel FL5678?", "cancel", json!({"status": "confirming", "intent": "cancel"})).await;
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    let reply = held.says("paint: 蓝色红色", "什么颜色？", "paint", asking("paint", "colour")).await;
    assert_eq!(titles(&reply), ["蓝色", "红色"]);
    held.says("红色", "Painted red.", "paint", json!({"status": "done", "intent": "paint"})).await;
}

#[tokio::test]
async fn templates_print_values_as_they_are_called_in_the_users_language() {
    const VISIT: &str = r#"
[entities.department]
values.internal_medicine = ["internal medicine", "内科"]
values.dental = ["牙科"]
[entities.day]
kind = "date"
[intents.visit]
slots.department = { entity = "department", ask.en = "Where?", ask.zh = "哪个科？" }
slots.day = { entity = "day", ask.en = "When, {{ labels.department }}?", ask.zh = "{{ labels.department }}哪天？" }
confirm.en = "{{ labels.department }}, {{ labels.day }}?"
confirm.zh = "{{ labels.department }}，{{ labels.day }}，对吗？"
reply.en = "{{ labels.department }} ({{ slots.department }})."
reply.zh = "{{ labels.department }}（{{ slots.department }}）。"
"#;
    let asking = |slot: &str| json!({"status": "asking", "intent": "visit", "slot": slot});
    let confirming = json!({"status": "confirming", "intent": "visit"});
    let done = json!({"status": "done", "intent": "visit"});
    let mut held = Held::new(&format!("{BOT}{VISIT}"), "http://127.0.0.1:9/");
    let reply = held.says("visit: 看病", "哪个科？", "visit", asking("department")).await;
    assert_eq!(titles(&reply), ["内科", "牙科"]);
    held.says("牙科", "牙科哪天？", "visit", asking("day")).await;
    held.says("后天", "牙科，后天，对吗？", "visit", confirming.clone()).await;
    held.says("affirm: 对", "牙科（dental）。", "visit", done.clone()).await;
    let reply = held.says("visit: please", "Where?", "visit", asking("department")).await;
    assert_eq!(titles(&reply), ["internal medicine", "dental"]);
    let reply = held.says("the internal medicine please", "When, internal medicine?", "visit", asking("day")).await;
    assert_eq!(titles(&reply), ["the day after tomorrow"], "what it held before");
    held.says("on 4 December please", "internal medicine, 4 December?", "visit", confirming).await;
    held.says("affirm: yes", "internal medicine (internal_medicine).", "visit", done).await;
}

#[tokio::test]
async fn whoever_wants_out_gets_out() {
    let cancelled = json!({"status": "cancelled", "intent": "cancel"});
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    held.reply("cancel: it").await;
    let reply = held.says("never_mind: no", "Never mind.", "never_mind", cancelled.clone()).await;
    assert_eq!(reply.classification.unwrap().confidence, Some(0.9));
    held.reply("cancel: FL1234").await;
    held.says("deny: no", "As you like.", "deny", cancelled.clone()).await;
    // A way out that isn't the fallback is no fallback.
    let file = BOT.replace("give_up = \"agent\"", "give_up = \"never_mind\"");
    let mut held = Held::new(&file, "http://127.0.0.1:9/");
    for text in ["cancel: it", "hm"] {
        held.reply(text).await;
    }
    let reply = held.says("hm", "Never mind.", "never_mind", cancelled.clone()).await;
    assert!(!reply.classification.unwrap().fallback);
    let file = BOT.replace("give_up = \"agent\"\n", "");
    let mut held = Held::new(&file, "http://127.0.0.1:9/");
    for text in ["cancel: it", "hm"] {
        held.reply(text).await;
    }
    let reply = held.says("affirm: hm", "What do you mean?", "help", cancelled).await;
    let classification = reply.classification.unwrap();
    assert!(classification.fallback);
    assert_eq!(classification.predicted.unwrap().name.as_str(), "affirm");
}

#[tokio::test]
async fn a_person_is_told_what_was_said() {
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    held.reply("cancel: FL1234").await;
    for (text, is_new) in [("agent: a human", true), ("hello: hi", false)] {
        let Turned::Person(handover) = held.turn(text).await else { unreachable!("a person has it") };
        assert_eq!((handover.intent.as_str(), handover.is_new), ("agent", is_new));
        assert_eq!(handover.slots.get("order"), Some("FL1234"));
        assert_eq!(handover.history.last().unwrap().text, text);
        assert_eq!(handover.classification.is_some(), is_new, "what a person has isn't classified");
    }
    held.state.release();
    held.says("hello: hi", "Hello.", "hello", Value::Null).await;
}

#[tokio::test]
async fn another_program_answers_by_its_queue_and_what_follows_is_no_answer_to_the_question_before() {
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    held.reply("cancel: it").await;
    let turned = held.turn("outside: where?").await;
    assert!(matches!(turned, Turned::Outcome(Outcome::Forward { ref intent, .. }) if intent.as_str() == "outside"));
    assert!(!held.state.open[0].fresh);
    assert_eq!(held.reply("hm").await.text, "Which order?", "it isn't counted");
    assert_eq!(held.reply("hm").await.text, "The number?");
}

#[tokio::test]
async fn what_would_wait_in_a_queue_is_answered_where_it_is_and_sets_slots() {
    let said = json!({"text": "Paid.", "slots": {"colour": "green", "order": "FL7777", "nothing": "x"}});
    let stub = Stub::start(move |_| Act::json(&said)).await;
    let mut held = Held::new(BOT, &stub.url);
    held.says("hook: pay", "Paid.", "hook", Value::Null).await;
    let sent = stub.seen()[0].json();
    assert_eq!((&sent["turn"], &sent["slots"]), (&json!(1), &json!({})));
    // A list has no green, and no intent has a slot 'nothing'.
    assert_eq!(held.state.slots.iter().collect::<Vec<_>>(), [("order", "FL7777")]);
    // What a handler said isn't asked.
    held.says("cancel: it", "Cancel FL7777?", "cancel", json!({"status": "confirming", "intent": "cancel"})).await;
    held.says("hook: pay", "Paid.\n\nCancel FL7777?", "hook", json!({"status": "confirming", "intent": "cancel"}))
        .await;
    let sent = stub.seen()[1].json();
    assert_eq!((&sent["turn"], &sent["slots"]), (&json!(3), &json!({"order": "FL7777"})));
}

#[tokio::test]
async fn a_turn_that_fails_has_not_happened() {
    let stub = Stub::start(|_| Act::Answer(500, "", String::new())).await;
    let mut held = Held::new(BOT, &stub.url);
    held.reply("cancel: it").await;
    let error = held.pipeline.turn(&job("hook: pay", None), held.state.clone(), 2).await.unwrap_err();
    assert!(error.code.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_request_in_no_conversation_is_a_turn_of_its_own() {
    async fn check(pipeline: &Pipeline, text: &str, expected: &str) {
        for stage in
            [Stage::Classify, Stage::Handle { intent: "cancel".to_owned().try_into().unwrap(), classification: None }]
        {
            let job = Job { stage, ..job(text, Some("en")) };
            let Outcome::Reply(reply) = pipeline.run(&job).await.0 else { unreachable!("it is answered") };
            assert_eq!(
                (&*reply.text, reply.intent.as_str(), &reply.details.state),
                (expected, "cancel", &None),
                "{text}"
            );
        }
    }
    let pipeline = bot(BOT, "http://127.0.0.1:9/");
    check(&pipeline, "cancel: it", "Which order?").await;
    // Nobody could confirm it, and so nothing is done.
    check(&pipeline, "cancel: FL1234", "Cancel FL1234?").await;
    let unasked = bot(&BOT.replace("confirm.", "# confirm."), "http://127.0.0.1:9/");
    check(&unasked, "cancel: FL1234", "Cancelled FL1234.").await;
    // What steers means nothing there.
    let Outcome::Reply(reply) = pipeline.run(&job("agent: a human", None)).await.0 else { unreachable!("a template") };
    assert_eq!((&*reply.text, &reply.details.state), ("Nobody is there.", &None));
}

#[tokio::test]
async fn a_history_of_the_clients_counts_only_where_nothing_is_known() {
    let stub = Stub::start(|_| Act::says("x")).await;
    let file = format!(
        "{BOT}[intents.chat]\nhandler = \"llm\"\nllm.service = \"qwen\"\nllm.system.en = \"Be brief. {{{{ slots.colour }}}}\"\n"
    );
    let intents = IntentsFile::parse("test.toml", &file).unwrap().file;
    let url = stub.url.clone();
    let variables = [
        ("CHATBOT_SHOP_KIND", "webhook"),
        ("CHATBOT_SHOP_URL", "http://127.0.0.1:9/"),
        ("CHATBOT_QWEN_KIND", "openai"),
        ("CHATBOT_QWEN_URL", &url),
        ("CHATBOT_QWEN_MODEL", "m"),
    ];
    let variables: Variables = variables.into_iter().collect();
    let settings = Settings::load(&variables, &|_| Ok(Vec::new())).unwrap().settings;
    let pipeline = pipeline(&settings, &intents, Arc::new(AsSaid)).unwrap();
    let mut asked = job("chat: and in red?", None);
    asked.request.history = vec![crate::domain::Turn { role: Role::User, text: "told along".into() }];
    let mut known = State::default();
    known.say(Role::User, "kept here");
    known.slots.say("colour", "red");
    for (state, expected) in [(State::default(), "told along"), (known, "kept here")] {
        let before = stub.seen().len();
        let _ = pipeline.turn(&asked, state, 1).await;
        let sent = stub.seen()[before].json();
        let texts: Vec<&str> =
            sent["messages"].as_array().unwrap().iter().map(|it| it["content"].as_str().unwrap()).collect();
        assert_eq!((texts.len(), texts[1]), (3, expected));
        assert_eq!(texts[0].contains("Be brief. red"), expected == "kept here");
    }
}
