//! From what a client says to what the bot is asked: whose it is, in which conversation, by which id, until when.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, header, request::Parts};
use bytes::Bytes;
use metrics::counter;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    body,
    fault::{Code, Fault},
    inbox::{Conversation, Inbox},
    keys::{Caller, Keys, Presented, Refusal, client_address},
    now_and_then::{EachNowAndThen, EachOnce, NowAndThen},
    origins::Origins,
    server::Peer,
};
use crate::{
    amqp::asking::{Asker, Heard, Hearing, Question, To},
    domain::{
        CANCEL_TYPE, Command, Done, IntentName, Lane, Request,
        codec::{Envelope, decode_request, encode_done, encode_request},
    },
};

/// How much of an origin is told, in bytes; they are ASCII.
const MAX_ORIGIN: usize = 256;
/// Who asks by a door without keys, and doesn't say who.
const NOBODY: &str = "web";

/// What all doors share.
pub(super) struct Talk {
    pub(super) asker: Asker,
    pub(super) inbox: Arc<Inbox>,
    pub(super) keys: Keys,
    pub(super) origins: Origins,
    /// The longest that an answer is waited for.
    pub(super) timeout: Duration,
    /// The most bytes of a request's body.
    pub(super) max_body: usize,
    pub(super) told_of_wrong_keys: NowAndThen,
    pub(super) told_of_origins: EachNowAndThen,
    /// The secret keys that came from a page, by their names, of which there are as many as the file has.
    pub(super) told_of_secrets: EachOnce,
}

impl Talk {
    /// Who asks: by the key in a header or in the address.
    ///
    /// # Errors
    /// Where there is none that may.
    pub(super) fn caller(&self, parts: &Parts) -> Result<Caller, Fault> {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // Rasa's clients send their secret so.
        let token = query(parts, "token")?.filter(|_| parts.uri.path().starts_with("/webhooks/"));
        let bearer = header(header::AUTHORIZATION).and_then(bearer).or(token.as_deref());
        let in_url = query(parts, "key")?;
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.address.ip());
        let peer = peer.ok_or_else(|| Fault::new(Code::Forbidden, "the connection has no address"))?;
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let presented = Presented {
            bearer,
            in_url: in_url.as_deref(),
            origin: self.origins.foreign(&parts.headers),
            address: client_address(peer, forwarded, &self.origins.trusted_proxies),
        };
        let admitted = self.keys.admit(&presented);
        if let Ok(Caller { name: Some(name), is_public: false, .. }) = &admitted
            && self.origins.is_page(&parts.headers)
            && self.told_of_secrets.is_due(name)
        {
            tracing::warn!(
                key = &**name,
                "a secret key came from a page, where anybody may read it: take it back (`chatbot-worker key revoke`), and give the \
                 page a public one (`chatbot-worker key new NAME --public --origin ORIGIN`)"
            );
        }
        admitted.map_err(|refusal| {
            if matches!(refusal, Refusal::Locked(_)) && self.told_of_wrong_keys.is_due() {
                let address = presented.address;
                tracing::warn!(%address, "too many wrong keys came to the door from an address; no secret key is taken from it for a while");
            }
            if let (Refusal::Origin, Some(origin)) = (refusal, presented.origin) {
                self.origin_refused(origin);
            }
            Fault::from(refusal)
        })
    }

    /// Tells the operator of a site whose page may not ask.
    pub(super) fn origin_refused(&self, origin: &str) {
        let origin = origin.get(..MAX_ORIGIN).unwrap_or(origin);
        if self.told_of_origins.is_due(origin) {
            tracing::warn!(
                origin,
                "a page of another site asked at the door, and may not; CHATBOT_DOOR_ORIGINS names those that may, and for a \
                 public key its origins"
            );
        }
    }

    /// The request that a body is, as the contract reads it.
    ///
    /// # Errors
    /// As the contract has them.
    pub(super) fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Request, Fault> {
        self.read_as(None, headers, body)
    }

    /// The request of a type that a body is, whatever type it names.
    ///
    /// # Errors
    /// As the contract has them.
    pub(super) fn read_as(&self, kind: Option<Command>, headers: &HeaderMap, body: &[u8]) -> Result<Request, Fault> {
        let envelope = Envelope {
            message_id: header_text(headers, IDEMPOTENCY_KEY)?,
            kind: kind.map(Command::as_str),
            ..body::envelope(headers)?
        };
        Ok(decode_request(&envelope, body, self.max_body)?)
    }

    /// Asks what a caller's request says; by its conversation, or of the intent that it is addressed to.
    ///
    /// # Errors
    /// Where the caller may not, has asked too often, or the request is none for a door.
    pub(super) fn ask(&self, caller: &Caller, request: Request, intent: Option<IntentName>) -> Result<Hearing, Fault> {
        caller.take()?;
        let request = self.of(caller, request)?;
        Ok(self.asker.ask(self.question(&request, intent)))
    }

    /// Has a conversation of this caller's, or of a sender's whom it may name, forgotten; what is told of it.
    ///
    /// # Errors
    /// As [`Talk::ask`], and where there is no answer.
    pub(super) async fn forget(&self, caller: &Caller, id: String, sender: Option<String>) -> Result<Bytes, Fault> {
        let kind = Some(Command::Forget.as_str().to_owned());
        let forget = Request { kind, conversation: Some(id), sender, ..Request::default() };
        self.asker.intents().await;
        if self.asker.keeps_no_conversations() {
            caller.take()?;
            // Nothing is kept, so nothing is left of it.
            return Ok(forgotten(&self.of(caller, forget)?));
        }
        answer(self.ask(caller, forget, None)?).await
    }

    /// The request as the bot gets it: of this caller, with an id.
    pub(super) fn of(&self, caller: &Caller, mut request: Request) -> Result<Request, Fault> {
        match (request.kind(), request.command()) {
            (CANCEL_TYPE, _) => {
                return Err(Fault::invalid("chat.cancel is for the socket; over HTTP, close the connection instead"));
            }
            (_, Some(Command::Message | Command::Release)) => {
                return Err(Fault::invalid("a person's program speaks AMQP, and not by this door"));
            }
            (_, Some(Command::Forget)) if request.conversation.as_deref().is_none_or(str::is_empty) => {
                return Err(Fault::invalid("'conversation' is missing or empty: which one is to be forgotten?"));
            }
            _ => {}
        }
        if let Some(unknown) = Command::refused(request.kind()) {
            return Err(Fault::invalid(unknown));
        }
        if let Some(conversation) = &request.conversation {
            self.may_speak_in(caller, conversation)?;
        }
        request.sender = Some(sender(caller, request.sender.take()));
        request.id.get_or_insert_with(|| Uuid::now_v7().to_string());
        Ok(request)
    }

    /// The names of the bot's intents.
    pub(super) async fn intents(&self) -> Vec<String> {
        self.asker.intents().await.iter().map(ToString::to_string).collect()
    }

    /// # Errors
    /// Where the caller may not speak in that conversation.
    pub(super) fn may_speak_in(&self, caller: &Caller, conversation: &str) -> Result<(), Fault> {
        if caller.may_speak_in(conversation) {
            return Ok(());
        }
        let message = "this key speaks only in conversations that the door made: POST /api/conversations makes one";
        Err(Fault::new(Code::Forbidden, message))
    }

    /// What is asked, of a request that is complete.
    pub(super) fn question(&self, request: &Request, intent: Option<IntentName>) -> Question {
        let to = match (intent, &request.conversation) {
            // It is no turn of a conversation.
            _ if request.command() == Some(Command::Feedback) => To::Request,
            (Some(intent), _) => To::Intent(intent),
            (None, Some(conversation)) => To::Conversation(Lane::of(conversation)),
            (None, None) => To::Request,
        };
        Question {
            to,
            kind: request.kind().to_owned(),
            id: request.id.clone().unwrap_or_default(),
            body: encode_request(request).into(),
            deadline: Instant::now() + self.timeout,
        }
    }
}

