//! `check` of what the bot answers from: no broker.

use serde_json::{Value, json};

use super::{NOBODY, folder::Folder, program::Program};
use crate::stub::{Act, Seen, Stub};

const BOT: &str = r#"
fallback = "chat"
[knowledge.help]
paths = ["returns.md", "faq.csv"]
embeddings = "vectors"
[catalogue.shop]
path = "products.csv"
[intents.chat]
handler = ["llm", "template"]
llm.service = "qwen"
llm.system.en = "Be brief."
reply.en = "Please call us."
[intents.question]
handler = ["search", "template"]
search.knowledge = "help"
reply.en = "I don't know."
[intents.buy]
handler = "recommend"
recommend.catalogue = "shop"
[intents.order]
handler = "webhook"
webhook.service = "orders"
"#;

/// The second entry's other question is the first one's.
const FAQ: &str = "question,answer,questions\n\
    Do you ship abroad?,We ship to Japan and to no other country.,\n\
    When do gift cards expire?,They expire after three years.,do you ship abroad\n";

struct Bot {
    folder: Folder,
    program: Program,
}

impl Bot {
    fn new() -> Self {
        let folder = Folder::new();
        folder.file("returns.md", "# Returns\n\nA kettle can be returned within 30 days of delivery, unused.\n");
        folder.file("faq.csv", FAQ);
        folder.file("products.csv", "id,title,price\nk1,Dawn kettle,259\nk2,Glass kettle,399\n");
        let bot = folder.file("bot.toml", BOT);
        let program = Program::new().with("CHATBOT_AMQP_URL", NOBODY).with("CHATBOT_INTENTS_PATH", &bot);
        Self { folder, program }
    }

    /// With its services there.
    fn with(mut self, qwen: &str, vectors: &str, orders: &str) -> Self {
        for (name, kind, url) in
            [("QWEN", "openai", qwen), ("VECTORS", "embeddings", vectors), ("ORDERS", "webhook", orders)]
        {
            let set = |program: Program, key: &str, value: &str| program.with(&format!("CHATBOT_{name}_{key}"), value);
            self.program = set(set(self.program, "KIND", kind), "URL", url);
        }
        self.program = self.program.with("CHATBOT_QWEN_MODEL", "m").with("CHATBOT_QWEN_API_KEY", "s3cret");
        self
    }

    /// What `check` finds: of each line the check, the status, the message, what mends it.
    fn check(&self) -> Vec<Value> {
        let ended = self.program.run(&["check", "--format", "json"]);
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
    }
}

/// The lines of a check with this status.
fn of(found: &[Value], check: &str, status: &str) -> Vec<String> {
    let of = found.iter().filter(|line| line["check"] == check && line["status"] == status);
    of.map(|line| format!("{} → {}", line["message"].as_str().unwrap(), line["mend"].as_str().unwrap_or("-"))).collect()
}

