//! `dead replay`: send letters again.

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    next_done, publisher, read_failure,
    selection::{Chosen, work_queues},
    walk::{Visitor, Walk, Walked},
};
use crate::{
    amqp::{
        WorkQueue,
        dead::{Held, Kept, ReplayError, Replayer},
        objects::topology::Topology,
    },
    cli::{
        Exit, Failure, output, setup,
        topology::{Configured, ask_failure},
    },
    config::types::BoundedDuration,
    domain::IntentName,
};

/// How many letters are on their way to the broker at a time: so many may come twice if this process is killed.
const IN_FLIGHT: usize = 64;
/// How far a rate may lag behind before what was missed is forgotten; timers are no finer than a millisecond.
const CATCH_UP: Duration = Duration::from_millis(20);

const HELP: &str = "\
Each letter is published to the exchange with the routing key that its client used, and taken out of its queue once the
broker has confirmed that and returned nothing. It is a new request from there on: its attempts count from 1, and its
reply goes to its old `reply_to`, where mostly nobody is any more; then it is dropped.

It has no deadline: the client's has passed, or soon will, and would only kill it again. --deadline gives it one, and
CHATBOT_WORKER_DEFAULT_TTL holds as for any request.

A letter stays where it is if its intent isn't in the intents file any more, or if no queue takes it. One that can't be
answered comes back as a new letter, with its new reason. With the policy for unroutable messages
(`chatbot-worker topology policy`) so does one whose routing key nobody binds, as the broker then returns nothing.

Examples:
  chatbot-worker dead replay 1f0c 77aa
  chatbot-worker dead replay --reason timeout,model_unavailable --newer-than 2h
  chatbot-worker dead replay --queue intent.refund --rate 20/s
  chatbot-worker dead replay --all";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// How many at most in a second, such as 50/s
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// In how long from now their answers are of no more use: 30s, 10m
    #[arg(long, value_name = "DURATION")]
    deadline: Option<BoundedDuration<1, { 30 * 24 * 3_600_000 }>>,
}

/// How many in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate(u32);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
        let number = number.filter(|number| (1..=1_000_000).contains(number));
        number.map(Self).ok_or_else(|| format!("'{text}' is no rate: write a number from 1 to 1000000, such as 50/s"))
    }
}

/// Sends them again.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    setup::runtime()?.block_on(async {
        let Chosen { id, selection, .. } = &arguments.chosen;
        let mut walk = Walk::new(&configured, selection, id, true).await?;
        walk.resolve().await?;
        let replayer = Replayer {
            publisher: publisher(&configured).await?,
            names: configured.names().clone(),
            intents: intents(&configured).await?,
            deadline: arguments.deadline.map(BoundedDuration::get),
        };
        let mut replaying = Replaying {
            replayer: Arc::new(replayer),
            pace: arguments.rate.map(Pace::new),
            stop: walk.stop.clone(),
            tasks: JoinSet::new(),
            replayed: 0,
            kept: BTreeMap::new(),
        };
        let walked = walk.each(&mut replaying).await;
        walk.close().await;
        replaying.replayer.publisher.link().close(configured.amqp.broker.connect_timeout).await;
        replaying.report(walked)
    })
}

/// The configured intents that have a queue.
async fn intents(configured: &Configured) -> Result<HashSet<IntentName>, Failure> {
    let admin = configured.connect().await?;
    // Of the exchanges an operator needs to know none.
    let queues = Topology { exchanges: Vec::new(), ..configured.topology.clone() };
    let survey = admin.survey(&queues).await.map_err(ask_failure)?;
    let mut intents = HashSet::new();
    for queue in work_queues(configured) {
        let name = configured.names().queue(&queue);
        // RabbitMQ from 4.3 on doesn't tell whoever has no right to a queue; then its return tells.
        let unseen = survey.unseen.iter().any(|queue| queue.name == name);
        if let WorkQueue::Intent(intent) = queue
            && (unseen || survey.depth(&name).is_some())
        {
            intents.insert(intent);
        }
    }
    admin.close().await;
    Ok(intents)
}

struct Replaying {
    replayer: Arc<Replayer>,
    pace: Option<Pace>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), Stays>>,
    replayed: u64,
    /// How many stay, by why.
    kept: BTreeMap<Kept, u64>,
}