/// Whose a request is: the key's, unless that may name others.
pub(super) fn sender(caller: &Caller, named: Option<String>) -> String {
    let named = named.filter(|_| caller.names_senders);
    named.unwrap_or_else(|| caller.name.as_deref().unwrap_or(NOBODY).to_owned())
}

/// A conversation of a request.
pub(super) fn conversation(request: &Request) -> Option<Conversation> {
    Some(Conversation { sender: request.sender.clone(), id: request.conversation.clone()? })
}

/// Word that a conversation was forgotten of which nothing is kept.
pub(super) fn forgotten(request: &Request) -> Bytes {
    let (id, in_reply_to) = (Uuid::now_v7().to_string(), request.id.clone());
    let conversation = request.conversation.clone();
    let (forgotten, delivered) = (Some(false), None);
    encode_done(&Done { id, in_reply_to, command: Command::Forget, conversation, forgotten, delivered }).into()
}

/// The whole answer: a reply's JSON, or word that a command was done.
///
/// # Errors
/// Where there is none.
pub(super) async fn answer(mut hearing: Hearing) -> Result<Bytes, Fault> {
    loop {
        match hearing.next().await? {
            Heard::Part(_) => {}
            Heard::Reply(body) | Heard::Bare(body) | Heard::Done(body) => return Ok(body),
            Heard::Error(body) => return Err(Fault::told(body)),
        }
    }
}

/// What comes first of an answer. Waited for before a stream begins, so that a fault has a status.
///
/// # Errors
/// Where there is no answer.
pub(super) async fn first(hearing: &mut Hearing) -> Result<Heard, Fault> {
    match hearing.next().await? {
        Heard::Error(body) => Err(Fault::told(body)),
        heard => Ok(heard),
    }
}

/// Counts an answer, or why there was none.
pub(super) fn counted(door: &'static str, result: Result<(), &Fault>) {
    let outcome = result.map_or_else(|fault| fault.code.as_str(), |()| "answered");
    counter!("chatbot_door_requests_total", "door" => door, "outcome" => outcome).increment(1);
}

/// The header by which a client names its request, so that one that comes again is known.
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The value of a header; none where it isn't there, or is empty.
///
/// # Errors
/// Where it holds other characters than headers do everywhere: taken for none, it would be lost without a word.
pub(super) fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Fault> {
    let value = headers.get(name).map(|value| value.to_str()).transpose();
    let value =
        value.map_err(|_| Fault::invalid(format!("the header {name} has to be of visible ASCII characters")))?;
    Ok(value.filter(|value| !value.is_empty()))
}

/// The value of a name in an address's query.
///
/// # Errors
/// Where it stands there more than once: which is meant can't be told, and what is in front of the door may take the other.
pub(super) fn query(parts: &Parts, name: &str) -> Result<Option<String>, Fault> {
    let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Fault::invalid(format!("the address has '{name}' more than once: which is meant?"))),
        (value, None) => Ok(value),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
