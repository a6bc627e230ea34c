//! Sections of models and of other services.

use super::*;

/// The settings of a model that is right, with one of them changed or added.
fn qwen<'a>(variable: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut variables = vec![
        ("CHATBOT_MODEL_CHAIN", "qwen,embedded"),
        ("CHATBOT_QWEN_KIND", "openai"),
        ("CHATBOT_QWEN_URL", "https://h/v1"),
        ("CHATBOT_QWEN_MODEL", "m"),
    ];
    variables.retain(|(name, _)| *name != variable);
    variables.push((variable, value));
    variables
}

#[test]
fn a_model_named_in_the_chain_has_a_section_of_its_own() {
    let loaded = loaded(&qwen("CHATBOT_QWEN_API_KEY", "s3cret"));
    let kind = ("openai".into(), "environment CHATBOT_QWEN_KIND".into());
    assert_eq!(effective(&loaded, "qwen.kind"), kind);
    assert_eq!(effective(&loaded, "qwen.api_key").0, "***");
    assert_eq!(effective(&loaded, "qwen.timeout"), ("3s".into(), "default".into()));
    assert_eq!(loaded.settings.backend["qwen"].api_key.as_ref().unwrap().expose(), "s3cret");
    assert_eq!(loaded.effective.iter().find(|setting| setting.key.starts_with("backend")), None);
    assert!(!format!("{loaded:?}").contains("s3cret"));
}

#[test]
fn a_file_may_have_sections_of_models_that_a_variable_leaves_out_of_the_chain() {
    let file = "[model]\nchain = [\"a\", \"b\"]\n[a]\nkind = \"rasa\"\nurl = \"http://a\"\n\
                [b]\nkind = \"tei\"\nurl = \"http://b?key=s3cret\"\ntimeout = \"1s\"";
    let read = |_: &Path| Ok(file.as_bytes().to_vec());
    let variables = [("CHATBOT_CONFIG", "/f"), ("CHATBOT_MODEL_CHAIN", "b"), ("CHATBOT_B_BATCH", "7")];
    let loaded = Settings::load(&variables.into_iter().collect(), &read).unwrap();
    let links: Vec<String> = loaded.settings.model.links().map(ToString::to_string).collect();
    assert_eq!(links, ["b", "embedded"]);
    assert_eq!(effective(&loaded, "b.timeout").0, "1s");
    assert_eq!(effective(&loaded, "b.batch").0, "7");
    assert_eq!(effective(&loaded, "b.url").0, "http://b/?***");
}

#[test]
fn what_is_set_for_all_models_holds_for_those_that_do_not_say_otherwise() {
    let mut variables = qwen("CHATBOT_BACKEND_TIMEOUT", "7s");
    variables.extend([("CHATBOT_BACKEND_RETRIES", "9"), ("CHATBOT_QWEN_RETRIES", "off")]);
    let loaded = loaded(&variables);
    assert_eq!(effective(&loaded, "qwen.timeout"), ("7s".into(), "environment CHATBOT_BACKEND_TIMEOUT".into()));
    assert_eq!(effective(&loaded, "qwen.retries"), ("off".into(), "environment CHATBOT_QWEN_RETRIES".into()));
}

