//! The example program of a person at a terminal, `docs/clients/person.py`. It needs Python 3 with pika.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Instant,
};

use super::{Kept, kind, say, says, start};
use crate::support::PATIENCE;

/// The program, with somebody who types.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Terminal {
    fn start(url: &str, exchange: &str) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients/person.py");
        let mut command = Command::new(std::env::var_os("TEST_PYTHON").unwrap_or("python3".into()));
        command.arg(path).env("AMQP_URL", url).env("EXCHANGE", exchange);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("python3 is on the PATH, with pika: apt-get install python3-pika");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { keys: child.stdin.take().unwrap(), child, lines, seen: Vec::new() }
    }

    /// Waits until it has shown this.
    #[track_caller]
    fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.iter().any(|line| line.contains(text)) {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let needs = "it needs python3 with pika: apt-get install python3-pika";
            self.seen.push(line.unwrap_or_else(|_| panic!("no {text:?} in {:?}; {needs}", self.seen)));
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_has_a_conversation_and_gives_it_back() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let mut user = worker.client().await;
    let mut terminal = Terminal::start(&worker.url, worker.names.exchange());
    terminal.until("waiting for conversations");
    user.ask("request", &says("refund it")).await;
    user.ask("request", &says("FL1")).await;
    say(&user, "m1", "product_info 请").await;
    let greeting = user.next().await;
    assert_eq!((greeting.correlation_id(), kind(&greeting)), (Some("m1"), "chat.reply"));
    assert_eq!(greeting.json["state"]["status"], "person");
    for shown in ["--- u, c; known: {'order': 'FL1'}", "> refund it", "< Which order?", "> product_info 请"] {
        terminal.until(shown);
    }
    terminal.types("您好！");
    let heard = user.next().await;
    assert_eq!(
        (kind(&heard), heard.text(), &heard.json["conversation"]),
        ("chat.message", Some("您好！"), &"c".into())
    );
    terminal.until("(said)");
    say(&user, "m2", "thank you").await;
    terminal.until("> thank you");
    terminal.types("/release");
    terminal.until("(given back to the bot)");
    assert_eq!(user.ask("request", &says("help_info")).await.text(), Some("help_info: help_info"));
    terminal.types("still there?");
    terminal.until("(nobody is there to talk to)");
    assert!(store.record().unwrap().state.history.iter().any(|turn| turn.text == "您好！"));
    worker.stop().await;
}
