//! `/api/socket`: requests, parts, replies, cancels, and what a person says, a frame each.
//!
//! **Invariants:** each request is answered by one frame that is no part. Nothing waits for a client that doesn't take its
//! frames; its socket is closed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    extract::{
        FromRequestParts, Request, State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use bytes::Bytes;
use metrics::gauge;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, interval_at, timeout},
};

use super::{DOOR, answered};
use crate::{
    domain::{
        CANCEL_TYPE, Command, IntentName,
        codec::{Envelope, decode_request},
    },
    door::{
        fault::{Code, Fault},
        inbox::{Conversation, Listening},
        keys::Caller,
        server::Peer,
        sockets::{Asked, Sockets, Waiting},
        talk::{self, Talk, counted, query},
    },
};

/// How often the other end is asked whether it is there; and how long it may say nothing.
const PING: Duration = Duration::from_secs(20);
const SILENT: Duration = Duration::from_secs(55);
/// How long sending a frame may take.
const SENDING: Duration = Duration::from_secs(30);
/// The room that a socket takes for what it reads and sends, in bytes; more where a frame is larger.
const BUFFER: usize = 4096;
/// How many frames may wait to be sent.
const WAITING: usize = 256;
/// How many requests of a socket may be under way.
const UNDER_WAY: usize = 16;
/// How many conversations a socket may listen to.
const LISTENS: usize = 16;
/// How much larger than a request may be a frame may be so that its sender is told, in bytes, beside as much again.
const MUCH: usize = 64 * 1024;
/// How many frames may come in a second, on average over [`WINDOW`].
const FRAMES: u64 = 20;
const WINDOW: Duration = Duration::from_secs(5);
/// How long the other end may take to close.
const CLOSING: Duration = Duration::from_secs(2);
/// How long what is under way may take once the door stops.
const STOPPING: Duration = Duration::from_secs(20);

/// The codes with which sockets are closed; the last is ours.
/// <https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number>
const NO_PROTOCOL: u16 = 1002;
const NO_TEXT: u16 = 1003;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;
const TAKEN_BACK: (u16, &str) = (POLICY, "the key was taken back");
const AGAIN_LATER: u16 = 1013;
const TOO_MANY: u16 = 4029;

const NO_UPGRADE: &str = "this is the door's WebSocket: open it with `new WebSocket(…)`, or a client's like; if this is one, a \
                          proxy in front has to pass on the headers Upgrade and Connection";

pub(super) async fn open(State((talk, sockets)): State<(Arc<Talk>, Sockets)>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let opened = async {
        let caller = talk.caller(&parts)?;
        let sender = talk::sender(&caller, query(&parts, "sender")?);
        let listens = query(&parts, "conversation")?.map(|id| Conversation { sender: Some(sender), id });
        if let Some(conversation) = &listens {
            named(&conversation.id)?;
            talk.may_speak_in(&caller, &conversation.id)?;
        }
        let upgrade =
            WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|_| Fault::invalid(NO_UPGRADE))?;
        Ok::<_, Fault>((caller, listens, upgrade))
    };
    let (caller, listens, upgrade) = match opened.await {
        Ok(opened) => opened,
        Err(fault) => return answered(Err(fault), None),
    };
    let peer = parts.extensions.get::<Peer>().cloned();
    // What is a little too large is read, to be told so; what is much too large ends the connection.
    let most = 2 * talk.max_body + MUCH;
    // What is written has no bound of its own: a frame follows once the one before it is gone, and a reply has any size.
    let upgrade =
        upgrade.read_buffer_size(BUFFER).write_buffer_size(BUFFER).max_message_size(most).max_frame_size(most);
    let open = sockets.open.clone();
    let tracked = open.token();
    upgrade.on_upgrade(async move |socket| {
        let (_place, _tracked) = (peer, tracked);
        let (open, (sends, to_send)) = (gauge!("chatbot_door_sockets"), mpsc::channel(WAITING));
        open.increment(1);
        let mut wire = Wire {
            talk,
            sockets,
            caller,
            sends,
            under_way: HashMap::new(),
            listening: Vec::new(),
            tasks: JoinSet::new(),
        };
        if let Some(conversation) = listens {
            wire.listen(conversation);
        }
        wire.run(socket, to_send).await;
        open.decrement(1);
    })
}

