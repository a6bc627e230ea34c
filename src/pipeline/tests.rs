//! Tests of what is asked, in which time, and what becomes of each failure.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use async_trait::async_trait;

use super::*;
use crate::{
    answered::{Bounds, Identity},
    domain::{DeadReason, ErrorCode, Key, Prediction, Scored},
    handler::{Answer, Handler, HandlerError, Job as HandlerJob},
    model::{Failure, ModelError},
};

const MOMENT: Duration = Duration::from_millis(30);
const AGES: Duration = Duration::from_secs(60);

/// What the model or the handler does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers,
    AnswersAfter(Duration),
    Hangs,
    Panics,
    IsAway,
    Fails,
}

impl Does {
    async fn act(self) {
        match self {
            Self::AnswersAfter(delay) => tokio::time::sleep(delay).await,
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic(),
            Self::Answers | Self::IsAway | Self::Fails => {}
        }
    }
}

#[expect(clippy::panic, reason = "that is what is tested")]
fn panic() {
    panic!("a test's fake panics, as it was told")
}

struct Fake {
    does: Does,
    asked: Arc<AtomicU32>,
}

#[async_trait]
impl ModelClient for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    async fn classify(&self, _: &Query<'_>) -> Result<Prediction, ModelError> {
        self.asked.fetch_add(1, SeqCst);
        self.does.act().await;
        match self.does {
            Does::IsAway => Err(ModelError::new(&"fake".into(), Failure::Unreachable, "away")),
            _ => Ok(Prediction::ranked(vec![Scored::new(intent(), 0.9)], "fake".into())),
        }
    }
}

#[async_trait]
impl Handler for Fake {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, _: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
        self.asked.fetch_add(1, SeqCst);
        self.does.act().await;
        let reason = "as told".to_owned();
        match self.does {
            Does::IsAway => Err(HandlerError::Unavailable { intent: intent(), reason }),
            Does::Fails => Err(HandlerError::Failed { intent: intent(), reason }),
            _ => Ok(Some(Answer::text("yes", None))),
        }
    }
}

fn intent() -> IntentName {
    IntentName::new("refund").unwrap()
}

struct Case {
    model: Does,
    handler: Does,
    attempt: u32,
    time_left: Option<Duration>,
}

const PLAIN: Case = Case { model: Does::Answers, handler: Does::Answers, attempt: 1, time_left: None };

fn pipeline(model: Does, handler: Does) -> (Pipeline, [Arc<AtomicU32>; 2]) {
    let asked = [Arc::default(), Arc::default()];
    let handler: Arc<dyn Handler> = Arc::new(Fake { does: handler, asked: Arc::clone(&asked[1]) });
    let pipeline = Pipeline::new(Parts {
        model: Arc::new(Fake { does: model, asked: Arc::clone(&asked[0]) }),
        routes: [(intent(), Route::new(Handlers::new([handler]), Dispatch::Inline))].into(),
        choice: ChoiceRule { fallback: intent(), threshold: None, intents: [(intent(), None)].into(), margin: 0.0 },
        extractor: None,
        dialogue: None,
        inline: InlineLimit { bytes: 1 << 20, requests: 10 },
        attachments: Attachments::default(),
        model_timeout: 3 * MOMENT,
        handler_timeout: 3 * MOMENT,
        retry: RetryPolicy { delays: vec![10 * MOMENT, AGES] },
    });
    (pipeline, asked)
}

/// A pipeline that answers.
pub(super) fn answering() -> Pipeline {
    pipeline(Does::Answers, Does::Answers).0
}

fn job(attempt: u32, time_left: Option<Duration>) -> Job {
    let request = Request { text: "refund".to_owned(), ..Request::default() };
    Job { attempt, time_left, ..Job::new(request) }
}

