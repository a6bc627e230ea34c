//! What can be checked without a broker: settings, intents, the model.

use std::{net::IpAddr, time::Instant};

use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

use super::{Report, setup, training::Terminal};
use crate::{
    app::{
        self, BUILT_IN_NAME,
        intents::IntentsFile,
        settings::{ModelName, Settings, Threshold},
    },
    config::Problems,
    model::Query,
};

/// The settings; none where they are wrong, and then nothing else can be known.
pub(super) fn settings(report: &mut Report) -> Option<Settings> {
    let loaded = match setup::load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            wrong_settings(report, &problems);
            return None;
        }
    };
    let set = loaded.effective.iter().filter(|effective| effective.origin != crate::config::Origin::Default).count();
    report.ok("settings", format!("{set} of {} are set, the others are the defaults", loaded.effective.len()));
    for notice in &loaded.notices {
        report.warn("settings", notice, "");
    }
    exposed_password(report, &loaded.settings);
    exposed_keys(report, &loaded.settings);
    Some(loaded.settings)
}

fn wrong_settings(report: &mut Report, problems: &Problems) {
    for problem in problems.iter() {
        report.fail("settings", problem, "");
    }
    let mend = "Correct the settings first; `chatbot-worker config` lists all.";
    report.warn("settings", "nothing else was looked at", mend);
}

/// A password that others can read, or know.
fn exposed_password(report: &mut Report, settings: &Settings) {
    for url in settings.amqp.url.iter().filter(|url| !is_local(&url.host)) {
        let host = &url.host;
        if url.user == "guest" && url.password.expose_secret() == "guest" {
            report.warn(
                "settings",
                format!("CHATBOT_AMQP_URL logs in to {host} as guest with the password that everybody knows"),
                "Make a user of the worker's own: `rabbitmqctl add_user NAME`, then `chatbot-worker topology \
                 permissions`. (As it is installed, RabbitMQ lets guest in from its own machine only.)",
            );
        }
        if !url.tls {
            report.warn(
                "settings",
                format!("the password and all messages go to {host} unencrypted"),
                "Use amqps:// in CHATBOT_AMQP_URL, unless the network between is yours alone.",
            );
        }
    }
}

/// A key that others on the way can read.
fn exposed_keys(report: &mut Report, settings: &Settings) {
    for (name, backend) in &settings.backend {
        if backend.url.as_ref().is_some_and(|url| url.is_exposed()) {
            let what = if backend.api_key.is_some() { "the key and all texts go" } else { "all texts go" };
            report.warn(
                "settings",
                format!("{what} to the service '{name}' unencrypted"),
                "Use https:// in its URL, unless the network between is yours alone.",
            );
        }
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The intents; none where the file has faults.
pub(super) fn intents(report: &mut Report, settings: &Settings) -> Option<IntentsFile> {
    let path = settings.intents.path.as_ref().map(|path| path.as_path().display().to_string());
    let name = path.as_deref().unwrap_or(BUILT_IN_NAME);
    match app::load_intents(settings) {
        Ok(checked) => {
            let examples: usize = checked.file.intents.iter().map(|intent| intent.examples.len()).sum();
            report.ok("intents", format!("{name}: {} intents, {examples} examples", checked.file.intents.len()));
            for warning in &checked.warnings {
                report.warn("intents", format!("{name}: {warning}"), "");
            }
            Some(checked.file)
        }
        Err(faults) => {
            for fault in &faults.faults {
                report.fail("intents", format!("{}: {fault}", faults.source_name), "");
            }
            None
        }
    }
}

/// Makes every model, as a worker does at its start, and asks each by itself.
pub(super) fn models(report: &mut Report, settings: &Settings, intents: &IntentsFile, runtime: &Runtime) {
    if intents.intents.iter().all(|intent| intent.examples.is_empty()) {
        report
            .ok("model", format!("no intent has examples, so nothing is classified: '{}' gets all", intents.fallback));
        return;
    }
    let started = Instant::now();
    let terminal = Terminal::new();
    let models = app::each(settings, intents, &terminal);
    let made = started.elapsed().as_millis();
    if let Some(fault) = terminal.fault() {
        report.warn("model", fault, "");
    }
    let count = models.len();
    let rule = app::choice(settings, intents);
    let sample = intents.intents.iter().find_map(|intent| intent.examples.first()).map_or("", |it| &it.text);
    for (at, (name, model)) in models.into_iter().enumerate() {
        let model = match model {
            Ok(model) => model,
            Err(error) => {
                report.fail("model", error, "");
                continue;
            }
        };
        let asked = Instant::now();
        let answer = runtime.block_on(async {
            model.prepare().await?;
            let deadline = tokio::time::Instant::now() + settings.model.timeout.get();
            model.classify(&Query { text: sample, locale: None, deadline }).await
        });
        let took = asked.elapsed().as_millis();
        match answer {
            Ok(prediction) => {
                let did = match name {
                    ModelName::Embedded => match &settings.embedded.path {
                        Some(path) if terminal.fault().is_none() => format!("loaded from {path} in {made} ms"),
                        _ => format!("trained on the examples in {made} ms"),
                    },
                    ModelName::Section(_) => format!("'{name}' answers: {took} ms"),
                };
                let threshold = match prediction.decision {
                    None => {
                        format!(
                            "the threshold is {}, {}",
                            rule.threshold(&prediction),
                            origin(settings.model.threshold)
                        )
                    }
                    Some(_) => "it states no confidence".to_owned(),
                };
                report.ok("model", format!("{did}; {threshold}"));
            }
            Err(error) if at + 1 < count => {
                report.warn(
                    "model",
                    error,
                    "Mend it, or take it out of CHATBOT_MODEL_CHAIN; the next answers meanwhile.",
                );
            }
            Err(error) => report.fail("model", error, "Mend it: no other model stands in for it."),
        }
    }
}

/// Where the threshold comes from that workers use.
fn origin(set: Threshold) -> &'static str {
    match set {
        Threshold::Auto => "the model's own (CHATBOT_MODEL_THRESHOLD is auto)",
        Threshold::Fixed(_) => "as CHATBOT_MODEL_THRESHOLD says",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_threshold_is_told_with_where_it_comes_from() {
        assert_eq!(origin("auto".parse().unwrap()), "the model's own (CHATBOT_MODEL_THRESHOLD is auto)");
        assert_eq!(origin("0.8".parse().unwrap()), "as CHATBOT_MODEL_THRESHOLD says");
    }

    #[test]
    fn a_loopback_address_is_local() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["rabbitmq", "10.0.0.1", "0.0.0.0", "localhost.example.org", "::2", ""] {
            assert!(!is_local(host), "{host}");
        }
    }
}
