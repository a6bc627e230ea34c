//! What waits among the dead letters, and whether it can grow without end.

use std::{collections::HashSet, time::Duration};

use super::{Report, broker::Checked};
use crate::{
    amqp::{
        Names, WorkQueue,
        connection::link::{Link, Use},
        dead::{ReadError, Reader},
        message::time::now_ms,
        objects::inspect::Survey,
    },
    cli::dead::Summary,
};

const CHECK: &str = "dead";
/// Queues with more letters aren't gone through for their reasons: that takes them from others' sight for a while.
const FEW: u32 = 1_000;
/// From so many letters on it is time to ask whether a queue has a limit.
const MANY: u32 = 10_000;
/// The age limit that `topology policy` prints.
const OLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Tells of each dead-letter queue what is in it.
pub(super) async fn letters(report: &mut Report, checked: &Checked<'_>, survey: &Survey) {
    let names = &checked.settings.names;
    let mut seen = HashSet::new();
    // The queues of conversations share one.
    let is_first = |queue: &WorkQueue| seen.insert(Names::dead(&names.queue(queue)));
    let work = survey.asked().filter_map(|queue| names.work_queue(&queue.name)).filter(is_first);
    let depth = |queue: &WorkQueue| survey.depth(&Names::dead(&names.queue(queue))).map_or(0, |depth| depth.messages);
    let waiting: Vec<(WorkQueue, u32)> =
        work.map(|queue| (depth(&queue), queue)).map(|(n, queue)| (queue, n)).collect();
    let waiting: Vec<(WorkQueue, u32)> = waiting.into_iter().filter(|(_, letters)| *letters > 0).collect();
    let dead = |name: &str| survey.asked().any(|work| Names::dead(&work.name) == name);
    if survey.unseen.iter().any(|queue| dead(&queue.name)) {
        report.ok(
            CHECK,
            "whether dead letters wait isn't told to this user, who has no right to them, as a worker needs none; \
             `chatbot-worker dead list --count` as an operator's user tells",
        );
        return;
    }
    if waiting.is_empty() {
        report.ok(CHECK, "no dead letter waits; whether a policy limits their queues can't be asked by AMQP");
        return;
    }
    // Only to tell more: whoever may not read the letters is told how many there are.
    let link = Link::open(&checked.settings.broker, "chatbot-worker check", Use::Consume).await.ok();
    for (queue, letters) in waiting {
        let seen = match &link {
            Some(link) => look(link, names, &queue, letters).await.unwrap_or_default(),
            None => Seen::default(),
        };
        tell(report, names, &queue, letters, &seen);
    }
    if let Some(link) = link {
        link.close(link.step_limit()).await;
    }
}

/// What was seen of a queue's letters.
#[derive(Debug, Default)]
struct Seen {
    /// How many for which reason; nothing where there are too many, or they may not be read.
    reasons: String,
    /// How long the first has been there.
    age: Option<Duration>,
}

/// Looks at the letters where they are few, else at the first: the oldest, as far as the queue has kept their order.
async fn look(link: &Link, names: &Names, queue: &WorkQueue, letters: u32) -> Result<Seen, ReadError> {
    let Some(mut reader) = Reader::open(link, names, queue).await? else { return Ok(Seen::default()) };
    let (mut summary, mut age) = (Summary::default(), None);
    let wanted = if letters > FEW { 1 } else { FEW };
    for _ in 0..wanted {
        let Some(held) = reader.next().await? else { break };
        summary.add(&held.letter);
        age = age.max(held.letter.age(now_ms()));
    }
    reader.finish().await?;
    Ok(Seen { reasons: if letters > FEW { String::new() } else { summary.reasons() }, age })
}

fn tell(report: &mut Report, names: &Names, queue: &WorkQueue, letters: u32, seen: &Seen) {
    let name = Names::dead(&names.queue(queue));
    let why = if seen.reasons.is_empty() { String::new() } else { format!(" ({})", seen.reasons) };
    // Among those of the requests are letters of intents that have no queue for them.
    let which = if *queue == WorkQueue::Requests { String::new() } else { format!(" --queue {queue}") };
    let mend = format!(
        "`chatbot-worker dead list{which}` tells why; then `dead replay` sends them again, `dead purge` drops them."
    );
    report.warn(CHECK, format!("{letters} in {name}: what couldn't be answered{why}"), &mend);
    let limit = "`chatbot-worker topology policy` prints a command that limits their age; `rabbitmqctl list_policies` \
                 shows what is set. One that limits their number drops the oldest, unless it says overflow: reject-publish.";
    if let Some(age) = seen.age.filter(|age| *age > OLD) {
        let days = age.as_secs() / 86_400;
        let message = format!("{name} holds a letter that is {days} days old: nothing limits their age to 30 days");
        report.warn(CHECK, message, limit);
    } else if letters >= MANY {
        let message = format!("{name} grows: whether a policy limits it can't be asked by AMQP");
        report.warn(CHECK, message, limit);
    }
}
