//! How an answer is shown, by `ask` and by `try`.

use std::time::Duration;

use super::output::{one_line, printable};
use crate::domain::{ErrorReply, Finish, Reply, Status};

/// The answer, and below it what it was taken to mean.
pub(super) fn for_people(reply: &Reply, took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    let decimals = usize::from(ms < 9.95);
    let mut shown = format!("{}\n  {} · {ms:.decimals$} ms\n", printable(&reply.text), meaning(reply));
    for choice in &reply.details.choices {
        shown.push_str(&format!("  [{}]\n", one_line(&choice.title)));
    }
    for (number, source) in (1_usize..).zip(&reply.details.sources) {
        let place = source.path.as_ref().or(source.url.as_ref()).unwrap_or(&source.id);
        let title = source.title.as_ref().map(|title| format!("{} · ", one_line(title))).unwrap_or_default();
        shown.push_str(&format!("  source {number}: {title}{} · {:.2}\n", one_line(place), source.score));
    }
    shown
}

pub(super) fn line(reply: &Reply) -> String {
    format!("{}\n", one_line(&reply.text))
}

pub(super) fn error_line(reply: &ErrorReply) -> String {
    format!("error {}: {}\n", reply.error.code, one_line(&reply.error.message))
}

/// A body of JSON on one line. A line break in JSON is white space between tokens, as strings hold none.
pub(super) fn json_line(body: &[u8]) -> String {
    format!("{}\n", String::from_utf8_lossy(body).trim().replace(['\r', '\n'], " "))
}

fn meaning(reply: &Reply) -> String {
    let mut meaning = format!("intent {}", reply.intent);
    if let Some(handler) = reply.details.handler.as_deref().filter(|handler| *handler != "template") {
        meaning.push_str(&format!(" by {handler}"));
    }
    if let Some(state) = &reply.details.state {
        meaning.push_str(&match (state.status, &state.slot) {
            (Status::Asking, Some(slot)) => format!(" · asks {}", one_line(slot)),
            (Status::Asking, None) => " · asks".to_owned(),
            (Status::Confirming, _) => " · asks to confirm".to_owned(),
            (Status::Done, _) => " · done".to_owned(),
            (Status::Cancelled, _) => " · cancelled".to_owned(),
            (Status::Person, _) => " · a person has it".to_owned(),
        });
    }
    if let Some(finish) = reply.details.finish {
        meaning.push_str(match finish {
            Finish::Cancelled => " · stopped",
            Finish::Length => " · cut off",
        });
    }
    let Some(found) = &reply.classification else { return meaning };
    match (&found.predicted, found.confidence) {
        (Some(predicted), _) if found.fallback => {
            meaning.push_str(&format!(" (fallback; predicted {} {:.2})", predicted.name, predicted.confidence));
        }
        (None, _) if found.fallback => meaning.push_str(" (fallback)"),
        (_, Some(confidence)) => meaning.push_str(&format!(" · confidence {confidence:.2}")),
        _ => {}
    }
    meaning
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::domain::codec::{Answered, decode_reply};

    fn reply(intent: &str) -> Reply {
        let json = format!(
            r#"{{"type":"chat.reply","id":"1","sender":"chatbot","body":"好的\n\u001b[1m","intent":{intent}}}"#
        );
        let Answered::Reply(reply) = decode_reply(json.as_bytes()).unwrap() else { unreachable!("it is a reply") };
        *reply
    }

    #[test]
    fn an_answer_for_people() {
        fn check(intent: &str, took: Duration, expected: &str) {
            assert_eq!(for_people(&reply(intent), took), format!("好的\n\\u{{1b}}[1m\n  {expected}\n"));
        }
        let ms = Duration::from_millis;
        check(r#"{"name":"a","confidence":0.9712}"#, ms(12), "intent a · confidence 0.97 · 12 ms");
        check(r#"{"name":"a","confidence":null}"#, Duration::from_micros(1_260), "intent a · 1.3 ms");
        check(
            r#"{"name":"help","confidence":null,"fallback":true,"predicted":{"name":"b","confidence":0.31}}"#,
            ms(2500),
            "intent help (fallback; predicted b 0.31) · 2500 ms",
        );
        check(r#"{"name":"help","confidence":null,"fallback":true}"#, ms(10), "intent help (fallback) · 10 ms");
        let mut stopped = reply(r#"{"name":"a","confidence":0.5}"#);
        stopped.details.finish = Some(Finish::Cancelled);
        assert!(for_people(&stopped, ms(10)).contains("intent a · stopped · confidence 0.50 · 10 ms"));
    }

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(line(&reply(r#"{"name":"a","confidence":null}"#)), "好的 \\u{1b}[1m\n");
        assert_eq!(json_line(b"{\n  \"a\": \"\\n\"\r\n}\n"), "{   \"a\": \"\\n\"  }\n");
    }
}
