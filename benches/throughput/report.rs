//! What was measured, as a person and as a program reads it.

use std::{fmt::Write, fs, time::Duration};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    client::Load,
    contestant::{Kind, WORKER},
};

const MIB: f64 = 1024.0 * 1024.0;

/// One contestant's turn.
pub(crate) struct Turn {
    pub(crate) kind: Kind,
    /// With many requests in flight.
    pub(crate) many: Half,
    /// With one.
    pub(crate) one: Half,
    /// Bytes held at the end.
    pub(crate) memory: u64,
}

/// Half of a turn.
pub(crate) struct Half {
    /// Requests answered a second.
    rate: f64,
    /// The median and the 99th percentile of the time to an answer, in µs.
    p50: f64,
    p99: f64,
    /// Processor time a request, in µs.
    processor: f64,
}

impl Half {
    /// Of a stretch of asking, in which the contestant used so much processor time.
    pub(crate) fn new(load: &Load, used: Duration) -> Self {
        let requests = load.latencies.len().max(1);
        let percentile = |hundredths: usize| {
            let at = (requests * hundredths / 100).min(requests - 1);
            load.latencies.get(at).map_or(f64::NAN, |latency| micros(*latency))
        };
        Self { rate: load.rate, p50: percentile(50), p99: percentile(99), processor: micros(used) / requests as f64 }
    }

    fn json(&self) -> Value {
        json!({
            "requests_per_second": self.rate, "p50_us": self.p50, "p99_us": self.p99,
            "processor_us_per_request": self.processor,
        })
    }
}

/// Everything measured.
pub(crate) struct Report {
    in_flight: u16,
    seconds: u64,
    load_before: String,
    load_after: String,
    binary_bytes: u64,
    /// How long the worker took to its first session, on a broker that had none of its queues.
    pub(crate) first_start: Option<Duration>,
    /// The same on a broker that had them.
    pub(crate) starts: Vec<Duration>,
    /// Bytes held by a worker that has only started.
    pub(crate) idle_bytes: Vec<u64>,
    /// In the order in which they were measured.
    pub(crate) turns: Vec<Turn>,
}

impl Report {
    /// A report of turns of twice so many seconds.
    pub(crate) fn new(in_flight: u16, seconds: u64) -> anyhow::Result<Self> {
        Ok(Self {
            in_flight,
            seconds,
            load_before: load_average()?,
            load_after: String::new(),
            binary_bytes: fs::metadata(WORKER)?.len(),
            first_start: None,
            starts: Vec::new(),
            idle_bytes: Vec::new(),
            turns: Vec::new(),
        })
    }