fn service(seen: &Seen) -> Act {
    match seen.path.as_str() {
        "/chat/completions" => Act::completion("H"),
        "/embeddings" => Act::json(json!({"data": [{"index": 0, "embedding": [0.5, 0.5]}]})),
        other => panic!("nobody calls {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bot_answers_from_is_told_and_each_service_is_asked_for_the_least() {
    let stub = Stub::start(service).await;
    let bot = Bot::new().with(&stub.url, &stub.url, &format!("{}/orders", stub.url));
    let found = bot.check();
    assert_eq!(of(&found, "documents", "ok"), ["'help': 3 passages of 2 files → -"]);
    let unfound = of(&found, "documents", "warn");
    assert!(unfound[0].contains("'help': of 3 questions of your own, 1 aren't answered"), "{unfound:?}");
    assert!(unfound[0].contains("'do you ship abroad' (faq.csv, line 3) doesn't find its answer"), "{unfound:?}");
    assert_eq!(of(&found, "catalogue", "ok"), ["'shop': 2 items; the price is 'price' → -"]);
    let services = of(&found, "service", "ok");
    let said = [
        "'orders' (webhook) can be reached; it isn't called",
        "'qwen' (openai) answers",
        "'vectors' (embeddings) makes vectors",
    ];
    assert!(
        services.len() == 3 && services.iter().zip(said).all(|(line, said)| line.starts_with(said)),
        "{services:?}"
    );
    let seen = stub.seen();
    assert_eq!(seen.len(), 2, "each once, and the webhook not at all: {seen:?}");
    let asked = seen.iter().find(|seen| seen.path == "/chat/completions").unwrap();
    assert!(asked.headers.contains("authorization: bearer s3cret"), "{asked:?}");
    assert_eq!(
        asked.body["max_tokens"].as_u64().or(asked.body["max_completion_tokens"].as_u64()),
        Some(1),
        "{}",
        asked.body
    );

    let warned = of(&found, "service", "warn");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("'orders' (webhook) has no secret") && warned[0].contains("CHATBOT_ORDERS_SECRET"),
        "{warned:?}"
    );
    let intents =
        of(&found, "intents", "warn").into_iter().filter(|line| line.contains("fallback")).collect::<Vec<_>>();
    assert_eq!(intents.len(), 1, "{found:?}");
    assert!(intents[0].contains("'chat', which looks into no documents; 'question' does"), "{intents:?}");
    assert!(intents[0].contains("set fallback = \"question\""), "{intents:?}");
    // Nothing is classified, which is no fault.
    assert!(
        of(&found, "model", "fail").is_empty() && of(&found, "model", "ok")[0].contains("'chat' gets all"),
        "{found:?}"
    );

    // With all of that mended, nothing is left to be said of it.
    bot.folder.file("bot.toml", &BOT.replace("fallback = \"chat\"", "fallback = \"question\""));
    bot.folder.file("faq.csv", &FAQ.replace("years.,do you ship abroad", "years.,"));
    let bot = Bot { program: bot.program.with("CHATBOT_ORDERS_SECRET", "geheim"), ..bot };
    let found = bot.check();
    for check in ["documents", "catalogue", "service"] {
        assert_eq!((of(&found, check, "warn"), of(&found, check, "fail")), (vec![], vec![]), "{found:?}");
    }
    assert!(!of(&found, "intents", "warn").iter().any(|line| line.contains("fallback")), "{found:?}");
    let text = bot.program.run(&["check"]).out;
    assert!(text.contains("ok    documents    'help': 3 passages of 2 files\n"), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("geheim"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_fault_is_told_with_what_to_set_and_fails_where_nobody_stands_in() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/chat/completions" => Act::Answer(401, "", json!({"error": {"message": "no such key s3cret"}}).to_string()),
        _ => Act::status(500),
    })
    .await;
    let bot = Bot::new().with(&stub.url, &stub.url, "http://127.0.0.1:1/orders");
    let bot = Bot {
        program: bot.program.with("CHATBOT_NOTES_KIND", "webhook").with("CHATBOT_NOTES_URL", "http://127.0.0.1:1"),
        ..bot
    };
    let found = bot.check();
    let warned = of(&found, "service", "warn");
    let line =
        |words: &str| warned.iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {warned:?}"));
    let qwen = line("'qwen'");
    assert!(qwen.contains("it answered 401") && qwen.contains("is the key right?"), "{qwen}");
    assert!(
        qwen.contains("Look at CHATBOT_QWEN_API_KEY") && qwen.contains("The next handler answers meanwhile"),
        "{qwen}"
    );
    assert!(!qwen.contains("s3cret"), "{qwen}");
    assert!(line("'vectors'").contains("Words and the built-in vectors find meanwhile"), "{warned:?}");
    let nobody = line("nobody asks 'notes' (webhook)");
    assert!(nobody.contains("unset CHATBOT_NOTES_KIND"), "{nobody}");
    let failed = of(&found, "service", "fail");
    assert!(failed.len() == 1 && failed[0].contains("'orders' can't be reached"), "{failed:?}");
    assert!(failed[0].contains("set CHATBOT_ORDERS_URL") && failed[0].contains("nobody else to answer"), "{failed:?}");
    assert_eq!(bot.program.run(&["check"]).code, Some(78));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_takes_no_longer_than_its_answers_may() {
    let stub = Stub::start(|_| Act::Hang).await;
    let bot = Bot::new().with(&stub.url, &stub.url, &stub.url);
    let program =
        bot.program.with("CHATBOT_QWEN_ANSWER_TIMEOUT", "200ms").with("CHATBOT_VECTORS_ANSWER_TIMEOUT", "200ms");
    let found = Bot { program, ..bot }.check();
    let warned = of(&found, "service", "warn");
    let told = |name: &str| {
        warned.iter().any(|line| {
            line.contains(&format!("'{name}' took too long"))
                && line.contains(&format!("CHATBOT_{}_ANSWER_TIMEOUT", name.to_uppercase()))
        })
    };
    assert!(told("qwen") && told("vectors"), "{warned:?}");
    // It takes connections, and nothing more was asked of it.
    assert!(of(&found, "service", "ok").iter().any(|line| line.contains("'orders'")), "{found:?}");
}

#[test]
fn documents_a_catalogue_and_names_with_faults_are_all_told() {
    let bot = Bot::new();
    bot.folder.file("faq.csv", "question,answer\nDo you ship?,\"We\n");
    bot.folder.file("products.csv", "id,title,price\nk1,\"Dawn,259\n");
    let found = bot.check();
    let failed = of(&found, "intents", "fail");
    for said in [
        "faq.csv",
        "products.csv",
        "there is no service 'orders': set CHATBOT_ORDERS_KIND to webhook",
        "there is no service 'qwen'",
    ] {
        assert!(failed.iter().any(|line| line.contains(said)), "{said:?} isn't told: {failed:#?}");
    }
}

#[test]
fn prices_in_several_currencies_are_told_with_their_first_lines() {
    let bot = Bot::new();
    bot.folder.file("products.csv", "id,title,price\n1,Sun lamp,20 USD\n2,Moon lamp,¥100\n3,Star lamp,HK$80\n");
    let found = bot.check();
    let warned = of(&found, "catalogue", "warn");
    assert_eq!(warned.len(), 1, "{found:?}");
    let said = "'shop': prices in several currencies (USD, CNY, HKD): they are compared as numbers: \
                USD (products.csv, line 2); CNY (products.csv, line 3)";
    assert!(warned[0].starts_with(said), "{warned:?}");
}

#[test]
fn prices_that_are_no_numbers_are_told_with_their_lines() {
    let bot = Bot::new();
    bot.folder.file("products.csv", "id,title,price\n1,Sun lamp,500\n2,Moon lamp,ask us\n3,Star lamp,70\n");
    let found = bot.check();
    let warned = of(&found, "catalogue", "warn");
    assert_eq!(warned.len(), 1, "{found:?}");
    assert!(warned[0].starts_with("'shop': 1 price is no number and counts as none: 'ask us' (products.csv, line 3)"));
    assert_eq!(of(&found, "catalogue", "ok"), ["'shop': 3 items; the price is 'price' → -"]);
    bot.folder.file("products.csv", "id,title\n1,Sun lamp\n");
    let told = of(&bot.check(), "catalogue", "ok");
    assert!(told[0].starts_with("'shop': 1 item; no column is a price: who says what it may cost"), "{told:?}");
}
