//! Variables of the environment that no setting has, and what they may mean; and those that nobody can read.

use super::*;

#[test]
fn an_unknown_variable_is_told_with_what_may_have_been_meant() {
    fn check(variable: &str, hint: &str) {
        let problems = load(&[(variable, "s3cret")]).map(|_| ()).unwrap_err().to_string();
        assert_eq!(problems, format!("{variable}: {hint}"));
    }
    check("CHATBOT_AMQP_URI", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("CHATBOT_AMQP_URLS_FILE", "no such setting; did you mean CHATBOT_AMQP_URL_FILE?");
    check("CHATBOT_AMQP__URL", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("CHATBOT_amqp_url", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("CHATBOT_URL", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("CHATBOT_WORKER_PREFETCH", "no such setting; did you mean CHATBOT_AMQP_PREFETCH?");
    check("CHATBOT_AMQP_TLS_CA_FILE", "no such setting; did you mean CHATBOT_AMQP_TLS_CA_PATH?");
    check("CHATBOT_RETRY_DELAY", "no such setting; did you mean CHATBOT_RETRY_DELAYS?");
    check("CHATBOT_HTTP_PORT", "no such setting; did you mean CHATBOT_HTTP_LISTEN?");
    check("CHATBOT_INTENTS_FILE", "no such setting; CHATBOT_INTENTS_ goes on with one of PATH, WATCH");
    check("CHATBOT_LOG_FILE", "no such setting; CHATBOT_LOG_ goes on with one of FORMAT, LEVEL");
    let sections = "CHATBOT_ goes on with one of AMQP, ANSWERED, ATTACHMENTS, BACKEND, CONVERSATION, DOOR, EMBEDDED, HTTP, INTENTS, LOG, \
                    MODEL, OVERLOAD, REPLY, RETRY, WORKER";
    check("CHATBOT_REDIS_HOST", &format!("no such setting; {sections}"));
    check("CHATBOT_CONFIG_FILE", "unknown: the path of the settings file goes into CHATBOT_CONFIG");
    // Whatever its case.
    check("chatbot_amqp_url", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("Chatbot_Amqp_Url_File", "no such setting; did you mean CHATBOT_AMQP_URL_FILE?");
    check("CHATBOT_amqp_url_file", "no such setting; did you mean CHATBOT_AMQP_URL_FILE?");
    check("chatbot_amqp_tls_ca_file", "no such setting; did you mean CHATBOT_AMQP_TLS_CA_PATH?");
    check("chatbot_amqp_uri", "no such setting; did you mean CHATBOT_AMQP_URL?");
    check("chatbot_config", "no such setting; did you mean CHATBOT_CONFIG?");
    check("chatbot_config_file", "no such setting; did you mean CHATBOT_CONFIG?");
}

#[test]
fn a_variable_in_small_letters_that_no_setting_is_like_is_somebody_elses_and_told() {
    let others = [("Chatbot_Home", "/srv"), ("chatbot_amqp_url", " "), ("chatbots_amqp_url", "x"), ("chatbot", "x")];
    let notices = loaded(&others).notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].ends_with(": Chatbot_Home"), "{notices:?}");
}

#[test]
fn what_kubernetes_injects_is_ignored_with_a_notice() {
    let names = [
        "CHATBOT_PORT",
        "CHATBOT_PORT_80_TCP",
        "CHATBOT_PORT_80_TCP_ADDR",
        "CHATBOT_PORT_80_TCP_PORT",
        "CHATBOT_PORT_80_TCP_PROTO",
        "CHATBOT_RABBITMQ_SERVICE_HOST",
        "CHATBOT_SERVICE_HOST",
        "CHATBOT_SERVICE_PORT",
        "CHATBOT_SERVICE_PORT_AMQP",
    ];
    let variables: Vec<_> = names.iter().map(|&name| (name, "tcp://10.0.0.1:80")).collect();
    let notices = loaded(&variables).notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains(&names.join(", ")), "{notices:?}");
}

#[cfg(unix)]
#[test]
fn a_setting_that_is_not_utf_8_is_told_and_other_programs_variables_are_not_looked_at() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let os = [
        (raw(b"CHATBOT_AMQP_URL"), raw(b"amqp://u:s3cret\xff@h")),
        (raw(b"OTHER"), raw(b"\xff")),
        (raw(b"OTHER\xff"), raw(b"x")),
        (raw(b"CHATBOTTLE_SIZE"), raw(b"x")),
        (raw(b"CHATBOT"), raw(b"x")),
    ];
    let problems = Settings::load(&Variables::from_os(os), &read).map(|_| ()).unwrap_err().to_string();
    assert!(problems.starts_with("CHATBOT_AMQP_URL: "), "{problems}");
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(!problems.contains("s3cret"), "{problems}");
}
