//! What the template handler answers, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use serde_json::value::RawValue;

use super::*;
use crate::domain::{Classification, Entity, Request};

fn intent() -> IntentName {
    IntentName::new("price").unwrap()
}

fn request() -> Request {
    Request {
        sender: Some("李雷".into()),
        conversation: Some("c-1".into()),
        locale: Some("en".into()),
        text: "how much is {{ sender }}?".into(),
        ..Request::default()
    }
}

/// Two products, so that the first is seen to count.
fn entities() -> [Entity; 2] {
    ["kettle", "toaster"].map(|value| Entity {
        name: "product".into(),
        value: value.into(),
        text: format!("{value}s"),
        start: 0,
        end: 8,
    })
}

fn with_metadata(metadata: String) -> Request {
    Request { metadata: Some(RawValue::from_string(metadata).unwrap()), ..request() }
}

fn render(source: &str, request: &Request, confidence: Option<f32>) -> Result<Answer, HandlerError> {
    let classification = Classification { confidence, ..Classification::default() };
    let handler = TemplateHandler::new(&intent(), &[("en".into(), source.into())]).unwrap();
    answer(&handler, request, Some(&classification), &entities())
}

fn answer(
    handler: &TemplateHandler,
    request: &Request,
    classification: Option<&Classification>,
    entities: &[Entity],
) -> Result<Answer, HandlerError> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
    let intent = intent();
    let job = Job { classification, entities, ..Job::new(request, &intent, deadline) };
    let answer = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(handler.handle(&job));
    answer.map(|answer| answer.unwrap())
}

#[test]
fn renders_what_the_request_says() {
    fn check(source: &str, expected: &str) {
        let answer = render(source, &request(), Some(0.97)).unwrap();
        assert_eq!(answer, Answer::text(expected, Some("en".into())), "{source}");
    }
    // Plain texts, which aren't rendered at all.
    check("It costs 5 < 6 & more.", "It costs 5 < 6 & more.");
    check("a { b } % # c }}", "a { b } % # c }}");
    check("\n  Two\nlines.\n\n", "Two\nlines.");
    // Variables: data, never code, never escaped.
    check("Hello {{ sender }}!", "Hello 李雷!");
    check("{{ text }}", "how much is {{ sender }}?");
    check("{{ '<' ~ sender ~ '>' }}", "<李雷>");
    check("{{ intent }} {{ confidence }} {{ conversation }} {{ locale }}", "price 0.97 c-1 en");
    check("{{ (confidence * 100) | round | int }} %", "97 %");
    check("the {{ entities.product }}{{ entities.colour }}", "the kettle");
    // What the request lacks is nothing, however deep one asks.
    check("[{{ receiver }}]", "[]");
    check("[{{ metadata }}{{ metadata.customer.name }}]", "[]");
    check("Hello {{ receiver or 'there' }}!", "Hello there!");
    check("{% if receiver %}yes{% else %}no{% endif %}", "no");
    check("[{% for item in metadata.items %}{{ item }}{% endfor %}]", "[]");
    // A tag on a line of its own leaves no line behind.
    check("Hi.\n{% if sender %}\nYou are {{ sender }}.\n{% endif %}\nBye.\n", "Hi.\nYou are 李雷.\nBye.");
    check("{# a note #}\nHi", "Hi");
    check("{% raw %}{{ sender }}{% endraw %}", "{{ sender }}");
    check("{% for n in range(3) %}{{ n }}{% endfor %}", "012");
}