/// One open socket.
struct Wire {
    talk: Arc<Talk>,
    sockets: Sockets,
    caller: Caller,
    sends: mpsc::Sender<Bytes>,
    /// What cancels each request, by its id.
    under_way: HashMap<String, oneshot::Sender<()>>,
    listening: Vec<Listening>,
    /// The requests under way: each ends once it was answered.
    tasks: JoinSet<()>,
}

impl Wire {
    async fn run(mut self, mut socket: WebSocket, mut to_send: mpsc::Receiver<Bytes>) {
        let mut pings = interval_at(Instant::now() + PING, PING);
        let mut keys_read = self.sockets.keys_read.subscribe();
        let (mut heard_at, mut window, mut frames) = (Instant::now(), Instant::now(), 0_u64);
        let mut stops_at = None;
        let close = loop {
            let stops = async {
                match stops_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => self.sockets.stop.cancelled().await,
                }
            };
            let message = tokio::select! {
                Some(body) = to_send.recv() => Message::Text(text(body)),
                _ = pings.tick() => {
                    if heard_at.elapsed() > SILENT {
                        break None;
                    }
                    Message::Ping(Bytes::new())
                }
                Ok(()) = keys_read.changed() => {
                    if !self.talk.keys.hold(&self.caller) {
                        break Some(TAKEN_BACK);
                    }
                    continue;
                }
                Some(_) = self.tasks.join_next() => {
                    if stops_at.is_some() && self.tasks.is_empty() && to_send.is_empty() {
                        break Some((AGAIN_LATER, "the door stops; connect again"));
                    }
                    continue;
                }
                () = stops => {
                    if stops_at.is_some() || self.tasks.is_empty() {
                        break Some((AGAIN_LATER, "the door stops; connect again"));
                    }
                    stops_at = Some(Instant::now() + STOPPING);
                    continue;
                }
                received = socket.recv() => {
                    let received = match received {
                        Some(Ok(received)) => received,
                        // Not WebSocket's protocol, or too large by far; or the connection is gone, and nobody hears it.
                        Some(Err(error)) if error.to_string().contains("too long") => {
                            break Some((TOO_LARGE, "a frame is larger than a request may be"));
                        }
                        Some(Err(_)) => break Some((NO_PROTOCOL, "this isn't WebSocket's protocol")),
                        None => break None,
                    };
                    heard_at = Instant::now();
                    if window.elapsed() > WINDOW {
                        (window, frames) = (Instant::now(), 0);
                    }
                    frames += 1;
                    if frames > FRAMES * WINDOW.as_secs() {
                        break Some((TOO_MANY, "too many messages; connect again in a while"));
                    }
                    match received {
                        Message::Text(text) if text.len() > self.talk.max_body => {
                            break Some((TOO_LARGE, "a frame is larger than a request may be"));
                        }
                        Message::Text(text) => {
                            if let Err(close) = self.hear(text.as_str()) {
                                break Some(close);
                            }
                        }
                        Message::Binary(_) => break Some((NO_TEXT, "a frame is a text of JSON")),
                        Message::Close(_) => break None,
                        Message::Ping(_) | Message::Pong(_) => {}
                    }
                    continue;
                }
            };
            match timeout(SENDING, socket.send(message)).await {
                Ok(Ok(())) => {}
                _ => break None,
            }
        };
        if let Some((code, reason)) = close {
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
            let _ = timeout(SENDING, socket.send(Message::Close(Some(frame)))).await;
        }
        // Each answer notices that nobody takes it here, and is kept for a while.
        drop(to_send);
        self.under_way.clear();
        self.listening.clear();
        // Closing is answered by closing, on either side; read on, the socket does so.
        let _ = timeout(CLOSING, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }

