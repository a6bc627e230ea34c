//! What becomes of requests with pictures, recordings and files.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::{
    domain::{ChoiceRule, Classification, IntentName, Outcome, Prediction, Reply, Scored},
    handler::{HandlerError, Job as HandlerJob},
    model::{ModelClient, ModelError, Query},
    outbound::{
        fetch::FetchSettings,
        stub::{Act, Stub},
        tests::nowhere,
        transcription::TranscriptionSettings,
    },
    pipeline::{Dispatch, InlineLimit, Job, Parts, Pipeline, Route, Stage},
    retry::RetryPolicy,
};

/// A model that is sure of the intent `refund`, and remembers what it was asked.
#[derive(Default)]
struct Model(Mutex<Vec<String>>);

#[async_trait]
impl ModelClient for Model {
    fn name(&self) -> &str {
        "fake"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        self.0.lock().unwrap().push(query.text.to_owned());
        Ok(Prediction::ranked(vec![Scored::new(name("refund"), 0.9)], "fake".into()))
    }
}

/// A handler that says its name and the text, and takes some attachments.
#[derive(Clone, Copy)]
struct Says {
    name: &'static str,
    takes: Takes,
    fails: bool,
}

#[async_trait]
impl Handler for Says {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(&self, job: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
        match self.fails {
            true => Err(HandlerError::Failed { intent: job.intent.clone(), reason: "as told".into() }),
            false => Ok(Some(Answer::text(format!("{}: {}", self.name, job.request.text), None))),
        }
    }

    fn takes(&self, attachment: &Attachment) -> Takes {
        if attachment.kind == AttachmentKind::Image { self.takes } else { Takes::Nothing }
    }
}

const BLIND: Says = Says { name: "template", takes: Takes::Nothing, fails: false };
const SEES: Says = Says { name: "llm", takes: Takes::Content, fails: false };
const HANDS_ON: Says = Says { name: "webhook", takes: Takes::AsSent, fails: false };

fn name(name: &str) -> IntentName {
    IntentName::new(name).unwrap()
}

fn sent(kind: AttachmentKind, media_type: &str) -> Attachment {
    let content = Content::Data(Bytes::from_static(b"content"));
    Attachment { kind, media_type: media_type.into(), name: None, content }
}

fn image() -> Attachment {
    sent(AttachmentKind::Image, "image/png")
}

fn audio() -> Attachment {
    sent(AttachmentKind::Audio, "audio/ogg")
}

fn linked() -> Attachment {
    let content = Content::Url { url: "https://files.example.com/SECRET".into(), fetched: None };
    Attachment { content, ..image() }
}

fn transcriber(service: crate::outbound::Service) -> Arc<Transcriber> {
    let settings = TranscriptionSettings { model: None, extra: serde_json::Map::new() };
    Arc::new(Transcriber::new(service, settings))
}

/// A bot with these handlers for the intent `refund`, which is the model's, and for the fallback.
struct Bot {
    pipeline: Pipeline,
    model: Arc<Model>,
}

impl Bot {
    fn new(refund: &[Says], fallback: &[Says], transcriber: Option<Arc<Transcriber>>) -> Self {
        let route = |handlers: &[Says], dispatch| {
            Route::new(Handlers::new(handlers.iter().map(|&says| Arc::new(says) as Arc<dyn Handler>)), dispatch)
        };
        let intents = ["refund", "help", "queued"];
        let model = Arc::new(Model::default());
        // No host is allowed.
        let fetcher = Fetcher::new(FetchSettings { hosts: Vec::new(), max_size: 1000, timeout: LIMIT }).unwrap();
        let pipeline = Pipeline::new(Parts {
            model: Arc::clone(&model) as Arc<dyn ModelClient>,
            routes: [
                (name("refund"), route(refund, Dispatch::Inline)),
                (name("help"), route(fallback, Dispatch::Inline)),
                (name("queued"), route(refund, Dispatch::Queue)),
            ]
            .into(),
            choice: ChoiceRule {
                fallback: name("help"),
                threshold: None,
                intents: intents.map(|intent| (name(intent), None)).into(),
                margin: 0.0,
            },
            extractor: None,
            dialogue: None,
            model_timeout: LIMIT,
            handler_timeout: LIMIT,
            retry: RetryPolicy { delays: vec![LIMIT] },
            inline: InlineLimit { bytes: 1 << 20, requests: 10 },
            attachments: Attachments::new(transcriber, Some(fetcher), 1 << 20),
        });
        Self { pipeline, model }
    }

