//! Tests of replies: to the letter, there and back.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::domain::Status;

fn name(name: &str) -> IntentName {
    IntentName::new(name).unwrap()
}

fn scored(intent: &str, confidence: f32) -> Scored {
    Scored::new(name(intent), confidence)
}

/// A reply with nothing in it that can be left out.
fn bare(intent: &str, classification: Option<Classification>) -> Reply {
    Reply {
        id: "r1".into(),
        in_reply_to: None,
        receiver: None,
        conversation: None,
        metadata: None,
        text: "hi".into(),
        locale: None,
        intent: name(intent),
        classification,
        entities: Vec::new(),
        details: Details::default(),
    }
}

fn check(reply: Reply, json: &str) {
    assert_eq!(String::from_utf8(encode_reply(&reply)).unwrap(), json);
    assert_eq!(decode_reply(json.as_bytes()).unwrap(), Answered::Reply(Box::new(reply)));
}

#[test]
fn an_answer() {
    let classification = Classification {
        confidence: Some(0.97),
        fallback: false,
        predicted: None,
        ranking: vec![scored("product_info", 0.97), scored("refund", 0.02)],
        model: Some("embedded".into()),
        entities: Vec::new(),
        transcript: None,
    };
    let reply = Reply {
        in_reply_to: Some("q1".into()),
        receiver: Some("alice".into()),
        conversation: Some("c1".into()),
        metadata: Some(RawValue::from_string(r#"{ "b": 1,"a" :2.0}"#.into()).unwrap()),
        text: "规格 \"10\"".into(),
        locale: Some("zh".into()),
        entities: vec![Entity {
            name: "product".into(),
            value: "kettle".into(),
            text: "水壶".into(),
            start: 2,
            end: 4,
        }],
        ..bare("product_info", Some(classification))
    };
    check(
        reply,
        concat!(
            r#"{"type":"chat.reply","id":"r1","in_reply_to":"q1","sender":"chatbot","receiver":"alice","#,
            r#""body":"规格 \"10\"","locale":"zh","#,
            r#""intent":{"name":"product_info","confidence":0.97,"fallback":false},"#,
            r#""entities":[{"name":"product","value":"kettle","text":"水壶","start":2,"end":4}],"#,
            r#""ranking":[{"name":"product_info","confidence":0.97},{"name":"refund","confidence":0.02}],"#,
            r#""model":"embedded","conversation":"c1","metadata":{ "b": 1,"a" :2.0}}"#
        ),
    );
}

#[test]
fn what_an_answer_holds_beside_its_text() {
    let source = Source {
        id: "returns".into(),
        title: Some("Returns".into()),
        text: "30 days.".into(),
        path: Some("help/returns.md".into()),
        url: None,
        score: 0.5,
    };
    let details = Details {
        handler: Some("llm".into()),
        data: Some(RawValue::from_string(r#"{"b":1, "a":[2.0]}"#.into()).unwrap()),
        sources: vec![source],
        choices: vec![Choice { title: "是".into(), value: "yes".into() }],
        usage: Some(Usage { input_tokens: 7, output_tokens: 3 }),
        state: Some(Progress { status: Status::Asking, intent: Some(name("refund")), slot: Some("order".into()) }),
        finish: Some(Finish::Length),
    };
    check(
        Reply { details, ..bare("refund", None) },
        concat!(
            r#"{"type":"chat.reply","id":"r1","in_reply_to":null,"sender":"chatbot","body":"hi","#,
            r#""intent":{"name":"refund","confidence":null,"fallback":false},"#,
            r#""handler":"llm","data":{"b":1, "a":[2.0]},"#,
            r#""sources":[{"id":"returns","title":"Returns","text":"30 days.","path":"help/returns.md","score":0.5}],"#,
            r#""choices":[{"title":"是","value":"yes"}],"usage":{"input_tokens":7,"output_tokens":3},"#,
            r#""state":{"status":"asking","intent":"refund","slot":"order"},"finish":"length"}"#
        ),
    );
}

#[test]
fn a_fallback() {
    let classification = Classification {
        confidence: None,
        fallback: true,
        predicted: Some(scored("refund", 0.31)),
        ranking: vec![scored("refund", 0.31)],
        model: Some("embedded".into()),
        entities: Vec::new(),
        transcript: None,
    };
    check(
        bare("help_info", Some(classification)),
        concat!(
            r#"{"type":"chat.reply","id":"r1","in_reply_to":null,"sender":"chatbot","body":"hi","#,
            r#""intent":{"name":"help_info","confidence":null,"fallback":true,"#,
            r#""predicted":{"name":"refund","confidence":0.31}},"#,
            r#""ranking":[{"name":"refund","confidence":0.31}],"model":"embedded"}"#
        ),
    );
}

#[test]
fn addressed_to_its_intent() {
    check(
        bare("refund", None),
        concat!(
            r#"{"type":"chat.reply","id":"r1","in_reply_to":null,"sender":"chatbot","body":"hi","#,
            r#""intent":{"name":"refund","confidence":null,"fallback":false}}"#
        ),
    );
}

#[test]
fn written_by_an_external_program() {
    let json =
        r#"{"type":"chat.reply","id":"r1","sender":"x","body":"hi","intent":{"name":"refund","confidence":0.5}}"#;
    let Answered::Reply(reply) = decode_reply(json.as_bytes()).unwrap() else { unreachable!("it is a reply") };
    assert_eq!(reply.classification.and_then(|it| it.confidence), Some(0.5));
}

#[test]
fn confidences_have_four_decimals_at_most() {
    fn check(confidence: f32, expected: &str) {
        // As a client of this module may build it, without rounding.
        let classification = Classification {
            confidence: Some(confidence),
            ranking: vec![Scored { name: name("a"), confidence }],
            ..Classification::default()
        };
        let json = String::from_utf8(encode_reply(&bare("a", Some(classification)))).unwrap();
        let expected = format!(
            r#""intent":{{"name":"a","confidence":{expected},"fallback":false}},"ranking":[{{"name":"a","confidence":{expected}}}]}}"#
        );
        assert!(json.ends_with(&expected), "{json}");
    }
    check(0.97, "0.97");
    check(1.0, "1.0");
    check(0.0, "0.0");
    check(-0.0, "0.0");
    check(0.333_333_34, "0.3333");
    check(0.999_96, "1.0");
    check(0.000_1, "0.0001");
    check(0.000_04, "0.0");
    check(1e-30, "0.0");
    check(1.5, "1.0");
    check(-3.0, "0.0");
    check(f32::NAN, "0.0");
    check(f32::INFINITY, "1.0");
}

#[test]
fn every_confidence_of_four_decimals_is_itself() {
    for n in 0_u16..=10_000 {
        let confidence = f32::from(n) / 10_000.0;
        let Scored { confidence: once, .. } = scored("a", confidence);
        assert_eq!(once, rounded(once));
        let json = serde_json::to_string(&scored("a", confidence)).unwrap();
        assert!(json.len() <= r#"{"name":"a","confidence":0.1234}"#.len(), "{json}");
        assert_eq!(serde_json::from_str::<Scored>(&json).unwrap().confidence, once, "{json}");
    }
}

#[test]
fn an_error_reply() {
    let reply = ErrorReply {
        id: "r1".into(),
        in_reply_to: None,
        error: MessageError::new(ErrorCode::ModelUnavailable, "later"),
    };
    let json = r#"{"type":"chat.error","id":"r1","in_reply_to":null,"error":{"code":"model_unavailable","message":"later","retryable":true}}"#;
    assert_eq!(String::from_utf8(encode_error(&reply)).unwrap(), json);
    assert_eq!(decode_reply(json.as_bytes()).unwrap(), Answered::Error(reply));
}

#[test]
fn what_is_no_reply() {
    for body in [
        "",
        "hi",
        "{}",
        r#"{"type":"chat.request","body":"hi"}"#,
        r#"{"type":"chat.reply","body":"hi"}"#,
        r#"{"type":"chat.error","id":"1","error":{"code":"tired","message":"","retryable":false}}"#,
    ] {
        assert!(decode_reply(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn kinds() {
    for (kind, expected) in [("chat.reply", true), ("chat.error", true), ("chat.request", false), ("", false)] {
        assert_eq!(is_reply_kind(kind), expected, "{kind}");
    }
}
