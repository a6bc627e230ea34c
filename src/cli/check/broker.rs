//! What a broker's nodes are, and what one of them says of the rest.

use futures_util::future::join_all;

use super::{Report, dead, door, objects, permissions, routing, workers};
use crate::{
    amqp::{
        Settings,
        connection::{
            address::Broker,
            error::{ConnectError, Trouble},
            server::{OLDEST, Server},
        },
        objects::{admin::Admin, ask::AskError, inspect::Survey, problem::Problem, topology::Topology},
    },
    app::settings::{Amqp, Place},
    domain::IntentName,
};

const CHECK: &str = "broker";
/// What RabbitMQ before 4.0 sets aside for a quorum queue.
const FILES_A_QUEUE: usize = 3;
/// More queues may take most of the 1,024 open files that a process has where nobody set a limit.
const MANY_QUEUES: usize = 200;

/// What the broker is held against.
pub(super) struct Checked<'a> {
    pub(super) settings: &'a Settings,
    pub(super) topology: &'a Topology,
    /// The intents that workers answer.
    pub(super) served: &'a [&'a IntentName],
    /// The intents that other programs answer.
    pub(super) external: &'a [&'a IntentName],
    /// Whether the intents file could be read: else no queue can be said to be left over.
    pub(super) intents_known: bool,
    /// The store of conversations, where each worker has its own.
    pub(super) own_store: Option<Place>,
    /// Whether `run` opens a door, too.
    pub(super) opens_door: bool,
    /// The broker's queues, as `rabbitmqctl list_queues` prints them.
    pub(super) listed: Option<&'a str>,
}

/// Looks at each node, and by the first that answers at everything else.
pub(super) async fn check(report: &mut Report, amqp: &Amqp, checked: &Checked<'_>) {
    by_a_node(report, amqp, &checked.settings.broker, async |report, admin| {
        if let Some(server) = admin.server() {
            versions(report, &server, checked);
        }
        let found = beyond(report, admin, checked).await;
        tell(report, found);
        // A door's rights are tried by publishing as well.
        if checked.opens_door && !admin.link().is_blocked() {
            let found = door::broker(report, admin, checked.settings).await;
            tell(report, found);
        }
    })
    .await;
}

/// Looks at what a door needs that runs by itself.
pub(super) async fn check_door(report: &mut Report, amqp: &Amqp, settings: &Settings) {
    by_a_node(report, amqp, &settings.broker, async |report, admin| {
        let found = door::broker(report, admin, settings).await;
        tell(report, found);
    })
    .await;
}

async fn by_a_node(report: &mut Report, amqp: &Amqp, broker: &Broker, look: impl AsyncFnOnce(&mut Report, &Admin)) {
    let Some(admin) = nodes(report, amqp, broker).await else {
        report.warn(
            CHECK,
            "permissions, exchanges and queues couldn't be looked at",
            "Run this again once that is mended.",
        );
        return;
    };
    look(report, &admin).await;
    admin.close().await;
}

fn tell(report: &mut Report, found: Result<(), AskError>) {
    match found {
        Ok(()) => {}
        Err(error @ AskError::Lost(_)) => report.away(CHECK, error, "Run this again; the broker's log tells why."),
        Err(AskError::Blocked(reason)) => {
            let mend = format!(
                "{} Answers wait meanwhile, and nothing is lost. Run this again then: what takes publishing wasn't looked at.",
                room(&reason)
            );
            report.away(CHECK, AskError::Blocked(reason), &mend);
        }
        Err(AskError::Refused(problem)) => {
            let message = format!("{}: the broker says: {}", problem.object, problem.broker);
            report.fail(CHECK, message, &problem.mend);
        }
    }
}

/// How to end an alarm, by the broker's words for it.
fn room(reason: &str) -> String {
    let memory = reason.contains("memory").then_some(
        "`rabbitmq-diagnostics memory_breakdown` tells what takes the memory: have long queues emptied, give the node more, \
         or raise its vm_memory_high_watermark.",
    );
    let disk = reason.contains("disk").then_some("Free the disk of the node's data, or lower its disk_free_limit.");
    match (memory, disk) {
        (None, None) => "The broker's log tells what it lacks.".to_owned(),
        (memory, disk) => memory.into_iter().chain(disk).collect::<Vec<_>>().join(" "),
    }
}

/// The broker blocks a connection at the first that is published on it. So what needs no publishing is looked at all the same.
async fn beyond(report: &mut Report, admin: &Admin, checked: &Checked<'_>) -> Result<(), AskError> {
    let survey = admin.survey(checked.topology).await?;
    let refused = objects::topology(report, admin, checked, &survey).await?;
    let (are_heard, blocked) = match by_publishing(report, admin, checked, &survey, &refused).await {
        Ok(are_heard) => (are_heard, false),
        Err(error @ AskError::Blocked(_)) => {
            tell(report, Err(error));
            (false, true)
        }
        Err(error) => return Err(error),
    };
    objects::consumers(report, checked, &survey, are_heard);
    objects::messages(report, checked, &survey);
    dead::letters(report, checked, &survey).await;
    if blocked {
        return Ok(());
    }
    routing::check(report, admin, checked, &survey).await?;
    if checked.intents_known { objects::orphans(report, admin, checked).await } else { Ok(()) }
}

