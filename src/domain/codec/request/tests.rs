//! Tests of requests: every field, what is text and what JSON, what is refused, and in which words.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::domain::{ERROR_TYPE, ErrorCode, REPLY_TYPE, Role};

const MAX: usize = 1 << 20;
const INVALID: DeadReason = DeadReason::Error(ErrorCode::InvalidMessage);

fn typed(content_type: &str) -> Envelope<'_> {
    Envelope { content_type: Some(content_type), ..Envelope::default() }
}

fn decode(content_type: &str, body: &str) -> Result<Request, DeadLetter> {
    decode_request(&typed(content_type), body.as_bytes(), MAX)
}

fn text(text: &str) -> Request {
    Request { text: text.to_owned(), ..Request::default() }
}

#[test]
fn every_field() {
    let body = r#" {"x": [1], "type":"chat.ask","id":"7","sender":"u1","receiver":"bot","conversation":"c1",
            "locale":"zh-CN","metadata": { "a":1,  "a": [2.50] } ,"history":[{"role":"user","text":"hi","at":1}],"body":"你好\n😀\u0000"} "#;
    let expected = Request {
        kind: Some("chat.ask".into()),
        id: Some("7".into()),
        sender: Some("u1".into()),
        receiver: Some("bot".into()),
        conversation: Some("c1".into()),
        locale: Some("zh-CN".into()),
        metadata: Some(RawValue::from_string(r#"{ "a":1,  "a": [2.50] }"#.into()).unwrap()),
        history: vec![Turn { role: Role::User, text: "hi".into() }],
        attachments: Vec::new(),
        stream: false,
        feedback: None,
        ignored: Vec::new(),
        text: "你好\n😀\0".into(),
    };
    for content_type in ["application/json", "application/json; charset=utf-8", "application/x+json", "text/plain", ""]
    {
        assert_eq!(decode(content_type, body), Ok(expected.clone()), "{content_type}");
    }
    assert_eq!(decode_request(&Envelope::default(), body.as_bytes(), MAX), Ok(expected));
}

#[test]
fn what_is_text_and_what_is_json() {
    fn check(content_type: &str, body: &str, expected: Result<&str, DeadReason>) {
        let found = decode(content_type, body).map(|request| request.text).map_err(|dead| dead.reason);
        assert_eq!(found.as_deref().map_err(|reason| *reason), expected, "{content_type:?} {body}");
    }
    const JSON: &str = "application/json";
    const TEXT: &str = "text/plain";
    const BYTES: &str = "application/octet-stream";
    for any in [JSON, TEXT, BYTES, ""] {
        check(any, r#"{"body":"hi"}"#, Ok("hi"));
        check(any, "\u{FEFF}\r\n\t {\"body\":\"hi\"}\n", Ok("hi"));
        check(any, r#"{"\u0062ody":"hi"}"#, Ok("hi"));
        check(any, r#"{"body":" \ud83d\ude00 "}"#, Ok(" 😀 "));
        check(any, r#"{"body":"hi","id":7}"#, Err(INVALID));
        check(any, r#"{"body":"\ud800"}"#, Err(INVALID));
        check(any, r#"{"body":"hi","body":"hi"}"#, Err(INVALID));
        check(any, r#"{"body":""}"#, Err(INVALID));
        check(any, "", Err(INVALID));
        check(any, " \n\u{3000}", Err(INVALID));
    }
    for other in ["[1]", "\"hi\"", "5", "null", "true", "hi", "{\"body\":\"hi\"", "{\"body\":\"hi\"}}", "{body:1}", "{"]
    {
        check(JSON, other, Err(INVALID));
        check(TEXT, other, Ok(other));
        check(BYTES, other, Ok(other));
        check("", other, Ok(other));
    }
    for object in [r#"{"body":5}"#, "{}", r#"{"body":null}"#, r#"{"text":"hi"}"#] {
        check(JSON, object, Err(INVALID));
        check(TEXT, object, Ok(object));
        check(BYTES, object, Err(INVALID));
        check("", object, Err(INVALID));
    }
    check(TEXT, "\u{a0}{\"body\":\"hi\"}", Ok("\u{a0}{\"body\":\"hi\"}"));
    check(TEXT, "nul \0 is text", Ok("nul \0 is text"));
    check(JSON, "{\"body\":\"raw \n newline\"}", Err(INVALID));
    check("text/html", "hi", Err(DeadReason::Error(ErrorCode::UnsupportedMediaType)));
}

#[test]
fn what_isnt_a_users_text_needs_none() {
    let decode = |kind: Option<&str>, body: &str| {
        let envelope = Envelope { kind, ..Envelope::default() };
        decode_request(&envelope, body.as_bytes(), MAX).map(|request| request.command())
    };
    // What feedback needs instead is told with it.
    for command in Command::ALL.into_iter().filter(|command| *command != Command::Feedback) {
        let kind = command.as_str();
        let typed = format!(r#"{{"type":"{kind}","conversation":"c"}}"#);
        for (kind, body) in [(Some(kind), ""), (Some(kind), "{}"), (Some(kind), r#"{"body":" "}"#), (None, &typed)] {
            let expected = if command.has_text() { None } else { Some(Some(command)) };
            assert_eq!(decode(kind, body).ok(), expected, "{kind:?} {body}");
        }
        assert_eq!(decode(Some(kind), r#"{"body":"hi"}"#), Ok(Some(command)));
    }
    for body in ["", "{}", r#"{"id":"7"}"#, r#"{"body":"hi"}"#] {
        let told = decode(Some(CANCEL_TYPE), body).unwrap_err();
        assert!(told.message.contains("routing key cancel"), "{told:?}");
    }
    assert_eq!(decode(Some("chat.request"), "hi"), Ok(None));
    assert!(decode(Some("chat.request"), &format!(r#"{{"type":"{}"}}"#, Command::Forget.as_str())).is_err());
}

#[test]
fn what_a_person_gets_is_the_request_with_what_was_said() {
    let metadata = Some(RawValue::from_string(r#"{"a": 1.50}"#.into()).unwrap());
    let request = Request { id: Some("7".into()), conversation: Some("c".into()), metadata, ..text("hi") };
    let said = [Turn { role: Role::User, text: "hi".into() }];
    let handed = encode_handed(&request, &said, [("order", "FL1")]);
    let expected = r#"{"id":"7","conversation":"c","metadata":{"a": 1.50},"body":"hi","transcript":[{"role":"user","text":"hi"}],"slots":{"order":"FL1"}}"#;
    assert_eq!(String::from_utf8(handed.clone()).unwrap(), expected);
    assert_eq!(decode_request(&typed("application/json"), &handed, MAX), Ok(request));
}

#[test]
fn a_field_that_came_later_is_ignored_in_another_form() {
    for history in ["5", r#""hi""#, "{}", r#"[{"role":"system","text":"x"}]"#, r#"[{"role":"user"}]"#] {
        let request = decode("application/json", &format!(r#"{{"body":"hi","history":{history}}}"#)).unwrap();
        assert_eq!((request.ignored, request.history), (vec!["history"], Vec::new()), "{history}");
    }
}

#[test]
fn attachments_stand_beside_a_text_or_for_it() {
    let list = r#"[{"media_type":"image/png","data":"eA=="}]"#;
    for body in ["\"\"", "\" \"", "null", "\"what is this?\""] {
        let request = decode("application/json", &format!(r#"{{"body":{body},"attachments":{list}}}"#)).unwrap();
        assert_eq!((request.attachments.len(), request.has_text()), (1, body.contains('w')), "{body}");
        assert!(request.size() > "image/png".len());
    }
    let request = decode("application/json", &format!(r#"{{"attachments":{list}}}"#)).unwrap();
    assert_eq!(
        String::from_utf8(encode_request(&request)).unwrap(),
        r#"{"attachments":[{"type":"image","media_type":"image/png","data":"eA=="}],"body":""}"#
    );
    // An empty list is none, and so is a field of another type, which is counted.
    for none in ["[]", "null", "5"] {
        let dead = decode("application/json", &format!(r#"{{"body":"","attachments":{none}}}"#)).unwrap_err();
        assert_eq!(dead.message, "the text is empty: there is nothing to answer", "{none}");
    }
    let request = decode("application/json", r#"{"body":"hi","attachments":"a.png"}"#).unwrap();
    assert_eq!((request.ignored, request.attachments), (vec!["attachments"], Vec::new()));
}

#[test]
fn null_is_absent() {
    let body = r#"{"type":null,"id":null,"sender":null,"receiver":null,"conversation":null,"locale":null,
            "metadata":null,"body":"hi"}"#;
    assert_eq!(decode("application/json", body), Ok(text("hi")));
}

#[test]
fn errors_name_the_field_and_never_quote() {
    fn check(body: &str, expected: &str) {
        let dead = decode("application/json", body).unwrap_err();
        assert_eq!(dead, DeadLetter { reason: INVALID, message: expected.into() }, "{body}");
    }
    check(r#"{"body":{"SECRET":1}}"#, "'body' is an object, but must be a string");
    check(r#"{"body":["SECRET"]}"#, "'body' is an array, but must be a string");
    check(r#"{"body":"hi","id":4711}"#, "'id' is a number, but must be a string");
    check(r#"{"body":"hi","id":-1e999}"#, "'id' is a number, but must be a string");
    check(r#"{"body":"hi","type":true}"#, "'type' is a boolean, but must be a string");
    check(r#"{"body":"hi","sender":[]}"#, "'sender' is an array, but must be a string");
    check(r#"{"body":"hi","receiver":{}}"#, "'receiver' is an object, but must be a string");
    check(r#"{"body":"hi","conversation":0}"#, "'conversation' is a number, but must be a string");
    check(r#"{"body":"hi","locale":false}"#, "'locale' is a boolean, but must be a string");
    check(r#"{"body":"hi","metadata":"SECRET"}"#, "'metadata' is a string, but must be an object");
    check(r#"{"body":"hi","metadata":["SECRET"]}"#, "'metadata' is an array, but must be an object");
    check(r#"{"body":"SECRET","id":"1","id":null}"#, "'id' is there more than once");
    check(r#"{"body":"SECRET\udc00"}"#, "'body' holds half of a surrogate pair, which is no character");
    check(r#"{"SECRET":"hi"}"#, "the request has no 'body', the user's text: send {\"body\": \"…\"}");
    check(r#""SECRET""#, "the body isn't a JSON object: send {\"body\": \"…\"}");
    check("{\"body\":\n\"SECRET\"", "the body isn't valid JSON: it goes wrong at line 2, column 8");
    check(r#"{"body":SECRET}"#, "the body isn't valid JSON: it goes wrong at line 1, column 9");
    check(r#"{"SECRET\ud800":1,"body":"hi"}"#, "the body isn't valid JSON: it goes wrong at line 1, column 15");
    check(r#"{"body":" "}"#, "the text is empty: there is nothing to answer");
}

#[test]
fn properties_and_fields() {
    const BOTH: &str = r#"{"body":"hi","type":"b-type","id":"b-id","sender":"b-sender"}"#;
    const NONE: &str = r#"{"body":"hi"}"#;
    fn check(envelope: Envelope<'_>, body: &str, expected: [Option<&str>; 3]) {
        let request = decode_request(&envelope, body.as_bytes(), MAX).unwrap();
        let found = [request.kind.as_deref(), request.id.as_deref(), request.sender.as_deref()];
        assert_eq!(found, expected, "{envelope:?}");
    }
    let all = Envelope {
        message_id: Some("p-id"),
        kind: Some("p-type"),
        user_id: Some("p-user"),
        app_id: Some("p-app"),
        ..Envelope::default()
    };
    let unset = Envelope {
        content_type: Some(""),
        content_encoding: Some(""),
        compression: Some(""),
        message_id: Some(""),
        kind: Some(""),
        user_id: Some(""),
        app_id: Some(""),
    };
    check(all, BOTH, [Some("p-type"), Some("p-id"), Some("b-sender")]);
    check(all, NONE, [Some("p-type"), Some("p-id"), Some("p-user")]);
    check(all, "plain", [Some("p-type"), Some("p-id"), Some("p-user")]);
    check(Envelope { user_id: None, ..all }, NONE, [Some("p-type"), Some("p-id"), Some("p-app")]);
    check(Envelope { user_id: Some(""), ..all }, NONE, [Some("p-type"), Some("p-id"), Some("p-app")]);
    check(unset, BOTH, [Some("b-type"), Some("b-id"), Some("b-sender")]);
    check(unset, NONE, [None, None, None]);
    assert_eq!(decode_request(&unset, b"hi", MAX).unwrap().kind(), "chat.request");
}

#[test]
fn short_fields_have_a_length() {
    for name in ["id", "type", "sender", "receiver"] {
        let body = |value: &str| format!(r#"{{"body":"hi","{name}":"{value}"}}"#);
        assert!(decode("", &body(&"x".repeat(255))).is_ok(), "{name}");
        let message = format!("'{name}' has 256 bytes; at most 255 are accepted");
        let expected = Err(DeadLetter { reason: INVALID, message });
        assert_eq!(decode("", &body(&"x".repeat(256))), expected);
        assert_eq!(decode("", &body(&format!("x{}", "你".repeat(85)))), expected);
    }
    let long = "x".repeat(256);
    for envelope in [
        Envelope { message_id: Some(&long), ..Envelope::default() },
        Envelope { kind: Some(&long), ..Envelope::default() },
        Envelope { user_id: Some(&long), ..Envelope::default() },
        Envelope { app_id: Some(&long), ..Envelope::default() },
    ] {
        assert_eq!(decode_request(&envelope, b"hi", MAX).unwrap_err().reason, INVALID);
    }
    assert!(decode("", &format!(r#"{{"body":"hi","conversation":"{long}","locale":"{long}"}}"#)).is_ok());
}

#[test]
fn a_reply_is_no_request_however_broken() {
    fn reason(kind: Option<&str>, content_type: &str, body: &str) -> Option<DeadReason> {
        let envelope = Envelope { kind, ..typed(content_type) };
        decode_request(&envelope, body.as_bytes(), 200).err().map(|dead| dead.reason)
    }
    let not_a_request = Some(DeadReason::NotARequest);
    for kind in [REPLY_TYPE, ERROR_TYPE] {
        assert_eq!(reason(Some(kind), "", "hi"), not_a_request);
        assert_eq!(reason(Some(kind), "image/png", &"x".repeat(500)), not_a_request);
        assert_eq!(reason(Some(kind), "application/json", r#"{"body":"hi","type":"chat.request"}"#), not_a_request);
        assert_eq!(reason(None, "application/json", &format!(r#"{{"type":"{kind}","body":"hi"}}"#)), not_a_request);
        assert_eq!(reason(None, "", &format!(r#"{{"type":"{kind}","id":1,"id":2,"error":{{}}}}"#)), not_a_request);
        assert_eq!(reason(Some("chat.ask"), "", &format!(r#"{{"type":"{kind}","body":"hi"}}"#)), None);
    }
}

#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 500_000;
    let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH / 5), "}".repeat(DEPTH / 5));
    for json in [
        format!(r#"{{"body":"hi","x":{open}{close}}}"#),
        format!(r#"{{"body":"hi","x":{objects}}}"#),
        format!(r#"{{"body":"hi","metadata":{{"x":{open}{close}}}}}"#),
        format!(r#"{{"body":"hi","metadata":{objects}}}"#),
    ] {
        let request = decode("application/json", &json).unwrap();
        let again = decode_request(&Envelope::default(), &encode_request(&request), 2 * MAX);
        assert_eq!(again, Ok(request));
    }
    for json in [
        "[".repeat(MAX),
        "{".repeat(MAX),
        r#"{"a":"#.repeat(MAX / 5),
        format!(r#"{{"body":{open}{close}}}"#),
        format!(r#"{{"body":"hi","x":{open}"#),
        format!(r#"{{"metadata":{open}"#),
    ] {
        assert_eq!(decode("application/json", &json).unwrap_err().reason, INVALID);
    }
}

#[test]
fn encoded_in_the_order_of_the_header() {
    let request = Request {
        kind: Some("t".into()),
        id: Some("1".into()),
        sender: Some("s".into()),
        receiver: Some("r".into()),
        conversation: Some("c".into()),
        locale: Some("en".into()),
        metadata: Some(RawValue::from_string("{ }".into()).unwrap()),
        history: vec![Turn { role: Role::Assistant, text: "yes".into() }],
        attachments: Vec::new(),
        stream: false,
        feedback: None,
        ignored: Vec::new(),
        text: "hi".into(),
    };
    let json = r#"{"type":"t","id":"1","sender":"s","receiver":"r","conversation":"c","locale":"en","metadata":{ },"history":[{"role":"assistant","text":"yes"}],"body":"hi"}"#;
    assert_eq!(String::from_utf8(encode_request(&request)).unwrap(), json);
    assert_eq!(encode_request(&text("hi")), br#"{"body":"hi"}"#);
}