/// The outcome in words, and how often model and handler were asked.
async fn check(case: Case, expected: &str, models: u32, handlers: u32) {
    let (pipeline, asked) = pipeline(case.model, case.handler);
    let (outcome, _) = pipeline.run(&job(case.attempt, case.time_left)).await;
    let word = match outcome {
        Outcome::Reply(_) => "reply".to_owned(),
        Outcome::Retry { delay, error } => format!("{} after {}", error.code, delay.as_millis()),
        Outcome::DeadLetter(letter) => match letter.reason {
            DeadReason::Error(code) => code.to_string(),
            other => other.to_string(),
        },
        other => format!("{other:?}"),
    };
    let Case { model, handler, attempt, time_left } = case;
    let what = format!("{model:?} {handler:?} {attempt} {time_left:?}");
    assert_eq!((word.as_str(), asked.map(|asked| asked.load(SeqCst))), (expected, [models, handlers]), "{what}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_after_growing_delays_and_what_cannot_is_not() {
    use Does::{Fails, Hangs, IsAway, Panics};
    check(PLAIN, "reply", 1, 1).await;
    for (model, code) in [(IsAway, "model_unavailable"), (Hangs, "timeout"), (Panics, "internal")] {
        check(Case { model, ..PLAIN }, &format!("{code} after 300"), 1, 0).await;
        check(Case { model, attempt: 2, ..PLAIN }, &format!("{code} after 60000"), 1, 0).await;
        check(Case { model, attempt: 3, ..PLAIN }, code, 1, 0).await;
        check(Case { model, attempt: u32::MAX, ..PLAIN }, code, 1, 0).await;
    }
    for (handler, code) in [(IsAway, "internal"), (Hangs, "timeout"), (Panics, "internal")] {
        check(Case { handler, ..PLAIN }, &format!("{code} after 300"), 1, 1).await;
        check(Case { handler, attempt: 3, ..PLAIN }, code, 1, 1).await;
    }
    check(Case { handler: Fails, ..PLAIN }, "handler_failed", 1, 1).await;
}

#[tokio::test]
async fn nobody_is_asked_for_an_answer_that_nobody_waits_for() {
    use Does::{AnswersAfter, Hangs, IsAway};
    let left = |left| Some(left);
    check(Case { time_left: left(Duration::ZERO), ..PLAIN }, "deadline_exceeded", 0, 0).await;
    check(Case { time_left: left(AGES), ..PLAIN }, "reply", 1, 1).await;
    // The model takes all the time that there is: the handler isn't asked, and nobody waits longer than that.
    check(Case { model: AnswersAfter(2 * MOMENT), time_left: left(MOMENT), ..PLAIN }, "deadline_exceeded", 1, 0).await;
    check(Case { model: Hangs, time_left: left(MOMENT), ..PLAIN }, "deadline_exceeded", 1, 0).await;
    check(Case { handler: Hangs, time_left: left(MOMENT), ..PLAIN }, "deadline_exceeded", 1, 1).await;
    // The limits of model and handler hold where the deadline is further away.
    check(Case { handler: Hangs, time_left: left(AGES), ..PLAIN }, "timeout after 300", 1, 1).await;
    // Nothing is tried again when it would come too late: the client is told at once what was wrong.
    check(Case { handler: IsAway, time_left: left(9 * MOMENT), ..PLAIN }, "internal", 1, 1).await;
    check(Case { model: IsAway, time_left: left(AGES), attempt: 2, ..PLAIN }, "model_unavailable", 1, 0).await;
    check(Case { model: Hangs, time_left: left(12 * MOMENT), ..PLAIN }, "timeout", 1, 0).await;
}

#[tokio::test]
async fn a_deadline_holds_for_whoever_waits_for_anothers_run_too() {
    let (pipeline, [models, _]) = pipeline(Does::Hangs, Does::Answers);
    let bounds = Bounds { entries: 10, bytes: 1 << 20, age: AGES };
    let answers = Arc::new(Answers::new(bounds, None));
    let pipeline = pipeline.remembering(answers.clone());
    let identity = Identity { key: Key::of([Some(&b"m"[..])]), repeated: true };
    let _running = answers.claim(identity.key).unwrap();
    let waiting = Job { identity: Some(identity), ..job(1, Some(MOMENT)) };
    let (Outcome::DeadLetter(letter), _) = pipeline.run(&waiting).await else { unreachable!("its deadline passes") };
    assert_eq!(letter.reason, DeadReason::Error(ErrorCode::DeadlineExceeded));
    assert_eq!(models.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_turns_out_slow_is_handled_by_way_of_its_queue_until_it_is_quick() {
    let (slow, [_, handlers]) = pipeline(Does::Answers, Does::AnswersAfter(Duration::from_millis(110)));
    let slow = Pipeline::new(Parts { handler_timeout: AGES, ..slow.parts });
    let addressed = || Job { stage: Stage::Handle { intent: intent(), classification: None }, ..job(1, None) };
    assert!(matches!(slow.run(&job(1, None)).await.0, Outcome::Reply(_)), "it isn't known yet");
    for _ in 0..3 {
        assert!(matches!(slow.run(&job(1, None)).await.0, Outcome::Forward { .. }));
        assert!(matches!(slow.run(&addressed()).await.0, Outcome::Reply(_)), "out of its queue it is handled");
    }
    assert_eq!(handlers.load(SeqCst), 4);
    // One that is given up took as long as that.
    let (hangs, _) = pipeline(Does::Answers, Does::Hangs);
    let hangs = Pipeline::new(Parts { handler_timeout: Duration::from_secs(1), ..hangs.parts });
    assert!(matches!(hangs.run(&job(1, None)).await.0, Outcome::Retry { .. }));
    assert!(matches!(hangs.run(&job(1, None)).await.0, Outcome::Forward { .. }));
}

/// Has none, or one.
struct Says(Option<&'static str>);

#[async_trait]
impl Handler for Says {
    fn name(&self) -> &'static str {
        "says"
    }

    async fn handle(&self, _: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
        Ok(self.0.map(|text| Answer::text(text, None)))
    }
}

fn help() -> IntentName {
    IntentName::new("help_info").unwrap()
}

/// A pipeline whose intent has no answer, and whose fallback is answered so.
fn falling_back_to(route: Route) -> Pipeline {
    let (pipeline, _) = pipeline(Does::Answers, Does::Answers);
    let none = Route::new(Handlers::new([Arc::new(Says(None)) as Arc<dyn Handler>]), Dispatch::Inline);
    let choice = ChoiceRule {
        fallback: help(),
        threshold: None,
        intents: [(intent(), None), (help(), None)].into(),
        margin: 0.0,
    };
    Pipeline::new(Parts { routes: [(intent(), none), (help(), route)].into(), choice, ..pipeline.parts })
}

fn says(text: Option<&'static str>) -> Handlers {
    Handlers::new([Arc::new(Says(text)) as Arc<dyn Handler>])
}

#[tokio::test]
async fn where_an_intent_has_no_answer_the_fallback_is_asked_once() {
    let (Outcome::Reply(reply), _) =
        falling_back_to(Route::new(says(Some("help")), Dispatch::Inline)).run(&job(1, None)).await
    else {
        unreachable!("the fallback answers")
    };
    assert_eq!((&*reply.text, &reply.intent), ("help", &help()));
    let classification = reply.classification.as_ref().unwrap();
    assert_eq!((classification.fallback, classification.confidence), (true, None));
    assert_eq!(classification.predicted, Some(Scored::new(intent(), 0.9)), "the operator still sees what it was");
    assert_eq!(reply.details.handler.as_deref(), Some("says"));
    // By way of its queue, or another program's, with what is known.
    for route in [Route::new(says(Some("help")), Dispatch::Queue), Route::external(Handlers::default())] {
        let (Outcome::Forward { intent, classification, slots: _ }, _) =
            falling_back_to(route).run(&job(1, None)).await
        else {
            unreachable!("it is answered elsewhere")
        };
        assert_eq!((intent, classification.unwrap().fallback), (help(), true));
    }
    // Once: a fallback without an answer is the end.
    let (Outcome::DeadLetter(letter), _) =
        falling_back_to(Route::new(says(None), Dispatch::Inline)).run(&job(1, None)).await
    else {
        unreachable!("nobody answers")
    };
    assert_eq!(letter.reason, DeadReason::Error(ErrorCode::HandlerFailed));
    assert_eq!(letter.message, "no handler of 'help_info' has an answer to this");
}

#[tokio::test]
async fn what_no_handler_answers_goes_to_another_program_where_it_is_the_last() {
    for (own, answered) in [(Some("yes"), true), (None, false)] {
        let (pipeline, _) = pipeline(Does::Answers, Does::Answers);
        let routes = [(intent(), Route::external(says(own)))].into();
        let outcome = Pipeline::new(Parts { routes, ..pipeline.parts }).run(&job(1, None)).await.0;
        assert_eq!(matches!(outcome, Outcome::Reply(_)), answered, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Forward { .. }), !answered, "{outcome:?}");
    }
}
