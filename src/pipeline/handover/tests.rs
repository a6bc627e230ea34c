//! Who may do what in a conversation that a person has, and when the bot has it again.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;
use crate::{
    domain::{Lane, Request},
    pipeline::tests::answering,
};

/// How long a person may say nothing here, in milliseconds.
const IDLE: u64 = 60_000;
/// When the conversations here changed last.
const CHANGED: u64 = 1_000_000;

/// Whether a person's program is there.
struct At(bool);

impl Desk for At {
    async fn is_attended(&self) -> bool {
        self.0
    }
}

fn who() -> Who {
    Who { user_id: None, sender: Some("ann".to_owned()), conversation: "c-1".to_owned() }
}

fn pass(token: u128) -> Pass {
    Pass { lane: Lane::of("c-1"), key: Record::key(None, Some("ann"), "c-1"), token: Token::of(token) }
}

/// One that a person has by token 1.
fn held() -> State {
    let reply_to = serde_json::from_str(r#"{"queue": "ann's"}"#).unwrap();
    State { person: true, token: Some(Token::of(1)), reply_to: Some(reply_to), ..State::default() }
}

/// What becomes of a message `late` milliseconds after the last, while somebody is there or not.
async fn turn(state: State, purpose: &Purpose, late: u64, is_attended: bool) -> Result<(Outcome, State), MessageError> {
    let (pipeline, rules) = (answering(), Rules { texts: 50, idle: Duration::from_millis(IDLE) });
    let conversation = Some(who().conversation);
    let request = Request { text: "refund".to_owned(), id: Some("m-1".to_owned()), conversation, ..Request::default() };
    let job = Job::new(request);
    let mut record = Record::begin(who());
    (record.state, record.changed) = (state, CHANGED);
    super::turn(&pipeline, &job, purpose, &mut record, &At(is_attended), &rules, CHANGED + late).await
}

fn say() -> Purpose {
    Purpose::Say { who: who(), reply_to: None }
}

#[tokio::test]
async fn a_person_speaks_and_gives_back_by_the_token_of_this_handover_alone() {
    let (outcome, state) = turn(held(), &Purpose::Speak(pass(1)), 1, true).await.unwrap();
    let Outcome::Speak { to, spoken, done } = outcome else { unreachable!("{outcome:?}") };
    assert_eq!((to, &*spoken.text, spoken.receiver.as_deref()), (held().reply_to, "refund", Some("ann")));
    assert_eq!((done.in_reply_to.as_deref(), done.delivered), (Some("m-1"), None), "whether it arrives is seen later");
    assert_eq!(state.history.last().map(|turn| (turn.role, &*turn.text)), Some((Role::Assistant, "refund")));
    assert!(state.is_held_by(&Token::of(1)));

    let (outcome, state) = turn(held(), &Purpose::Release(pass(1)), 1, true).await.unwrap();
    let Outcome::Done(done) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!((done.command, done.conversation.as_deref()), (Command::Release, Some("c-1")));
    assert!(!state.person && state.token.is_none());

    for before in [held(), state, State::default()] {
        let token = if before.person { 2 } else { 1 };
        for purpose in [Purpose::Speak(pass(token)), Purpose::Release(pass(token))] {
            let error = turn(before.clone(), &purpose, 1, true).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidMessage, "{purpose:?}");
        }
    }
}

#[tokio::test]
async fn nobody_hears_a_person_whose_user_listens_nowhere() {
    let state = State { reply_to: None, ..held() };
    let (outcome, _) = turn(state, &Purpose::Speak(pass(1)), 1, true).await.unwrap();
    let Outcome::Speak { to: None, done, .. } = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(done.delivered, Some(Delivered::No));
}

#[tokio::test]
async fn where_nothing_is_said_for_long_the_bot_has_it_again() {
    let (outcome, state) = turn(held(), &say(), IDLE - 1, true).await.unwrap();
    let Outcome::Person(handed) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(handed.pass, pass(1), "the same handover goes on");
    assert_eq!(state.reply_to, held().reply_to, "who names no other place listens where it did");

    let (outcome, state) = turn(held(), &say(), IDLE, true).await.unwrap();
    assert!(matches!(outcome, Outcome::Reply(_)) && !state.person, "{outcome:?}");
    let late = turn(held(), &Purpose::Speak(pass(1)), IDLE, true).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::InvalidMessage);
}

#[tokio::test]
async fn what_nobody_takes_is_answered_by_the_bot() {
    let (outcome, state) = turn(held(), &say(), 1, false).await.unwrap();
    assert!(matches!(outcome, Outcome::Reply(_)) && !state.person, "{outcome:?}");
    // It waited in the queue of people for as long as a person may say nothing.
    for (token, has_person) in [(1, false), (2, true)] {
        let back = Purpose::Return { who: who(), token: Token::of(token) };
        let late = if has_person { 1 } else { 2 * IDLE };
        let (outcome, state) = turn(held(), &back, late, true).await.unwrap();
        let Outcome::Reply(reply) = outcome else { unreachable!("{outcome:?}") };
        assert_eq!((reply.text.as_str(), state.person), ("yes", has_person), "{token}");
        assert_eq!(
            state.history.len(),
            1,
            "the bot's answer alone: nobody spoke, and the user's text was there before"
        );
    }
}

#[tokio::test]
async fn a_conversation_that_is_forgotten_leaves_nothing() {
    for (before, forgotten) in [(held(), true), (State::default(), false), (State::expired(), false)] {
        let (outcome, state) = turn(before, &Purpose::Forget(who()), 1, true).await.unwrap();
        let Outcome::Done(done) = outcome else { unreachable!("{outcome:?}") };
        assert_eq!((done.command, done.forgotten, state), (Command::Forget, Some(forgotten), State::default()));
    }
}