#[test]
fn reads_metadata() {
    fn check(metadata: &str, source: &str, expected: &str) {
        let answer = render(source, &with_metadata(metadata.into()), None).unwrap();
        assert_eq!(answer.text, expected, "{source} with {metadata}");
    }
    check(r#"{"order": {"id": 7}}"#, "{{ metadata.order.id }}", "7");
    check(r#"{"items": ["a", "b"]}"#, "{% for item in metadata['items'] %}{{ item }};{% endfor %}", "a;b;");
    check(r#"{"n": 12345678901234567890}"#, "{{ metadata.n }}", "12345678901234567890");
    check(r#"{"evil": "{{ 7 * 7 }}"}"#, "{{ metadata.evil }}", "{{ 7 * 7 }}");
    check("{}", "[{{ metadata.order.id }}{{ confidence }}]", "[]");
}

#[test]
fn fails_without_a_word_of_the_request() {
    fn check(source: &str, request: &Request, expected: &str) {
        let error = render(source, request, None).unwrap_err();
        assert_eq!(error.to_string(), format!("the handler of 'price' failed: {expected}"), "{source}");
    }
    let secret = with_metadata(r#"{"name": "secret", "list": [1, 2]}"#.into());
    check("Dear\n{{ metadata.name + 1 }}", &secret, "reply.en: line 2: invalid operation");
    check("{{ metadata.name | int }}", &secret, "reply.en: line 1: invalid operation");
    check("{{ receiver }}", &secret, {
        "reply.en: the rendered text is empty: give the template something to say where a variable is missing"
    });

    // However much a request holds, it buys no more than a bounded time and space.
    let large = with_metadata(format!(r#"{{"list": [{}0], "word": "{}"}}"#, "0,".repeat(200_000), "x".repeat(200_000)));
    let bounded = "reply.en: line 1: it takes too long, or makes too much text, for this request";
    check("{% for item in metadata.list %}{{ item }}{% endfor %}", &large, bounded);
    check("{% for a in metadata.list %}{% for b in metadata.list %}{% endfor %}{% endfor %}", &large, bounded);
    check("{{ metadata.word | replace('x', metadata.word) }}", &large, bounded);
    check("{{ metadata.list | join(metadata.word) }}", &large, bounded);
    check("{% set a %}{% for _ in metadata.list %}{{ metadata.word }}{% endfor %}{% endset %}", &large, bounded);
    check("{{ metadata.word * 1000000 }}", &large, bounded);
    check("{{ metadata.word * 6 }}", &large, "reply.en: the rendered text is longer than 1 MiB");

    let deep = with_metadata(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    check("{{ metadata }}", &deep, {
        "reply.en: the request's metadata can't be read: recursion limit exceeded at line 1 column 128"
    });
    let half = with_metadata(r#"{"a": "\ud800"}"#.into());
    check("{{ metadata.a }}", &half, {
        "reply.en: the request's metadata can't be read: unexpected end of hex escape at line 1 column 14"
    });
    // Metadata that the template doesn't read isn't looked at.
    assert!(render("{{ sender }}", &deep, None).is_ok());
    assert!(render("plain", &half, None).is_ok());
}

#[test]
fn refuses_texts_that_could_never_answer() {
    fn check(source: &str, expected: &str) {
        let error = TemplateHandler::new(&intent(), &[("zh-CN".into(), source.into())]).unwrap_err();
        assert_eq!(error.to_string(), format!("reply.zh-CN of intent 'price': {expected}"), "{source:.60}");
    }
    check("", "the text is empty: write what the bot answers");
    check(" \n\t\u{3000}", "the text is empty: write what the bot answers");
    check(&"x".repeat(MAX_LENGTH + 1), "the text is longer than 1 MiB: shorten it");
    // Not a template.
    check("Hi\n{{ sender", "line 2 of the text: unexpected end of input, expected end of variable block");
    check("{% if sender %}Hi", "line 1 of the text: unexpected end of input, expected end of block");
    check("{% include 'other' %}", "line 1 of the text: unknown statement include");
    check(
        &format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        "line 1 of the text: template exceeds maximum recursion limits",
    );
    check(
        &format!("{}{{{{ sender", "\n".repeat(100_000)),
        "line 65535 of the text: unexpected end of input, expected end of variable block",
    );
    // What there isn't, in every branch that a request's having or lacking something leads to.
    check("{{ sender | uper }}", "line 1 of the text: filter uper is unknown");
    check("Hi\n\n{% if sender %}{{ sender | uper }}{% endif %}", "line 3 of the text: filter uper is unknown");
    check("{% if not sender %}{{ text | uper }}{% endif %}Hi", "line 1 of the text: filter uper is unknown");
    check("{% if sender is nice %}Hi{% endif %}", "line 1 of the text: test nice is unknown");
    check("{{ sender.upper() }}", "line 1 of the text: string has no method named upper");
    check("{{ metadata.items() }}", "line 1 of the text: map has no method named items");
    let variables = "there are 'text', 'intent', 'confidence', 'sender', 'receiver', 'conversation', 'locale', 'metadata', 'entities', 'slots', 'labels'";
    check("{{ sendr }} {{ name }} {{ text }}", &format!("no variable is called 'name', 'sendr': {variables}"));
    check("{{ today() }}", &format!("no variable is called 'today': {variables}"));
    check("{{ debug() }}", &format!("no variable is called 'debug': {variables}"));
}

#[test]
fn an_intent_needs_a_reply() {
    let error = TemplateHandler::new(&intent(), &[]).unwrap_err();
    assert_eq!(error.to_string(), "intent 'price' has no reply: give it a text in at least one language");
}

#[test]
fn answers_in_the_language_that_suits() {
    fn check(locale: Option<&str>, text: &str, expected: &str) {
        let replies = [("en", "Hello {{ sender }}!"), ("zh-CN", "您好，{{ sender }}！"), ("zh-TW", "您好！")];
        let replies = replies.map(|(language, text)| (language.to_owned(), text.to_owned()));
        let handler = TemplateHandler::new(&intent(), &replies).unwrap();
        let request =
            Request { locale: locale.map(str::to_owned), text: text.into(), sender: Some("Li".into()), ..request() };
        let answer = answer(&handler, &request, None, &[]).unwrap();
        assert_eq!(format!("{}: {}", answer.locale.unwrap(), answer.text), expected);
    }
    check(None, "hello", "en: Hello Li!");
    check(None, "多少钱", "zh-CN: 您好，Li！");
    check(Some("en"), "多少钱", "en: Hello Li!");
    check(Some("zh"), "hello", "zh-CN: 您好，Li！");
    check(Some("zh-Hant-TW"), "hello", "zh-TW: 您好！");
}
