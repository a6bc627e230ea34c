//! What holds for every message and for any bytes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::value::RawValue;

use super::*;
use crate::domain::{
    Attachment, AttachmentKind, Choice, Classification, Content, Details, Entity, ErrorReply, Finish, IntentName,
    Progress, Reply, Request, Role, Scored, Source, Status, Turn, Usage,
};

const MAX: usize = 1 << 20;

/// Any Unicode text, control characters and astral planes included.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn space() -> impl Strategy<Value = String> {
    vec(select(&[' ', '\t', '\n', '\r']), 0..3).prop_map(String::from_iter)
}

fn quoted() -> impl Strategy<Value = String> {
    let escaped = |text: String| {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    };
    prop_oneof![text().prop_map(|text| serde_json::to_string(&text).unwrap()), text().prop_map(escaped)]
}

/// A JSON object of the given values, in any order, repeated keys and white space.
fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (vec((space(), quoted(), space(), space(), value, space()), 0..4), space()).prop_map(|(members, inner)| {
        let members = members.into_iter().map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
        let members: Vec<_> = members.collect();
        if members.is_empty() { format!("{{{inner}}}") } else { format!("{{{}}}", members.join(",")) }
    })
}

fn metadata() -> impl Strategy<Value = Box<RawValue>> {
    let leaf = prop_oneof![
        select(&[
            "null",
            "true",
            "false",
            "0",
            "-0.0",
            "1e400",
            "12345678901234567890123",
            "0.10",
            "\"\\ud800\"",
            "[ ]"
        ])
        .prop_map(str::to_owned),
        any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(|n| n.to_string()),
        quoted(),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |value| {
        prop_oneof![
            object(value.clone()),
            vec((space(), value, space()), 0..4).prop_map(|elements| {
                let elements: Vec<_> = elements.into_iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                format!("[{}]", elements.join(","))
            }),
        ]
    });
    object(value).prop_map(|json| RawValue::from_string(json).unwrap())
}