/// Tries the rights, and asks who is alive: whether any worker could be heard.
async fn by_publishing(
    report: &mut Report,
    admin: &Admin,
    checked: &Checked<'_>,
    survey: &Survey,
    refused: &[Problem],
) -> Result<bool, AskError> {
    permissions::check(report, admin, checked, survey, refused).await?;
    workers::check(report, admin, &checked.settings.names).await
}

/// A worker needs one node; the others are there for the day on which that one isn't. All are asked at once: several that
/// don't answer take no longer than one.
async fn nodes(report: &mut Report, amqp: &Amqp, broker: &Broker) -> Option<Admin> {
    let nodes = broker.nodes();
    let each = nodes.iter().map(Admin::open);
    let mut first = None;
    let mut away = Vec::new();
    for (url, opened) in amqp.url.iter().zip(join_all(each).await) {
        let place = format!("{}:{} ({})", url.host, url.port, if url.tls { "TLS" } else { "no TLS" });
        match opened {
            Ok(admin) => {
                let user = match url.options.auth_mechanism {
                    Some("external") => "the user of its certificate".to_owned(),
                    _ => format!("user '{}'", url.user),
                };
                let who = format!("{user} in virtual host '{}'", url.vhost);
                server(report, &place, &who, admin.server().as_ref());
                match first {
                    None => first = Some(admin),
                    Some(_) => admin.close().await,
                }
            }
            Err(ConnectError::Unreachable(trouble)) => away.push(trouble),
            Err(ConnectError::Tls(Trouble { what, mend })) => report.fail(CHECK, what, mend),
            Err(error) => report.fail(CHECK, error, ""),
        }
    }
    for Trouble { what, mend } in away {
        match &first {
            Some(_) => {
                let mend = format!("The other nodes serve meanwhile. {mend} Or take it out of the list.");
                report.warn(CHECK, what, &mend);
            }
            None => report.away(CHECK, what, mend),
        }
    }
    first
}

/// What has to be known of this version.
fn versions(report: &mut Report, server: &Server, checked: &Checked<'_>) {
    let Server { product, version, .. } = server;
    let queues = &checked.topology.queues;
    let (most, first) = (queues.len(), queues.iter().filter(|queue| !queue.on_demand).count());
    if server.spends_files_on_queues() && most > MANY_QUEUES {
        let message = format!(
            "{product} {version} sets {FILES_A_QUEUE} file handles aside for each quorum queue: {} for the {first} queues \
             of this bot, {} once each intent has dead letters. A node that was started with the usual limit of 1,024 open \
             files accepts no connection any more when they are used up",
            first * FILES_A_QUEUE,
            most * FILES_A_QUEUE
        );
        let mend = "`rabbitmq-diagnostics status` tells the limit, under File Descriptors. Raise it to 65536: LimitNOFILE \
                    in systemd's unit, `--ulimit nofile=65536:65536` for Docker, `ulimit -n` in the shell that starts it. \
                    Or update to RabbitMQ 4.";
        report.warn(CHECK, message, mend);
    }
    if server.waits_for_dead_consumers() {
        let message = format!(
            "{product} {version} serves a queue again a minute after its consumer's node has died, and after 5 s with the \
             policy that `chatbot-worker topology policy` prints; whether it is set can't be asked by AMQP"
        );
        report.ok(CHECK, message);
    }
}

fn server(report: &mut Report, place: &str, who: &str, server: Option<&Server>) {
    let Some(server) = server else {
        report.warn(CHECK, format!("{place}: {who}; it doesn't say what it is"), "The worker is made for RabbitMQ.");
        return;
    };
    let Server { product, version, cluster } = server;
    let message = format!("{place}: {product} {version}, cluster '{cluster}', {who}");
    if server.is_too_old() {
        let (major, minor) = OLDEST;
        report.fail(
            CHECK,
            message,
            &format!("Its quorum queues can't dead-letter at least once: update to {major}.{minor}."),
        );
    } else if product != "RabbitMQ" {
        report.warn(CHECK, message, "The worker is made for RabbitMQ.");
    } else {
        report.ok(CHECK, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_in_the_brokers_words_with_what_ends_it() {
        let check = |reason: &str, said: &[&str], unsaid: &[&str]| {
            let mut report = Report::default();
            tell(&mut report, Err(AskError::Blocked(reason.into())));
            let told = report.json();
            assert!(told.contains(&format!("it says: {reason}")), "{told}");
            assert!(said.iter().all(|said| told.contains(said)), "{reason}: {told}");
            assert!(!unsaid.iter().any(|unsaid| told.contains(unsaid)), "{reason}: {told}");
            assert_eq!(report.exit(), crate::cli::Exit::Unavailable);
        };
        let (memory, disk) = ("vm_memory_high_watermark", "disk_free_limit");
        check("low on memory", &[memory], &[disk]);
        check("low on disk", &[disk], &[memory]);
        check("low on memory & disk", &[memory, disk], &[]);
        check("low on something", &["The broker's log"], &[memory, disk]);
    }
}
