//! The log and the metrics, as the process has them.
//!
//! **Invariant:** set up once, by the command that runs; everything else only emits, by `tracing` and `metrics`.

mod line;

use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people; what would break it is escaped.
    Text,
    /// A JSON object a line.
    Json,
}

/// Buckets of latencies, in seconds: from an embedded model's to a patient client's.
const SECONDS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// lapin logs what it also returns, and what is returned is told where it is handled. A filter that names it shows it.
const QUIET: &str = "lapin=off,";

/// Starts the log on standard error. `directives` are those of tracing-subscriber's `EnvFilter`. A line that can't be
/// written, as the disk is full or nobody reads any more, is lost.
pub fn start_log(directives: &str, format: Format) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{QUIET}{directives}")))
        .with_writer(std::io::stderr)
        // They would be told by `eprintln!`, which panics there.
        .log_internal_errors(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second log in one process, as in a test, keeps the first.
    let _ = match format {
        Format::Text => builder.with_target(false).fmt_fields(line::OneLine).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Starts collecting metrics, and returns what renders them for Prometheus.
///
/// # Errors
/// [`BuildError`] where metrics are collected already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

/// How often [`upkeep`] tidies.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps the metrics small, for as long as it is polled: histograms keep each value until somebody renders them, and
/// where nobody does, that would be all the memory there is.
pub async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

fn describe() {
    for (name, help) in [
        ("chatbot_deliveries_total", "Messages delivered to this worker, by queue."),
        ("chatbot_outcomes_total", "Messages settled, by outcome."),
        ("chatbot_intent_replies_total", "Replies, by the intent that answered, and whether as the fallback."),
        (
            "chatbot_feedback_total",
            "What users said of answers, by the answer's intent and handler, and what they said.",
        ),
        ("chatbot_dead_letters_total", "Messages dead-lettered by this worker, by reason."),
        ("chatbot_replies_total", "Replies, by what became of them."),
        ("chatbot_door_requests_total", "Requests that came by the door, by its form and what came of them."),
        ("chatbot_door_left_total", "Requests by the door whose clients left before the answer."),
        ("chatbot_reconnects_total", "Connections opened again after a loss, by connection."),
        ("chatbot_confirms_total", "Publishes, by the broker's confirm."),
        ("chatbot_handed_back_total", "Deliveries that couldn't be settled, and went back to their queue."),
        ("chatbot_lost_acks_total", "Acks that couldn't be written; the message is delivered again."),
        ("chatbot_answered_total", "Messages that came again, by where their answer was found; miss: nowhere."),
        ("chatbot_redis_total", "What Redis was asked, by use, operation and result; away: not asked, as it is away."),
        ("chatbot_conversation_dropped_total", "Conversations dropped by their store, by reason."),
        ("chatbot_unreadable_total", "Messages of which something couldn't be read."),
        ("chatbot_ignored_fields_total", "Fields of requests passed over, as they have another form, by field."),
        ("chatbot_attachments_total", "Attachments of requests that were answered, by type and what became of them."),
        ("chatbot_handler_answers_total", "What handlers were asked, by handler and what came of it."),
        (
            "chatbot_answers_stopped_total",
            "Answers that were stopped as nobody wanted them any more, by handler and why.",
        ),
    ] {
        describe_counter!(name, help);
    }
    for (name, help) in [
        ("chatbot_backend_requests_total", "Requests to a service, by what came of it."),
        ("chatbot_service_tokens_total", "Tokens that a service's model took in and gave out."),
        ("chatbot_backend_cache_total", "Texts looked up among a model's kept answers, by whether one was there."),
    ] {
        describe_counter!(name, help);
    }
    describe_gauge!("chatbot_backend_breaker_open", "1 while a service is left alone because it failed, else 0.");
    describe_gauge!("chatbot_service_tokens_today", "Tokens of its budget that a service has had today, by UTC.");
    describe_histogram!("chatbot_backend_seconds", Unit::Seconds, "Time that a service took.");
    describe_histogram!(
        "chatbot_service_first_token_seconds",
        Unit::Seconds,
        "Time to the first token of an answer that came as it was being written."
    );
    describe_gauge!("chatbot_door_connections", "Connections of the door, but for its sockets.");
    describe_gauge!("chatbot_door_sockets", "WebSockets of the door.");
    describe_gauge!("chatbot_blocked", "1 while the broker takes nothing that this process publishes, else 0.");
    describe_gauge!("chatbot_in_flight", "Messages being worked on now.");
    describe_gauge!(
        "chatbot_last_reload_successful",
        "Whether the intents file was last read, and its bot served, without fault."
    );
    describe_gauge!("chatbot_last_reload_timestamp_seconds", Unit::Seconds, "When that was, in Unix seconds.");
    describe_gauge!("chatbot_answered_entries", "Answers remembered in memory.");
    describe_gauge!("chatbot_answered_bytes", Unit::Bytes, "Memory that they take, about.");
    describe_gauge!("chatbot_conversation_entries", "Conversations that this worker keeps, in memory or a file.");
    describe_gauge!(
        "chatbot_conversation_waiting",
        "1 while this worker takes no queue of conversations, as its store is its own and another worker has them."
    );
    describe_gauge!("chatbot_conversation_bytes", Unit::Bytes, "What they take, about.");
    describe_gauge!("chatbot_conversation_file_failing", "1 while the file of conversations can't be used, else 0.");
    for (name, help) in [
        ("chatbot_model_seconds", "Time that the model took to classify."),
        ("chatbot_handler_seconds", "Time that a handler took to answer."),
        ("chatbot_request_seconds", "Time from a delivery to its ack."),
        ("chatbot_confirm_seconds", "Time from a publish to its confirm."),
        (
            "chatbot_door_request_seconds",
            "Time that a request to the door took over HTTP; of a stream, until it began.",
        ),
    ] {
        describe_histogram!(name, Unit::Seconds, help);
    }
}
