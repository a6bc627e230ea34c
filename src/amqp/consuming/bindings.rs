//! The exchanges and bindings that lead messages here, for as long as their queues are consumed: somebody may take one away.
//!
//! **Invariant:** only queues that are consumed here are bound. Another may just be migrated, and is bound elsewhere.

use std::{collections::HashSet, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::delivery::Shared;
use crate::amqp::{
    connection::link::Link,
    objects::{declare::TopologyMode, problem::Problem, topology::Binding},
};

/// Each binding takes the broker's metadata store a moment. So those of a large bot are looked at less often.
const A_BINDING: Duration = Duration::from_millis(100);
/// What comes as unroutable so soon after another did was mostly published before it was bound again; nor is it told twice.
const LATE: Duration = Duration::from_secs(60);

/// Looks every so often after the exchanges and after what binds its `own` queues; and at once where a message came as
/// unroutable that has a queue (`unbound`). Ends where an exchange is gone, and says so: what hangs on it is the session's as
/// a whole, so the next session makes it again, or tells why it can't.
pub(crate) async fn keep(
    link: &Link,
    shared: &Shared,
    own: &HashSet<String>,
    mut unbound: mpsc::Receiver<Binding>,
) -> String {
    let Shared { settings, topology, .. } = shared;
    let bindings = topology.bindings.iter().filter(|binding| own.contains(&binding.queue)).count();
    let least = A_BINDING.saturating_mul(u32::try_from(bindings).unwrap_or(u32::MAX));
    let period = settings.upkeep.max(least);
    let (mut due, mut told_at, mut is_refusal_told) = (Instant::now() + jittered(period), None::<Instant>, false);
    loop {
        let missed = tokio::select! {
            () = sleep_until(due) => None,
            Some(binding) = unbound.recv() => {
                if !own.contains(&binding.queue) || told_at.is_some_and(|at| at.elapsed() < LATE) {
                    continue;
                }
                Some(binding)
            }
        };
        // That the broker is lost, or doesn't answer, is for others to find.
        if let Ok(problems) = topology.look_after(link, settings.topology, own).await {
            if let Some(why) = gone(&problems, settings.topology) {
                return why;
            }
            match problems.first() {
                Some(problem) if !std::mem::replace(&mut is_refusal_told, true) => tracing::warn!(
                    object = problem.object,
                    broker = problem.broker,
                    "whether what leads messages to this worker is still there can't be seen to: {}",
                    problem.mend
                ),
                Some(_) => {}
                None => is_refusal_told = false,
            }
            if let Some(binding) = missed {
                told(&binding, settings.topology, problems.is_empty());
                told_at = Some(Instant::now());
            }
        }
        due = Instant::now() + jittered(period);
    }
}

/// That something was taken away without which a worker can't go on; none where nothing was.
fn gone(problems: &[Problem], mode: TopologyMode) -> Option<String> {
    let missing: Vec<&str> = problems.iter().filter(|problem| problem.missing).map(|p| p.object.as_str()).collect();
    let next = match mode {
        TopologyMode::Declare => "what is missing is declared again",
        TopologyMode::Verify => "this worker may not declare it: run `chatbot-worker topology declare`",
    };
    (!missing.is_empty()).then(|| format!("somebody has deleted on the broker: {}; {next}", missing.join(", ")))
}

fn told(binding: &Binding, mode: TopologyMode, is_made: bool) {
    let queue = &binding.queue;
    match mode {
        TopologyMode::Declare if is_made => {
            tracing::warn!(queue, %binding, "a message came as unroutable, as its queue's binding was gone; it is bound again");
        }
        TopologyMode::Declare => {
            tracing::error!(queue, %binding, "a message came as unroutable, as its queue's binding is gone; it can't be bound again");
        }
        TopologyMode::Verify => tracing::error!(
            queue,
            %binding,
            "a message came as unroutable, as its queue's binding is gone; this worker may not bind it: run `chatbot-worker \
             topology declare`"
        ),
    }
}

/// Workers that started together don't ask together.
fn jittered(period: Duration) -> Duration {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    period.mul_f64(0.8 + (random % 400) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_ends_a_session_and_all_of_it_is_named() {
        let problem = |name: &str, missing: bool| Problem {
            object: format!("exchange '{name}'"),
            broker: "404".to_owned(),
            mend: String::new(),
            refused: !missing,
            missing,
            differs: false,
        };
        let problems = [problem("shop", true), problem("shop.died", false), problem("shop.retry", true)];
        assert_eq!(
            gone(&problems, TopologyMode::Declare).as_deref(),
            Some(
                "somebody has deleted on the broker: exchange 'shop', exchange 'shop.retry'; what is missing is declared again"
            )
        );
        let why = gone(&problems, TopologyMode::Verify);
        assert!(why.is_some_and(|why| why.ends_with("run `chatbot-worker topology declare`")));
        assert_eq!(gone(&problems[1..2], TopologyMode::Declare), None);
        assert_eq!(gone(&[], TopologyMode::Verify), None);
    }

    #[test]
    fn looks_are_a_fifth_apart_from_the_period_at_most() {
        for _ in 0..1_000 {
            let millis = jittered(Duration::from_secs(60)).as_millis();
            assert!((48_000..=72_000).contains(&millis), "{millis}");
        }
    }
}
