//! Models in a chain: which of them is asked, and which answers.

use super::*;
use crate::support::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn the_next_model_is_asked_only_where_one_is_not_sure() {
    let stub = Stub::start(|_| Act::completion(r#"{"intent": "product_info"}"#)).await;
    let url = ("URL", stub.url.as_str());
    let unsure = ("CHATBOT_MODEL_THRESHOLD", "0.6");
    let model = model_of("embedded,x", &[&OPENAI[..], &[url, unsure]].concat());
    assert_eq!(&*ask(&*model, "refund me please").await.unwrap().model, "embedded");
    assert_eq!(stub.seen().len(), 0);
    assert_eq!(&*ask(&*model, "zzz qqq").await.unwrap().model, "x");
    let sure = ask(&*model, "refund me please").await.unwrap();
    let lead = sure.ranking[0].confidence - sure.ranking[1].confidence;
    assert!(lead < 1.0);
    // As sure as never, by either measure.
    for strict in ["CHATBOT_EMBEDDED_MIN_CONFIDENCE", "CHATBOT_EMBEDDED_MIN_MARGIN"] {
        let model = model_of("embedded,x", &[&OPENAI[..], &[url, (strict, "1")]].concat());
        assert_eq!(&*ask(&*model, "refund me please").await.unwrap().model, "x", "{strict}");
    }
    // The next one fails: what the first wasn't sure of is better than nothing.
    drop(stub);
    let model = model_of("embedded,x", &[&OPENAI[..], &[("URL", "http://127.0.0.1:1"), unsure]].concat());
    let unsure = ask(&*model, "zzz qqq").await.unwrap();
    assert_eq!((&*unsure.model, best(&unsure).1 < 0.6), ("embedded", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_come_first_and_texts_that_they_do_not_know_go_on() {
    let rules = std::env::temp_dir().join(format!("rules-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&rules, "[[rule]]\nintent = \"refund\"\nwords = [\"kettle\"]\n").unwrap();
    let model = model_of("x", &[("KIND", "keywords"), ("RULES_PATH", rules.to_str().unwrap())]);
    let prediction = ask(&*model, "tell me about the kettle").await.unwrap();
    assert_eq!((&*prediction.model, best(&prediction)), ("x", ("refund", 1.0)));
    let prediction = ask(&*model, "我想查询产品规格").await.unwrap();
    assert_eq!((&*prediction.model, best(&prediction).0), ("embedded", "product_info"));
    std::fs::remove_file(rules).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deadline_holds_for_the_whole_chain_and_the_last_model_has_its_share() {
    let stub = Stub::start(|_| Act::Hang).await;
    let settings = [&OPENAI[..], &[("URL", stub.url.as_str()), ("TIMEOUT", "1m")]].concat();
    let model = model_of("x", &settings);
    let query = Query { text: "refund me please", locale: None, deadline: Instant::now() + Duration::from_secs(2) };
    // When exactly the next is asked, the chain's own tests tell.
    assert_eq!(&*model.classify(&query).await.unwrap().model, "embedded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_cut_off_in_the_middle_fails_no_request() {
    let stub = Stub::start(|_| {
        Act::Late(Duration::from_millis(20), Box::new(Act::completion(r#"{"intent": "product_info"}"#)))
    })
    .await;
    let model = model_of("x", &[&OPENAI[..], &[("URL", stub.url.as_str())]].concat());
    let mut bench = Bench::new();
    bench.parts.model = model;
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let (count, mut stub) = (300, Some(stub));
    for number in 0..count {
        if number == count / 2 {
            // With requests under way.
            drop(stub.take());
        }
        let properties = client.properties(&number.to_string());
        client.publish("request", properties, format!("money back, number {number}").as_bytes()).await;
    }
    let mut by_model = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..count {
        let answer = client.next().await;
        assert_eq!(answer.json["type"], "chat.reply", "{}", answer.json);
        assert_eq!(answer.code(), None);
        *by_model.entry(answer.json["model"].as_str().unwrap().to_owned()).or_default() += 1;
        if answer.json["model"] == "x" {
            let decided = json!({"name": "product_info", "confidence": null, "fallback": false});
            assert_eq!((&answer.json["intent"], &answer.json["ranking"]), (&decided, &json!([])));
        }
    }
    assert!(by_model["x"] > 0 && by_model["embedded"] > count / 3, "{by_model:?}");
    worker.stop().await;
}

#[test]
fn the_commands_ask_the_chain_and_tell_which_model_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stub = runtime.block_on(Stub::start(|_| Act::completion(r#"{"intent": "refund"}"#)));
    let program = crate::cli::Program::new()
        .with("CHATBOT_MODEL_CHAIN", "qwen")
        .with("CHATBOT_QWEN_KIND", "openai")
        .with("CHATBOT_QWEN_URL", &stub.url)
        .with("CHATBOT_QWEN_MODEL", "m");
    let classified = program.run(&["classify", "--format", "json", "hi"]).json_lines();
    assert_eq!((&classified[0]["model"], &classified[0]["intent"]["name"]), (&json!("qwen"), &json!("refund")));
    assert_eq!(classified[0]["intent"]["confidence"], Value::Null);
    assert!(program.run(&["check"]).out.contains("'qwen' answers"));
    drop(stub);
    let gone = program.with("CHATBOT_QWEN_URL", "http://127.0.0.1:1");
    let classified = gone.run(&["classify", "--format", "json", "hi"]);
    assert!(classified.out.contains(r#""model":"embedded""#), "{classified:?}");
    assert!(classified.err.contains("the model 'qwen' can't be reached"), "why another answers: {classified:?}");
    let ended = gone.run(&["check"]);
    assert!(ended.out.contains("warn  model") && ended.out.contains("the model 'qwen' can't be reached"), "{ended:?}");
}
