//! Whoever asks, once it is known.

use std::{fmt, net::IpAddr, num::NonZeroU32, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{
    Entry, KeyHash, NoRandomness, Refusal,
    address::place,
    hash::random,
    limits::{Counted, Limits},
};

/// What a conversation's id begins with that the door made.
const BEGIN: &str = "c-";
const TAG: usize = 12;

/// Whoever asks.
#[derive(Clone)]
pub struct Caller {
    /// The sender that the bot sees, unless it may name another; `None` where nobody needs a key.
    pub name: Option<Arc<str>>,
    /// Whether its key stands in pages: it speaks only in conversations that the door made.
    pub is_public: bool,
    /// Whether it may say who the sender is.
    pub names_senders: bool,
    hash: Option<KeyHash>,
    limit: Option<Limit>,
}

#[derive(Clone)]
struct Limit {
    counts: Arc<Limits>,
    counted: Counted,
    rate: NonZeroU32,
}

impl Caller {
    /// Whoever reaches a door that needs no key.
    pub(super) fn anybody() -> Self {
        Self { name: None, is_public: false, names_senders: true, hash: None, limit: None }
    }

    pub(super) fn of(entry: &Entry, address: IpAddr, counts: &Arc<Limits>) -> Self {
        let is_public = entry.is_public();
        let hash = *entry.hash.bytes();
        let counted = if is_public { Counted::KeyAt(hash, place(address)) } else { Counted::Key(hash) };
        let limit = entry.limit().map(|rate| Limit { counts: counts.clone(), counted, rate });
        Self {
            name: Some(entry.name.clone()),
            is_public,
            names_senders: matches!(entry.kind, super::EntryKind::Secret { names_senders: true }),
            hash: Some(entry.hash),
            limit,
        }
    }

    /// Whether it asks with this key.
    pub(super) fn is_of(&self, entry: &Entry) -> bool {
        self.hash.as_ref().is_some_and(|hash| entry.hash.is(hash).into())
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Refusal::Rate`], where it was one too many; it isn't counted then.
    pub fn take(&self) -> Result<(), Refusal> {
        let Some(Limit { counts, counted, rate }) = &self.limit else { return Ok(()) };
        counts.take(*counted, *rate).map_err(Refusal::Rate)
    }

    /// A new conversation's id, which nobody can guess: 128 random bits, and a tag by which any door with the same file of
    /// keys knows that a door made it.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new_conversation(&self) -> Result<String, NoRandomness> {
        let random = random::<16>()?;
        let mut id = format!("{BEGIN}{}", URL_SAFE_NO_PAD.encode(random));
        if let Some(mac) = self.mac(&random) {
            let tag = mac.finalize().into_bytes();
            id.push('.');
            URL_SAFE_NO_PAD.encode_string(&tag[..TAG], &mut id);
        }
        Ok(id)
    }

    /// Whether it may speak in a conversation: if its key is public, only in those that a door made for that key.
    ///
    /// Who reads a public key in a page can make such a tag, so this keeps clients from ids that others guess, and no more:
    /// what keeps a conversation to itself are the random bits of its id.
    pub fn may_speak_in(&self, conversation: &str) -> bool {
        !self.is_public || self.made(conversation).unwrap_or(false)
    }

    fn made(&self, conversation: &str) -> Option<bool> {
        let (random, tag) = conversation.strip_prefix(BEGIN)?.split_once('.')?;
        let random: [u8; 16] = URL_SAFE_NO_PAD.decode(random).ok()?.try_into().ok()?;
        let tag: [u8; TAG] = URL_SAFE_NO_PAD.decode(tag).ok()?.try_into().ok()?;
        Some(self.mac(&random)?.verify_truncated_left(&tag).is_ok())
    }

    fn mac(&self, random: &[u8; 16]) -> Option<Hmac<Sha256>> {
        // Any length is one of an HMAC's key.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.hash.as_ref()?.bytes()).ok()?;
        mac.update(random);
        Some(mac)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("name", &self.name).field("is_public", &self.is_public).finish_non_exhaustive()
    }
}
