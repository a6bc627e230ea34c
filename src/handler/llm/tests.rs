//! What a language model is asked for an intent, and what becomes of its answers.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use serde_json::{Map, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    domain::{Content, IntentName, Request, Turn},
    listener::tests::Desk,
    outbound::{
        Failure, Service,
        chat::{ChatSettings, Follower},
        stub::{Act, Stub},
        tests::nowhere,
    },
};

/// Finds these, whatever is asked; nothing where there are none.
pub(super) struct Passages(pub(super) Vec<Source>);

#[async_trait]
impl Retriever for Passages {
    async fn find(&self, question: &str, _: Instant) -> Option<Retrieved> {
        // What is only asked behind something else is found with that alone.
        let is_follow_up = question == "And abroad?";
        let is_sure = !question.contains("perhaps");
        (!self.0.is_empty() && !is_follow_up).then(|| Retrieved { passages: self.0.clone(), is_sure })
    }
}

pub(super) fn returns() -> Vec<Source> {
    [
        ("returns", "You can return a product within 30 days of delivery. Returns are free in Germany."),
        ("退货", "收到商品后30天内可以退货。退货运费由我们承担。"),
    ]
    .map(|(id, text)| Source { id: id.into(), title: None, text: text.into(), path: None, url: None, score: 0.5 })
    .to_vec()
}

pub(super) fn handler(service: Service, knowledge: Option<Passages>) -> LlmHandler {
    let chat = Chat::new(service, ChatSettings { model: "m".into(), format: None, extra: Map::new() });
    let system = [("en", "You help in a shop. Mail help@shop.example."), ("zh", "你是商店的客服。")];
    let system = system.map(|(language, text)| (language.to_owned(), text.to_owned())).to_vec();
    let knowledge = knowledge.map(|it| Arc::new(it) as Arc<dyn Retriever>);
    let settings =
        LlmSettings { system, knowledge, history: 4, max_tokens: NonZeroU16::new(64).unwrap(), images: true };
    LlmHandler::new(Arc::new(chat), settings).unwrap()
}

pub(super) async fn ask(handler: &LlmHandler, request: &Request) -> Result<Option<Answer>, HandlerError> {
    let (intent, deadline) = (IntentName::new("help_info").unwrap(), Instant::now() + Duration::from_secs(20));
    handler.handle(&Job::new(request, &intent, deadline)).await
}

fn request(text: &str) -> Request {
    Request { text: text.to_owned(), ..Request::default() }
}

async fn answer_of(model_says: &str, text: &str, knowledge: Option<Passages>) -> Option<Answer> {
    let stub = Stub::script(vec![Act::says(model_says)]).await;
    ask(&handler(stub.service(), knowledge), &request(text)).await.unwrap()
}

#[tokio::test]
async fn an_answer_from_passages_has_its_sources_and_what_it_cost() {
    let said = "Returns are free in Germany [1]. 收到商品后三十天内可以退货[2]。";
    let answer = answer_of(said, "how long? 退货期是多久？", Some(Passages(returns()))).await.unwrap();
    assert_eq!(answer.text, said);
    assert_eq!(answer.details.sources, returns());
    assert_eq!(answer.details.usage, Some(Usage { input_tokens: 10, output_tokens: 5 }));
    assert_eq!(answer.locale.as_deref(), Some("zh"));
    let swapped = "收到商品后三十天内可以退货[2]。";
    let answer = answer_of(swapped, "多久？", Some(Passages(returns()))).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.details.sources),
        ("收到商品后三十天内可以退货[1]。", returns()[1..].to_vec())
    );
    assert_eq!(answer.locale.as_deref(), Some("zh"));
}

#[tokio::test]
async fn what_does_not_rest_on_the_passages_is_replaced_by_the_best_of_them() {
    for said in [
        "You have 90 days [1].",
        "You have 30 days.",
        "You have 30 days [3].",
        "Returns are free in Norway [1].",
        "Yes, you can [1].",
    ] {
        let answer = answer_of(said, "how long?", Some(Passages(returns()))).await.unwrap();
        assert_eq!(
            (answer.text, answer.details.sources),
            (returns()[0].text.clone(), returns()[..1].to_vec()),
            "{said}"
        );
        // A passage that may answer or not is the model's to read, and nobody's to be shown.
        assert_eq!(answer_of(said, "how long, perhaps?", Some(Passages(returns()))).await, None, "{said}");
    }
    let answer = answer_of("You have 30 days [1].", "how long, perhaps?", Some(Passages(returns()))).await;
    assert_eq!(answer.unwrap().details.sources, returns()[..1]);
}

#[tokio::test]
async fn where_nothing_was_found_the_model_is_not_asked() {
    let handler = handler(nowhere("x"), Some(Passages(Vec::new())));
    assert_eq!(ask(&handler, &request("how long?")).await.unwrap(), None);
}

