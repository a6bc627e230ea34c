//! The log: where it can't be written, and what would break its lines.

use std::{
    fs::{self, OpenOptions},
    process::{Command, Stdio},
    time::Instant,
};

use super::program::{Program, end_of};
use crate::support::PATIENCE;

/// A full disk, or a reader that has gone, takes lines of the log and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_ends_no_worker() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, unread) = std::io::pipe().unwrap();
    drop(reader);
    for log in [Stdio::from(full), Stdio::from(unread)] {
        let program = Program::new();
        let mut worker = program.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        // Its log can't say when it is ready; to ask takes time enough.
        while program.run(&["ask", "hello"]).code != Some(0) {
            if worker.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = worker.kill();
                panic!("it answers nothing: {:?}", worker.wait());
            }
        }
        let kill = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(end_of(&mut worker).code(), Some(0));
        program.remove().await;
    }
}

/// A path stands for whatever others have a say in; a line break in it begins no entry.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_breaks_no_line() {
    let file = std::env::temp_dir().join(format!("log-{}\nINFO forged\u{1b}[2J", uuid::Uuid::now_v7()));
    fs::write(&file, "").unwrap();
    let program = Program::new().with("CHATBOT_ANSWERED_REDIS_URL_FILE", file.to_str().unwrap());
    let worker = program.start_ready();
    worker.signal("TERM");
    let (_, log) = worker.end();
    assert!(log.contains(r"\nINFO forged\u{1b}[2J is empty"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("INFO forged")), "{log}");
    fs::remove_file(&file).unwrap();
    program.remove().await;
}
