//! An answer in OpenAI's form as it is being written.
//!
//! **Invariant:** what was told can't be taken back in this form. So where the answer is begun anew, or is another in the end,
//! what was told is left to stand, and the answer follows it whole.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    DOOR,
    completion::{Completion, Usage, name, now},
    error, json,
    request::Asked,
};
use crate::{
    amqp::asking::{Heard, Hearing},
    domain::{Part, codec::decode_part},
    door::{fault::Fault, talk::counted},
};

/// How often a stream without an answer says that it is there.
const ALIVE: Duration = Duration::from_secs(15);
/// Between what was told in vain, and the answer.
const ANEW: &str = "\n\n---\n\n";

/// A stream of chunks.
struct Chunks {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    told: Told,
}

/// What was told of an answer.
#[derive(Default)]
struct Told {
    text: String,
    run: Option<String>,
    /// How many parts of it came.
    parts: u32,
    /// Whether a part is missing: what comes behind it has no place.
    has_gap: bool,
}

impl Told {
    /// What to tell of a part.
    fn part(&mut self, Part { run, seq, delta }: Part) -> Option<String> {
        if *self.run.get_or_insert_with(|| run.clone()) != run {
            return None;
        }
        self.has_gap |= seq != self.parts;
        if self.has_gap {
            return None;
        }
        self.parts += 1;
        self.text.push_str(&delta);
        Some(delta)
    }

    /// What is still to be told of the answer.
    fn rest(&self, answer: &str) -> String {
        match answer.strip_prefix(&self.text) {
            Some(rest) => rest.to_owned(),
            // White space at the end is trimmed of what is whole.
            None if answer.trim_end() == self.text.trim_end() => String::new(),
            None => format!("{ANEW}{answer}"),
        }
    }
}

/// Answers with the stream.
pub(super) fn respond(heard: Heard, hearing: Hearing, asked: Asked) -> Response {
    let chunks = Chunks {
        id: name(&Uuid::now_v7().to_string()),
        created: now(),
        model: asked.model,
        include_usage: asked.include_usage,
        told: Told::default(),
    };
    let begins = Delta { role: Some("assistant"), content: Some("") };
    let first = stream::once(std::future::ready(vec![json(&chunks.chunk(vec![choice(begins, None)]))]));
    let events = first.chain(rest(heard, hearing, chunks)).flat_map(stream::iter);
    let events = events.map(|chunk| Ok::<_, Infallible>(Event::default().data(chunk)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

fn rest(first: Heard, hearing: Hearing, chunks: Chunks) -> impl Stream<Item = Vec<String>> + Send {
    stream::unfold(Some((Some(Ok(first)), hearing, chunks)), async |state| {
        let (first, mut hearing, mut chunks) = state?;
        let heard = match first {
            Some(first) => first,
            None => hearing.next().await,
        };
        let ending = match heard {
            Ok(Heard::Part(body)) => {
                let delta = decode_part(&body).and_then(|part| chunks.told.part(part));
                let delta = delta.map(|delta| chunks.content(&delta));
                return Some((delta.into_iter().collect(), Some((None, hearing, chunks))));
            }
            Ok(Heard::Reply(body) | Heard::Bare(body) | Heard::Done(body)) => Completion::of(&chunks.model, &body),
            Ok(Heard::Error(body)) => Err(Fault::told(body)),
            Err(fault) => Err(fault.into()),
        };
        counted(DOOR, ending.as_ref().map(|_| ()));
        let last = match ending {
            Ok(completion) => chunks.ending(&completion),
            Err(fault) => vec![error(&fault)],
        };
        Some((last, None))
    })
}

/// A chunk, as it is written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatCompletionChunk"))]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    /// In seconds since 1970.
    created: u64,
    model: &'a str,
    /// None beside `usage`, else one.
    choices: Vec<Choice<'a>>,
    /// The reply, as it came: in the last chunk with a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "super::completion::reply_schema"))]
    chatbot: Option<&'a RawValue>,
    /// Where `stream_options.include_usage` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatChunkChoice"))]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: (),
    /// `stop` or `length` in the last.
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatDelta"))]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

impl Chunks {
    fn ending(&self, completion: &Completion) -> Vec<String> {
        let mut chunks = Vec::new();
        let rest = self.told.rest(&completion.reply.text);
        if !rest.is_empty() {
            chunks.push(self.content(&rest));
        }
        let last = self.chunk(vec![choice(Delta::default(), Some(completion.finish_reason()))]);
        chunks.push(json(&Chunk { chatbot: Some(completion.raw()), ..last }));
        if self.include_usage {
            chunks.push(json(&Chunk { usage: Some(completion.usage()), ..self.chunk(Vec::new()) }));
        }
        chunks.push("[DONE]".to_owned());
        chunks
    }

    fn content(&self, text: &str) -> String {
        json(&self.chunk(vec![choice(Delta { content: Some(text), ..Delta::default() }, None)]))
    }

    fn chunk<'a>(&'a self, choices: Vec<Choice<'a>>) -> Chunk<'a> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            chatbot: None,
            usage: None,
        }
    }
}

fn choice<'a>(delta: Delta<'a>, finish_reason: Option<&'static str>) -> Choice<'a> {
    Choice { index: 0, delta, logprobs: (), finish_reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_stands_and_the_answer_is_whole() {
        let check = |parts: &[(&str, u32, &str)], answer: &str, expected: &str| {
            let mut told = Told::default();
            let part =
                |(run, seq, delta): &(&str, u32, &str)| Part { run: (*run).into(), seq: *seq, delta: (*delta).into() };
            let mut text: String = parts.iter().map(part).filter_map(|part| told.part(part)).collect();
            text.push_str(&told.rest(answer));
            assert_eq!(text, expected);
        };
        check(&[], "whole", "whole");
        check(&[("a", 0, "wh"), ("a", 1, "ole")], "whole", "whole");
        check(&[("a", 0, "whole. ")], "whole.", "whole. ");
        check(&[("a", 0, "wh")], "whole, and a question", "whole, and a question");
        check(&[("a", 0, "wh"), ("b", 0, "other")], "other", "wh\n\n---\n\nother");
        check(&[("a", 0, "退货")], "按第 3 条，退货", "退货\n\n---\n\n按第 3 条，退货");
        // A part that is lost is caught up with in the end, and nothing is said twice.
        check(&[("a", 0, "th"), ("a", 2, "wh"), ("a", 3, "ole")], "the whole", "the whole");
        check(&[("a", 1, "whole")], "the whole", "the whole");
    }
}