    /// The last turn was taken.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        self.load_after = load_average()?;
        Ok(())
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let many = self.in_flight;
        let rounds = self.of(Kind::Echo).count();
        let _ = writeln!(
            text,
            "Medians of {rounds} interleaved rounds of {} s each; load average {} before, {} after.\n",
            self.seconds, self.load_before, self.load_after
        );
        let _ = writeln!(
            text,
            "| worker | requests/s, {many} in flight (lowest to highest) | against the echo | p50, p99 (ms) | CPU a \
             request (µs) | p50, p99 at one in flight (ms) | against the echo | memory (MiB) |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |"
        );
        for &kind in Kind::value_variants() {
            if self.of(kind).next().is_none() {
                continue;
            }
            let of = |value: fn(&Turn) -> f64| median(self.of(kind).map(value));
            let rates = || self.of(kind).map(|turn| turn.many.rate);
            let _ = writeln!(
                text,
                "| {kind} | {:.0} ({:.0} to {:.0}) | {:.2} | {:.2}, {:.2} | {:.0} | {:.2}, {:.2} | {:.2} | {:.1} |",
                median(rates()),
                rates().fold(f64::INFINITY, f64::min),
                rates().fold(0.0, f64::max),
                self.against_echo(kind, |turn| turn.many.rate),
                of(|turn| turn.many.p50) / 1e3,
                of(|turn| turn.many.p99) / 1e3,
                of(|turn| turn.many.processor),
                of(|turn| turn.one.p50) / 1e3,
                of(|turn| turn.one.p99) / 1e3,
                self.against_echo(kind, |turn| turn.one.p50),
                of(|turn| turn.memory as f64) / MIB,
            );
        }
        let _ = writeln!(text, "\n| target | wanted | measured | |\n| --- | --- | --- | --- |");
        for target in self.targets() {
            let Target { what, wanted, measured, met, unit } = target;
            if measured.is_finite() {
                let verdict = if met { "ok" } else { "MISSED" };
                let _ = writeln!(text, "| {what} | {wanted}{unit} | {measured:.2}{unit} | {verdict} |");
            }
        }
        if let Some(first) = self.first_start {
            let _ = writeln!(
                text,
                "\nOn a broker without its queues, the worker is ready after {:.2} s.",
                first.as_secs_f64()
            );
        }
        text
    }

    fn targets(&self) -> Vec<Target> {
        let least = |what, least: f64, measured| Target {
            what,
            wanted: format!("at least {least}"),
            measured,
            met: measured >= least,
            unit: "",
        };
        let most = |what, most: f64, unit, measured| Target {
            what,
            wanted: format!("at most {most}"),
            measured,
            met: measured <= most,
            unit,
        };
        vec![
            least("inline: requests/s against the echo", 1.0, self.against_echo(Kind::Inline, |turn| turn.many.rate)),
            most(
                "inline: p50 at one in flight against the echo",
                1.25,
                "",
                self.against_echo(Kind::Inline, |turn| turn.one.p50),
            ),
            least("queued: requests/s against the echo", 0.55, self.against_echo(Kind::Queued, |turn| turn.many.rate)),
            least("turns: requests/s against the echo", 0.45, self.against_echo(Kind::Turns, |turn| turn.many.rate)),
            least("lanes: requests/s against the echo", 0.85, self.against_echo(Kind::Lanes, |turn| turn.many.rate)),
            least("redis: requests/s against the echo", 0.35, self.against_echo(Kind::Redis, |turn| turn.many.rate)),
            most("memory of an idle worker", 45.0, " MiB", median(self.idle_bytes.iter().map(|b| *b as f64)) / MIB),
            most("ready after its start", 1.0, " s", median(self.starts.iter().map(Duration::as_secs_f64))),
            most("the binary", 40.0, " MiB", self.binary_bytes as f64 / MIB),
        ]
    }

    /// The median of the rounds' ratios: in each round, both met the same machine.
    fn against_echo(&self, kind: Kind, value: fn(&Turn) -> f64) -> f64 {
        median(self.of(kind).zip(self.of(Kind::Echo)).map(|(turn, echo)| value(turn) / value(echo)))
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.kind == kind)
    }

    /// As JSON, with every turn.
    pub(crate) fn json(&self) -> Value {
        let turns = self.turns.iter().map(|turn| {
            json!({
                "worker": turn.kind.to_string(), "many_in_flight": turn.many.json(), "one_in_flight": turn.one.json(),
                "memory_bytes": turn.memory,
            })
        });
        let targets = self.targets().into_iter().map(|target| {
            let measured = target.measured.is_finite().then_some(target.measured);
            json!({ "target": target.what, "wanted": target.wanted, "measured": measured, "met": target.met })
        });
        json!({
            "in_flight": self.in_flight,
            "seconds": self.seconds,
            "load_average": [self.load_before, self.load_after],
            "first_start_seconds": self.first_start.map(|start| start.as_secs_f64()),
            "start_seconds": self.starts.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
            "idle_bytes": self.idle_bytes,
            "binary_bytes": self.binary_bytes,
            "turns": turns.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}

/// What is wanted, and what there is; not a number where it wasn't measured.
struct Target {
    what: &'static str,
    wanted: String,
    measured: f64,
    met: bool,
    unit: &'static str,
}

/// Not a number where there are no values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (_, _) if values.is_empty() => f64::NAN,
        (middle, 1) => values[middle],
        (middle, _) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn load_average() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().unwrap_or("?").to_owned())
}
