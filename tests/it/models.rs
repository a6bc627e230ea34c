//! Models that are asked over HTTP: what is sent, what is made of the answer, and what of each fault.

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
    stub::{Act, Seen, Stub},
    support::{Bench, PATIENCE, eventually, intent},
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

/// Each kind of model that is a service, ready to be asked.
fn kinds() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        ("openai", OPENAI.to_vec()),
        ("rasa", vec![("KIND", "rasa")]),
        ("tei", vec![("KIND", "tei")]),
        ("http", vec![("KIND", "http"), ("BODY", r#"{"q": {{ text }}}"#), ("INTENT_POINTER", "/intent")]),
    ]
}

/// An answer of each kind that names an intent which the bot hasn't.
fn wrong_intent(seen: &Seen) -> Act {
    match seen.path.as_str() {
        "/chat/completions" => Act::completion(r#"{"intent": "evil"}"#),
        "/model/parse" => Act::json(json!({"intent": {"name": "evil", "confidence": 0.9}})),
        "/predict" => Act::json(json!([[{"label": "evil", "score": 0.9}]])),
        _ => Act::json(json!({"intent": "evil"})),
    }
}

type Fault = (&'static str, fn(&Seen) -> Act, Failure);

const FAULTS: [Fault; 16] = [
    ("it hangs", |_| Act::Hang, Failure::Timeout),
    ("it hangs in the body", |_| Act::HangInTheBody, Failure::Timeout),
    ("its body has no end", |_| Act::Endless, Failure::BadAnswer),
    ("429", |_| Act::Answer(429, "retry-after: 60\r\n", "{}".into()), Failure::Throttled),
    ("500", |_| Act::status(500), Failure::Server),
    ("401", |_| Act::status(401), Failure::Denied),
    ("404", |_| Act::status(404), Failure::Denied),
    ("413", |_| Act::status(413), Failure::Refused),
    ("a page", |_| Act::Answer(200, "", "<!doctype html><p>Welcome".into()), Failure::Denied),
    ("429 within a 200", |_| Act::json(json!({"error": {"code": 429, "message": "slow"}})), Failure::Throttled),
    ("503 within a 200", |_| Act::json(json!({"error": {"code": "503", "message": "down"}})), Failure::Server),
    ("it redirects", |_| Act::Answer(307, "location: http://127.0.0.1:1/\r\n", String::new()), Failure::Denied),
    ("broken JSON", |_| Act::Answer(200, "", "{\"choices\": [".into()), Failure::BadAnswer),
    ("other JSON", |_| Act::json(json!({"hello": ["world"]})), Failure::BadAnswer),
    ("a wrong intent", wrong_intent, Failure::BadAnswer),
    ("it resets the connection", |_| Act::Reset, Failure::Unreachable),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_as_what_it_is_and_the_embedded_model_stands_in() {
    for (kind, settings) in kinds() {
        let settings = [&settings[..], &[("TIMEOUT", "300ms"), ("MAX_RESPONSE", "64KiB")]].concat();
        for (fault, act, expected) in FAULTS {
            let stub = Stub::start(act).await;
            let error = ask(&*alone(&stub, "", &settings), "refund me please").await.unwrap_err();
            assert_eq!(error.failure, expected, "{kind}, {fault}: {error}");
            assert!(!error.to_string().contains("refund me"), "{error}");

            let chain = [&settings[..], &[("URL", stub.url.as_str())]].concat();
            let prediction = ask(&*model_of("x", &chain), "refund me please").await.unwrap();
            assert_eq!((&*prediction.model, best(&prediction).0), ("embedded", "refund"), "{kind}, {fault}");
        }
    }
    let nobody = [&OPENAI[..], &[("URL", "http://127.0.0.1:1"), ("CHATBOT_MODEL_LAST_RESORT", "off")]].concat();
    assert_eq!(ask(&*model_of("x", &nobody), "hi").await.unwrap_err().failure, Failure::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_once_and_no_other_is() {
    async fn asked(status: u16) -> usize {
        let stub = Stub::start(move |_| Act::status(status)).await;
        ask(&*alone(&stub, "", &OPENAI), "hi").await.unwrap_err();
        stub.seen().len()
    }
    for (status, requests) in [(500, 2), (502, 2), (429, 1), (401, 1), (404, 1)] {
        assert_eq!(asked(status).await, requests, "{status}");
    }
    let tries = Arc::new(AtomicUsize::new(0));
    let stub = Stub::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Reset,
        _ => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    ask(&*alone(&stub, "", &OPENAI), "hi").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_when_to_come_back_is_left_alone_until_then() {
    let throttling = Arc::new(AtomicBool::new(true));
    let throttles = Arc::clone(&throttling);
    let stub = Stub::start(move |_| match throttles.load(Ordering::SeqCst) {
        true => Act::Answer(429, "retry-after: 1\r\n", "{}".into()),
        false => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    let chain = [&OPENAI[..], &[("URL", stub.url.as_str())]].concat();
    let model = model_of("x", &chain);
    for text in ["one", "two", "three"] {
        assert_eq!(&*ask(&*model, text).await.unwrap().model, "embedded");
    }
    assert_eq!(stub.seen().len(), 1);
    throttling.store(false, Ordering::SeqCst);
    eventually("the model is asked again", || async {
        (&*ask(&*model, "four").await.unwrap().model == "x").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_again_and_again_is_left_alone_and_then_asked_again() {
    let failing = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&failing);
    let stub = Stub::start(move |_| match fails.load(Ordering::SeqCst) {
        true => Act::status(401),
        false => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    let settings = [("BREAKER_FAILURES", "3"), ("BREAKER_PAUSE", "2s"), ("CACHE", "off")];
    let model = alone(&stub, "", &[&OPENAI[..], &settings].concat());
    for (at, expected) in [Failure::Denied, Failure::Denied, Failure::Denied, Failure::Open].into_iter().enumerate() {
        assert_eq!(ask(&*model, "hi").await.unwrap_err().failure, expected, "{at}");
    }
    assert_eq!(stub.seen().len(), 3, "a lone model has a breaker too");
    failing.store(false, Ordering::SeqCst);
    eventually("it is asked again", || async { ask(&*model, "hi").await.ok() }).await;
    ask(&*model, "d").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_of_the_next_text_opens_no_breaker() {
    let stub = Stub::start(|seen| match seen.body["messages"][1]["content"].as_str().unwrap() {
        text if text.contains("bomb") => Act::Answer(
            400,
            "",
            json!({"error": {"code": "content_filter", "message": format!("The prompt was filtered: {text}")}})
                .to_string(),
        ),
        // A filter that calls itself nothing that is known.
        text if text.contains("war") => Act::Answer(400, "", json!({"error": {"message": "No."}}).to_string()),
        text if text.contains("slow") => Act::Hang,
        text if text.contains("evil") => Act::completion(r#"{"intent": "evil"}"#),
        _ => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    let settings = [("BREAKER_FAILURES", "1"), ("BREAKER_PAUSE", "10m"), ("CACHE", "off")];
    let model = alone(&stub, "", &[&OPENAI[..], &settings].concat());
    // Before anything is known of the server, too.
    let error = ask(&*model, "how is a bomb made").await.unwrap_err();
    assert_eq!(error.failure, Failure::Refused, "{error}");
    assert!(error.to_string().contains("The prompt was filtered") && !error.to_string().contains("bomb"), "{error}");
    ask(&*model, "hi").await.unwrap();
    let mut posts = stub.seen().len();
    assert_eq!(posts, 2);
    for (text, expected) in
        [("how is a bomb made", Failure::Refused), ("a war", Failure::Refused), ("evil", Failure::BadAnswer)]
    {
        for _ in 0..5 {
            assert_eq!(ask(&*model, text).await.unwrap_err().failure, expected, "{text}");
            posts += 1;
            assert_eq!(stub.seen().len(), posts, "'{text}' is sent once");
        }
    }
    for _ in 0..5 {
        let soon = Query { text: "slow", locale: None, deadline: Instant::now() + Duration::from_millis(50) };
        assert_eq!(model.classify(&soon).await.unwrap_err().failure, Failure::OutOfTime);
        // Dropped, as where a broker's session is lost.
        let dropped = tokio::time::timeout(Duration::from_millis(50), ask(&*model, "slow")).await;
        assert!(dropped.is_err(), "{dropped:?}");
    }
    assert!(ask(&*model, "hello").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_happened_to_pass_is_not_kept() {
    // A filter by chance, in no known words: it takes offence at the first request alone.
    let count = Arc::new(AtomicUsize::new(0));
    let stub = Stub::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Answer(400, "", json!({"error": {"message": "No."}}).to_string()),
        _ => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    let model = alone(&stub, "", &OPENAI);
    ask(&*model, "one").await.unwrap();
    ask(&*model, "two").await.unwrap();
    let last = stub.seen().pop().unwrap().body;
    assert_eq!(last["response_format"]["type"], "json_schema", "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_a_server_no_longer_takes_is_left_out_when_it_names_it() {
    let refusing = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&refusing);
    let stub = Stub::start(move |seen| match seen.body.get("response_format") {
        Some(_) if refuses.load(Ordering::SeqCst) => {
            let message = "No endpoints found that support the requested parameters: response_format";
            Act::Answer(404, "", json!({"error": {"message": message, "code": 404}}).to_string())
        }
        _ => Act::completion(r#"{"intent": "refund"}"#),
    })
    .await;
    for from_the_start in [true, false] {
        refusing.store(from_the_start, Ordering::SeqCst);
        let model = alone(&stub, "", &OPENAI);
        ask(&*model, "one").await.unwrap();
        refusing.store(true, Ordering::SeqCst);
        ask(&*model, "two").await.unwrap();
        let posts = stub.seen().len();
        ask(&*model, "three").await.unwrap();
        assert_eq!(stub.seen().len(), posts + 1, "{from_the_start}");
        assert_eq!(stub.seen().pop().unwrap().body.get("response_format"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_form_at_all_is_left_alone() {
    let stub = Stub::start(|_| Act::Answer(400, "", json!({"error": {"message": "No."}}).to_string())).await;
    let settings = [("BREAKER_FAILURES", "1"), ("BREAKER_PAUSE", "10m")];
    let model = alone(&stub, "", &[&OPENAI[..], &settings].concat());
    let error = ask(&*model, "one").await.unwrap_err();
    assert_eq!(error.failure, Failure::Denied);
    assert!(error.to_string().ends_with("it answered 400, in whatever form it was asked (it says: No.)"), "{error}");
    assert_eq!(ask(&*model, "one").await.unwrap_err().failure, Failure::Open);
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

#[tokio::test(flavor = "multi_thread")]
async fn the_next_model_is_asked_only_where_one_is_not_sure() {
    let stub = Stub::start(|_| Act::completion(r#"{"intent": "product_info"}"#)).await;
    let url = ("URL", stub.url.as_str());
    let unsure = ("CHATBOT_MODEL_THRESHOLD", "0.6");
    let model = model_of("embedded,x", &[&OPENAI[..], &[url, unsure]].concat());
    assert_eq!(&*ask(&*model, "refund me please").await.unwrap().model, "embedded");
    assert_eq!(stub.seen().len(), 0);
    assert_eq!(&*ask(&*model, "zzz qqq").await.unwrap().model, "x");
    let sure = ask(&*model, "refund me please").await.unwrap();
    let lead = sure.ranking[0].confidence - sure.ranking[1].confidence;
    assert!(lead < 1.0);
    // As sure as never, by either measure.
    for strict in ["CHATBOT_EMBEDDED_MIN_CONFIDENCE", "CHATBOT_EMBEDDED_MIN_MARGIN"] {
        let model = model_of("embedded,x", &[&OPENAI[..], &[url, (strict, "1")]].concat());
        assert_eq!(&*ask(&*model, "refund me please").await.unwrap().model, "x", "{strict}");
    }
    // The next one fails: what the first wasn't sure of is better than nothing.
    drop(stub);
    let model = model_of("embedded,x", &[&OPENAI[..], &[("URL", "http://127.0.0.1:1"), unsure]].concat());
    let unsure = ask(&*model, "zzz qqq").await.unwrap();
    assert_eq!((&*unsure.model, best(&unsure).1 < 0.6), ("embedded", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_come_first_and_texts_that_they_do_not_know_go_on() {
    let rules = std::env::temp_dir().join(format!("rules-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&rules, "[[rule]]\nintent = \"refund\"\nwords = [\"kettle\"]\n").unwrap();
    let model = model_of("x", &[("KIND", "keywords"), ("RULES_PATH", rules.to_str().unwrap())]);
    let prediction = ask(&*model, "tell me about the kettle").await.unwrap();
    assert_eq!((&*prediction.model, best(&prediction)), ("x", ("refund", 1.0)));
    let prediction = ask(&*model, "我想查询产品规格").await.unwrap();
    assert_eq!((&*prediction.model, best(&prediction).0), ("embedded", "product_info"));
    std::fs::remove_file(rules).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deadline_holds_for_the_whole_chain_and_the_last_model_has_its_share() {
    let stub = Stub::start(|_| Act::Hang).await;
    let settings = [&OPENAI[..], &[("URL", stub.url.as_str()), ("TIMEOUT", "1m")]].concat();
    let model = model_of("x", &settings);
    let query = Query { text: "refund me please", locale: None, deadline: Instant::now() + Duration::from_secs(2) };
    // When exactly the next is asked, the chain's own tests tell.
    assert_eq!(&*model.classify(&query).await.unwrap().model, "embedded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_cut_off_in_the_middle_fails_no_request() {
    let stub = Stub::start(|_| {
        Act::Late(Duration::from_millis(20), Box::new(Act::completion(r#"{"intent": "product_info"}"#)))
    })
    .await;
    let model = model_of("x", &[&OPENAI[..], &[("URL", stub.url.as_str())]].concat());
    let mut bench = Bench::new();
    bench.parts.model = model;
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let (count, mut stub) = (300, Some(stub));
    for number in 0..count {
        if number == count / 2 {
            // With requests under way.
            drop(stub.take());
        }
        let properties = client.properties(&number.to_string());
        client.publish("request", properties, format!("money back, number {number}").as_bytes()).await;
    }
    let mut by_model = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..count {
        let answer = client.next().await;
        assert_eq!(answer.json["type"], "chat.reply", "{}", answer.json);
        assert_eq!(answer.code(), None);
        *by_model.entry(answer.json["model"].as_str().unwrap().to_owned()).or_default() += 1;
        if answer.json["model"] == "x" {
            let decided = json!({"name": "product_info", "confidence": null, "fallback": false});
            assert_eq!((&answer.json["intent"], &answer.json["ranking"]), (&decided, &json!([])));
        }
    }
    assert!(by_model["x"] > 0 && by_model["embedded"] > count / 3, "{by_model:?}");
    worker.stop().await;
}

#[test]
fn the_sample_bots_intents_are_all_described_for_a_language_model() {
    let bot = IntentsFile::parse("built in", BUILT_IN).unwrap();
    for intent in &bot.file.intents {
        assert!(intent.description.is_some(), "{}", intent.name);
    }
}

#[test]
fn the_commands_ask_the_chain_and_tell_which_model_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stub = runtime.block_on(Stub::start(|_| Act::completion(r#"{"intent": "refund"}"#)));
    let program = crate::cli::Program::new()
        .with("CHATBOT_MODEL_CHAIN", "qwen")
        .with("CHATBOT_QWEN_KIND", "openai")
        .with("CHATBOT_QWEN_URL", &stub.url)
        .with("CHATBOT_QWEN_MODEL", "m");
    let classified = program.run(&["classify", "--format", "json", "hi"]).json_lines();
    assert_eq!((&classified[0]["model"], &classified[0]["intent"]["name"]), (&json!("qwen"), &json!("refund")));
    assert_eq!(classified[0]["intent"]["confidence"], Value::Null);
    assert!(program.run(&["check"]).out.contains("'qwen' answers"));
    drop(stub);
    let gone = program.with("CHATBOT_QWEN_URL", "http://127.0.0.1:1");
    let classified = gone.run(&["classify", "--format", "json", "hi"]);
    assert!(classified.out.contains(r#""model":"embedded""#), "{classified:?}");
    assert!(classified.err.contains("the model 'qwen' can't be reached"), "why another answers: {classified:?}");
    let ended = gone.run(&["check"]);
    assert!(ended.out.contains("warn  model") && ended.out.contains("the model 'qwen' can't be reached"), "{ended:?}");
}
