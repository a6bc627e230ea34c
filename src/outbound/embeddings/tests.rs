//! Vectors: which text each is of, and what of an answer is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use super::*;
use crate::outbound::stub::{Act, Seen, Stub};

fn form(batch: u16) -> Form {
    Form {
        model: Some("m".to_owned()),
        prefix: Some("query:".to_owned()),
        passage_prefix: Some("passage:".to_owned()),
        extra: Map::new(),
        batch: NonZeroU16::new(batch).unwrap(),
    }
}

fn embedder(stub: &Stub) -> Embedder {
    Embedder::new(stub.service(), form(3))
}

/// The texts of a request.
fn texts(seen: &Seen) -> Vec<String> {
    let body = seen.json();
    let texts = body.get("input").or_else(|| body.get("inputs")).and_then(Value::as_array).unwrap().clone();
    texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A vector that tells which text it is of: the number at its end.
fn vector(text: &str) -> Value {
    let number: f32 = text.rsplit_once(' ').unwrap().1.parse().unwrap();
    json!([number, 1.0])
}

/// As OpenAI's answers, in an order of their own.
fn answer(seen: &Seen) -> Act {
    let one =
        |(index, text): (usize, &String)| json!({"object": "embedding", "index": index, "embedding": vector(text)});
    let data: Vec<Value> = texts(seen).iter().enumerate().rev().map(one).collect();
    Act::json(&json!({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}))
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn fill(embedder: &Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>, ServiceError> {
    let mut had = Vec::new();
    embedder.fill(&mut had, texts, Role::Passage, &Vectors::new(1 << 20)).await?;
    Ok(had.into_iter().map(|vector| vector.unwrap().to_vec()).collect())
}

#[tokio::test]
async fn many_texts_are_asked_for_in_batches_and_each_gets_its_own_vector() {
    let stub = Stub::start(answer).await;
    let numbers: Vec<String> = (0..7).map(|n| format!("text {n}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let filled = fill(&embedder(&stub), &numbers).await.unwrap();
    assert_eq!(filled.iter().map(|vector| vector[0]).collect::<Vec<_>>(), [0., 1., 2., 3., 4., 5., 6.]);
    let seen = stub.seen();
    assert_eq!(seen.iter().map(|seen| texts(seen).len()).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(texts(&seen[0])[0], "passage: text 0");
    assert!(seen[0].head.starts_with("POST /embeddings "), "{}", seen[0].head);
    assert_eq!((&seen[0].json()["model"], &seen[0].json()["encoding_format"]), (&json!("m"), &json!("float")));

    let asked = embedder(&stub).ask(&["text 5", "text 4"], later()).await.unwrap();
    assert_eq!(asked, [[5.0, 1.0], [4.0, 1.0]]);
    assert_eq!(texts(stub.seen().last().unwrap()), ["query: text 5", "query: text 4"]);
}

#[tokio::test]
async fn nothing_is_asked_for_no_texts() {
    let stub = Stub::start(answer).await;
    assert_eq!(fill(&embedder(&stub), &[]).await.unwrap(), Vec::<Vec<f32>>::new());
    assert_eq!(embedder(&stub).ask(&[], later()).await.unwrap(), Vec::<Vec<f32>>::new());
    assert_eq!(stub.seen().len(), 0);
}

#[tokio::test]
async fn text_embeddings_inference_is_asked_in_its_own_form() {
    let stub = Stub::start(|seen| Act::json(&texts(seen).iter().map(|text| vector(text)).collect())).await;
    let service = stub.service_at("/embed");
    let filled = Embedder::new(service, form(3));
    assert_eq!(fill(&filled, &["text 1", "text 2"]).await.unwrap(), [[1.0, 1.0], [2.0, 1.0]]);
    let seen = stub.seen().remove(0);
    assert!(seen.head.starts_with("POST /embed "), "{}", seen.head);
    assert_eq!(
        seen.json(),
        json!({"inputs": ["passage: text 1", "passage: text 2"], "normalize": true, "truncate": true})
    );
}

/// What an answer to two texts has to come to, for questions and for passages.
async fn check(answer: impl Into<String>, failure: Failure, said: &str) {
    let answer = answer.into();
    let act = Act::Answer(200, "content-type: application/json\r\n", answer.clone());
    let stub = Stub::script(vec![act]).await;
    let embedder = embedder(&stub);
    let of_questions = embedder.ask(&["text 1", "text 2"], later()).await.unwrap_err();
    let of_passages = fill(&embedder, &["text 1", "text 2"]).await.unwrap_err();
    for error in [of_questions, of_passages] {
        assert_eq!(error.failure, failure, "{answer}: {error}");
        assert!(error.to_string().contains(said), "{answer}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_a_vector_for_each_text_is_none() {
    let data = |vectors: &[(usize, Value)]| {
        let one = |(index, embedding): &(usize, Value)| json!({"index": index, "embedding": embedding});
        json!({"data": vectors.iter().map(one).collect::<Vec<_>>()}).to_string()
    };
    let bad = Failure::BadAnswer;
    let each = "doesn't have one vector for each text";
    check(data(&[(0, json!([1.0, 2.0]))]), bad, each).await;
    check(data(&[(0, json!([1.0])), (1, json!([1.0])), (2, json!([1.0]))]), bad, each).await;
    check(data(&[]), bad, each).await;
    // Which text is which isn't known.
    check(data(&[(0, json!([1.0])), (0, json!([2.0]))]), bad, each).await;
    check(data(&[(1, json!([1.0])), (2, json!([2.0]))]), bad, each).await;
    // Vectors that can't be compared, or with anything.
    let form = "aren't all of one length and finite";
    check(data(&[(0, json!([1.0, 2.0])), (1, json!([1.0]))]), bad, form).await;
    check(data(&[(0, json!([])), (1, json!([]))]), bad, form).await;
    check(data(&[(0, json!([1.0])), (1, json!([1e39]))]), bad, form).await;
    // What Python writes for a vector that went wrong, and the form that wasn't asked for.
    let isnt = "it isn't JSON of the form that was expected";
    check("{\"data\": [{\"index\": 0, \"embedding\": [NaN]}, {\"index\": 1, \"embedding\": [1.0]}]}", bad, isnt).await;
    check(data(&[(0, json!("AACAPwAAAEA=")), (1, json!("AACAPwAAAEA="))]), bad, isnt).await;
    check("[[1.0], [2.0]]", bad, isnt).await;
    check("", bad, isnt).await;
    // An error within a 200 is what it says that it is.
    let error = |code: u16| json!({"error": {"code": code, "message": "as told"}}).to_string();
    check(error(401), Failure::Denied, "401 within a 200").await;
    check(error(503), Failure::Server, "as told").await;
    check(error(429), Failure::Throttled, "as told").await;
    check("<!doctype html><p>Welcome", Failure::Denied, "a page of HTML").await;
}

#[tokio::test]
async fn text_embeddings_inference_that_answers_for_fewer_texts_is_no_answer() {
    for (answer, said) in
        [("[[1.0]]", "another number of vectors than texts"), ("{\"error\": \"overloaded\"}", "with an error")]
    {
        let act = Act::Answer(200, "content-type: application/json\r\n", answer.to_owned());
        let stub = Stub::script(vec![act]).await;
        let embedder = Embedder::new(stub.service_at("/embed"), form(3));
        let error = embedder.ask(&["text 1", "text 2"], later()).await.unwrap_err();
        assert!(error.failure == Failure::BadAnswer && error.to_string().contains(said), "{answer}: {error}");
    }
}

#[tokio::test]
async fn what_was_had_before_a_failure_is_kept_and_only_the_rest_is_asked_for() {
    let stub = Stub::start({
        let times = std::sync::atomic::AtomicUsize::new(0);
        move |seen| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            1 => Act::Close,
            _ => answer(seen),
        }
    })
    .await;
    let (embedder, known, mut had) = (embedder(&stub), Vectors::new(1 << 20), Vec::new());
    let four = ["text 0", "text 1", "text 2", "text 3"];
    let error = embedder.fill(&mut had, &four, Role::Passage, &known).await.unwrap_err();
    assert_eq!((error.failure, had.iter().flatten().count()), (Failure::Unreachable, 3));
    embedder.fill(&mut had, &four, Role::Passage, &known).await.unwrap();
    assert_eq!(had.iter().flatten().map(|vector| vector[0]).collect::<Vec<_>>(), [0., 1., 2., 3.]);
    // One that is known goes along, to see that it is the same model still.
    assert_eq!(texts(stub.seen().last().unwrap()), ["passage: text 3", "passage: text 0"]);
}

#[tokio::test]
async fn vectors_of_another_model_do_not_stand_beside_those_that_were_had() {
    let stub = Stub::start(|seen| {
        let data = texts(seen).len();
        let one = |index: usize| json!({"index": index, "embedding": [0.0, 0.0, 1.0]});
        Act::json(&json!({"data": (0..data).map(one).collect::<Vec<_>>()}))
    })
    .await;
    let embedder = embedder(&stub);
    let old: Vector = vec![1.0, 0.0].into();
    let mut had = vec![Some(old.clone()), Some(old), None];
    embedder.fill(&mut had, &["text 0", "text 1", "text 2"], Role::Passage, &Vectors::new(1 << 20)).await.unwrap();
    assert!(had.iter().all(|vector| vector.as_ref().is_some_and(|it| it.len() == 3)), "{had:?}");
    // A service that changes its mind with each request is told, and not asked for ever.
    let times = std::sync::atomic::AtomicUsize::new(1);
    let stub = Stub::start(move |seen| {
        let width = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let one = |index: usize| json!({"index": index, "embedding": vec![1.0; width]});
        Act::json(&json!({"data": (0..texts(seen).len()).map(one).collect::<Vec<_>>()}))
    })
    .await;
    let embedder = Embedder::new(stub.service(), form(1));
    let error = fill(&embedder, &["text 0", "text 1", "text 2"]).await.unwrap_err();
    assert!(error.to_string().contains("several models behind the address"), "{error}");
    assert!(stub.seen().len() <= 4, "{}", stub.seen().len());
}