#[test]
fn a_wrong_value_of_a_model_is_told_as_any_other() {
    fn check(variable: &str, value: &str, fault: &str, remedy: &str) {
        let problems = load(&qwen(variable, value)).map(|_| ()).unwrap_err().to_string();
        assert!(problems.starts_with(&format!("{variable}: ")), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.contains(fault) && problems.contains(remedy), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
    check(
        "CHATBOT_QWEN_KIND",
        "opnai",
        "\"opnai\" isn't one of",
        "openai, embeddings, rasa, tei, http, keywords, webhook",
    );
    check("CHATBOT_QWEN_URL", "h/s3cret", "the URL can't be read", "https://api.example.com/v1");
    check("CHATBOT_QWEN_API_KEY", "s3cret\nx", "no key has", "a line break");
    check("CHATBOT_QWEN_API_KEY_HEADER", "a b", "can't name a header", "x-api-key");
    check("CHATBOT_QWEN_FORMAT", "xml", "\"xml\" isn't one of", "json_schema");
    check("CHATBOT_QWEN_EXTRA", "[1]", "no JSON object", "enable_thinking");
    check("CHATBOT_QWEN_TIMEOUT", "11m", "out of range", "(default: 3s)");
    check("CHATBOT_QWEN_MIN_CONFIDENCE", "2", "isn't a number from 0 to 1", "such as 0.5");
    check("CHATBOT_QWEN_BODY", "{}", "the kind openai has no use for", "unset it");
    check("CHATBOT_QWEN_RULES_PATH", "/x", "the kind openai has no use for", "unset it");
    check("CHATBOT_QWEN_TIMEOT", "1s", "no such setting", "did you mean CHATBOT_QWEN_TIMEOUT?");
    check("CHATBOT_QWEN_HOST", "s3cret", "no such setting", "CHATBOT_QWEN_ goes on with one of");
    check("CHATBOT_QVEN_URL", "https://h", "no such setting", "did you mean CHATBOT_QWEN_URL?");
    check("CHATBOT_DEEPSEEK_URL", "https://h", "no such setting", "if CHATBOT_DEEPSEEK_KIND said what 'deepseek' is");
    check("CHATBOT_MY_NOTES_URL", "https://h", "no such setting", "has no underscore: write CHATBOT_MYNOTES_URL");
    check("CHATBOT_QWEN_TOKENS_A_DAY", "0", "\"0\" isn't a whole number", "from 1 to 1000000000000, or off");
    check("CHATBOT_QWEN_SECRET", "s3cret", "the kind openai has no use for", "unset it");
    check("CHATBOT_QWEN_IDEMPOTENT", "yes", "\"yes\" isn't one of", "true, false");
    check("CHATBOT_QWEN_ANSWER_TIMEOUT", "30m", "out of range", "to 29m (default: 20s)");
    check("CHATBOT_BACKEND_TIMEOUT", "11m", "out of range", "(default: 3s)");
    check("CHATBOT_BACKEND_TIMEOT", "1s", "no such setting", "did you mean CHATBOT_BACKEND_TIMEOUT?");
}

#[test]
fn a_section_that_says_its_kind_is_a_service_whether_or_not_it_is_a_model() {
    let loaded = loaded(&[
        ("CHATBOT_NOTES_KIND", "webhook"),
        ("CHATBOT_NOTES_URL", "http://h"),
        ("CHATBOT_NOTES_SECRET", "s3cret"),
        ("CHATBOT_NOTES_IDEMPOTENT", "true"),
        ("CHATBOT_BACKEND_ANSWER_TIMEOUT", "7s"),
    ]);
    assert_eq!(effective(&loaded, "notes.answer_timeout").0, "7s");
    assert_eq!(effective(&loaded, "notes.secret").0, "***");
    let notes = &loaded.settings.backend["notes"];
    assert!(notes.kind == Some(Kind::Webhook) && notes.idempotent.get());
    assert_eq!(loaded.settings.model.chain.len(), 1);
    assert!(!format!("{loaded:?}").contains("s3cret"));
    // Of a file too, where a variable adds to it.
    let file = "[notes]\nkind = \"webhook\"\nurl = \"http://a\"\nidempotent = true\nanswer_tokens = 7";
    let read = |_: &Path| Ok(file.as_bytes().to_vec());
    let variables = [("CHATBOT_CONFIG", "/f"), ("CHATBOT_NOTES_URL", "http://b")];
    let loaded = Settings::load(&variables.into_iter().collect(), &read).unwrap();
    assert_eq!(effective(&loaded, "notes.url").0, "http://b/");
    assert_eq!(loaded.settings.backend["notes"].answer_tokens.get().get(), 7);
}

#[test]
fn a_service_that_can_not_be_what_it_is_named_for_is_told() {
    fn check(variables: &[(&str, &str)], expected: &[&str]) {
        let mut all = vec![("CHATBOT_NOTES_KIND", "webhook"), ("CHATBOT_NOTES_URL", "http://h")];
        all.retain(|(name, _)| variables.iter().all(|(changed, _)| changed != name));
        all.extend_from_slice(variables);
        let problems = load(&all).map(|_| ()).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected);
    }
    check(
        &[("CHATBOT_MODEL_CHAIN", "notes")],
        &["CHATBOT_MODEL_CHAIN: 'notes' is of the kind webhook, which doesn't classify: take it out of \
           CHATBOT_MODEL_CHAIN"],
    );
    check(
        &[("CHATBOT_WORKER_HANDLER_TIMEOUT", "10s")],
        &["CHATBOT_WORKER_HANDLER_TIMEOUT: an answer of 'notes' may take 20s, and a handler no longer than 10s: set \
           CHATBOT_NOTES_ANSWER_TIMEOUT to less, or CHATBOT_WORKER_HANDLER_TIMEOUT to more"],
    );
    check(
        &[("CHATBOT_NOTES_URL", ""), ("CHATBOT_NOTES_MODEL", "m")],
        &[
            "CHATBOT_NOTES_KIND: the kind webhook needs CHATBOT_NOTES_URL: set it",
            "CHATBOT_NOTES_MODEL: the kind webhook has no use for CHATBOT_NOTES_MODEL: unset it",
        ],
    );
    check(
        &[("CHATBOT_NOTES_KIND", "webhok")],
        &["CHATBOT_NOTES_KIND: \"webhok\" isn't one of: openai, embeddings, rasa, tei, http, keywords, webhook, \
           transcription"],
    );
    let unlike = "no such setting; it would be one if CHATBOT_NOTES_KIND said what 'notes' is: set that";
    check(&[("CHATBOT_NOTES_KIND", "")], &[&format!("CHATBOT_NOTES_URL: {unlike}")]);
    // A model that also answers takes what time a handler has.
    let mut both = qwen("CHATBOT_WORKER_HANDLER_TIMEOUT", "10s");
    both.push(("CHATBOT_QWEN_TOKENS_A_DAY", "1000000"));
    assert!(load(&both).is_ok());
}

#[test]
fn a_section_of_a_file_that_can_not_name_a_service_is_told_with_a_name_that_can() {
    fn check(section: &str, expected: &str) {
        let file = format!("[{section}]\nkind = \"webhook\"");
        let read = |_: &Path| Ok(file.clone().into_bytes());
        let problems = Settings::load(&[("CHATBOT_CONFIG", "/f")].into_iter().collect(), &read).unwrap_err();
        assert_eq!(problems.to_string(), format!("/f:2: {section}.kind: no such setting; {expected}"));
    }
    check("shop_notes", "the name of such a section has no underscore: write shopnotes.kind");
    check("service", "'service' can't name such a section: choose another name, of a-z and 0-9");
}

#[test]
fn what_a_model_lacks_is_told_where_it_is_named() {
    fn check(kind: &str, expected: &[&str]) {
        let problems = load(&[("CHATBOT_MODEL_CHAIN", "x"), ("CHATBOT_X_KIND", kind)]).map(|_| ()).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, variable) in problems.iter().zip(expected) {
            let expected = format!("CHATBOT_X_KIND: the kind {kind} needs {variable}: set it");
            assert_eq!(problem, &expected);
        }
    }
    check("openai", &["CHATBOT_X_MODEL", "CHATBOT_X_URL"]);
    check("embeddings", &["CHATBOT_X_URL"]);
    check("http", &["CHATBOT_X_BODY", "CHATBOT_X_INTENT_POINTER", "CHATBOT_X_URL"]);
    check("keywords", &["CHATBOT_X_RULES_PATH"]);
}

#[test]
fn what_hears_has_the_time_of_an_answer_and_what_looks_is_a_language_model() {
    let ears = |more: (&'static str, &'static str)| {
        load(&[("CHATBOT_EARS_KIND", "transcription"), ("CHATBOT_EARS_URL", "http://h/v1"), more])
    };
    let loaded = ears(("CHATBOT_EARS_EXTRA", "{\"language\": \"zh\"}")).unwrap();
    assert_eq!(loaded.settings.backend["ears"].answer_timeout.get().as_secs(), 20);
    for (more, fault) in [
        (("CHATBOT_EARS_ANSWER_TIMEOUT", "31s"), "an answer of 'ears' may take 31s, and a handler no longer than 30s"),
        (("CHATBOT_EARS_IMAGES", "true"), "the kind transcription has no use for CHATBOT_EARS_IMAGES: unset it"),
    ] {
        let told = ears(more).map(|_| ()).unwrap_err().to_string();
        assert!(told.contains(fault), "{told}");
    }
    let eyes = self::loaded(&qwen("CHATBOT_QWEN_IMAGES", "true"));
    assert!(eyes.settings.backend["qwen"].images.get());
}
