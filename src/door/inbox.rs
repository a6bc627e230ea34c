//! What a person says, unasked: handed to whoever listens to the conversation, and kept for a while where nobody does.
//!
//! **Invariant:** a conversation is its sender and its id together: whoever calls another's conversation by its name hears
//! nothing of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use moka::sync::Cache;
use serde::Deserialize;
use tokio::sync::mpsc;

/// For how long what nobody heard is kept.
const KEPT: Duration = Duration::from_secs(600);
/// How many of a conversation's.
const MOST: usize = 50;
/// How many bytes of all together.
const MAX_BYTES: u64 = 16 << 20;

/// A conversation, as its client calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Conversation {
    pub(super) sender: Option<String>,
    pub(super) id: String,
}

/// Who listens, and what nobody has heard.
pub(super) struct Inbox {
    listeners: Mutex<HashMap<Conversation, Vec<mpsc::Sender<Bytes>>>>,
    kept: Cache<Conversation, Arc<[Bytes]>>,
}

/// Listens until dropped.
pub(super) struct Listening {
    inbox: Arc<Inbox>,
    conversation: Conversation,
    sender: mpsc::Sender<Bytes>,
}

impl Default for Inbox {
    fn default() -> Self {
        let weigh = |_: &Conversation, kept: &Arc<[Bytes]>| {
            u32::try_from(kept.iter().map(Bytes::len).sum::<usize>()).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().weigher(weigh).max_capacity(MAX_BYTES).time_to_live(KEPT).build();
        Self { listeners: Mutex::default(), kept }
    }
}

impl Inbox {
    /// Hears what is said in a conversation from now on, and what nobody has heard yet.
    pub(super) fn listen(self: &Arc<Self>, conversation: Conversation, sender: mpsc::Sender<Bytes>) -> Listening {
        let mut listeners = self.listeners();
        listeners.entry(conversation.clone()).or_default().push(sender.clone());
        for kept in self.kept.remove(&conversation).iter().flat_map(|kept| kept.iter()) {
            let _ = sender.try_send(kept.clone());
        }
        Listening { inbox: self.clone(), conversation, sender }
    }

    /// Something was said: a `chat.message`'s JSON.
    pub(super) fn said(&self, body: Vec<u8>) {
        #[derive(Deserialize)]
        struct Spoken {
            receiver: Option<String>,
            conversation: String,
        }
        let Ok(spoken) = serde_json::from_slice::<Spoken>(&body) else {
            tracing::debug!("a message that can't be read came to the door, and was dropped");
            return;
        };
        let conversation = Conversation { sender: spoken.receiver, id: spoken.conversation };
        let body = Bytes::from(body);
        let listeners = self.listeners();
        let heard = listeners.get(&conversation).into_iter().flatten().map(|it| it.try_send(body.clone()).is_ok());
        // All of them, and not as far as one that hears.
        if heard.filter(|heard| *heard).count() == 0 {
            let before = self.kept.get(&conversation).unwrap_or_default();
            let from = (before.len() + 1).saturating_sub(MOST);
            self.kept.insert(conversation, before[from..].iter().cloned().chain([body]).collect());
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Conversation, Vec<mpsc::Sender<Bytes>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening {
    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.inbox.listeners();
        if let Some(all) = listeners.get_mut(&self.conversation) {
            if let Some(at) = all.iter().position(|sender| sender.same_channel(&self.sender)) {
                all.swap_remove(at);
            }
            if all.is_empty() {
                listeners.remove(&self.conversation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sender: &str, conversation: &str, text: &str) -> Vec<u8> {
        serde_json::json!({"type": "chat.message", "receiver": sender, "conversation": conversation, "body": text})
            .to_string()
            .into_bytes()
    }

    fn heard(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<String> {
        let text =
            |body: Bytes| serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default()["body"].to_string();
        std::iter::from_fn(|| receiver.try_recv().ok()).map(text).collect()
    }

    #[test]
    fn what_a_person_says_is_heard_by_all_who_listen_or_kept_for_the_next() {
        let inbox = Arc::new(Inbox::default());
        let conversation = |sender: &str| Conversation { sender: Some(sender.into()), id: "c".into() };
        for text in 0..MOST + 2 {
            inbox.said(said("a", "c", &text.to_string()));
        }
        inbox.said(b"no JSON".to_vec());
        let ((one, mut hears_one), (two, mut hears_two)) = (mpsc::channel(100), mpsc::channel(100));
        let other = inbox.listen(conversation("b"), two.clone());
        assert_eq!(heard(&mut hears_two), Vec::<String>::new());
        let first = inbox.listen(conversation("a"), one);
        let missed = heard(&mut hears_one);
        assert_eq!((missed.len(), missed[0].as_str()), (MOST, "\"2\""));
        drop(other);
        let second = inbox.listen(conversation("a"), two);
        inbox.said(said("a", "c", "x"));
        assert_eq!(
            (heard(&mut hears_one), heard(&mut hears_two)),
            (vec!["\"x\"".to_owned()], vec!["\"x\"".to_owned()])
        );
        drop(first);
        inbox.said(said("a", "c", "y"));
        assert_eq!(heard(&mut hears_two), ["\"y\""]);
        drop(second);
        inbox.said(said("a", "c", "z"));
        let (three, mut hears_three) = mpsc::channel(100);
        let _third = inbox.listen(conversation("a"), three);
        assert_eq!(heard(&mut hears_three), ["\"z\""]);
        assert!(hears_two.try_recv().is_err());
    }
}
