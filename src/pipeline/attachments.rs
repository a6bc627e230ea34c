//! Attachments on their way through the pipeline: recordings become text before a request is classified, pictures are fetched
//! for handlers that look at them, and what nobody looked at is told to the user.
//!
//! **Invariant:** no attachment is passed over in silence: it is used, or the reply says in words that it wasn't. What they
//! take in memory, beside the message as it came, is bounded for all requests together; a request takes its part at once,
//! so that none waits for more while it holds some.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use metrics::counter;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::words::{self, Unused};
use crate::{
    domain::{Attachment, AttachmentKind, Content, ErrorCode, MessageError, Request},
    handler::{Answer, Handler, Handlers, Takes},
    outbound::{
        Failure, ServiceError,
        fetch::{Fetched, Fetcher},
        transcription::Transcriber,
    },
};

/// The longest transcript that goes along with a forwarded message, as JSON, in bytes: it shares a header. A longer one is
/// made again.
const MAX_CARRIED: usize = 4096;
/// What one permit of [`Attachments::memory`] stands for, in bytes.
const UNIT: usize = 1024;
/// How many times its size a picture takes as it is sent, beside itself: Base64, within JSON.
const SENT: usize = 2;

/// What deals with attachments.
pub struct Attachments {
    transcriber: Option<Arc<Transcriber>>,
    fetcher: Option<Fetcher>,
    memory: Arc<Semaphore>,
    /// How many permits there are.
    all: u32,
}

/// A request with attachments.
pub(super) struct Attached {
    /// With what was said in its recordings.
    pub(super) request: Request,
    /// That, where it is all that they hold and fits beside a forwarded message.
    pub(super) carried: Option<String>,
    /// How far each attachment has come.
    states: Vec<State>,
    room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it was sent; or fetched.
    Here,
    /// It became text.
    Heard,
    /// Nothing that is said could be made out.
    Unclear,
    /// It couldn't be fetched.
    Unfetched,
}

