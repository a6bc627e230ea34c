//! Who answers an intent, and the documents and catalogues that they answer from.

use super::*;

#[test]
fn handlers_are_a_name_or_a_list_with_what_each_has_to_know() {
    let more = r#"
[intents.a]
handler = ["search", "llm", "template"]
search.knowledge = "help"
llm.service = "qwen"
llm.knowledge = "help"
llm.system.zh = "你是{{ sender }}的客服。"
llm.system.en = "Be brief."
reply.en = "Hi"
[intents.b]
handler = ["recommend", "external"]
recommend = { catalogue = "shop", limit = 5, group = "brand" }
[intents.c]
handler = ["translate", "webhook"]
translate = { service = "qwen", to = "zh", glossary = "terms.csv" }
webhook.service = "orders"
[intents.d]
handler = "search"
dispatch = "queue"
search.knowledge = "help"
[knowledge.help]
paths = ["help/*.md", "faq.csv"]
embeddings = "vectors"
[catalogue.shop]
path = "products.csv"
"#;
    let file = parse(&format!("{SOUND}{more}")).unwrap().file;
    let [a, b, c, d] =
        ["a", "b", "c", "d"].map(|name| file.intents.iter().find(|intent| intent.name.as_str() == name).unwrap());
    let name = |name: &str| Name { name: name.into(), position: Position { line: 0, column: 0 } };
    let llm = LlmDefinition {
        service: name("qwen"),
        system: vec![("zh".into(), "你是{{ sender }}的客服。".into()), ("en".into(), "Be brief.".into())],
        knowledge: Some(name("help")),
        history: 10,
    };
    assert_eq!(
        a.handlers,
        [
            HandlerDefinition::Search { knowledge: name("help") },
            HandlerDefinition::Llm(llm),
            HandlerDefinition::Template { replies: vec![("en".into(), "Hi".into())] },
        ]
    );
    assert_eq!((a.dispatch, a.external), (Dispatch::Queue, false), "one of them waits for a service");
    let recommend = RecommendDefinition {
        catalogue: name("shop"),
        limit: 5.try_into().unwrap(),
        prior: None,
        group: Some(name("brand")),
    };
    assert_eq!(b.handlers, [HandlerDefinition::Recommend(recommend)]);
    assert_eq!((b.dispatch, b.external), (Dispatch::Inline, true), "its queue is another program's");
    let translate =
        TranslateDefinition { service: name("qwen"), to: Some(name("zh")), glossary: Some(name("terms.csv")) };
    assert_eq!(
        c.handlers,
        [HandlerDefinition::Translate(translate), HandlerDefinition::Webhook { service: name("orders") }]
    );
    assert_eq!((d.dispatch, d.external), (Dispatch::Queue, false), "as the file says");
    let paths = vec![name("help/*.md"), name("faq.csv")];
    assert_eq!(file.knowledge, [KnowledgeDefinition { name: name("help"), paths, embeddings: Some(name("vectors")) }]);
    assert_eq!(file.catalogues, [CatalogueDefinition { name: name("shop"), path: name("products.csv") }]);
}

#[test]
fn a_bot_of_documents_needs_no_examples() {
    let bot = |handler: &str| {
        format!(
            "fallback = \"all\"\n[knowledge.help]\npaths = [\"a.md\"]\n[intents.all]\n{handler}\nreply.en = \"Hi\"\n"
        )
    };
    let file = parse(&bot("handler = [\"search\", \"template\"]\nsearch.knowledge = \"help\"")).unwrap().file;
    assert_eq!(file.intents.len(), 1);
    let faults = parse(&bot("")).unwrap_err().faults;
    assert!(matches!(faults[..], [Finding { problem: Problem::TooFewTrained(0), .. }]), "{faults:?}");
}

