//! What services answer when something goes wrong, as they do.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        service: "x".into(),
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: body.into(),
        private: vec!["how do I hurt my neighbour".to_owned(), "sk-0123456789".to_owned()],
    }
}

/// The fault of an answer without what was asked for, which here is a list.
fn fault(status: u16, body: &str) -> ServiceError {
    answer(status, body).read::<Vec<()>>().unwrap_err()
}

#[test]
fn whose_fault_it_is_follows_from_the_status_or_from_the_error_within_a_200() {
    fn check(status: u16, body: &str, failure: Failure, said: Option<&str>) {
        let error = fault(status, body);
        assert_eq!((error.failure, error.said.as_deref()), (failure, said), "{status} {body}");
    }
    use Failure::{BadAnswer, Denied, Refused, Server, Throttled};
    for (status, failure) in [
        (307, Denied),
        (400, Refused),
        (401, Denied),
        (402, Denied),
        (403, Denied),
        (404, Denied),
        (405, Denied),
        (408, Server),
        (413, Refused),
        (422, Refused),
        (429, Throttled),
        (500, Server),
        (503, Server),
    ] {
        check(status, "{}", failure, None);
    }
    // OpenRouter, also with the code as a text, and with the provider's words.
    check(200, r#"{"error":{"code":429,"message":"Rate limited"}}"#, Throttled, Some("Rate limited"));
    check(200, r#"{"error":{"code":"502","message":"Bad gateway"},"user_id":"u"}"#, Server, Some("Bad gateway"));
    check(
        200,
        r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":\"too big\"}"}}}"#,
        Refused,
        Some(r#"Provider returned error: {"error":"too big"}"#),
    );
    check(403, r#"{"error":{"code":403,"message":"Your input was flagged"}}"#, Refused, Some("Your input was flagged"));
    // OpenAI, Azure, DeepSeek, DashScope, Moonshot.
    check(
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-0123456789.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        Denied,
        Some("Incorrect API key provided: …."),
    );
    check(200, r#"{"error":{"message":"Slow down","type":"rate_limit_exceeded"}}"#, Throttled, Some("Slow down"));
    check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Denied, Some("Insufficient Balance"));
    check(400, r#"{"error":{"message":"Content Exists Risk"}}"#, Refused, Some("Content Exists Risk"));
    check(200, r#"{"error":{"code":"DataInspectionFailed","message":"x1"}}"#, BadAnswer, Some("x1"));
    check(200, r#"{"error":{"code":"data_inspection_failed","message":"x1"}}"#, Refused, Some("x1"));
    // TEI, FastAPI, Baidu, MiniMax, Hugging Face, Ollama, Rasa.
    check(429, r#"{"error":"Model is overloaded","error_type":"overloaded"}"#, Throttled, Some("Model is overloaded"));
    check(422, r#"{"detail":[{"loc":["body"],"msg":"Field required"}]}"#, Refused, Some("Field required"));
    check(200, r#"{"error_code":110,"error_msg":"Access token invalid"}"#, BadAnswer, Some("Access token invalid"));
    check(200, r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#, BadAnswer, Some("login fail"));
    check(200, r#"{"error":"Model is loading"}"#, BadAnswer, Some("Model is loading"));
    check(404, r#"{"error":"model 'm' not found"}"#, Denied, Some("model 'm' not found"));
    check(
        401,
        r#"{"status":"failure","message":"User is not authenticated.","code":401}"#,
        Denied,
        Some("User is not authenticated."),
    );
    // What isn't JSON.
    check(502, "<html><body>Bad Gateway</body></html>", Server, None);
    check(503, "upstream connect error\r\n", Server, Some("upstream connect error"));
    check(200, "<!doctype html><p>Welcome</p>", Denied, None);
    check(200, r#"{"choices": ["#, BadAnswer, None);
    check(200, r#"{"error":null}"#, BadAnswer, None);
    check(200, r#"{"code":0,"message":"ok","error":"","data":{}}"#, BadAnswer, None);
    // What a user wrote isn't told, whatever quotes it.
    check(400, r#"{"error":{"message":"Not allowed: How do I hurt my neighbour"}}"#, Refused, Some("Not allowed: …"));
}

#[test]
fn a_users_words_are_not_taken_for_the_services() {
    let said = r#"{"error":{"message":"bad input: is this moderation? content policy"}}"#;
    let quoting = Answer { private: vec!["is this moderation? content policy".into()], ..answer(403, said) };
    assert!(!quoting.is_filtered());
    assert!(answer(403, said).is_filtered());
}

#[test]
fn only_a_plain_word_of_an_error_answer_is_told_as_its_code() {
    fn check(body: &str, expected: Option<&str>) {
        assert_eq!(code(&serde_json::from_str(body).unwrap()).as_deref(), expected, "{body}");
    }
    check(r#"{"error":{"code":"model_not_found","message":"The user said hi"}}"#, Some("model_not_found"));
    check(r#"{"error":{"code":"The user said hi"}}"#, None);
    check(r#"{"error":"Unknown","error_type":"overloaded"}"#, Some("overloaded"));
}

#[test]
fn numbers_that_json_has_not_are_read_as_null() {
    fn check(body: &str, expected: &str) {
        let read: Value = answer(200, body).read().unwrap();
        assert_eq!(read.to_string(), expected, "{body}");
    }
    check(r#"{"a":NaN,"b":[-Infinity,Infinity,1e999,-0.5]}"#, r#"{"a":null,"b":[null,null,null,-0.5]}"#);
    check(r#"{"a":"NaN \" NaN","b":NaN,"c":true}"#, r#"{"a":"NaN \" NaN","b":null,"c":true}"#);
    assert!(answer(200, r#"{"a":nonsense}"#).read::<Value>().is_err());
}
