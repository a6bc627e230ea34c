//! Which conversation a request in OpenAI's form belongs to, whose it is, and by which id it is known again.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::request::Asked;
use crate::{domain::MAX_SHORT, door::keys::Caller};

/// The headers that name a conversation: of everybody, and of Open WebUI.
const CONVERSATION: [&str; 2] = ["x-conversation-id", "x-openwebui-chat-id"];
/// The header of OpenAI's own packages, which send anew what failed by themselves.
const RETRIES: &str = "x-stainless-retry-count";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Sets conversation, sender and id. `header` tells a header that isn't empty.
pub(super) fn place<'h>(asked: &mut Asked, caller: &Caller, header: impl Fn(&str) -> Option<&'h str>) {
    let named = CONVERSATION.into_iter().find_map(&header).map(str::to_owned);
    let user = asked.user.take().filter(|user| user.len() <= MAX_SHORT);
    // A user's name is no conversation of a public key's, and no reason to refuse what it asks.
    let user_talks = user.clone().filter(|user| caller.may_speak_in(user));
    asked.request.conversation = named.or(user_talks);
    asked.request.sender = user;
    asked.request.id = match header(IDEMPOTENCY_KEY) {
        Some(key) if key.len() <= MAX_SHORT => Some(key.to_owned()),
        // The same again, and not the same text said once more: that has a longer history.
        _ if header(RETRIES).is_some() && asked.request.conversation.is_some() => Some(digest(asked).to_string()),
        _ => None,
    };
}

fn digest(asked: &Asked) -> Uuid {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    };
    let request = &asked.request;
    add(&asked.model);
    add(request.conversation.as_deref().unwrap_or_default());
    for turn in &request.history {
        add(&turn.text);
    }
    add(&request.text);
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}
