//! A door: its keys, who reaches it, and whether it could ask the bot.

use std::{net::SocketAddr, path::Path};

use super::{
    Report,
    permissions::{self, Whose},
};
use crate::{
    amqp::{
        Settings,
        asking::{self, Unasked},
        objects::{admin::Admin, ask::AskError, rights::Right},
        presence::BotHeard,
    },
    app::settings::Door,
    cli::serve::LISTENS,
    door::keys::{self, Keys},
};

const CHECK: &str = "door";
const NO_WORKER: &str = "Start one: `chatbot-worker run`.";

/// What needs no broker: its keys, and who reaches it.
pub(super) fn local(report: &mut Report, door: &Door) {
    let address = door.listen.get().map_or(LISTENS, |listen| listen.get());
    match &door.keys_path {
        Some(path) => keys(report, path.as_path()),
        None => open(report, address),
    }
}

fn keys(report: &mut Report, path: &Path) {
    let entries = match Keys::open(path) {
        Ok(keys) => keys.entries(),
        Err(error) => {
            for fault in error.faults() {
                report.fail(CHECK, format!("CHATBOT_DOOR_KEYS_PATH: {fault}"), "");
            }
            return;
        }
    };
    let (shown, public) = (path.display(), entries.iter().filter(|entry| entry.is_public()).count());
    match entries.len() {
        0 => report.warn(
            CHECK,
            format!("{shown} holds no key, so nobody may ask"),
            &format!("`chatbot-worker key new NAME --file {shown}` adds one."),
        ),
        1 => report.ok(CHECK, format!("{shown}: one key{}", if public == 1 { ", a public one" } else { "" })),
        count => report.ok(CHECK, format!("{shown}: {count} keys, {public} of them public")),
    }
    if let Some(mode) = keys::exposed(path) {
        report.warn(
            CHECK,
            format!("others may read or write {shown} (its mode is {mode:o})"),
            &format!("`chmod 600 {shown}`, or 640 where the door's user reads it by its group."),
        );
    }
}

/// A door without keys; that others reach it without saying so is a fault of the settings.
fn open(report: &mut Report, address: SocketAddr) {
    if address.ip().to_canonical().is_loopback() {
        return report.ok(CHECK, format!("nobody needs a key, as {address} is reached from this machine alone"));
    }
    report.warn(
        CHECK,
        format!("whoever reaches {address} may ask, in anybody's name and without a limit (CHATBOT_DOOR_KEYS=off)"),
        "Where that isn't meant, unset it, and set CHATBOT_DOOR_KEYS_PATH to a file of keys: `chatbot-worker key new NAME --file \
         keys.toml` makes it.",
    );
}

/// What the broker's user may do, and whether the bot can be asked.
pub(super) async fn broker(report: &mut Report, admin: &Admin, settings: &Settings) -> Result<(), AskError> {
    const MEND: &str = "`chatbot-worker topology permissions --door NAME` prints the command that grants what a door needs. A user \
                        that is a worker's as well needs both: join the expressions by |, or run the door by itself, by \
                        `chatbot-worker serve`, with a user of its own.";
    let names = &settings.names;
    let needed = [
        Right::Publish(names.exchange().to_owned()),
        Right::Publish(names.control_exchange()),
        Right::DeclareQueue(String::new()),
        // One that isn't there, of the names that the broker gives.
        Right::Consume("amq.gen-chatbot-worker-check".to_owned()),
    ];
    let whose = Whose { check: CHECK, part: "a door", mend: MEND };
    if !permissions::tried(report, &whose, admin, &needed, &[]).await? {
        return Ok(());
    }
    report.ok(CHECK, "the broker's user may do all that a door has to");
    match asking::bots(&settings.broker, names).await {
        Ok(bots) if bots.is_empty() => {
            report.warn(CHECK, "no worker tells of its bot, so nobody would be answered now", NO_WORKER);
        }
        Ok(bots) => report.ok(CHECK, told(&bots)),
        Err(Unasked::Ask(AskError::Refused(problem))) if problem.missing => {
            let message = format!("there is no {}, so nobody would be answered: no worker has run yet", problem.object);
            report.warn(CHECK, message, NO_WORKER);
        }
        Err(Unasked::Ask(error)) => return Err(error),
        Err(error) => report.away(CHECK, error, "Run this again; the broker's log tells why."),
    }
    Ok(())
}

fn told(bots: &[BotHeard]) -> String {
    let intents = bots.iter().map(|bot| bot.intents.len()).max().unwrap_or_default();
    let workers = if bots.len() == 1 { "one worker".to_owned() } else { format!("{} workers", bots.len()) };
    let conversations = if bots.iter().all(|bot| bot.conversations) { "with" } else { "without" };
    format!("the bot can be asked: {workers}, {intents} intents, {conversations} conversations")
}
