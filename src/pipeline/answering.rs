//! An intent answers: its handlers, then the fallback's, here or by way of a queue.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Dispatch, Given, InlineLimit, Job, Pipeline, Stage, Work,
    errors::{deadline_exceeded, no_answer},
    left,
    turn::Talk,
};
use crate::{
    conversation::Slots,
    domain::{Classification, Entity, ErrorCode, IntentName, MessageError, Outcome, Reply, Request},
    entity::Extractor,
    handler::{Answer, HandlerError, Handlers, Job as HandlerJob},
    sharing::Room,
};

impl Pipeline {
    /// What an intent's handlers make of a turn of a conversation that isn't theirs by the script.
    pub(super) async fn by_handlers(
        &self,
        job: &Job,
        intent: IntentName,
        classification: Option<Box<Classification>>,
        slots: Slots,
    ) -> Result<Outcome, MessageError> {
        let talk = Some(Box::new(Talk { slots, turn: Some(0), ..Talk::default() }));
        let mut work = Work { talk, ..Work::new(job, Instant::now(), None) };
        self.answered(&mut work, intent, classification).await
    }

    /// What becomes of a request whose intent is known: where it has no answer, the fallback is asked, once.
    pub(super) async fn answered(
        &self,
        work: &mut Work<'_>,
        intent: IntentName,
        classification: Option<Box<Classification>>,
    ) -> Result<Outcome, MessageError> {
        let fallback = self.parts.choice.fallback.clone();
        let (intent, classification) = match self.by_intent(work, intent, classification).await? {
            Given::Outcome(outcome) => return Ok(outcome),
            Given::Nothing(intent, classification) => (intent, classification),
        };
        if intent == fallback {
            return self.unanswered(work, intent, classification);
        }
        // Boxed, as it is rare: a delivery's task is as large as its largest branch.
        let classification = classification.map(|boxed| Box::new(boxed.left_to_fallback(intent)));
        match Box::pin(self.by_intent(work, fallback, classification)).await? {
            Given::Outcome(outcome) => Ok(outcome),
            Given::Nothing(intent, classification) => self.unanswered(work, intent, classification),
        }
    }

    /// What becomes of a request to which nobody has an answer. Attachments alone that nobody looks at are no fault of
    /// anybody's: the user is told in words.
    fn unanswered(
        &self,
        work: &Work<'_>,
        intent: IntentName,
        classification: Option<Box<Classification>>,
    ) -> Result<Outcome, MessageError> {
        let route = self.parts.routes.get(&intent);
        match (&work.attached, route) {
            (Some(attached), Some(route)) if !attached.request.has_text() => {
                let answer = attached.refusal(&route.handlers);
                let reply = reply(work.request(), answer, intent, classification.map(|boxed| *boxed), Vec::new());
                Ok(Outcome::Reply(Arc::new(reply)))
            }
            _ => Err(no_answer(&intent)),
        }
    }