#[tokio::test]
async fn what_does_not_pass_is_no_answer() {
    for said in [
        "NO_ANSWER",
        "NO_ANSWER.",
        "I'm sorry, but I can't help.",
        "我不知道。",
        "See https://evil.example",
        "<img src=x>",
    ] {
        for knowledge in [None, Some(Passages(returns()))] {
            assert_eq!(answer_of(said, "how long?", knowledge).await, None, "{said}");
        }
    }
    let cut = json!({"choices": [{"message": {"content": "You have"}, "finish_reason": "length"}]});
    let stub = Stub::script(vec![Act::json(&cut)]).await;
    assert_eq!(ask(&handler(stub.service(), None), &request("how long?")).await.unwrap(), None);
}

#[tokio::test]
async fn without_knowledge_it_answers_by_its_instructions() {
    let answer = answer_of("Mail help@shop.example.", "how do I reach you?", None).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.details.sources), ("Mail help@shop.example.", vec![]));
}

#[tokio::test]
async fn a_service_that_fails_is_a_failure_and_the_users_words_are_in_none() {
    let refusal = "{\"error\": {\"code\": \"content_filter\", \"message\": \"bad: how long may I keep it?\"}}";
    for (act, failure) in [
        (Act::Answer(400, "", refusal.to_owned()), Failure::Refused),
        (Act::Answer(429, "retry-after: 7\r\n", "{}".to_owned()), Failure::Throttled),
        (Act::Answer(500, "", String::new()), Failure::Server),
        (Act::Close, Failure::Unreachable),
        (Act::says("<tool_call>{}</tool_call>"), Failure::BadAnswer),
    ] {
        let stub = Stub::script(vec![act]).await;
        let error = ask(&handler(stub.service(), None), &request("how long may I keep it?")).await.unwrap_err();
        assert!(!error.to_string().contains("keep it"), "{error}");
        assert!(matches!(error, HandlerError::Service { error, .. } if error.failure == failure));
    }
}

#[tokio::test]
async fn what_was_said_before_goes_along_and_a_follow_up_is_searched_with_it() {
    let stub = Stub::script(vec![Act::says("Returns are free in Germany [1].")]).await;
    let turn = |role, text: &str| Turn { role, text: text.to_owned() };
    let history = vec![
        turn(Role::User, "one"),
        turn(Role::Assistant, "two"),
        turn(Role::User, "three"),
        turn(Role::Assistant, "four"),
        turn(Role::User, "How long can I return it?"),
        turn(Role::Assistant, "30 days"),
    ];
    let request = Request { history, ..request("And abroad?") };
    let answer = ask(&handler(stub.service(), Some(Passages(returns()))), &request).await.unwrap();
    assert!(answer.is_some());
    let sent = stub.seen()[0].json();
    let messages: Vec<(&str, &str)> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["role"].as_str().unwrap(), it["content"].as_str().unwrap()))
        .collect();
    let before =
        [("user", "three"), ("assistant", "four"), ("user", "How long can I return it?"), ("assistant", "30 days")];
    assert_eq!(messages[3..7], before);
    assert!(messages[7].1.ends_with("Question: \"And abroad?\""));
}

#[test]
fn instructions_that_can_not_be_used_are_told() {
    let fault = |system: &[(&str, &str)]| {
        let chat = Chat::new(nowhere("x"), ChatSettings { model: "m".into(), format: None, extra: Map::new() });
        let system = system.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect();
        let settings = LlmSettings { system, knowledge: None, history: 0, max_tokens: NonZeroU16::MIN, images: false };
        LlmHandler::new(Arc::new(chat), settings).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(fault(&[("en", "Help {{ sender }}.")]), Ok(()));
    assert!(fault(&[]).unwrap_err().contains("llm.system.en"));
    assert!(fault(&[("en", "ok"), ("zh", "{{")]).unwrap_err().starts_with("system.zh: "));
    assert!(fault(&[("en", "Answer {{ text }}")]).unwrap_err().contains("what the user wrote"));
}

fn picture(media_type: &str, bytes: Option<&'static [u8]>) -> Attachment {
    let content = match bytes {
        Some(bytes) => Content::Data(bytes::Bytes::from_static(bytes)),
        None => Content::Url { url: "https://files.example.com/a.png".into(), fetched: None },
    };
    Attachment { kind: AttachmentKind::Image, media_type: media_type.into(), name: None, content }
}

#[tokio::test]
async fn a_picture_is_shown_beside_the_text_or_alone() {
    let stub = Stub::script(vec![Act::says("That is a kettle.")]).await;
    let handler = handler(stub.service(), None);
    let attachments = vec![picture("image/png", Some(b"png")), picture("image/svg+xml", Some(b"svg"))];
    for text in ["What is this?", ""] {
        let answer = ask(&handler, &Request { attachments: attachments.clone(), ..request(text) }).await.unwrap();
        assert_eq!(answer.unwrap().text, "That is a kettle.");
        let messages = stub.seen().pop().unwrap().json()["messages"].clone();
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}});
        let said = json!({"type": "text", "text": text});
        let parts = if text.is_empty() { json!([image]) } else { json!([said, image]) };
        assert_eq!(messages.as_array().unwrap().last().unwrap(), &json!({"role": "user", "content": parts}));
    }
    // What its own kind of picture is, and is here.
    let takes = |media_type, bytes| handler.takes(&picture(media_type, bytes));
    assert_eq!(takes("image/webp", Some(b"x")), Takes::Content);
    assert!(!takes("image/webp", None).has(&picture("image/webp", None)));
    assert_eq!(takes("image/svg+xml", Some(b"x")), Takes::Nothing);
}