#[test]
fn faults_of_handlers() {
    faults_after(
        r#"
[intents.a]
handler = ["serch", "llm", "llm", 5]
llm.servce = "qwen"
[intents.b]
handler = ["external", "template"]
reply.en = "Hi"
[intents.c]
handler = ["search"]
search.knowledge = "hlp"
llm.service = "qwen"
reply.en = "Hi"
[intents.d]
handler = []
reply.en = "Hi"
[intents.e]
handler = ["search", "external"]
dispatch = "queue"
[intents.f]
handler = "recommend"
recommend = { catalogue = "shop", limit = 0 }
[intents.g]
handler = "llm"
llm.service = " "
llm.system.en = "{{ sendr }}"
llm.system.cn = "{% if %}"
[intents.h]
handler = "webhook"
webhook = "orders"
[knowledge.help]
paths = "a.md"
embedings = "x"
[knowledge.faq]
paths = []
"#,
        r#"
line 10, column 10: intent 'a': the handler 'llm' needs llm.service: write it into the intent
line 11, column 12: intent 'a': there is no handler 'serch': did you mean 'search'?
line 11, column 28: intent 'a': the handler 'llm' is there twice: take one out
line 11, column 35: intent 'a': handler must be a text in quotes, and this is a number
line 12, column 5: intent 'a': there is no key 'servce': did you mean 'service'?
line 14, column 12: intent 'b': "external" has to be the last of the handlers: what reaches the other program doesn't come back
line 18, column 20: intent 'c': there is no knowledge 'hlp': did you mean 'help'?
line 19, column 1: intent 'c': none of its handlers is 'llm': take this out, or add "llm" to the handlers
line 20, column 1: intent 'c': none of its handlers is a template, so nobody says this: take it out, or add "template" to the handlers
line 22, column 11: intent 'd': the list of handlers is empty: write such as ["search", "template"]
line 24, column 10: intent 'e': the handler 'search' needs search.knowledge: write it into the intent
line 26, column 12: intent 'e': another program takes what is in the intent's queue, so its handlers here are asked before: take out dispatch
line 29, column 27: intent 'f': there is no catalogue 'shop': write a table [catalogue.shop]
line 29, column 43: intent 'f': recommend.limit takes a whole number from 1 to 50
line 32, column 15: intent 'g': llm.service is empty: write a name, or take it out
line 33, column 17: intent 'g': llm.system.en: no variable is called 'sendr': there are 'text', 'intent', 'confidence', 'sender', 'receiver', 'conversation', 'locale', 'metadata', 'entities', 'slots', 'labels'
line 34, column 12: intent 'g': 'cn' is no language tag: Chinese is zh
line 34, column 17: intent 'g': llm.system.cn: line 1 of the text: unexpected end of block
line 37, column 11: intent 'h': webhook must be a table: write webhook.service = "…", and this is a text
line 39, column 9: knowledge.help.paths must be a list of files, and this is a text
line 40, column 1: there is no key 'embedings': did you mean 'embeddings'?
line 41, column 12: knowledge.faq.paths is missing: write such as paths = ["help/*.md", "faq.csv"]
"#,
    );
}

#[test]
fn one_service_hears_for_the_whole_bot() {
    let file = parse(&format!("transcription = \" ears \"\n{SOUND}")).unwrap().file;
    assert_eq!(file.transcription, Some(Name { name: "ears".into(), position: Position { line: 0, column: 0 } }));
    assert_eq!(file.transcription.map(|name| name.position), Some(Position { line: 1, column: 17 }));
    assert_eq!(parse(SOUND).unwrap().file.transcription, None);
    for (wrong, fault) in [("5", "transcription must be a text in quotes, and this is a number"), ("\"\"", "is empty")]
    {
        let told = parse(&format!("transcription = {wrong}\n{SOUND}")).unwrap_err().to_string();
        assert!(told.contains(fault), "{told}");
    }
}

#[test]
fn handlers_that_are_never_asked_and_a_fallback_that_may_be_silent_are_warned_of() {
    let rest = r#"
examples.en = ["1", "2", "3", "4", "5"]
search.knowledge = "help"
[knowledge.help]
paths = ["a.md"]
"#;
    warnings_after(
        &format!("[intents.a]\nhandler = [\"template\", \"search\"]\nreply.en = \"Hi\"\nreply.zh = \"你好\"{rest}"),
        r#"
line 11, column 11: intent 'a': the template before 'search' answers every text, so 'search' is asked of none: put "template" last
"#,
    );
    // One that says nothing without an order leaves the rest to the next.
    let reply = "reply.en = \"{% if entities.order %}Ordered.{% endif %}\"";
    let order = "[entities.order]\nkind = \"number\"\n";
    warnings_after(&format!("[intents.a]\nhandler = [\"template\", \"search\"]\n{reply}{rest}{order}"), "");
    let fallback = |handlers: &str| {
        let help = format!("[intents.help]\nhandler = {handlers}\nsearch.knowledge = \"help\"");
        let bot = SOUND.replace("[intents.help]", &help) + "[knowledge.help]\npaths = [\"a.md\"]\n";
        let bot = if handlers.contains("template") { bot } else { bot.replace("reply.en = \"I can help.\"\n", "") };
        lines(&parse(&bot).unwrap().warnings)
    };
    assert_eq!(fallback("[\"search\", \"template\"]"), "");
    assert_eq!(fallback("[\"search\", \"external\"]"), "");
    let told = fallback("\"search\"");
    assert!(
        told.starts_with("line 3, column 11: intent 'help': it is the fallback, and none of its handlers"),
        "{told}"
    );
}