fn request() -> impl Strategy<Value = Request> {
    let optional = || option::of(text());
    let header = (optional(), optional(), optional(), optional(), optional(), optional());
    let rest = (option::of(metadata()), vec(turn(), 0..3), vec(attachment(), 0..3), any::<bool>(), text());
    let said = |(_, (_, _, attachments, _, text)): &(_, (_, _, Vec<_>, bool, String))| {
        !attachments.is_empty() || !text.trim().is_empty()
    };
    (header, rest).prop_filter("nothing is no request", said).prop_map(|(header, rest)| {
        let (kind, id, sender, receiver, conversation, locale) = header;
        let (metadata, history, attachments, stream, text) = rest;
        let ignored = Vec::new();
        Request {
            kind,
            id,
            sender,
            receiver,
            conversation,
            locale,
            metadata,
            history,
            attachments,
            stream,
            feedback: None,
            ignored,
            text,
        }
    })
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let kind = select(&[AttachmentKind::Image, AttachmentKind::Audio, AttachmentKind::File]);
    let content = prop_oneof![
        vec(any::<u8>(), 1..40).prop_map(|bytes| Content::Data(bytes.into())),
        "https://[a-z]{1,9}\\.example/[a-z]{0,9}".prop_map(|url| Content::Url { url, fetched: None }),
    ];
    let name = option::of(text().prop_filter("an empty name is none", |name| !name.is_empty()));
    (kind, "[a-z0-9.+-]{1,20}", name, content).prop_map(|(kind, subtype, name, content)| {
        let class = if kind == AttachmentKind::File { "application" } else { kind.as_str() };
        Attachment { kind, media_type: format!("{class}/{subtype}"), name, content }
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    (any::<bool>(), text())
        .prop_map(|(user, text)| Turn { role: if user { Role::User } else { Role::Assistant }, text })
}

fn details() -> impl Strategy<Value = Details> {
    let optional = || option::of(text());
    let source = (text(), optional(), text(), optional(), optional(), 0.0_f32..1.0)
        .prop_map(|(id, title, text, path, url, score)| Source { id, title, text, path, url, score });
    let choice = (text(), text()).prop_map(|(title, value)| Choice { title, value });
    let usage =
        (any::<u64>(), any::<u64>()).prop_map(|(input_tokens, output_tokens)| Usage { input_tokens, output_tokens });
    let finish = prop_oneof![Just(Finish::Cancelled), Just(Finish::Length)];
    let intent = "[a-z]{1,9}".prop_map(|name| IntentName::new(&name).unwrap());
    let statuses: &[Status] = &[Status::Asking, Status::Confirming, Status::Done, Status::Cancelled, Status::Person];
    let state = (select(statuses), option::of(intent), optional()).prop_map(|(status, intent, slot)| Progress {
        status,
        intent,
        slot,
    });
    let rest = (option::of(usage), option::of(state), option::of(finish));
    (optional(), option::of(metadata()), vec(source, 0..3), vec(choice, 0..3), rest).prop_map(
        |(handler, data, sources, choices, (usage, state, finish))| Details {
            handler: handler.map(Into::into),
            data,
            sources,
            choices,
            usage,
            state,
            finish,
        },
    )
}

fn scored() -> impl Strategy<Value = Scored> {
    ("[A-Za-z0-9_-]{1,64}", prop_oneof![any::<f32>(), 0.0_f32..1.0])
        .prop_map(|(name, confidence)| Scored::new(IntentName::new(&name).unwrap(), confidence))
}

fn classification() -> impl Strategy<Value = Classification> {
    (option::of(scored()), any::<bool>(), option::of(scored()), vec(scored(), 0..4), option::of(text())).prop_map(
        |(best, fallback, predicted, ranking, model)| Classification {
            confidence: best.map(|best| best.confidence),
            fallback,
            predicted,
            ranking,
            model: model.map(Into::into),
            entities: Vec::new(),
            transcript: None,
        },
    )
}

fn entity() -> impl Strategy<Value = Entity> {
    (text(), text(), text(), any::<usize>(), any::<usize>()).prop_map(|(name, value, text, start, end)| Entity {
        name,
        value,
        text,
        start,
        end,
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let optional = || option::of(text());
    let header = (text(), optional(), optional(), optional(), option::of(metadata()));
    (header, text(), optional(), scored(), option::of(classification()), vec(entity(), 0..3), details()).prop_map(
        |(header, text, locale, intent, classification, entities, details)| {
            let (id, in_reply_to, receiver, conversation, metadata) = header;
            Reply {
                id,
                in_reply_to,
                receiver,
                conversation,
                metadata,
                text,
                locale,
                intent: intent.name,
                classification,
                entities,
                details,
            }
        },
    )
}

fn error_reply() -> impl Strategy<Value = ErrorReply> {
    let code = select(&[
        ErrorCode::InvalidMessage,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::PayloadTooLarge,
        ErrorCode::Unroutable,
        ErrorCode::HandlerFailed,
        ErrorCode::DeadlineExceeded,
        ErrorCode::Crashed,
        ErrorCode::ModelUnavailable,
        ErrorCode::Timeout,
        ErrorCode::Overloaded,
        ErrorCode::Internal,
    ]);
    (text(), option::of(text()), code, text()).prop_map(|(id, in_reply_to, code, message)| ErrorReply {
        id,
        in_reply_to,
        error: MessageError::new(code, message),
    })
}

/// A body that looks more or less like a request.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let field = select(&["type", "id", "sender", "receiver", "conversation", "locale", "metadata", "body"]);
    let value = prop_oneof![quoted(), select(&["null", "1", "[]", "{}", "\"\\udc00\"", "x"]).prop_map(str::to_owned)];
    let members = vec((field, value), 0..5).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    let plain = prop_oneof![vec(any::<u8>(), 0..100), text().prop_map(String::into_bytes), members];
    (plain, select(&[None, Some(ContentEncoding::Gzip), Some(ContentEncoding::Zstd)]), option::of(any::<usize>()))
        .prop_map(|(plain, compression, damage)| {
            let mut body = compression.map_or_else(|| plain.clone(), |it| it.compress(&plain).unwrap());
            if let Some(at) = damage.and_then(|at| at.checked_rem(body.len())) {
                body[at] ^= 0xff;
            }
            body
        })
}

fn property(known: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    option::of(prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => text()])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_request_reads_back_as_it_was(request in request()) {
        let body = encode_request(&request);
        for content_type in [None, Some("application/json"), Some("text/plain")] {
            let plain = Envelope { content_type, ..Envelope::default() };
            prop_assert_eq!(decode_request(&plain, &body, MAX), Ok(request.clone()));
            for compression in [ContentEncoding::Gzip, ContentEncoding::Zstd] {
                let envelope = Envelope { content_encoding: Some(compression.as_str()), ..plain };
                let compressed = compression.compress(&body).unwrap();
                prop_assert_eq!(decode_request(&envelope, &compressed, MAX), Ok(request.clone()));
            }
        }
    }

    #[test]
    fn a_reply_reads_back_as_it_was(reply in reply()) {
        let body = encode_reply(&reply);
        prop_assert_eq!(decode_reply(&body).unwrap(), Answered::Reply(Box::new(reply)));
    }

    #[test]
    fn an_error_reply_reads_back_as_it_was(reply in error_reply()) {
        let body = encode_error(&reply);
        prop_assert_eq!(decode_reply(&body).unwrap(), Answered::Error(reply));
    }

    #[test]
    fn no_bytes_panic(
        content_type in property(&["", "application/json", "text/plain", "text/plain; charset=gbk", "application/json;charset=utf-16"]),
        content_encoding in property(&["", "gzip", "zstd", "gzip, utf-8", "utf-16", "gb18030", "us-ascii", "binary"]),
        compression in property(&["", "application/x-gzip", "zlib", "application/zstd"]),
        [message_id, kind, user_id, app_id] in [option::of(text()), option::of(text()), option::of(text()), option::of(text())],
        body in body(),
        max_body in prop_oneof![0_usize..200, Just(MAX), Just(usize::MAX)],
    ) {
        let envelope = Envelope {
            compression: compression.as_deref(),
            content_type: content_type.as_deref(),
            content_encoding: content_encoding.as_deref(),
            message_id: message_id.as_deref(),
            kind: kind.as_deref(),
            user_id: user_id.as_deref(),
            app_id: app_id.as_deref(),
        };
        // Whatever is read is a request that can be written and read again.
        if let Ok(request) = decode_request(&envelope, &body, max_body) {
            prop_assert_eq!(decode_request(&Envelope::default(), &encode_request(&request), MAX), Ok(request));
        }
        let amqp10 = Envelope { kind: Some("amqp-1.0"), ..envelope };
        let _ = decode_request(&amqp10, &body, max_body);
        let _ = decode_request(&amqp10, &[&b"\0\x53\x77"[..], &body].concat(), max_body);
        let _ = decode_reply(&body);
        let _ = ContentEncoding::accepted(&String::from_utf8_lossy(&body));
    }
}