impl Attachments {
    /// Recordings are understood by this service, if there is one; what is named by its address is fetched by that. All
    /// together take no more memory than so many bytes.
    pub fn new(transcriber: Option<Arc<Transcriber>>, fetcher: Option<Fetcher>, memory: usize) -> Self {
        let all = u32::try_from(memory / UNIT).unwrap_or(u32::MAX).max(1);
        Self { transcriber, fetcher, memory: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Whether recordings become text.
    pub fn hears(&self) -> bool {
        self.transcriber.is_some()
    }

    /// The request with what is said in its recordings, behind its text. `carried` is what was made of them before.
    ///
    /// # Errors
    /// Where that can't be found out now, and may be later.
    pub(super) async fn heard(
        &self,
        request: &Request,
        carried: Option<&str>,
        deadline: Instant,
    ) -> Result<Attached, MessageError> {
        let mut request = request.clone();
        let mut states = vec![State::Here; request.attachments.len()];
        let recordings = || {
            let all = request.attachments.iter().enumerate();
            all.filter(|(_, attachment)| attachment.kind == AttachmentKind::Audio)
        };
        let mut transcript = Vec::new();
        if let Some(carried) = carried {
            recordings().for_each(|(at, _)| states[at] = State::Heard);
            transcript.push(carried.to_owned());
        } else if let (Some(transcriber), true) = (&self.transcriber, recordings().next().is_some()) {
            let _room = self.room(self.size(recordings().map(|(_, recording)| recording), 1, 0), deadline).await?;
            let mut left = self.fetcher.as_ref().map_or(0, Fetcher::max_size);
            for (at, recording) in recordings() {
                let Some(Fetched { bytes, media_type }) = self.content(recording, &mut left, deadline).await else {
                    states[at] = State::Unfetched;
                    continue;
                };
                let said = transcriber.transcribe(&bytes, &media_type, request.locale.as_deref(), deadline).await;
                states[at] = match said {
                    Ok(said) if said.is_empty() => State::Unclear,
                    Ok(said) => {
                        transcript.push(said);
                        State::Heard
                    }
                    Err(error) if matches!(error.failure, Failure::Refused | Failure::BadAnswer) => State::Unclear,
                    Err(error) => return Err(unheard(error)),
                };
            }
        }
        let all = recordings().all(|(at, _)| states[at] == State::Heard);
        let transcript = transcript.join("\n");
        let fits = serde_json::to_string(&transcript).is_ok_and(|json| json.len() <= MAX_CARRIED);
        if !transcript.is_empty() {
            let text = if request.has_text() { format!("{}\n{transcript}", request.text) } else { transcript.clone() };
            request.text = text;
        }
        let carried = (all && fits && !transcript.is_empty()).then_some(transcript);
        Ok(Attached { request, carried, states, room: None })
    }

    /// Fetches what one of the handlers wants to look into.
    ///
    /// # Errors
    /// Where there was no memory for it in time.
    pub(super) async fn fetch(
        &self,
        attached: &mut Attached,
        handlers: &Handlers,
        deadline: Instant,
    ) -> Result<(), MessageError> {
        let wanted = |it: &Attachment| handlers.iter().any(|handler| handler.takes(it) == Takes::Content);
        let attachments = &mut attached.request.attachments;
        let is_wanted: Vec<bool> = attachments.iter().map(wanted).collect();
        if attached.room.is_none() {
            let looked_at = attachments.iter().zip(&is_wanted).filter_map(|(it, wanted)| wanted.then_some(it));
            attached.room = self.room(self.size(looked_at, 1 + SENT, SENT), deadline).await?;
        }
        let mut left = self.fetcher.as_ref().map_or(0, Fetcher::max_size);
        for ((attachment, state), _) in
            attachments.iter_mut().zip(&mut attached.states).zip(is_wanted).filter(|(_, wanted)| *wanted)
        {
            if attachment.to_fetch().is_none() || *state != State::Here {
                continue;
            }
            let fetched = self.content(attachment, &mut left, deadline).await;
            match (fetched, &mut attachment.content) {
                (Some(Fetched { bytes, media_type }), Content::Url { fetched, .. }) => {
                    *fetched = Some(bytes);
                    attachment.media_type = media_type;
                }
                _ => *state = State::Unfetched,
            }
        }
        // What was fetched is mostly smaller than the most that may be.
        let of = |it: &Attachment| match it.content {
            Content::Data(_) => SENT * it.size(),
            Content::Url { .. } => (1 + SENT) * it.size(),
        };
        let units = attachments.iter().map(of).sum::<usize>().div_ceil(UNIT);
        if let Some(room) = &mut attached.room {
            drop(room.split(room.num_permits().saturating_sub(units)));
        }
        Ok(())
    }

    /// What is in an attachment, fetched if need be; none where it can't be.
    async fn content(&self, attachment: &Attachment, left: &mut usize, deadline: Instant) -> Option<Fetched> {
        let media_type = attachment.media_type.clone();
        if let Some(bytes) = attachment.bytes() {
            return Some(Fetched { bytes: Bytes::clone(bytes), media_type });
        }
        let fetched = self.fetcher.as_ref()?.fetch(attachment.to_fetch()?, &media_type, *left, deadline).await.ok()?;
        *left = left.saturating_sub(fetched.bytes.len());
        Some(fetched)
    }

    /// What attachments may take in memory beside the request, in bytes: so many times the most that may be fetched for a
    /// request, where one has to be, and so many times those that came along.
    fn size<'a>(&self, attachments: impl Iterator<Item = &'a Attachment>, fetched: usize, sent: usize) -> usize {
        let most = self.fetcher.as_ref().map_or(0, Fetcher::max_size);
        let (mut to_fetch, mut size) = (false, 0);
        for attachment in attachments {
            to_fetch |= attachment.to_fetch().is_some();
            size += sent * attachment.bytes().map_or(0, Bytes::len);
        }
        size + if to_fetch { fetched * most } else { 0 }
    }

    /// Room for so many bytes; all that there is, where that is less. None where it is for nothing.
    async fn room(&self, bytes: usize, deadline: Instant) -> Result<Option<OwnedSemaphorePermit>, MessageError> {
        if bytes == 0 {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        match timeout_at(deadline, Arc::clone(&self.memory).acquire_many_owned(units)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            _ => Err(MessageError::new(ErrorCode::Timeout, "there was no memory for the attachments in time")),
        }
    }
}

impl Default for Attachments {
    /// Hears nothing and fetches nothing.
    fn default() -> Self {
        Self::new(None, None, 1 << 20)
    }
}

impl Attached {
    /// Adds to an answer what the handler that gave it didn't look at.
    pub(super) fn told(&self, mut answer: Answer, handlers: &Handlers) -> Answer {
        let by = answer.details.handler.as_deref();
        let by = handlers.iter().find(|handler| Some(handler.name()) == by);
        let unused = self.unused(by.map(|handler| &**handler), |_| false);
        if !unused.is_empty() {
            answer.text = words::beside(&answer.text, &unused, &self.request, answer.locale.as_deref());
        }
        answer
    }

    /// What a user is told where nobody has an answer, of whom these were asked last.
    pub(super) fn refusal(&self, handlers: &Handlers) -> Answer {
        let was_looked_at = |it: &Attachment| handlers.iter().any(|handler| handler.takes(it).has(it));
        let (text, locale) = words::alone(&self.unused(None, was_looked_at), &self.request);
        Answer::text(text, locale)
    }

    /// What became of the attachments that the handler didn't use, each once; counts them all.
    fn unused(
        &self,
        by: Option<&dyn Handler>,
        was_looked_at: impl Fn(&Attachment) -> bool,
    ) -> Vec<(AttachmentKind, Unused)> {
        let mut unused = Vec::new();
        for (attachment, state) in self.request.attachments.iter().zip(&self.states) {
            let is_used = by.is_some_and(|handler| handler.takes(attachment).has(attachment));
            let why = match state {
                State::Heard => None,
                _ if is_used => None,
                State::Unclear => Some(Unused::Unclear),
                State::Unfetched => Some(Unused::Unfetched),
                State::Here if was_looked_at(attachment) => Some(Unused::Unclear),
                State::Here => Some(Unused::Unread),
            };
            let (kind, result) = (attachment.kind.as_str(), why.map_or("used", Unused::as_str));
            counter!("chatbot_attachments_total", "type" => kind, "result" => result).increment(1);
            if let Some(why) = why.map(|why| (attachment.kind, why)).filter(|why| !unused.contains(why)) {
                unused.push(why);
            }
        }
        unused
    }
}

/// What a client is told where the service that understands recordings didn't answer.
fn unheard(error: ServiceError) -> MessageError {
    let code = match error.failure {
        Failure::Timeout | Failure::OutOfTime => ErrorCode::Timeout,
        Failure::Internal => ErrorCode::Internal,
        _ => ErrorCode::ModelUnavailable,
    };
    MessageError::new(code, ServiceError { said: None, ..error }.to_string())
}