    /// What an intent's handlers make of a request, here or by way of the intent's queue. In a turn of a conversation
    /// everything is answered here but what another program answers.
    async fn by_intent(
        &self,
        work: &mut Work<'_>,
        intent: IntentName,
        classification: Option<Box<Classification>>,
    ) -> Result<Given, MessageError> {
        let (job, started) = (work.job, work.started);
        let route = self.parts.routes.get(&intent).ok_or_else(|| {
            MessageError::new(ErrorCode::HandlerFailed, format!("this worker knows no intent '{intent}'"))
        })?;
        let is_turn = work.talk.as_ref().is_some_and(|talk| talk.turn.is_some());
        let is_addressed = matches!(job.stage, Stage::Handle { .. });
        let is_here = route.dispatch == Dispatch::Inline || is_addressed || is_turn;
        if route.handlers.is_empty() || !is_here {
            return Ok(self.forward(work, intent, classification));
        }
        let _room = if is_addressed || is_turn || route.external {
            None
        } else {
            // Where its handler is slow, or holds too much already, the message waits in the intent's queue, and not in the
            // others' way.
            match self.room(work.request(), &intent) {
                None => return Ok(self.forward(work, intent, classification)),
                room => room,
            }
        };
        let deadline = Instant::now() + self.limit(self.parts.handler_timeout, left(job, started))?;
        if let Some(attached) = &mut work.attached {
            Box::pin(self.parts.attachments.fetch(attached, &route.handlers, deadline)).await?;
        }
        let (request, entities) = (work.request(), self.entities(work));
        let asked = HandlerJob {
            classification: classification.as_deref(),
            entities,
            labels: self.parts.dialogue.as_ref().map(|dialogue| &dialogue.labels),
            key: job.identity.map(|identity| identity.key),
            listener: job.listener.as_deref(),
            ..work.asks(&intent, deadline)
        };
        let mut answer = match self.handle(job, started, &route.handlers, &asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) if route.external => return Ok(self.forward(work, intent, classification)),
            // What couldn't be made out is told in words.
            Err(error) if !request.has_text() && error.code == ErrorCode::HandlerFailed => {
                return Ok(Given::Nothing(intent, classification));
            }
            Ok(None) => return Ok(Given::Nothing(intent, classification)),
            Err(error) => return Err(error),
        };
        let slots = std::mem::take(&mut answer.slots);
        let answer = match &work.attached {
            Some(attached) => attached.told(answer, &route.handlers),
            None => answer,
        };
        // Where they are asked for again, they are looked for again.
        let entities = work.entities.take().unwrap_or_default();
        let reply = reply(work.request(), answer, intent, classification.map(|boxed| *boxed), entities);
        if let Some(talk) = &mut work.talk {
            talk.given = slots;
        }
        Ok(Given::Outcome(Outcome::Reply(Arc::new(reply))))
    }

    /// Hands a request to the queue of its intent, with what its text names where it was classified here.
    fn forward(&self, work: &Work<'_>, intent: IntentName, mut classification: Option<Box<Classification>>) -> Given {
        if let Some(classification) = &mut classification {
            classification.entities = self.entities(work).to_vec();
            classification.transcript = work.attached.as_ref().and_then(|attached| attached.carried.clone());
        }
        let slots = work.talk.iter().flat_map(|talk| talk.slots.iter());
        let slots = slots.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Given::Outcome(Outcome::Forward { intent, classification, slots })
    }

    /// The entities of a request's text. They aren't taken from a header, which anybody could write.
    pub(super) fn entities<'w>(&self, work: &'w Work<'_>) -> &'w [Entity] {
        let extract = |extractor: &Extractor| extractor.extract(&work.request().text);
        work.entities.get_or_init(|| self.parts.extractor.as_ref().map(extract).unwrap_or_default())
    }

    /// The entities of texts that were said before, a list a line.
    pub(super) fn entities_of(&self, texts: &str) -> Vec<Vec<Entity>> {
        match &self.parts.extractor {
            Some(extractor) => texts.lines().map(|text| extractor.extract(text)).collect(),
            None => Vec::new(),
        }
    }

    /// Room for one more request that an intent handles inline; `None` if it is slow, or has taken its share.
    fn room(&self, request: &Request, intent: &IntentName) -> Option<Room> {
        let InlineLimit { bytes, requests } = self.parts.inline;
        let inline = self.inline.get(intent)?;
        if inline.pace.is_slow() { None } else { inline.share.try_take(request.size().max(bytes / requests.max(1))) }
    }

    /// What handlers answer, and how long they took.
    pub(super) async fn handle(
        &self,
        job: &Job,
        started: Instant,
        handlers: &Handlers,
        work: &HandlerJob<'_>,
    ) -> Result<Option<Answer>, MessageError> {
        let asked = Instant::now();
        let answer = handlers.ask(work).await;
        let took = asked.elapsed();
        self.handler_seconds.record(took);
        if let Some(inline) = self.inline.get(work.intent) {
            inline.pace.took(took);
        }
        answer.map_err(|error| match error {
            HandlerError::TimedOut { .. } if left(job, started) == Some(std::time::Duration::ZERO) => {
                deadline_exceeded()
            }
            error => MessageError::new(error.code(), error.for_client()),
        })
    }
}

/// The reply to a request.
pub(super) fn reply(
    request: &Request,
    answer: Answer,
    intent: IntentName,
    classification: Option<Classification>,
    entities: Vec<Entity>,
) -> Reply {
    // They were for whoever handles a forwarded message; in a reply they have a place of their own, or none.
    let classification = classification.map(|it| Classification { entities: Vec::new(), transcript: None, ..it });
    Reply {
        id: Uuid::now_v7().to_string(),
        in_reply_to: request.id.clone(),
        receiver: request.sender.clone(),
        conversation: request.conversation.clone(),
        metadata: request.metadata.clone(),
        text: answer.text,
        locale: answer.locale,
        intent,
        classification,
        entities,
        details: answer.details,
    }
}
