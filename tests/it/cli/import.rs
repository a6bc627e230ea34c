//! `import` of other programs' exports: no broker.

use std::fs;

use serde_json::{Value, json};

use super::{folder::Folder, program::Program};

/// What Dialogflow exports is a folder, of which the files' names are a part.
#[test]
fn an_agent_of_dialogflow_becomes_a_bot_in_both_languages() {
    let folder = Folder::new();
    let phrases = |texts: &[&str]| {
        let phrase = |text: &&str| {
            let (before, named) = text.split_once('|').unwrap();
            json!({"isTemplate": false, "data": [
                {"text": before}, {"text": named, "meta": "@product", "alias": "product"}]})
        };
        Value::from(texts.iter().map(phrase).collect::<Vec<_>>()).to_string()
    };
    let intent = |name: &str, english: &str, chinese: &str| {
        let messages = json!([
            {"type": "0", "lang": "en", "speech": [english]}, {"type": "0", "lang": "zh-cn", "speech": [chinese]}]);
        let parameters = json!([{"name": "product", "dataType": "@product"}]);
        let responses = json!([{"messages": messages, "parameters": parameters}]);
        json!({"name": name, "webhookUsed": false, "responses": responses}).to_string()
    };
    let kettle = r#"[{"value": "kettle", "synonyms": ["kettle", "kettles"]}]"#;
    fs::create_dir(folder.path("intents")).unwrap();
    for (name, content) in [
        ("agent.json", r#"{"displayName": "Shop", "language": "en", "supportedLanguages": ["zh-cn"]}"#.to_owned()),
        ("product.json", r#"{"name": "product", "isEnum": false, "isRegexp": false}"#.to_owned()),
        ("product_entries_en.json", kettle.to_owned()),
        ("product_entries_zh-cn.json", r#"[{"value": "kettle", "synonyms": ["水壶"]}]"#.to_owned()),
        ("intents/order.where.json", intent("order.where", "Your $product comes.", "您的$product在路上。")),
        (
            "intents/order.where_usersays_en.json",
            phrases(&[
                "where is my |kettle",
                "track my |kettles",
                "when comes my |kettle",
                "status of my |kettle",
                "find my |kettle",
            ]),
        ),
        (
            "intents/order.where_usersays_zh-cn.json",
            phrases(&["我的|水壶", "查一下我的|水壶", "什么时候到，我的|水壶", "订单里的|水壶", "在哪里，我的|水壶"]),
        ),
        ("intents/return.json", intent("return", "Send it back.", "请寄回。")),
        (
            "intents/return_usersays_en.json",
            phrases(&[
                "I return the |kettle",
                "take back the |kettles",
                "refund the |kettle",
                "send back a |kettle",
                "money back for the |kettle",
            ]),
        ),
    ] {
        folder.file(name, &content);
    }
    let out = folder.path("bot.toml");
    let ended = Program::new().run(&["import", &folder.path(""), "--out", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let made = fs::read_to_string(&out).unwrap();
    for there in [
        "[intents.order_where]\nlabels = [\"order.where\"]",
        "reply.en = \"Your {{ entities[\\\"product\\\"] }} comes.\"\nreply.zh = \"您的{{ entities[\\\"product\\\"] }}在路上。\"",
        "reply.en = \"Send it back.\"\nreply.zh = \"请寄回。\"",
        "values.\"kettle\" = [\"kettles\", \"水壶\"]",
    ] {
        assert!(made.contains(there), "{there} isn't in {made}");
    }
    fs::rename(folder.path("intents/return_usersays_en.json"), folder.path("intents/return.texts.json")).unwrap();
    fs::remove_file(&out).unwrap();
    Program::new()
        .run(&["import", &folder.path("")])
        .failed(65, &["return.texts.json: line 1", "the file's name doesn't tell of which"]);
    Program::new().run(&["import", &folder.file("agent.zip", "PK")]).failed(65, &["agent.zip: this is an archive"]);
}