#[tokio::test]
async fn a_picture_that_a_server_refuses_is_this_requests_fault_alone() {
    let quote = json!({"error": {"message": "can't decode cG5nIGlzIGEgdXNlcidzIHNlY3JldA=="}}).to_string();
    let stub = Stub::script(vec![Act::Answer(400, "", quote)]).await;
    let attachments = vec![picture("image/png", Some(b"png is a user's secret"))];
    let asked = ask(&handler(stub.service(), None), &Request { attachments, ..request("What is this?") }).await;
    let Err(HandlerError::Service { error, .. }) = asked else { unreachable!("{asked:?}") };
    assert_eq!(error.failure, Failure::Refused);
    assert!(!error.to_string().contains("cG5n"), "{error}");
}

/// What a client shows after each piece of an answer that is being written, each piece of one character.
async fn shown(said: &str, text: &str, knowledge: Option<Passages>) -> Vec<String> {
    let (desk, none) = (Desk::default(), CancellationToken::new());
    let listener = desk.listener(true, &none);
    let (request, intent) = (request(text), IntentName::new("help_info").unwrap());
    let handler = handler(nowhere("m"), None);
    let found = knowledge.map(|it| it.0);
    let job = Job { listener: Some(&listener), ..Job::new(&request, &intent, Instant::now()) };
    let (author, found) = ("You help in a shop. Mail help@shop.example.", found.as_deref());
    let language = if text.is_ascii() { "en" } else { "zh" };
    let following = Following { listener: &listener, handler: &handler, author, language, found, job: &job };
    let mut shown = vec![String::new()];
    for (at, c) in said.char_indices() {
        following.so_far(&said[..at + c.len_utf8()]);
        shown.extend(Some(desk.shown()).filter(|now| shown.last() != Some(now)));
    }
    shown
}

#[tokio::test]
async fn an_answer_is_shown_word_by_word_as_far_as_it_passes() {
    let check = async |said: &str, text: &str, expected: &[&str]| {
        assert_eq!(shown(said, text, None).await[1..], *expected, "{said}");
    };
    check("It is open today.", "open?", &["It", "It is", "It is open"]).await;
    check("今天开门。", "开门吗？", &["今", "今天", "今天开", "今天开门", "今天开门。"]).await;
    check("Mail help@shop.example now", "how?", &["Mail", "Mail help@shop.example"]).await;
    // What doesn't pass as a whole answer isn't shown, and nothing behind it.
    check("See http://evil.example now please", "how?", &["See"]).await;
    check("Look <script>alert(1)</script> here", "how?", &["Look"]).await;
    check("NO_ANSWER as I know", "how?", &[]).await;
    check("今天开门。", "open today, please?", &[]).await;
}

#[tokio::test]
async fn an_answer_from_passages_is_shown_by_sentences_that_rest_on_them() {
    let passages = || Some(Passages(returns()));
    let all =
        shown("Returns are free in Germany [1]. You can return a product within 30 days [1]. I", "free?", passages())
            .await;
    let first = "Returns are free in Germany [1].";
    assert_eq!(all[1..], [first, "Returns are free in Germany [1]. You can return a product within 30 days [1]."]);
    let all = shown("收到商品后30天内可以退货[2]。退货运费由我们承担。[2]还", "多久？", passages()).await;
    assert_eq!(all[1..], ["收到商品后30天内可以退货[1]。", "收到商品后30天内可以退货[1]。退货运费由我们承担。[1]"]);
    assert!(shown("You have 90 days [1]. It is so.", "how long?", passages()).await[1..].is_empty());
    assert!(shown("You have 30 days. It is so.", "how long?", passages()).await[1..].is_empty());
}
