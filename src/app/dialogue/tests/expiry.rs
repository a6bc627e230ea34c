//! What is said in a conversation that has expired, and what isn't done.

use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::{
    answered::Identity,
    conversation::{Bounds, MemoryStore, Record, Store, Who},
    domain::{Key, Lane, Pass, Token},
    pipeline::{Conversations, Desk, Incoming, Purpose, Taken},
};

#[tokio::test]
async fn an_expired_conversation_says_so_once() {
    let mut held = Held::new(BOT, "http://127.0.0.1:9/");
    held.state = State::expired();
    let reply = held.reply("affirm: yes").await;
    assert_eq!(reply.text, "(I no longer know what we talked about before, so we start afresh.)\n\nGood.");
    assert_eq!(held.reply("affirm: yes").await.text, "Good.");
    held.state = State::expired();
    assert!(held.reply("affirm: 是的").await.text.starts_with("（之前的对话我已经没有记录了"));
}

/// Takes turns that are kept; nobody is there to take a conversation over.
struct Talked {
    pipeline: Pipeline,
    conversations: Conversations,
}

impl Desk for Talked {
    async fn is_attended(&self) -> bool {
        false
    }
}

impl Talked {
    async fn reply(&self, purpose: Purpose, text: &str) -> Outcome {
        let identity = Identity { key: Key::of([Some(text.as_bytes())]), repeated: false };
        let incoming = Incoming { purpose, identity };
        match self.conversations.turn(&self.pipeline, &mut job(text, None), &incoming, self, || 1).await {
            Taken::Settle(outcome) => outcome,
            Taken::Fenced(why) => unreachable!("{why}"),
        }
    }

    async fn says(&self, who: &Who, text: &str) -> String {
        match self.reply(Purpose::Say { who: who.clone(), reply_to: None }, text).await {
            Outcome::Reply(reply) => reply.text.clone(),
            other => unreachable!("no reply to {text}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_was_left_alone_for_too_long_says_so_once_in_its_users_language() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let store = Arc::new(MemoryStore::new(Bounds { most: 10, bytes: 1 << 20, expires: HOUR }, ""));
    let talked =
        Talked { pipeline: bot(BOT, "http://127.0.0.1:9/"), conversations: Conversations::new(store.clone(), 20) };
    for (text, answer, note) in [
        ("affirm: yes", "Good.", "(I no longer know what we talked about before, so we start afresh.)"),
        ("affirm: 是的", "好。", "（之前的对话我已经没有记录了，我们重新开始。）"),
    ] {
        let who = Who { user_id: None, sender: Some("alice".into()), conversation: text.into() };
        let key = Record::key(None, Some("alice"), text);
        assert_eq!(talked.says(&who, text).await, answer, "one that begins has nothing to say");
        advance(HOUR).await;
        assert_eq!(talked.says(&who, text).await, format!("{note}\n\n{answer}"));
        assert_eq!(talked.says(&who, text).await, answer);
        let record = Record::read(&key, &store.get(&key).await.unwrap().unwrap()).unwrap();
        assert_eq!((record.who(), record.version(), record.state.history.len()), (&who, 2, 4));

        // Long ago, or forgotten: as if there had been none.
        advance(2 * HOUR).await;
        assert_eq!(talked.says(&who, text).await, answer);
        talked.reply(Purpose::Forget(who.clone()), "forget").await;
        advance(HOUR).await;
        assert_eq!(talked.says(&who, text).await, answer);
        advance(HOUR).await;
        talked.reply(Purpose::Forget(who.clone()), "forget").await;
        assert_eq!(talked.says(&who, text).await, answer, "also where it has expired");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_does_in_a_conversation_that_has_expired_is_refused() {
    let bounds = Bounds { most: 10, bytes: 1 << 20, expires: Duration::from_secs(3_600) };
    let store = Arc::new(MemoryStore::new(bounds, ""));
    let talked = Talked { pipeline: bot(BOT, "http://127.0.0.1:9/"), conversations: Conversations::new(store, 20) };
    let who = Who { user_id: None, sender: None, conversation: "c".into() };
    talked.says(&who, "affirm: yes").await;
    advance(bounds.expires).await;
    let pass = Pass { lane: Lane::of("c"), key: Record::key(None, None, "c"), token: Token::of(1) };
    for purpose in [Purpose::Speak(pass.clone()), Purpose::Release(pass)] {
        let outcome = talked.reply(purpose, "x").await;
        let Outcome::DeadLetter(letter) = outcome else { unreachable!("{outcome:?}") };
        assert!(format!("{letter:?}").contains("belongs to no handover"), "{letter:?}");
    }
    assert!(talked.says(&who, "affirm: yes").await.starts_with("(I no longer know"), "and it is told all the same");
}
