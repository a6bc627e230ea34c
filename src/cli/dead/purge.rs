//! `dead purge`: drop letters.

use super::{
    Summary, read_failure,
    selection::Chosen,
    unreadable,
    walk::{Visitor, Walk},
};
use crate::{
    amqp::{Names, dead::Held, message::time::now_ms},
    cli::{
        Exit, Failure, output, setup,
        topology::{Configured, ask_failure},
    },
};

const HELP: &str = "\
Without --yes it only says what it would drop. Letters that come meanwhile stay. `--queue died` drops what can't be
read: messages that no worker could even dead-letter; no other option reaches them.

Examples:
  chatbot-worker dead purge --older-than 720h            what it would drop
  chatbot-worker dead purge --older-than 720h --yes
  chatbot-worker dead purge --reason not_a_request --yes
  chatbot-worker dead purge --queue died --yes
  chatbot-worker dead purge --all --yes";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Drop them, instead of saying what would be dropped
    #[arg(long)]
    yes: bool,
}

const NOTHING_DONE: &str = "nothing was dropped: add --yes to drop what is listed";

/// Drops them, or tells what it would drop.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let Chosen { id, selection, .. } = &arguments.chosen;
    setup::runtime()?.block_on(async {
        if id.is_empty() && selection.died()? {
            return purge_died(&configured, arguments.yes).await;
        }
        let mut walk = Walk::new(&configured, selection, id, true).await?;
        walk.resolve().await?;
        let mut purging = Purging { yes: arguments.yes, summary: Summary::default(), dropped: 0 };
        let walked = walk.each(&mut purging).await;
        walk.close().await;
        if arguments.yes {
            let how = if walked.as_ref().is_ok_and(|walked| !walked.stopped) { "" } else { "; the others are kept" };
            output::print(&format!("dropped: {}{how}\n", purging.dropped))?;
        }
        let walked = walked?;
        if walked.stopped {
            return Ok(Exit::Interrupted);
        }
        if walked.matched == 0 {
            return Err(Failure::new(Exit::No, "no dead letter is there, or fits"));
        }
        if !arguments.yes {
            output::print(&purging.summary.table(now_ms()))?;
            return Err(Failure::new(Exit::Usage, NOTHING_DONE));
        }
        Ok(Exit::Ok)
    })
}

struct Purging {
    yes: bool,
    summary: Summary,
    dropped: u64,
}

impl Visitor for Purging {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        self.summary.add(&held.letter);
        if self.yes {
            held.remove().await.map_err(read_failure)?;
            self.dropped += 1;
        }
        Ok(())
    }
}

/// What can't be read is dropped unread.
async fn purge_died(configured: &Configured, yes: bool) -> Result<Exit, Failure> {
    let queue = Names::dead(&configured.names().died());
    if !yes {
        output::print(&format!("{queue}: {}\n", unreadable(configured).await?))?;
        return Err(Failure::new(Exit::Usage, NOTHING_DONE));
    }
    let admin = configured.connect().await?;
    let dropped = admin.purge_queue(&queue).await.map_err(ask_failure)?;
    admin.close().await;
    output::print(&format!("dropped: {dropped}\n"))?;
    Ok(Exit::Ok)
}