/// Why a letter stays.
enum Stays {
    Kept(Kept),
    Failed(Failure),
}

impl Visitor for Replaying {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        if let Some(pace) = &mut self.pace {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = pace.wait() => {}
            }
        }
        while self.tasks.len() >= IN_FLIGHT {
            self.one().await?;
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.note(done.map_err(|error| Failure::new(Exit::Os, error))?)?;
        }
        self.tasks.spawn(replay(self.replayer.clone(), held));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        // The first failure is told, after all have ended.
        let mut result = Ok(());
        while !self.tasks.is_empty() {
            result = result.and(self.one().await);
        }
        result
    }
}

impl Replaying {
    async fn one(&mut self) -> Result<(), Failure> {
        match next_done(&mut self.tasks, &self.replayer.publisher).await? {
            Some(done) => self.note(done),
            None => Ok(()),
        }
    }

    fn note(&mut self, done: Result<(), Stays>) -> Result<(), Failure> {
        match done {
            Ok(()) => self.replayed += 1,
            Err(Stays::Kept(why)) => *self.kept.entry(why).or_default() += 1,
            Err(Stays::Failed(failure)) => return Err(failure),
        }
        Ok(())
    }

    /// How far it came, whatever became of it.
    fn report(&self, walked: Result<Walked, Failure>) -> Result<Exit, Failure> {
        let kept: u64 = self.kept.values().sum();
        let mut text = format!("replayed: {}", self.replayed);
        if kept > 0 {
            text.push_str(&format!(", kept: {kept}"));
        }
        match &walked {
            Ok(Walked { stopped: true, seen, there, .. }) => {
                text.push_str(&format!("; stopped after {seen} of {there} letters: the others are in their queues"));
            }
            Ok(_) => {}
            Err(_) => text.push_str("; then it failed: what wasn't replayed is in its queue"),
        }
        text.push('\n');
        for (why, letters) in &self.kept {
            text.push_str(&format!("  kept {letters}: {}\n", output::one_line(&why.to_string())));
        }
        output::print(&text)?;
        match walked? {
            Walked { stopped: true, .. } => Ok(Exit::Interrupted),
            Walked { matched: 0, .. } => Err(Failure::new(Exit::No, "no dead letter is there, or fits")),
            _ if kept > 0 => Ok(Exit::No),
            _ => Ok(Exit::Ok),
        }
    }
}

/// The letter goes only once the broker has taken the message.
async fn replay(replayer: Arc<Replayer>, held: Held) -> Result<(), Stays> {
    match replayer.replay(&held.letter).await {
        Ok(()) => held.remove().await.map_err(|error| Stays::Failed(read_failure(error))),
        Err(ReplayError::Kept(why)) => Err(Stays::Kept(why)),
        Err(error @ ReplayError::Lost(_)) => Err(Stays::Failed(Failure::new(Exit::Unavailable, error))),
    }
}

/// Lets one pass each so often.
struct Pace {
    period: Duration,
    next: Instant,
}

impl Pace {
    fn new(Rate(a_second): Rate) -> Self {
        Self { period: Duration::from_secs(1) / a_second, next: Instant::now() }
    }

    async fn wait(&mut self) {
        let turn = self.turn(Instant::now());
        sleep_until(turn).await;
    }

    /// When the next may pass, at `now`.
    fn turn(&mut self, now: Instant) -> Instant {
        let turn = self.next.max(now.checked_sub(CATCH_UP).unwrap_or(now));
        self.next = turn + self.period;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_a_second() {
        for (text, expected) in [("50/s", Some(50)), ("1", Some(1)), ("0/s", None), ("x", None), ("5/m", None)] {
            assert_eq!(text.parse().ok(), expected.map(Rate), "{text}");
        }
    }

    #[test]
    fn no_more_pass_than_the_rate_lets_after_a_stall_either() {
        let mut pace = Pace::new(Rate(100));
        let begun = pace.next;
        let mut last_of_101 = |now| (0..101).map(|_| pace.turn(now)).last();
        assert_eq!(last_of_101(begun), Some(begun + Duration::from_secs(1)));
        let later = begun + Duration::from_secs(60);
        assert_eq!(last_of_101(later), Some(later - CATCH_UP + Duration::from_secs(1)));
    }
}
