//! Models that are asked over HTTP: what is sent, what is made of the answer, and what of each fault.

mod chain;
mod faults;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chatbot_worker::{
    app::{
        self,
        intents::{BUILT_IN, IntentsFile},
        settings::Settings,
    },
    config::Variables,
    domain::{Decision, Prediction},
    model::{Failure, ModelClient, ModelError, Query},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    stub::{Act, Stub},
    support::{PATIENCE, eventually, intent},
};

/// A bot with two intents, so that nothing takes long to train.
const BOT: &str = r#"
    fallback = "help_info"
    [intents.help_info]
    reply.en = "help"
    [intents.refund]
    description = "Wants money back."
    examples.en = ["refund me please", "I want my money back", "give me a refund", "money back", "can I get a refund"]
    examples.zh = ["我要退款", "请退钱给我", "怎么退款", "能退钱吗", "把钱退给我"]
    reply.en = "refund"
    [intents.product_info]
    description = "Asks about a product."
    examples.en = ["what size is it", "tell me about the kettle", "product details", "how heavy is it", "which colours"]
    examples.zh = ["我想查询产品规格", "这个多大", "产品介绍", "有什么颜色", "多重"]
    reply.en = "product"
"#;

/// The model of these settings, each `KEY=value` one of the model `x`'s, unless it begins with `CHATBOT_`.
fn model_of(chain: &str, variables: &[(&str, &str)]) -> Arc<dyn ModelClient> {
    model_of_bot(BOT, chain, variables)
}

