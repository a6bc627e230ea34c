//! Which conversation a request in OpenAI's form belongs to, whose it is, and by which id it is known again.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use super::{
    attempts::{Attempts, Sent},
    request::Asked,
};
use crate::{
    domain::MAX_SHORT,
    door::{
        fault::Fault,
        keys::Caller,
        talk::{IDEMPOTENCY_KEY, header_text},
    },
};

/// The headers that name a conversation: of everybody, and of Open WebUI.
const CONVERSATION: &str = "X-Conversation-Id";
const CHAT: &str = "X-OpenWebUI-Chat-Id";
/// The header of OpenAI's own packages, which send anew what failed by themselves: how often they did. `0` is the first.
const RETRIES: &str = "X-Stainless-Retry-Count";

/// Sets conversation, sender and id.
///
/// # Errors
/// Where a header that says one of them can't be read.
pub(super) fn place(asked: &mut Asked, caller: &Caller, attempts: &Attempts, headers: &HeaderMap) -> Result<(), Fault> {
    let (everybodys, of_chat) = (header_text(headers, CONVERSATION)?, header_text(headers, CHAT)?);
    let named = everybodys.or(of_chat).map(str::to_owned);
    let user = asked.user.take().map(sender);
    // A user's name is no conversation of a public key's, and no reason to refuse what it asks.
    let user_talks = user.clone().filter(|user| caller.may_speak_in(user));
    asked.request.conversation = named.or(user_talks);
    asked.request.sender = user;
    asked.request.id = match header_text(headers, IDEMPOTENCY_KEY)? {
        Some(key) if key.len() <= MAX_SHORT => Some(key.to_owned()),
        // Without a conversation nothing is said twice.
        _ if asked.request.conversation.is_some() => {
            header_text(headers, RETRIES)?.and_then(|tried| attempts.id(sent(asked, caller), tried))
        }
        _ => None,
    };
    Ok(())
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

/// What an attempt and its repetitions have in common.
fn sent(asked: &Asked, caller: &Caller) -> Sent {
    let request = &asked.request;
    let (key, conversation) = (caller.name.as_deref(), request.conversation.as_deref());
    let texts =
        [key, request.sender.as_deref(), conversation, Some(asked.model.as_str())].map(Option::unwrap_or_default);
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.update(asked.said);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::door::{
        keys::{Keys, Presented},
        openai::request,
    };

    /// The id of a request that was tried so often before.
    fn id(attempts: &Attempts, conversation: &str, messages: &str, tried: &str) -> Option<String> {
        let presented = Presented { bearer: None, in_url: None, origin: None, address: [127, 0, 0, 1].into() };
        let caller = Keys::off().admit(&presented).unwrap();
        let mut asked = request::read(&format!(r#"{{"messages": [{messages}]}}"#)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-conversation-id", conversation.parse().unwrap());
        headers.insert("x-stainless-retry-count", tried.parse().unwrap());
        place(&mut asked, &caller, attempts, &headers).unwrap();
        asked.request.id
    }

    #[test]
    fn what_is_sent_anew_has_its_first_attempts_id() {
        let attempts = Attempts::default();
        let no = r#"{"role": "user", "content": "no"}"#;
        let first = id(&attempts, "c", no, "0");
        assert!(first.is_some());
        assert_eq!(id(&attempts, "c", no, "1"), first);
        let again = id(&attempts, "c", no, "0");
        assert!(again.is_some() && again != first, "{again:?}");
        assert_eq!(id(&attempts, "c", no, "1"), again);
        // Another conversation's, and one with other things said before, however long ago.
        assert_ne!(id(&attempts, "d", no, "1"), again);
        let long = [r#"{"role": "assistant", "content": "x"}"#; 60].join(",");
        let [one, other] = ["不", "好"].map(|text| format!(r#"{{"role": "user", "content": "{text}"}},{long},{no}"#));
        let first = id(&attempts, "c", &one, "0");
        assert_ne!(id(&attempts, "c", &other, "1"), first);
        assert_eq!(id(&attempts, "c", &one, "1"), first);
        assert_eq!(id(&attempts, "", no, "0"), None);
    }

    #[test]
    fn a_user_is_a_sender_by_its_word_or_by_the_hash_of_it() {
        assert_eq!(sender("u-7".to_owned()), "u-7");
        assert_eq!(sender("x".repeat(MAX_SHORT)), "x".repeat(MAX_SHORT));
        let [one, other] = ["一", "二"].map(|end| sender("用".repeat(511) + end));
        assert!(one.starts_with("user-") && one.len() == 5 + 64, "{one}");
        assert_ne!(one, other);
    }
}
