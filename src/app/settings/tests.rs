//! The settings as an operator meets them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod files;
mod services;
mod variables;

use std::{collections::BTreeSet, io, path::Path};

use secrecy::ExposeSecret;

use super::*;
use crate::config::Origin;

/// Files that tests may name.
const FILES: &[(&str, &[u8])] = &[
    ("/run/url", b"amqp://u:s3cret@h\n"),
    ("/run/url-crlf", b"amqp://u:s3cret@h\r\n"),
    ("/run/prefetch", b"7\n"),
    ("/run/wrong-url", b"http://u:s3cret@h\n"),
    ("/run/quoted-url", b"\"amqp://u:s3cret@h\"\n"),
    ("/run/quoted-path", b"'/etc/bot.toml'\r\n"),
    ("/run/empty", b"\n"),
    ("/run/binary", b"\xff\x00"),
    ("/run/windows", b"\xef\xbb\xbfamqp://u:s3cret@h\r\n"),
    ("/run/utf16", b"\xff\xfea\0"),
    ("/etc/windows.toml", b"\xef\xbb\xbf[amqp]\r\nprefetch = 7\r\n"),
    ("/etc/utf16.toml", b"\xff\xfe[\0a\0"),
    ("/etc/good.toml", b"[amqp]\nprefetch = 5\nurl = [\"amqp://a\", \"amqp://b\"]\n\n[retry]\ndelays = []\n"),
    ("/etc/typo.toml", b"[amqp]\nprefech = 5\n\n[ampq]\nurl = \"amqp://u:s3cret@h\"\n"),
    (
        "/etc/wrong.toml",
        b"[amqp]\nprefetch = 0\nurl = \"amqp//u:s3cret@h\"\n\n[model]\nthreshold = 2\ntimeout = [1, 2]\n",
    ),
    ("/etc/broken.toml", b"[amqp]\nurl = \"amqp://u:s3cret@h\n"),
    ("/etc/flat.toml", b"url = \"amqp://u:s3cret@h\"\n"),
    ("/etc/deep.toml", b"[amqp.url]\nhost = \"s3cret\"\n"),
    ("/etc/section.toml", b"amqp = \"amqp://u:s3cret@h\"\n"),
];

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = FILES.iter().find(|(name, _)| Path::new(name) == path);
    file.map(|(_, text)| text.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn load(variables: &[(&str, &str)]) -> Result<Loaded<Settings>, Problems> {
    Settings::load(&variables.iter().copied().collect(), &read)
}

fn loaded(variables: &[(&str, &str)]) -> Loaded<Settings> {
    load(variables).unwrap_or_else(|problems| panic!("{variables:?}: {problems}"))
}

/// The value and origin of a setting.
fn effective(loaded: &Loaded<Settings>, key: &str) -> (String, String) {
    let setting = loaded.effective.iter().find(|setting| setting.key == key).unwrap();
    (setting.value.clone(), setting.origin.to_string())
}

#[test]
fn the_defaults_and_the_settings_type_have_the_same_keys() {
    let documented: toml::Table = toml::from_str(DEFAULTS).unwrap();
    let documented: BTreeSet<String> = documented
        .iter()
        .flat_map(|(section, keys)| keys.as_table().unwrap().keys().map(move |key| format!("{section}.{key}")))
        .collect();
    let rules = [("CHATBOT_MODEL_CHAIN", "x"), ("CHATBOT_X_KIND", "keywords"), ("CHATBOT_X_RULES_PATH", "/r")];
    let known = loaded(&rules).effective.into_iter().map(|setting| match setting.key.strip_prefix("x.") {
        Some(name) => format!("backend.{name}"),
        None => setting.key,
    });
    let known: BTreeSet<String> = known.collect();
    assert_eq!(documented, known);
    // `CHATBOT_X_FILE` names a file with the value of `x`, so no setting may be called so.
    assert_eq!(known.iter().find(|key| key.ends_with("_file") || key.ends_with(".file")), None);
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let settings = loaded(&[]).settings;
    assert_eq!(settings.amqp.exchange.as_str(), "chatbot");
    assert_eq!(settings.amqp.url.len(), 1);
    assert_eq!(settings.worker.max_body.get(), 1 << 20);
    assert_eq!(settings.worker.default_ttl.get(), None);
    assert_eq!(settings.retry.delays.iter().map(|delay| delay.as_secs()).collect::<Vec<_>>(), [1, 5, 30]);
    assert_eq!(settings.http.listen.get().map(|listen| listen.get().to_string()), Some("127.0.0.1:8080".into()));
    assert_eq!(settings.reply.allow, None);
}

#[test]
fn each_layer_wins_over_the_one_below_it_and_its_origin_is_told() {
    fn check(variables: &[(&str, &str)], key: &str, value: &str, origin: &str) {
        let loaded = loaded(variables);
        assert_eq!(effective(&loaded, key), (value.into(), origin.into()), "{variables:?}");
    }
    let file = ("CHATBOT_CONFIG", "/etc/good.toml");
    check(&[], "amqp.prefetch", "128", "default");
    check(&[], "reply.allow", "", "default");
    check(&[file], "amqp.prefetch", "5", "file /etc/good.toml");
    check(&[file], "amqp.url", "amqp://guest:***@a:5672/%2F,amqp://guest:***@b:5672/%2F", "file /etc/good.toml");
    check(&[file], "retry.delays", "off", "file /etc/good.toml");
    check(&[file, ("CHATBOT_AMQP_PREFETCH", "7")], "amqp.prefetch", "7", "environment CHATBOT_AMQP_PREFETCH");
    check(&[file, ("CHATBOT_AMQP_PREFETCH", "")], "amqp.prefetch", "5", "file /etc/good.toml");
    check(&[file, ("CHATBOT_AMQP_PREFETCH", " ")], "amqp.prefetch", "5", "file /etc/good.toml");
    let url = "amqp://u:***@h:5672/%2F";
    check(&[("CHATBOT_AMQP_URL", "amqp://u:s3cret@h")], "amqp.url", url, "environment CHATBOT_AMQP_URL");
    check(&[("CHATBOT_AMQP_URL_FILE", "/run/url")], "amqp.url", url, "file named by CHATBOT_AMQP_URL_FILE");
    check(&[file, ("CHATBOT_AMQP_URL_FILE", "/run/url-crlf")], "amqp.url", url, "file named by CHATBOT_AMQP_URL_FILE");
    check(
        &[("CHATBOT_AMQP_URL", ""), ("CHATBOT_AMQP_URL_FILE", "/run/url")],
        "amqp.url",
        url,
        "file named by CHATBOT_AMQP_URL_FILE",
    );
    let prefetch = ("CHATBOT_AMQP_PREFETCH_FILE", "/run/prefetch");
    check(&[prefetch], "amqp.prefetch", "7", "file named by CHATBOT_AMQP_PREFETCH_FILE");
    check(&[("CHATBOT_AMQP_URL_FILE", "")], "amqp.prefetch", "128", "default");
}

#[test]
fn each_setting_takes_what_its_documentation_says() {
    fn check(variable: &str, value: &str, key: &str, expected: &str) {
        assert_eq!(effective(&loaded(&[(variable, value)]), key).0, expected, "{variable}={value}");
    }
    check("CHATBOT_AMQP_TOPOLOGY", "verify", "amqp.topology", "verify");
    check("CHATBOT_AMQP_EXCHANGE", "shop_2-Test", "amqp.exchange", "shop_2-Test");
    check("CHATBOT_AMQP_HEARTBEAT", "1m", "amqp.heartbeat", "1m");
    check("CHATBOT_AMQP_TLS_CA_PATH", "/etc/ca.pem", "amqp.tls_ca_path", "/etc/ca.pem");
    check("CHATBOT_WORKER_QUEUES", "requests, intent.refund", "worker.queues", "requests,intent.refund");
    check("CHATBOT_WORKER_QUEUES", "intents,suspects,died", "worker.queues", "intents,suspects,died");
    check("CHATBOT_WORKER_MAX_BODY", "1048576", "worker.max_body", "1MiB");
    check("CHATBOT_WORKER_DEFAULT_TTL", "90s", "worker.default_ttl", "90s");
    check("CHATBOT_WORKER_SHUTDOWN_GRACE", "0s", "worker.shutdown_grace", "0s");
    check("CHATBOT_RETRY_DELAYS", "off", "retry.delays", "off");
    check("CHATBOT_RETRY_DELAYS", "10ms,24h", "retry.delays", "10ms,24h");
    check("CHATBOT_RETRY_DELAYS", "1s,2s,3s,4s,5s,6s,7s,8s", "retry.delays", "1s,2s,3s,4s,5s,6s,7s,8s");
    check("CHATBOT_MODEL_THRESHOLD", "1", "model.threshold", "1");
    check("CHATBOT_REPLY_ALLOW", "replies.*,x", "reply.allow", "replies.*,x");
    let hosts = "Files.Example.com,*.cdn.example,http://files:8080,*";
    let shown = "files.example.com,*.cdn.example,http://files:8080,*";
    check("CHATBOT_ATTACHMENTS_HOSTS", hosts, "attachments.hosts", shown);
    check("CHATBOT_HTTP_LISTEN", "off", "http.listen", "off");
    check("CHATBOT_HTTP_LISTEN", "[::]:0", "http.listen", "[::]:0");
    check("CHATBOT_LOG_LEVEL", "info, lapin=warn", "log.level", "info,lapin=warn");
    check("CHATBOT_LOG_LEVEL", "chatbot_worker::amqp=trace", "log.level", "chatbot_worker::amqp=trace");
    check("CHATBOT_LOG_FORMAT", "json", "log.format", "json");
    check("CHATBOT_INTENTS_PATH", "/etc/bot.toml", "intents.path", "/etc/bot.toml");
}

#[test]
fn a_wrong_value_is_told_with_its_variable_its_fault_and_what_would_be_right() {
    fn check(variable: &str, value: &str, fault: &str, remedy: &str) {
        let problems = load(&[(variable, value)]).map(|_| ()).unwrap_err().to_string();
        assert!(problems.starts_with(&format!("{variable}: ")), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.contains(fault), "{problems}");
        assert!(problems.contains(remedy), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
    let url = "write amqp://USER:PASSWORD@HOST:5672/VHOST";
    check("CHATBOT_AMQP_URL", "u:s3cret@h", "doesn't begin with amqp://", url);
    check("CHATBOT_AMQP_URL", "amqp://a,http://u:s3cret@h", "entry 2 of the list", url);
    check("CHATBOT_AMQP_URL", "amqp://a,", "entry 2 of the list: it is empty", "a comma too many");
    check("CHATBOT_AMQP_URL", "amqp://u:s3,cret@h", "port isn't a number", "a comma as %2C");
    check("CHATBOT_AMQP_URL", "'amqp://u:s3cret@h'", "doesn't begin with", "leave them out");
    check("CHATBOT_AMQP_URL", "amqp://h?hartbeat=1", "unknown key, \"hartbeat\"", "heartbeat");
    check("CHATBOT_AMQP_EXCHANGE", "my.bot", "\"my.bot\" can't name", "A-Z a-z 0-9 _ -");
    check("CHATBOT_AMQP_EXCHANGE", &"x".repeat(65), "can't name", "1 to 64");
    check("CHATBOT_AMQP_TOPOLOGY", "declar", "\"declar\" isn't one of", "declare, verify");
    check("CHATBOT_AMQP_PREFETCH", "many", "\"many\" isn't a whole number", "from 1 to 65535 (default: 128)");
    check("CHATBOT_AMQP_PREFETCH", "0", "\"0\" isn't", "from 1 to 65535");
    check("CHATBOT_AMQP_PREFETCH_QUEUED", "65536", "\"65536\" isn't", "(default: 32)");
    check("CHATBOT_AMQP_HEARTBEAT", "20", "\"20\" isn't a duration", "write one from 1s to 1h, with its unit");
    check("CHATBOT_AMQP_HEARTBEAT", "1500ms", "\"1500ms\" is too fine", "a multiple of 1s");
    check("CHATBOT_AMQP_HEARTBEAT", "2h", "\"2h\" is out of range", "from 1s to 1h (default: 20s)");
    check("CHATBOT_AMQP_CONNECT_TIMEOUT", "0s", "\"0s\" is out of range", "from 1ms to 1h");
    check("CHATBOT_AMQP_CONFIRM_TIMEOUT", "soon", "\"soon\" isn't a duration", "(default: 30s)");
    check("CHATBOT_AMQP_TLS_CERT_PATH", "/x", "belong together", "CHATBOT_AMQP_TLS_KEY_PATH");
    check("CHATBOT_AMQP_TLS_KEY_PATH", "/x", "belong together", "CHATBOT_AMQP_TLS_CERT_PATH");
    check("CHATBOT_WORKER_QUEUES", "all,request", "entry 2 of the list: \"request\"", "requests");
    check("CHATBOT_WORKER_QUEUES", "intent.a.b", "\"intent.a.b\" names no queue", "intent.product_info");
    check(
        "CHATBOT_WORKER_MAX_BODY",
        "1MB",
        "\"1MB\" isn't a size",
        "from 1KiB to 64MiB, with its unit, B, KiB, MiB or GiB",
    );
    check("CHATBOT_WORKER_MAX_BODY", "1GiB", "out of range", "(default: 1MiB)");
    check(
        "CHATBOT_WORKER_MAX_BODY",
        "40MiB",
        "at least twice worker.max_body (40MiB)",
        "CHATBOT_WORKER_MEMORY_BUDGET to 80MiB",
    );
    check("CHATBOT_WORKER_MEMORY_BUDGET", "1MiB", "at least twice", "CHATBOT_WORKER_MAX_BODY to 512KiB");
    check("CHATBOT_WORKER_HANDLER_TIMEOUT", "30m", "\"30m\" is out of range", "from 1ms to 29m");
    check("CHATBOT_WORKER_DEFAULT_TTL", "never", "\"never\" isn't a duration", "ms, s, m or h, or off");
    check("CHATBOT_WORKER_SHUTDOWN_GRACE", "-1s", "\"-1s\" isn't a duration", "from 0s to 1h");
    check("CHATBOT_RETRY_DELAYS", "1s,1s", "1s follows 1s", "1s,5s,30s, or off");
    check("CHATBOT_RETRY_DELAYS", "5s,1s", "1s follows 5s", "longer than the last");
    check("CHATBOT_RETRY_DELAYS", "60s,1m", "1m follows 1m", "longer than the last");
    check("CHATBOT_RETRY_DELAYS", "none", "\"none\" isn't a duration", "or off");
    check("CHATBOT_RETRY_DELAYS", "1s,off", "entry 2 of the list: \"off\"", "or off");
    check("CHATBOT_RETRY_DELAYS", "1ms", "\"1ms\" is out of range", "from 10ms to 24h");
    check("CHATBOT_RETRY_DELAYS", "1s,2s,3s,4s,5s,6s,7s,8s,9s", "9 delays are too many", "8 at most");
    check("CHATBOT_MODEL_CHAIN", "embedded,GPT-5", "entry 2 of the list: \"GPT-5\" can't name", "such as qwen");
    check("CHATBOT_MODEL_CHAIN", "port", "\"port\" can't name a model", "choose another");
    check("CHATBOT_MODEL_CHAIN", "retry", "\"retry\" can't name a model", "choose another");
    check("CHATBOT_MODEL_CHAIN", "backend", "\"backend\" can't name a model", "choose another");
    check("CHATBOT_MODEL_CHAIN", "embedded,embedded", "'embedded' is there twice", "asked once");
    check("CHATBOT_MODEL_CHAIN", "qwen", "what 'qwen' is isn't told", "set CHATBOT_QWEN_KIND to one of openai, embed");
    check("CHATBOT_MODEL_LAST_RESORT", "none", "\"none\" isn't one of", "embedded, off");
    check(
        "CHATBOT_MODEL_THRESHOLD",
        "40%",
        "\"40%\" is neither auto nor a number from 0 to 1",
        "such as 0.5 (default: auto)",
    );
    check("CHATBOT_MODEL_TIMEOUT", "11m", "out of range", "to 10m");
    check("CHATBOT_ATTACHMENTS_HOSTS", "h,ftp://h", "entry 2 of the list: the host begins neither", "*.example.com");
    check("CHATBOT_REPLY_ALLOW", "a,,b", "entry 2 of the list: it is empty", "a comma too many");
    check("CHATBOT_REPLY_ALLOW", &"x".repeat(256), "longer than 255 bytes", "replies.*");
    check("CHATBOT_HTTP_LISTEN", "8080", "\"8080\" isn't an IP address with a port", "127.0.0.1:8080");
    check("CHATBOT_HTTP_LISTEN", "localhost:8080", "\"localhost:8080\" isn't", "or off");
    check("CHATBOT_HTTP_LISTEN", "http://u:s3cret@h", "the value isn't", "127.0.0.1:8080");
    check("CHATBOT_LOG_LEVEL", "inof", "\"inof\" isn't a level", "info,lapin=warn");
    check("CHATBOT_LOG_LEVEL", "info,lapin=loud", "\"lapin=loud\" isn't a log directive", "use error, warn, info");
    check("CHATBOT_LOG_FORMAT", "xml", "\"xml\" isn't one of", "text, json");
    check("CHATBOT_AMQP_URL_FILE", "/run/nothing", "/run/nothing can't be read", "not found");
    check("CHATBOT_AMQP_URL_FILE", "amqp://u:s3cret@h", "it names can't be read", "that goes into CHATBOT_AMQP_URL)");
    check("CHATBOT_AMQP_URL_FILE", "/run/binary", "/run/binary", "isn't UTF-8 text");
    check("CHATBOT_AMQP_URL_FILE", "/run/utf16", "/run/utf16 is UTF-16 text", "save it as UTF-8");
    check("CHATBOT_AMQP_URL_FILE", "'/run/secret'", "can't be read", "leave out the quotation marks");
    check("CHATBOT_CONFIG", "/etc/utf16.toml", "/etc/utf16.toml is UTF-16 text", "save it as UTF-8");
    check("CHATBOT_CONFIG", "\"/etc/bot.toml\"", "can't be read", "leave out the quotation marks");
    check("CHATBOT_CONFIG", "/etc/nothing.toml", "/etc/nothing.toml can't be read", "not found");
}

#[test]
fn all_problems_are_told_at_once_even_one_beneath_another() {
    let problems = load(&[
        ("CHATBOT_CONFIG", "/etc/wrong.toml"),
        ("CHATBOT_AMQP_PREFETCH", "x"),
        ("CHATBOT_AMQP_URL_FILE", "/run/wrong-url"),
        ("CHATBOT_AMQP_TLS_CERT_PATH", "/x"),
        ("CHATBOT_HTTP_LISTEN", "x"),
        ("CHATBOT_HTTP_PORT", "x"),
        ("CHATBOT_RETRY_DELAYS", "x"),
        ("CHATBOT_RETRY_DELAYS_FILE", "/run/url"),
    ]);
    let problems = problems.map(|_| ()).unwrap_err().to_string();
    let subjects: Vec<&str> = problems.lines().filter_map(|line| line.split(": ").next()).collect();
    let expected = [
        "/etc/wrong.toml:2",
        "/etc/wrong.toml:3",
        "/etc/wrong.toml:6",
        "/etc/wrong.toml:7",
        "CHATBOT_AMQP_PREFETCH",
        "CHATBOT_AMQP_TLS_CERT_PATH",
        "CHATBOT_HTTP_LISTEN",
        "CHATBOT_HTTP_PORT",
        "CHATBOT_RETRY_DELAYS",
        "CHATBOT_RETRY_DELAYS_FILE",
        "CHATBOT_AMQP_URL_FILE (the file /run/wrong-url)",
    ];
    assert_eq!(subjects, expected, "{problems}");
}

#[test]
fn values_that_stand_in_for_wrong_ones_contradict_nothing() {
    fn check(variables: &[(&str, &str)]) {
        let problems = load(variables).map(|_| ()).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{problems}");
    }
    check(&[("CHATBOT_WORKER_MAX_BODY", "40MiB"), ("CHATBOT_WORKER_MEMORY_BUDGET", "1GB")]);
    check(&[("CHATBOT_WORKER_MAX_BODY", "40MiB"), ("CHATBOT_WORKER_MEMORY_BUDGET_FILE", "/run/nothing")]);
    check(&[("CHATBOT_WORKER_MAX_BODY", "40MiB"), ("CHATBOT_CONFIG", "/etc/broken.toml")]);
}

#[test]
fn the_password_is_kept_but_shown_nowhere() {
    let variables = [("CHATBOT_AMQP_URL", "amqp://u:s3cret@h")];
    let loaded = loaded(&variables);
    assert_eq!(loaded.settings.amqp.url[0].password.expose_secret(), "s3cret");
    let variables: Variables = variables.into_iter().collect();
    let shown = format!("{loaded:?} {variables:?} {}", serde_json::to_string(&loaded.effective).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn each_problem_is_one_line_whatever_the_environment_and_the_file_hold(
        name in "[A-Z_]{0,12}|AMQP_URL|AMQP_URL_FILE|CONFIG|WORKER_QUEUES|RETRY_DELAYS|LOG_LEVEL|HTTP_LISTEN",
        value: String,
        file in "(\\[[a-z.]{1,6}\\]\n)?([a-z_.]{1,8} = (1|'[ -&(-~]{0,9}'|\\['a', 2\\]|\\{a = 1\\})\n){0,3}|.{0,40}",
    ) {
        let variables = [("CHATBOT_CONFIG".into(), "/f".into()), (format!("CHATBOT_{name}"), value)];
        let read = |_: &Path| Ok(file.clone().into_bytes());
        if let Err(problems) = Settings::load(&variables.into_iter().collect(), &read) {
            proptest::prop_assert_eq!(problems.to_string().lines().count(), problems.iter().count());
        }
    }

    #[test]
    fn no_url_breaks_the_reader_and_what_is_shown_can_be_read(url in "amqps?://[ -~]{0,30}|.{0,30}") {
        if let Ok(read) = url.parse::<AmqpUrl>() {
            let again: AmqpUrl = read.to_string().parse().unwrap();
            proptest::prop_assert_eq!(again.to_string(), read.to_string());
        }
    }
}

#[test]
fn what_is_effective_can_be_written_as_json() {
    let json = serde_json::to_value(&loaded(&[("CHATBOT_AMQP_PREFETCH", "7")]).effective).unwrap();
    let expected =
        serde_json::json!({"key": "amqp.prefetch", "value": "7", "origin": "environment CHATBOT_AMQP_PREFETCH"});
    assert!(json.as_array().unwrap().contains(&expected), "{json}");
}

#[test]
fn a_file_in_the_documented_form_is_read() {
    let read = |_: &Path| Ok(DEFAULTS.as_bytes().to_vec());
    let variables = [("CHATBOT_CONFIG", "/etc/copy.toml")].into_iter().collect();
    let loaded = Settings::load(&variables, &read).unwrap();
    let expected = Origin::File { path: "/etc/copy.toml".into(), line: 1 }.to_string();
    assert_eq!(effective(&loaded, "amqp.prefetch").1, expected);
    assert_eq!(effective(&loaded, "intents.path").1, "default");
}

#[test]
fn what_is_fetched_has_its_place_in_the_memory() {
    let variables = |hosts| {
        let size = [("CHATBOT_ATTACHMENTS_MAX_SIZE", "11MiB"), ("CHATBOT_ATTACHMENTS_HOSTS", hosts)];
        load(&size).map(|_| ()).map_err(|problems| problems.to_string())
    };
    let told = variables("files.example.com").unwrap_err();
    for part in ["at least six times", "MEMORY_BUDGET to 66MiB or more", "ATTACHMENTS_MAX_SIZE to "] {
        assert!(told.contains(part), "{told}");
    }
    // Nothing is fetched.
    assert_eq!(variables(""), Ok(()));
}