fn model_of_bot(bot: &str, chain: &str, variables: &[(&str, &str)]) -> Arc<dyn ModelClient> {
    let named = |name: &str| if name.starts_with("CHATBOT_") { name.to_owned() } else { format!("CHATBOT_X_{name}") };
    let mut all: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (named(name), (*value).to_owned())).collect();
    all.push(("CHATBOT_MODEL_CHAIN".to_owned(), chain.to_owned()));
    // A loaded machine is no fault of the model's.
    all.push(("CHATBOT_BACKEND_TIMEOUT".to_owned(), "20s".to_owned()));
    all.push(("CHATBOT_BACKEND_CONNECT_TIMEOUT".to_owned(), "20s".to_owned()));
    let variables: Variables = all.into_iter().collect();
    let settings = Settings::load(&variables, &|path| std::fs::read(path)).unwrap_or_else(|error| panic!("{error}"));
    let bot = IntentsFile::parse("bot", bot).unwrap_or_else(|error| panic!("{error}"));
    app::model(&settings.settings, &bot.file, &app::Log::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The model `x` by itself, at a stub.
fn alone(stub: &Stub, path: &str, variables: &[(&str, &str)]) -> Arc<dyn ModelClient> {
    let url = format!("{}{path}", stub.url);
    let mut all = vec![("URL", url.as_str()), ("CHATBOT_MODEL_LAST_RESORT", "off")];
    all.extend_from_slice(variables);
    model_of("x", &all)
}

const OPENAI: [(&str, &str); 2] = [("KIND", "openai"), ("MODEL", "m")];

async fn ask(model: &dyn ModelClient, text: &str) -> Result<Prediction, ModelError> {
    let deadline = Instant::now() + PATIENCE;
    model.classify(&Query { text, locale: Some("en"), deadline }).await
}

fn best(prediction: &Prediction) -> (&str, f32) {
    let best = prediction.ranking.first().expect("a ranking");
    (best.name.as_str(), best.confidence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_model_is_asked_for_one_of_the_intents_and_its_choice_is_taken() {
    let stub = Stub::start(|seen| {
        let user = seen.body["messages"][1]["content"].as_str().unwrap().to_owned();
        match user.contains("unicorn") {
            true => Act::completion(r#"{"intent": "none_of_these"}"#),
            false => Act::completion(r#"{"intent": "refund"}"#),
        }
    })
    .await;
    let model = alone(&stub, "/v1", &[&OPENAI[..], &[("API_KEY", "s3cret")]].concat());
    let prediction = ask(&*model, "把钱退给我吧").await.unwrap();
    assert_eq!(prediction.decision, Some(Decision::Intent(intent("refund"))));
    assert_eq!((prediction.ranking.len(), &*prediction.model), (0, "x"));
    assert_eq!(ask(&*model, "a unicorn").await.unwrap().decision, Some(Decision::NoIntent));
    let seen = &stub.seen()[0];
    assert_eq!(seen.path, "/v1/chat/completions");
    assert!(seen.headers.contains("authorization: bearer s3cret"), "{seen:?}");
    let names = &seen.body["response_format"]["json_schema"]["schema"]["properties"]["intent"]["enum"];
    assert_eq!(names, &json!(["refund", "product_info", "none_of_these"]), "{}", seen.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probability_of_the_intents_tokens_is_the_confidence() {
    let stub = Stub::start(|_| {
        let token = |token: &str, p: f64| json!({"token": token, "logprob": p.ln(), "top_logprobs": []});
        let tokens =
            [token("{\"", 1.0), token("intent", 1.0), token("\":\"", 1.0), token("ref", 0.5), token("und", 0.8)];
        let tokens = [&tokens[..], &[token("\"}", 0.9)]].concat();
        let message = json!({"role": "assistant", "content": "{\"intent\":\"refund\"}"});
        Act::json(json!({"choices": [{"message": message, "logprobs": {"content": tokens}}]}))
    })
    .await;
    let prediction = ask(&*alone(&stub, "/v1", &OPENAI), "refund").await.unwrap();
    assert_eq!((best(&prediction), prediction.decision.as_ref()), (("refund", 0.4), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_is_left_out_and_remembered() {
    // As DeepSeek's: no schema, no logprobs.
    let stub = Stub::start(|seen| {
        let refuse = |message: &str| Act::Answer(400, "", json!({"error": {"message": message}}).to_string());
        if seen.body["logprobs"] == true {
            return refuse("logprobs is not supported by this model");
        }
        match seen.body["response_format"]["type"].as_str() {
            Some("json_object") => Act::completion(r#"{"intent": "refund"}"#),
            Some(_) => refuse("This response_format type is unavailable now"),
            None => refuse("unknown field"),
        }
    })
    .await;
    let model = alone(&stub, "/v1", &OPENAI);
    ask(&*model, "one").await.unwrap();
    let first = stub.seen().len();
    // As it didn't say what was wrong with structured_outputs, it is asked whether it takes them after all.
    assert_eq!(
        first, 6,
        "with logprobs, json_schema, structured_outputs, guided_json, json_object, structured_outputs"
    );
    ask(&*model, "two").await.unwrap();
    assert_eq!(stub.seen().len(), first + 1);
}

/// Vectors of a text: one direction an intent, by a character that only its examples hold.
fn vector(text: &str) -> Value {
    let has = |words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
    json!([has(&["refund", "money", "退"]), has(&["size", "kettle", "产品", "多", "颜色", "product", "heavy"]), 0.5])
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_are_classified_here_after_their_examples_are_had_and_texts_share_requests() {
    for (path, model_name) in [("/v1", Some("m")), ("/embed", None)] {
        let away = Arc::new(AtomicBool::new(true));
        let broken = Arc::clone(&away);
        let stub = Stub::start(move |seen| {
            let texts = ["input", "inputs"].iter().find_map(|key| seen.body[key].as_array()).unwrap().clone();
            if broken.load(Ordering::SeqCst) && texts.len() < 8 {
                return Act::status(500);
            }
            let vectors = texts.iter().map(|text| vector(text.as_str().unwrap()));
            match seen.path.as_str() {
                "/embed" => Act::json(vectors.collect()),
                // In an order of its own.
                _ => {
                    let data =
                        vectors.enumerate().map(|(index, embedding)| json!({"index": index, "embedding": embedding}));
                    let mut data: Vec<Value> = data.collect();
                    data.reverse();
                    Act::json(json!({"data": data}))
                }
            }
        })
        .await;
        let mut settings = vec![("KIND", "embeddings"), ("BATCH", "8"), ("BATCH_WAIT", "50ms"), ("PREFIX", "query:")];
        settings.extend(model_name.map(|name| ("MODEL", name)));
        let model = alone(&stub, path, &settings);
        assert_eq!(ask(&*model, "refund").await.unwrap_err().failure, Failure::NotReady);
        // 20 examples: two whole batches, and a part that fails at first.
        assert_eq!(model.prepare().await.unwrap_err().failure, Failure::Server);
        assert_eq!(stub.seen().len(), 3);
        away.store(false, Ordering::SeqCst);
        model.prepare().await.unwrap();
        assert_eq!(stub.seen().len(), 4, "what was had is kept");
        model.prepare().await.unwrap();
        let first = &stub.seen()[0];
        assert!(first.body.to_string().contains("query: refund me please"), "{first:?}");
        assert_eq!(first.path, if path == "/embed" { "/embed" } else { "/v1/embeddings" });

        let texts: Vec<String> = (0..8).map(|n| format!("{} {n}", ["money", "kettle"][n % 2])).collect();
        let answers = join_all(texts.iter().map(|text| ask(&*model, text))).await;
        for (at, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!(best(&answer).0, ["refund", "product_info"][at % 2]);
            assert!(best(&answer).1 > 0.5, "{answer:?}");
        }
        assert_eq!(stub.seen().len(), 5, "eight texts are one request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rasa_tei_and_any_json_service_are_asked_in_their_own_form() {
    let stub = Stub::start(|seen| match seen.path.split('?').next().unwrap() {
        "/model/parse" => Act::json(json!({
            "text": seen.body["text"],
            "intent": {"name": "refund", "confidence": 0.75},
            "intent_ranking": [
                {"name": "refund", "confidence": 0.75},
                {"name": "nlu_fallback", "confidence": 0.5},
                {"name": "product_info", "confidence": 0.25},
            ],
            "entities": [],
        })),
        "/predict" => {
            let labels = json!([{"label": "product_info", "score": 0.25}, {"label": "refund", "score": 0.75}]);
            Act::json(seen.body["inputs"].as_array().unwrap().iter().map(|_| labels.clone()).collect())
        }
        "/own" => Act::json(json!({"top": [{"i": "refund", "p": 0.75}, {"i": "product_info", "p": 0.25}]})),
        other => panic!("nobody asks {other}"),
    })
    .await;
    let own = [
        ("KIND", "http"),
        ("BODY", r#"{"q": {{ text }}, "lang": {{ locale }}}"#),
        ("RANKING_POINTER", "/top"),
        ("INTENT_POINTER", "/i"),
        ("CONFIDENCE_POINTER", "/p"),
        ("API_KEY", "s3cret"),
        ("API_KEY_HEADER", "x-api-key"),
    ];
    let rasa = [("KIND", "rasa"), ("API_KEY", "s3cret")];
    for (path, settings) in [("/", &rasa[..]), ("", &[("KIND", "tei")]), ("/own", &own)] {
        let prediction = ask(&*alone(&stub, path, settings), "a \"refund\"").await.unwrap();
        let ranking: Vec<(&str, f32)> =
            prediction.ranking.iter().map(|scored| (scored.name.as_str(), scored.confidence)).collect();
        assert_eq!(ranking, [("refund", 0.75), ("product_info", 0.25)]);
    }
    let seen = stub.seen();
    assert_eq!((seen[0].path.as_str(), &seen[0].body), ("/model/parse?token=s3cret", &json!({"text": "a \"refund\""})));
    assert_eq!(seen[1].body["inputs"], json!([["a \"refund\""]]));
    assert_eq!(seen[2].body, json!({"q": "a \"refund\"", "lang": "en"}));
    assert!(seen[2].headers.contains("x-api-key: s3cret"), "{:?}", seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_leaves_the_house_cut_to_4096_characters() {
    let stub = Stub::start(|seen| {
        let text = seen.body["q"].as_str().unwrap();
        assert!(text.chars().count() <= 4096, "{}", text.len());
        Act::json(json!({"intent": "refund"}))
    })
    .await;
    let own = [("KIND", "http"), ("BODY", r#"{"q": {{ text }}}"#), ("INTENT_POINTER", "/intent")];
    for cache in ["off", "10"] {
        let model = alone(&stub, "", &[&own[..], &[("CACHE", cache)]].concat());
        ask(&*model, &"退款".repeat(100_000)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_for_whose_sake_a_batch_is_refused_fails_alone() {
    let stub = Stub::start(|seen| match seen.body["inputs"].to_string().contains("bomb") {
        true => Act::Answer(413, "", json!({"error": "too long", "error_type": "Validation"}).to_string()),
        false => {
            let labels = json!([{"label": "refund", "score": 0.75}]);
            Act::json(seen.body["inputs"].as_array().unwrap().iter().map(|_| labels.clone()).collect())
        }
    })
    .await;
    let model = alone(&stub, "", &[("KIND", "tei"), ("BATCH", "3"), ("BATCH_WAIT", "1s"), ("BREAKER_FAILURES", "1")]);
    let answers = join_all(["a", "bomb", "c"].map(|text| ask(&*model, text))).await;
    let failures: Vec<_> = answers.into_iter().map(|answer| answer.err().map(|error| error.failure)).collect();
    assert_eq!(failures, [None, Some(Failure::Refused), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_read_again_has_only_what_is_new_in_it_embedded() {
    let stub = Stub::start(|seen| {
        let texts = seen.body["inputs"].as_array().unwrap();
        Act::json(texts.iter().map(|text| vector(text.as_str().unwrap())).collect())
    })
    .await;
    let url = format!("{}/embed", stub.url);
    let settings = [("KIND", "embeddings"), ("URL", &url), ("BATCH", "64"), ("CHATBOT_MODEL_LAST_RESORT", "off")];
    let sent = || stub.seen().iter().map(|seen| seen.body["inputs"].as_array().unwrap().len()).collect::<Vec<_>>();
    model_of("x", &settings).prepare().await.unwrap();
    assert_eq!(sent(), [20]);
    // Nothing new: the service isn't even asked.
    let again = model_of("x", &settings);
    again.prepare().await.unwrap();
    assert_eq!(sent(), [20]);
    assert_eq!(best(&ask(&*again, "money").await.unwrap()).0, "refund");
    assert_eq!(sent(), [20, 1]);
    // One text is new; one that is known goes along, to see whether it is still the same model.
    let changed = BOT.replace("\"money back\"", "\"my money, now\"");
    model_of_bot(&changed, "x", &settings).prepare().await.unwrap();
    assert_eq!(sent(), [20, 1, 2]);
    // Another prefix makes other vectors.
    model_of("x", &[&settings[..], &[("PREFIX", "query:")]].concat()).prepare().await.unwrap();
    assert_eq!(sent(), [20, 1, 2, 20]);
    // No request has more than the server takes at once: the one that is known is one of them.
    for (batch, new, expected) in [("1", "my money, please", [1, 1]), ("2", "my money, at once", [2, 1])] {
        let before = sent().len();
        let settings = [&settings[..], &[("BATCH", batch)]].concat();
        let changed = BOT.replace("\"money back\"", &format!("\"{new}\""));
        let changed = if batch == "2" { changed.replace("product details", "all details") } else { changed };
        model_of_bot(&changed, "x", &settings).prepare().await.unwrap();
        assert_eq!(sent()[before..], expected, "{batch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_a_model_that_is_another_by_now_are_not_mixed_with_its_own() {
    let other = Arc::new(AtomicUsize::new(0));
    let which = Arc::clone(&other);
    let stub = Stub::start(move |seen| {
        let texts = seen.body["inputs"].as_array().unwrap();
        let of = |text: &Value| match which.load(Ordering::SeqCst) {
            0 => vector(text.as_str().unwrap()),
            // Of the same length, and of another.
            1 => json!([0.5, vector(text.as_str().unwrap())[0], vector(text.as_str().unwrap())[1]]),
            _ => json!([vector(text.as_str().unwrap())[0], vector(text.as_str().unwrap())[1], 0.5, 0.1]),
        };
        Act::json(texts.iter().map(of).collect())
    })
    .await;
    let url = format!("{}/embed", stub.url);
    let settings = [("KIND", "embeddings"), ("URL", &url), ("BATCH", "64"), ("CHATBOT_MODEL_LAST_RESORT", "off")];
    model_of("x", &settings).prepare().await.unwrap();
    for (text, number) in [("what a size", 1), ("that kettle", 2)] {
        other.store(number, Ordering::SeqCst);
        let changed = BOT.replace("product details", text);
        let model = model_of_bot(&changed, "x", &settings);
        model.prepare().await.unwrap();
        for (text, intent) in [("money", "refund"), ("kettle", "product_info")] {
            assert_eq!(best(&ask(&*model, text).await.unwrap()).0, intent, "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_comes_again_is_not_asked_again_until_the_answer_is_old() {
    let stub = Stub::start(|_| Act::completion(r#"{"intent": "refund"}"#)).await;
    let model = alone(&stub, "", &OPENAI);
    let first = ask(&*model, "hi").await.unwrap();
    assert_eq!(ask(&*model, "hi").await.unwrap(), first);
    assert_eq!(stub.seen().len(), 1);
    ask(&*model, "hi!").await.unwrap();
    assert_eq!(stub.seen().len(), 2);
    let forgetful = alone(&stub, "", &[&OPENAI[..], &[("CACHE_TTL", "10ms")]].concat());
    eventually("the answer is too old", || async {
        ask(&*forgetful, "hi").await.unwrap();
        (stub.seen().len() == 4).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_under_way_at_once_than_allowed() {
    let late = || Act::Late(Duration::from_millis(50), Box::new(Act::completion(r#"{"intent": "refund"}"#)));
    let stub = Stub::start(move |_| late()).await;
    let model = alone(&stub, "", &[&OPENAI[..], &[("CONCURRENCY", "2")]].concat());
    let texts: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let answers = join_all(texts.iter().map(|text| ask(&*model, text))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((stub.seen().len(), stub.most_at_once()), (8, 2));

    let hanging = Stub::start(|_| Act::Hang).await;
    let settings = [("CONCURRENCY", "1"), ("TIMEOUT", "5s")];
    let model = alone(&hanging, "", &[&OPENAI[..], &settings].concat());
    let soon = Query { text: "b", locale: None, deadline: Instant::now() + Duration::from_millis(100) };
    let (first, second) = tokio::join!(ask(&*model, "a"), model.classify(&soon));
    assert_eq!((first.unwrap_err().failure, second.unwrap_err().failure), (Failure::Timeout, Failure::Busy));
}

#[test]
fn the_sample_bots_intents_are_all_described_for_a_language_model() {
    let bot = IntentsFile::parse("built in", BUILT_IN).unwrap();
    for intent in &bot.file.intents {
        assert!(intent.description.is_some(), "{}", intent.name);
    }
}
