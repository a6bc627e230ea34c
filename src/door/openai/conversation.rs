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
    let user = asked.user.take().map(sender);
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

/// A client's word for its user as a sender's name, which has at most 255 bytes: one that is longer by its SHA-256.
fn sender(user: String) -> String {
    match user.len() <= MAX_SHORT {
        true => user,
        false => {
            let digest = Sha256::digest(user);
            digest.iter().fold("user-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_sender_by_its_word_or_by_the_hash_of_it() {
        assert_eq!(sender("u-7".to_owned()), "u-7");
        assert_eq!(sender("x".repeat(MAX_SHORT)), "x".repeat(MAX_SHORT));
        let [one, other] = ["一", "二"].map(|end| sender("用".repeat(511) + end));
        assert!(one.starts_with("user-") && one.len() == 5 + 64, "{one}");
        assert_ne!(one, other);
    }
}
