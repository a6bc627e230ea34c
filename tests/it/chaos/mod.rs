//! Faults while a load runs: every request that the broker confirmed has to be accounted for at the end.
//!
//! Each test is a scenario: a load, a fault, a row of the table in `docs/RELIABILITY.md`. As part of the suite they are
//! short; `scripts/chaos` runs them at full length, on any RabbitMQ, and prints the table.

mod account;
mod answers;
mod brokers;
mod cluster;
mod diagnosis;
mod load;
mod network;
mod order;
pub mod proxy;
mod queues;
mod reader;
mod soak;
mod subject;
mod talk;
mod workers;

use std::{
    fs::OpenOptions,
    io::Write,
    time::{Duration, Instant},
};

use self::account::Account;

/// How many requests a scenario sends.
fn requests() -> usize {
    std::env::var("CHAOS_REQUESTS").map_or(200, |number| number.parse().expect("CHAOS_REQUESTS is a number"))
}

/// Whether `scripts/chaos` runs this, which has the time and the nodes for all of it.
fn at_full_length() -> bool {
    std::env::var_os("CHAOS_RESULTS").is_some()
}

/// Tells a scenario's row, and fails where a request was lost. `recovery` is how long after the fault's end a request
/// that was published then was answered.
#[track_caller]
fn report(scenario: &str, account: &Account, recovery: Option<Duration>) {
    let recovery = recovery.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
    let Account { sent, answered, duplicates, dead, dropped, lost, .. } = account;
    let row = format!("{scenario}\t{sent}\t{answered}\t{duplicates}\t{dead}\t{dropped}\t{}\t{recovery}\n", lost.len());
    write(&row);
    assert!(lost.is_empty(), "{} of {sent} lost", lost.len());
}

/// Tells something beside the table.
fn note(text: &str) {
    write(&format!("# {text}\n"));
}

fn write(line: &str) {
    print!("{line}");
    if let Some(path) = std::env::var_os("CHAOS_RESULTS") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// Waits until `check` holds, and tells how long that took.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) -> Duration {
    let since = Instant::now();
    crate::support::eventually(what, || {
        let check = check();
        async { check.await.then_some(()) }
    })
    .await;
    since.elapsed()
}
