//! What goes to a person, comes back, and is said.

use bytes::Bytes;

use super::*;
use crate::domain::{Handed, Key, Pass, Request, Token};

#[test]
fn what_goes_to_a_person_is_json_and_leaves_the_bot_a_fifth_of_its_time() {
    let intent = IntentName::new("agent").unwrap();
    let pass = Pass { lane: Lane::of("c"), key: Key::of([Some(&b"c"[..])]), token: Token::of(7) };
    let handed = |minutes: u64| Handed {
        intent: intent.clone(),
        classification: None,
        pass: pass.clone(),
        body: Bytes::new(),
        wait: Duration::from_secs(60 * minutes),
    };
    let check = |expiration: Option<&str>, minutes: u64, expected: &str| {
        let mut properties = BasicProperties::default()
            .with_content_type(short("text/plain; charset=gbk"))
            .with_content_encoding(short("gzip"))
            .with_type(short("amqp-1.0"))
            .with_correlation_id(short("c"))
            .with_headers(table(&[(names::COMPRESSION, text("zlib")), ("mine", text("x"))]));
        if let Some(expiration) = expiration {
            properties = properties.with_expiration(short(expiration));
        }
        let received = read(properties, Some(WorkQueue::Conversation(Lane::of("c"))));
        let to = received.republished(&names(), Purpose::Person(&handed(minutes)), NOW);
        let text_of = |property: &Option<lapin::types::ShortString>| property.as_ref().map(ToString::to_string);
        assert_eq!(text_of(to.expiration()).as_deref(), Some(expected));
        assert_eq!(text_of(to.content_type()).as_deref(), Some("application/json"));
        assert_eq!((text_of(to.kind()).as_deref(), to.content_encoding()), (Some("chat.request"), &None));
        assert_eq!(text_of(to.correlation_id()).as_deref(), Some("c"));
        assert_eq!(header(&to, names::COMPRESSION), None);
        assert_eq!(header(&to, "mine"), Some(text("x")));
        assert_eq!(header(&to, names::CONVERSATION), Some(text(&pass.to_string())));
        assert_eq!(header(&to, names::INTENT), Some(text("agent")));
        assert_eq!(header(&to, names::DEADLINE).is_some(), expiration.is_some());
    };
    check(Some("10000"), 30, "8000");
    check(Some("10000000"), 30, "1800000");
    check(None, 30, "1800000");
    check(Some("0"), 30, "1");
}

#[test]
fn what_nobody_took_is_told_on_its_way_back_and_a_pass_goes_along_everywhere() {
    let pass = Pass { lane: Lane::of("c"), key: Key::of([Some(&b"c"[..])]), token: Token::of(7) };
    let headers = |returned: bool| {
        let mut headers = vec![(names::CONVERSATION, text(&pass.to_string()))];
        headers.extend(returned.then(|| (names::RETURNED, number(1))));
        BasicProperties::default().with_headers(table(&headers))
    };
    let lane = || Some(WorkQueue::Conversation(Lane::of("c")));
    let returned = |from: BasicProperties, queue, purpose: Purpose<'_>| {
        let to = read(from, queue).republished(&names(), purpose, NOW);
        assert_eq!(header(&to, names::CONVERSATION), Some(text(&pass.to_string())));
        header(&to, names::RETURNED).is_some()
    };
    let retry = || Purpose::Retry { delay: Duration::from_secs(1) };
    assert!(returned(headers(false), None, Purpose::Relay));
    assert!(returned(headers(true), lane(), Purpose::Relay));
    assert!(returned(headers(true), lane(), retry()));
    assert!(!returned(headers(false), Some(WorkQueue::Requests), Purpose::Relay));
    assert!(!returned(headers(false), lane(), retry()));
    assert!(!returned(headers(true), lane(), Purpose::Replay { deadline: None }));
}

#[test]
fn what_a_persons_program_says_is_known_again_with_its_pass_alone() {
    let key = |token: u128, kind: &str, returned: bool, id: &str| {
        let pass = Pass { lane: Lane::of("c"), key: Key::of([Some(&b"c"[..])]), token: Token::of(token) };
        let mut headers = vec![(names::CONVERSATION, text(&pass.to_string()))];
        headers.extend(returned.then(|| (names::RETURNED, number(1))));
        let properties = BasicProperties::default().with_headers(table(&headers)).with_type(short(kind));
        let request = Request { id: Some(id.into()), kind: Some(kind.into()), ..Request::default() };
        read(properties, None).turn(&request).key
    };
    assert_eq!(key(1, "chat.message", false, "a"), key(1, "chat.message", false, "a"));
    assert_ne!(key(1, "chat.message", false, "a"), key(2, "chat.message", false, "a"));
    // In a user's own message it is no part of it.
    assert_eq!(key(1, "chat.request", false, "a"), key(2, "chat.request", false, "a"));
    assert_ne!(key(1, "chat.request", false, "a"), key(1, "chat.request", true, "a"));
    assert_ne!(key(1, "chat.request", true, "a"), key(1, "chat.request", true, "b"));
}
