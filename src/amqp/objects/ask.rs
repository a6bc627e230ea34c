//! Questions to the broker that go out together, and what its refusals mean.
//!
//! A round trip for each object is what makes a start slow where the broker is far. So questions share a channel where
//! they can: all are written, then all are awaited. A refusal closes the channel, so what is likely to be refused is asked
//! [`apart`]: each question on a channel of its own, some at a time.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use futures_util::{
    StreamExt,
    future::{MaybeDone, maybe_done},
    stream,
};
use lapin::Channel;
use tokio::time::timeout;

use super::problem::{Problem, problem};
use crate::amqp::{connection::link::Link, values::short};

/// How many questions that have a channel each are under way at a time. RabbitMQ allows a connection 2,047 channels.
const AT_A_TIME: usize = 32;

/// Why something couldn't be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The broker refuses.
    #[error("{}: the broker says: {}", .0.object, .0.broker)]
    Refused(Problem),
    /// The connection is gone, or the broker doesn't answer.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The broker reads nothing more from a connection that has published, as it has a memory or disk alarm; why, in its
    /// words.
    #[error("the broker takes no messages now; it says: {0} (`rabbitmq-diagnostics alarms` tells on which node)")]
    Blocked(Arc<str>),
}

impl AskError {
    fn of(object: &str, error: &lapin::Error) -> Self {
        match problem(object, error) {
            Some(problem) => Self::Refused(problem),
            None => Self::Lost(error.to_string()),
        }
    }
}

/// Does one thing on a channel of its own.
pub(crate) async fn attempt<T>(
    link: &Link,
    object: &str,
    action: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
) -> Result<T, AskError> {
    let attempt = async {
        let channel = link.channel().await?;
        let result = action(&channel).await?;
        let _ = channel.close(200, short("done")).await;
        Ok(result)
    };
    answered(link, object, attempt).await
}

/// What the broker answers, within the time for one step; at once that it blocks the connection, where that isn't waited for.
pub(crate) async fn answered<T>(
    link: &Link,
    object: &str,
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, AskError> {
    let limit = link.step_limit();
    let answer = timeout(limit, answer);
    let answered = if link.waits_for_room() { answer.await } else { unless_blocked(link.blocked(), answer).await? };
    match answered {
        Ok(result) => result.map_err(|error| AskError::of(object, &error)),
        Err(_) => Err(match link.blocked_by() {
            Some(reason) => AskError::Blocked(reason),
            None => AskError::Lost(format!("no answer within {limit:?} about {object}")),
        }),
    }
}

/// The answer, or that none comes as the broker blocks the connection; what has been answered counts first.
async fn unless_blocked<T>(
    blocked: impl Future<Output = Arc<str>>,
    answer: impl Future<Output = T>,
) -> Result<T, AskError> {
    tokio::select! {
        biased;
        answer = answer => Ok(answer),
        reason = blocked => Err(AskError::Blocked(reason)),
    }
}

/// Does all of it, some at a time; what came of each, in the given order.
pub(crate) async fn apart<T>(work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(work).buffered(AT_A_TIME).collect().await
}

/// How far questions came that shared a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// All are done.
    Through,
    /// So many are done; the broker refused the next, which closed the channel before those behind it.
    Refused(usize, Problem),
}

/// Asks them all on one channel, and then waits for the answers. RabbitMQ answers in order; so the first that wasn't
/// answered well is the one that was refused, and none behind it was done.
pub(crate) async fn together<F: Future<Output = Result<(), lapin::Error>>>(
    limit: Duration,
    questions: impl IntoIterator<Item = (String, F)>,
) -> Result<Came, AskError> {
    let mut asked: Vec<(String, Pin<Box<MaybeDone<F>>>)> =
        questions.into_iter().map(|(object, question)| (object, Box::pin(maybe_done(question)))).collect();
    // A question's frame is written when it is first polled.
    poll_fn(|context| {
        for (_, question) in &mut asked {
            let _ = question.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    for (done, (object, mut question)) in asked.into_iter().enumerate() {
        // The limit is for the next answer and not for all: a broker that makes a thousand queues takes its time.
        if timeout(limit, question.as_mut()).await.is_err() {
            return Err(AskError::Lost(format!("no answer within {limit:?} about {object}")));
        }
        let Some(Err(error)) = question.as_mut().take_output() else { continue };
        return match AskError::of(&object, &error) {
            AskError::Refused(problem) => Ok(Came::Refused(done, problem)),
            lost => Err(lost),
        };
    }
    Ok(Came::Through)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};
    use lapin::{
        ErrorKind,
        protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3600);

    /// How the broker answers one question.
    #[derive(Clone, Copy)]
    enum Answer {
        Done,
        /// At once.
        Refused,
        /// After those behind it were written.
        RefusedLater,
        /// The connection is gone.
        Lost,
        Never,
    }

    fn answered(answer: Answer) -> BoxFuture<'static, Result<(), lapin::Error>> {
        let error = |kind| Err(ErrorKind::ProtocolError(AMQPError::new(kind, short("why"))).into());
        let refused = move || error(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED));
        async move {
            match answer {
                Answer::Done => Ok(()),
                Answer::Refused => refused(),
                Answer::RefusedLater => {
                    tokio::task::yield_now().await;
                    refused()
                }
                Answer::Lost => error(AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED)),
                Answer::Never => std::future::pending().await,
            }
        }
        .boxed()
    }

    #[tokio::test]
    async fn that_the_broker_blocks_the_connection_is_told_at_once() {
        let blocked = || std::future::ready(Arc::<str>::from("low on memory"));
        let unanswered = unless_blocked(blocked(), std::future::pending::<()>()).await;
        assert_eq!(unanswered, Err(AskError::Blocked("low on memory".into())));
        assert!(unanswered.is_err_and(|error| error.to_string().contains("it says: low on memory")));
        assert_eq!(unless_blocked(blocked(), std::future::ready(7)).await, Ok(7));
        assert_eq!(unless_blocked(std::future::pending(), std::future::ready(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn the_first_that_is_refused_is_told_and_those_behind_it_are_not_done() {
        use Answer::{Done, Lost, Never, Refused, RefusedLater};
        async fn check(answers: &[Answer], limit: Duration, expected: Result<(usize, &str), &str>) {
            let questions = answers.iter().enumerate().map(|(at, answer)| (format!("queue '{at}'"), answered(*answer)));
            let came = match together(limit, questions).await {
                Ok(Came::Through) => Ok((answers.len(), String::new())),
                Ok(Came::Refused(done, problem)) => Ok((done, problem.object)),
                Err(error) => Err(error.to_string()),
            };
            match expected {
                Ok((done, object)) => assert_eq!(came, Ok((done, object.to_owned()))),
                Err(why) => assert!(came.as_ref().is_err_and(|error| error.contains(why)), "{came:?}"),
            }
        }
        check(&[], LIMIT, Ok((0, ""))).await;
        check(&[Done, Done], LIMIT, Ok((2, ""))).await;
        check(&[Done, RefusedLater, Done], LIMIT, Ok((1, "queue '1'"))).await;
        // Those behind it fail with the channel, and earlier where nothing was sent any more.
        check(&[Done, RefusedLater, Refused, Refused], LIMIT, Ok((1, "queue '1'"))).await;
        check(&[Done, Done, Lost], LIMIT, Err("the connection was lost")).await;
        check(&[Done, Never, Done], Duration::ZERO, Err("about queue '1'")).await;
    }
}