    /// Takes a frame; what closes the socket is told.
    fn hear(&mut self, frame: &str) -> Result<(), (u16, &'static str)> {
        if !self.talk.keys.hold(&self.caller) {
            return Err(TAKEN_BACK);
        }
        #[derive(Default, Deserialize)]
        struct Head {
            #[serde(rename = "type")]
            kind: Option<String>,
            id: Option<String>,
            intent: Option<Value>,
        }
        self.under_way.retain(|_, cancel| !cancel.is_closed());
        let Head { kind, id, intent } = serde_json::from_str(frame).unwrap_or_default();
        let heard = match kind.as_deref() {
            Some(CANCEL_TYPE) => self.cancel(id.as_deref()),
            _ => self.ask(frame, intent.as_ref()),
        };
        if let Err(fault) = heard {
            counted(DOOR, Err(&fault));
            // Whoever doesn't take its frames gets no more of them.
            return self
                .sends
                .try_send(fault.json(id.as_deref()))
                .map_err(|_| (POLICY, "nobody takes what is sent here"));
        }
        Ok(())
    }

    fn cancel(&mut self, id: Option<&str>) -> Result<(), Fault> {
        let id = id.ok_or_else(|| Fault::invalid("'id' is missing: the answer to which request is to be stopped?"))?;
        // One that is answered meanwhile is no fault.
        if let Some(cancel) = self.under_way.remove(id) {
            let _ = cancel.send(());
        }
        Ok(())
    }

    /// Asks what a frame says; of the intent that it names.
    fn ask(&mut self, frame: &str, intent: Option<&Value>) -> Result<(), Fault> {
        // One that was cancelled is under way until it is answered.
        if self.tasks.len() >= UNDER_WAY {
            let message = format!("{UNDER_WAY} requests of this connection are under way; wait for an answer");
            return Err(Fault::new(Code::RateLimited, message));
        }
        let envelope = Envelope { content_type: Some("application/json"), ..Envelope::default() };
        let request = decode_request(&envelope, frame.as_bytes(), self.talk.max_body)?;
        request.conversation.as_deref().map_or(Ok(()), named)?;
        // What a command says of an intent is its own.
        let intent = intent.filter(|_| request.command().is_none()).map(addressed).transpose()?;
        self.caller.take()?;
        let request = self.talk.of(&self.caller, request)?;
        if request.command() == Some(Command::Forget) && self.talk.asker.keeps_no_conversations() {
            // Nothing is kept, so nothing is left of it.
            let _ = self.sends.try_send(talk::forgotten(&request));
            return Ok(());
        }
        if let Some(conversation) = talk::conversation(&request) {
            self.listen(conversation);
        }
        let question = self.talk.question(&request, intent);
        if self.under_way.contains_key(&question.id) {
            return Err(Fault::invalid("a request with this id is under way: give each an id of its own"));
        }
        // Without a conversation nobody knows whose it is.
        let asked = talk::conversation(&request).map(|conversation| {
            let (id, body) = (question.id.clone(), question.body.clone());
            Asked { conversation, id, body }
        });
        let (cancel, cancelled) = oneshot::channel();
        let (waiting, answered) = Waiting::new(self.sends.clone(), cancelled);
        self.under_way.insert(question.id.clone(), cancel);
        let asker = self.talk.asker.clone();
        self.sockets.answer(asked, waiting, move || asker.ask(question));
        self.tasks.spawn(async { _ = answered.await });
        Ok(())
    }

    /// Listens to what is said in a conversation; the one that was listened to longest makes room.
    fn listen(&mut self, conversation: Conversation) {
        if self.listening.iter().any(|listening| *listening.conversation() == conversation) {
            return;
        }
        if self.listening.len() >= LISTENS {
            self.listening.remove(0);
        }
        self.listening.push(self.talk.inbox.listen(conversation, self.sends.clone()));
    }
}

/// # Errors
/// Where what names an intent is no name of one.
fn addressed(intent: &Value) -> Result<IntentName, Fault> {
    let name = intent.as_str().and_then(|name| IntentName::new(name).ok());
    name.ok_or_else(|| Fault::invalid("'intent' is no name of an intent"))
}

/// # Errors
/// Where a conversation has no name: all who leave it empty would share it.
fn named(conversation: &str) -> Result<(), Fault> {
    match conversation.is_empty() {
        true => Err(Fault::invalid("'conversation' is empty: name it, or leave it out where there is none")),
        false => Ok(()),
    }
}

/// Workers write UTF-8; what another program writes is mended.
fn text(body: Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(body).unwrap_or_else(|_| Utf8Bytes::from_static("{}"))
}