    async fn run(&self, text: &str, attachments: Vec<Attachment>, stage: Stage) -> Outcome {
        let request = Request { text: text.into(), attachments, locale: Some("en".into()), ..Request::default() };
        self.pipeline.run(&Job { stage, ..Job::new(request) }).await.0
    }

    async fn reply(&self, text: &str, attachments: Vec<Attachment>) -> Arc<Reply> {
        match self.run(text, attachments, Stage::Classify).await {
            Outcome::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    async fn says(&self, text: &str, attachments: Vec<Attachment>) -> String {
        self.reply(text, attachments).await.text.clone()
    }

    fn classified(&self) -> Vec<String> {
        self.model.0.lock().unwrap().clone()
    }
}

const LIMIT: Duration = Duration::from_secs(20);
const NO_PICTURES: &str = "I can't look at pictures.";

#[tokio::test]
async fn a_picture_alone_is_the_fallbacks_and_nothing_is_classified() {
    let bot = Bot::new(&[BLIND], &[BLIND, SEES], None);
    let reply = bot.reply(" ", vec![image()]).await;
    assert_eq!((reply.text.as_str(), reply.intent.as_str()), ("llm:  ", "help"));
    let classification = reply.classification.as_ref().unwrap();
    assert!(classification.fallback && classification.model.is_none() && classification.predicted.is_none());
    assert!(bot.classified().is_empty());
    // Addressed to an intent that has no eyes, it is the fallback's as well.
    let stage = Stage::Handle { intent: name("refund"), classification: None };
    let Outcome::Reply(reply) = bot.run("", vec![image()], stage).await else { panic!("no reply") };
    assert_eq!((reply.text.as_str(), reply.intent.as_str()), ("llm: ", "help"));
}

#[tokio::test]
async fn what_nobody_takes_is_refused_in_words_and_beside_a_text_it_is_told() {
    let bot = Bot::new(&[BLIND], &[BLIND], None);
    let reply = bot.reply("", vec![image(), image(), audio()]).await;
    assert_eq!(reply.text, format!("{NO_PICTURES} I can't listen to recordings. Please tell me in words."));
    assert_eq!((reply.locale.as_deref(), reply.intent.as_str(), &reply.details.handler), (Some("en"), "help", &None));
    let file = sent(AttachmentKind::File, "application/pdf");
    assert_eq!(bot.says("refund", vec![file]).await, "template: refund\n\n(I can't open files.)");
    assert_eq!(bot.classified(), ["refund"]);
}

#[tokio::test]
async fn who_takes_a_picture_leaves_nothing_to_tell_and_who_does_not_tells() {
    for taker in [SEES, HANDS_ON] {
        let bot = Bot::new(&[taker], &[BLIND], None);
        assert_eq!(bot.says("refund", vec![image()]).await, format!("{}: refund", taker.name));
    }
    // The one that sees fails, and the next one is blind.
    let bot = Bot::new(&[Says { fails: true, ..SEES }, BLIND], &[BLIND], None);
    assert_eq!(bot.says("refund", vec![image()]).await, format!("template: refund\n\n({NO_PICTURES})"));
    // A picture that nobody can make anything of is no fault of the bot's.
    let bot = Bot::new(&[BLIND], &[Says { fails: true, ..SEES }, BLIND], None);
    assert_eq!(bot.says("", vec![image()]).await, "I couldn't make out the picture. Please tell me in words.");
}

#[tokio::test]
async fn a_picture_whose_host_is_not_allowed_is_told_and_handed_on_as_it_was_sent() {
    let bot = Bot::new(&[SEES], &[SEES], None);
    assert_eq!(bot.says("refund", vec![linked()]).await, "llm: refund\n\n(I couldn't fetch the picture.)");
    assert_eq!(bot.says("", vec![linked()]).await, "I couldn't fetch the picture. Please tell me in words.");
    let bot = Bot::new(&[HANDS_ON], &[HANDS_ON], None);
    assert_eq!(bot.says("", vec![linked()]).await, "webhook: ");
}

#[tokio::test]
async fn what_is_said_in_recordings_stands_behind_the_text_and_is_classified() {
    let said = ["where is my kettle", "", "it came broken"];
    let acts = said.iter().map(|text| Act::json(&json!({"text": text}))).collect();
    let stub = Stub::script(acts).await;
    let bot = Bot::new(&[BLIND], &[BLIND], Some(transcriber(stub.service())));
    assert_eq!(bot.says("", vec![audio()]).await, "template: where is my kettle");
    // In the second nothing is said.
    assert_eq!(
        bot.says("hello", vec![audio(), audio()]).await,
        "template: hello\nit came broken\n\n(I couldn't make out the recording.)"
    );
    assert_eq!(bot.classified(), ["where is my kettle", "hello\nit came broken"]);
}

#[tokio::test]
async fn a_recording_that_is_refused_is_told_and_a_service_that_is_away_is_tried_again() {
    let refusal = Act::Answer(400, "", r#"{"error":{"message":"no audio"}}"#.to_owned());
    let stub = Stub::script(vec![refusal]).await;
    let bot = Bot::new(&[BLIND], &[BLIND], Some(transcriber(stub.service())));
    let told = "I couldn't make out the recording. Please tell me in words.";
    assert_eq!(bot.says("", vec![audio()]).await, told);
    assert!(bot.classified().is_empty());
    let bot = Bot::new(&[BLIND], &[BLIND], Some(transcriber(nowhere("whisper"))));
    let outcome = bot.run("hello", vec![audio()], Stage::Classify).await;
    let Outcome::Retry { error, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.code, ErrorCode::ModelUnavailable);
    assert!(error.message.contains("whisper") && bot.classified().is_empty(), "{}", error.message);
}

#[tokio::test]
async fn a_recording_is_understood_once_also_where_its_message_goes_by_a_queue() {
    let long = "x".repeat(MAX_CARRIED);
    for (said, carried) in [("我想退货", true), (&long, false)] {
        let stub = Stub::script(vec![Act::json(&json!({"text": said}))]).await;
        let bot = Bot::new(&[BLIND], &[BLIND], Some(transcriber(stub.service())));
        let mut attached = bot.pipeline.parts.attachments.heard(&recorded(), None, deadline()).await.unwrap();
        assert_eq!(attached.carried.as_deref(), carried.then_some(said));
        assert_eq!(attached.request.text, said);
        let Some(transcript) = attached.carried.take() else { continue };
        // The worker that takes it from the queue.
        let classification = Classification { transcript: Some(transcript), ..Classification::default() };
        let json = serde_json::to_string(&classification).unwrap();
        let classification = Some(Box::new(serde_json::from_str(&json).unwrap()));
        let stage = Stage::Handle { intent: name("queued"), classification };
        let Outcome::Reply(reply) = bot.run("", vec![audio()], stage).await else { panic!("no reply") };
        assert_eq!((reply.text.as_str(), stub.seen().len()), ("template: 我想退货", 1));
        assert_eq!(reply.classification.as_ref().unwrap().transcript, None);
    }
}

#[tokio::test]
async fn what_is_here_at_once_is_bounded_and_nobody_waits_for_ever() {
    let attachments = Attachments::new(None, None, 10 * UNIT);
    let held = attachments.room(100 * UNIT, deadline()).await.unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(attachments.room(1, soon).await.unwrap_err().code, ErrorCode::Timeout);
    drop(held);
    assert!(attachments.room(1, deadline()).await.unwrap().is_some());
    assert!(attachments.room(0, deadline()).await.unwrap().is_none());
}

fn recorded() -> Request {
    Request { attachments: vec![audio()], ..Request::default() }
}

fn deadline() -> Instant {
    Instant::now() + LIMIT
}
