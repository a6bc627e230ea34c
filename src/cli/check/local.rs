//! What can be checked without a broker: settings, intents, the model.

use std::{net::IpAddr, time::Instant};

use secrecy::ExposeSecret;

use super::{Report, setup, training};
use crate::{
    app::{self, BUILT_IN_NAME, Embedded, intents::IntentsFile, settings::Settings},
    config::Problems,
    model::ModelClient,
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

/// Loads or trains the model, as a worker does at its start.
pub(super) fn model(report: &mut Report, settings: &Settings, intents: &IntentsFile) {
    let started = Instant::now();
    match training::shown(|progress| app::embedded(settings, intents, progress)) {
        Ok(Embedded { model, loaded, fault }) => {
            let took = started.elapsed().as_millis();
            let threshold = app::threshold(settings, model.threshold());
            let did = match loaded {
                Some(path) => format!("loaded from {}", path.display()),
                None => "trained on the examples".to_owned(),
            };
            report.ok("model", format!("{did} in {took} ms; the threshold is {threshold}"));
            if let Some(fault) = fault {
                report.warn("model", fault, "");
            }
        }
        Err(error) => {
            report.fail("model", format!("it can't be trained: {error}"), "Correct the intents file's examples.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
