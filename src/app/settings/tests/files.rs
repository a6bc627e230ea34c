//! Settings in files: what an editor puts around a value, and what is wrong on which line.

use super::*;

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line() {
    fn check(file: &str, expected: &[&str]) {
        let problems = load(&[("CHATBOT_CONFIG", file)]).map(|_| ()).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(&format!("{file}:{expected}")), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
    check(
        "/etc/typo.toml",
        &[
            "2: amqp.prefech: no such setting; did you mean amqp.prefetch?",
            "5: ampq.url: no such setting; did you mean amqp.url?",
        ],
    );
    check(
        "/etc/wrong.toml",
        &[
            "2: amqp.prefetch: \"0\" isn't a whole number from 1 to 65535 (default: 128)",
            "3: amqp.url: the URL doesn't begin with amqp://",
            "6: model.threshold: \"2\" is neither auto nor a number from 0 to 1",
            "7: model.timeout: a list where one value is needed",
        ],
    );
    check("/etc/broken.toml", &["2: not valid TOML: "]);
    check("/etc/flat.toml", &["1: url: a setting belongs in a section"]);
    check("/etc/deep.toml", &["1: amqp.url: neither one value nor a list"]);
    check("/etc/section.toml", &["1: amqp: a setting belongs in a section"]);
}

#[test]
fn what_a_windows_editor_or_an_env_file_puts_around_a_value_is_no_part_of_it_or_told() {
    let check = |variables: &[(&str, &str)], key: &str, expected: &str, notice: &str| {
        let loaded = loaded(variables);
        assert_eq!(effective(&loaded, key).0, expected);
        assert!(loaded.notices.concat().contains(notice), "{:?}", loaded.notices);
    };
    check(&[("CHATBOT_AMQP_URL_FILE", "/run/windows")], "amqp.url", "amqp://u:***@h:5672/%2F", "");
    check(&[("CHATBOT_CONFIG", "/etc/windows.toml")], "amqp.prefetch", "7", "");
    check(&[("CHATBOT_AMQP_EXCHANGE", "\u{feff}shop\r")], "amqp.exchange", "shop", "");
    let notice = "CHATBOT_INTENTS_PATH: the value begins and ends with quotation marks";
    check(&[("CHATBOT_INTENTS_PATH", "\"/etc/bot.toml\"")], "intents.path", "\"/etc/bot.toml\"", notice);
    let notice = "CHATBOT_INTENTS_PATH_FILE: what the file /run/quoted-path holds begins and ends with quotation marks";
    check(&[("CHATBOT_INTENTS_PATH_FILE", "/run/quoted-path")], "intents.path", "'/etc/bot.toml'", notice);
    let problems = load(&[("CHATBOT_AMQP_URL_FILE", "/run/quoted-url")]).map(|_| ()).unwrap_err().to_string();
    assert!(problems.contains("the quotation marks in the file are part of the value"), "{problems}");
    assert!(!problems.contains("s3cret"), "{problems}");
    let url = loaded(&[("CHATBOT_AMQP_URL_FILE", "/run/windows")]).settings.amqp.url;
    assert_eq!(url[0].password.expose_secret(), "s3cret");
}

#[test]
fn a_file_that_is_empty_leaves_the_setting_unset_with_a_notice() {
    let loaded = loaded(&[("CHATBOT_AMQP_URL_FILE", "/run/empty")]);
    assert_eq!(effective(&loaded, "amqp.url").1, "default");
    assert!(
        loaded.notices[0].starts_with("CHATBOT_AMQP_URL_FILE: the file /run/empty is empty"),
        "{:?}",
        loaded.notices
    );
}
