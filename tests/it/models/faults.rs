//! What is made of each fault of a service, how often it is tried again, and when it is left alone.

use super::*;
use crate::stub::Seen;

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
