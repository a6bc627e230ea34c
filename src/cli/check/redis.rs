//! The Redis in which workers share their answers.

use secrecy::ExposeSecret;

use super::Report;
use crate::{answered, app::settings::RedisUrl};

const CHECK: &str = "redis";

/// Looks whether it can be used, and how quick it is. It costs duplicate work where it can't, and never an answer.
pub(super) async fn check(report: &mut Report, url: &RedisUrl) {
    match answered::probe(url.secret().expose_secret()).await {
        Ok(took) => {
            report.ok(CHECK, format!("{url}: answers a PING in {:.1} ms", took.as_secs_f64() * 1e3));
        }
        Err(error) => {
            let mend = error.mend().map(|mend| format!(" ({mend})")).unwrap_or_default();
            report.warn(
                CHECK,
                format!("{url} can't be used: {error}{mend}"),
                "Workers answer without it, and may do some work twice. Start it, or correct or unset \
                 CHATBOT_ANSWERED_REDIS_URL.",
            );
        }
    }
}
