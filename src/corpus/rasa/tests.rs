//! What becomes of a project's files.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use proptest::prelude::*;

use super::{
    super::{Mention, Word},
    *,
};

mod asks;

/// The files together, as `(text, label)`, replies, and notes.
fn read(files: &[&str]) -> Corpus {
    let mut corpus = Corpus::default();
    for (number, file) in (1..).zip(files) {
        let mut one = parse(file).unwrap_or_else(|error| unreachable!("{error}\n{file}"));
        one.found_in(&format!("f{number}"));
        corpus.append(one);
    }
    corpus.link();
    corpus
}

fn pairs(words: &[Word]) -> Vec<(&str, &str)> {
    words.iter().map(|word| (word.of.as_str(), word.text.as_str())).collect()
}

fn replies(corpus: &Corpus) -> Vec<(&str, &str)> {
    corpus.replies.iter().map(|reply| (reply.of.as_str(), reply.text.as_str())).collect()
}

fn examples(corpus: &Corpus) -> Vec<(&str, &str)> {
    corpus.utterances.iter().map(|it| (it.text.as_str(), it.label.as_deref().unwrap())).collect()
}

fn told(corpus: &Corpus) -> Vec<String> {
    corpus.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn everything_in_nlu_is_read() {
    let corpus = read(&[r#"
version: "3.1"
nlu:
- intent: order_status
  examples: |
    - where is my [kettle](product)?
    - 我的[水壶]{"entity": "product", "value": "kettle"}到哪了
- intent: faq/ask_name
  examples:
  - text: |
      who are you
    metadata:
      sentiment: neutral
  - 你是谁
- intent: 404
  examples: |
    - nothing
- synonym: kettle
  examples: |
    - kettles
    - electric kettle
- regex: order_number
  examples: |
    - \d{10,12}
- lookup: city
  examples:
    - Berlin
    - 上海
"#]);
    let expected = [
        ("where is my kettle?", "order_status"),
        ("我的水壶到哪了", "order_status"),
        ("who are you", "faq/ask_name"),
        ("你是谁", "faq/ask_name"),
        ("nothing", "404"),
    ];
    assert_eq!(examples(&corpus), expected);
    assert_eq!(pairs(&corpus.synonyms), [("kettle", "kettles"), ("kettle", "electric kettle")]);
    assert_eq!(pairs(&corpus.patterns), [("order_number", r"\d{10,12}")]);
    assert_eq!(pairs(&corpus.lookups), [("city", "Berlin"), ("city", "上海")]);
    let mention = |text: &str| Mention { entity: "product".into(), value: "kettle".into(), text: text.into() };
    assert_eq!(corpus.mentions, [mention("kettle"), mention("水壶")]);
    assert_eq!(told(&corpus), [""; 0]);
}

#[test]
fn examples_with_slips_are_left_out_and_told_with_their_lines() {
    let corpus = read(&[r#"nlu:
- intent: pay
  examples: |
    - pay [7]{"entity": "number", "value": 7}
    - pay [8]{"entiti": "number"}
    - pay [9]{'entity': 'number'}
    - pay [10]{"entity": "number", "role": "amount"} [now]
    - pay [11]{'entity': 'number'}
"#]);
    assert_eq!(examples(&corpus), [("pay 7", "pay"), ("pay 10 [now]", "pay")]);
    let slip = "an example is left out, since it has what looks like a mark and isn't one, as";
    let expected = [
        format!("{slip} 'entiti' isn't one of entity, value, role and group (f1:5)"),
        format!("{slip} its quotes have to be \" (2 times, first at f1:6)"),
        "roles and groups of entities aren't kept (f1:7)".to_owned(),
        "square brackets that mark nothing are kept as text (f1:7)".to_owned(),
    ];
    assert_eq!(told(&corpus), expected);
}

#[test]
fn the_files_of_a_project_are_one_bot() {
    let corpus = read(&[
        "# only comments\n",
        "version: '3.1'\nnlu:\n- intent: greet\n  examples: |\n    - hi\n- intent: chitchat/ask_name\n  examples: |\n    - who are you\n\
         - intent: bye\n  examples: |\n    # - later\n- intent: thank\n  examples: |\n    - thanks\n- intent: weather\n  examples: |\n    - rain?\n\
         - intent: help\n  examples: |\n    - help\n- intent: deny\n  examples: |\n    - no\n",
        "intents:\n- greet\n- pay:\n    use_entities: []\nentities:\n- city\n- account:\n    roles: [from, to]\nslots:\n  city:\n    type: text\n\
         responses:\n  utter_hello:\n  - text: Hey!\n    buttons:\n    - title: Pay\n      payload: /pay\n  - text: Hello!\n  utter_thank:\n  - channel: slack\n    text: np\n  \
         - text: You're welcome\n  utter_default:\n  - text: Pardon?\n  utter_weather:\n  - image: https://shop.example.com/rain.png\n  \
         utter_rain:\n  - text: |\n      It rains.\n      Stay in.\n  utter_again:\n  - text: Anything else?\nactions:\n- action_x\n",
        "responses:\n  utter_chitchat/ask_name:\n  - text: I'm a bot.\n  utter_unused:\n  - text: x\n",
        "rules:\n- rule: greet\n  steps:\n  - intent: greet\n  - action: utter_hello\n- rule: fallback\n  steps:\n  - intent: nlu_fallback\n  - action: \
         utter_default\n- rule: two\n  steps:\n  - or:\n    - intent: weather\n    - intent: help\n  - action: utter_rain\n  - action: utter_again\n\
         - rule: form\n  steps:\n  - intent: deny\n  - action: shop_form\n  - active_loop: shop_form\n- rule: conditional\n  condition:\n  - \
         active_loop: shop_form\n  steps:\n  - intent: deny\n  - action: utter_again\n- rule: entity\n  steps:\n  - intent: deny\n    entities:\n    \
         - city\n  - action: utter_again\n",
        "stories:\n- story: a\n  steps:\n  - intent: greet\n  - action: utter_again\n",
        "recipe: default.v1\nlanguage: en\npipeline:\n- name: WhitespaceTokenizer\npolicies:\n",
        "action_endpoint:\n  url: http://localhost:5055/webhook\nnlu:\n  url: http://localhost:5000\n",
        "rest:\nchannels.shop.ShopInput:\n  token: x\nsocketio:\n  port: 1\n",
    ]);
    let labels: Vec<_> = examples(&corpus).into_iter().map(|(_, label)| label).collect();
    assert_eq!(labels, ["greet", "chitchat/ask_name", "thank", "weather", "help", "deny"]);
    let expected = [
        ("greet", "Hey!"),
        ("chitchat/ask_name", "I'm a bot."),
        ("thank", "You're welcome"),
        ("weather", "It rains.\nStay in.\nAnything else?"),
        ("help", "It rains.\nStay in.\nAnything else?"),
        ("nlu_fallback", "Pardon?"),
    ];
    assert_eq!(replies(&corpus), expected);
    assert_eq!(corpus.project.entities, ["city", "account"]);
    let expected = [
        "a file without data is passed over (f1)",
        "an entry without examples is passed over (f2:9)",
        "buttons of responses aren't kept (f3:14)",
        "of several texts of a response, the first is taken (f3:18)",
        "conditions and channels of responses aren't kept (f3:20)",
        "images of responses aren't kept (f3:26)",
        "a response without a text is left out (f3:26)",
        "actions are passed over: what they do is for a program of yours (handler = \"external\") (f3:33)",
        "a rule that does more than answer an intent is passed over (2 times, first at f5:22)",
        "stories are passed over, but for the forms that they begin with: each message is answered by its own intent's \
         reply (f6:1)",
        "Rasa's settings (config, endpoints, credentials) are passed over: this worker has its own (3 times, first at f7:1)",
        "forms that are in none of the files were left out: give the domain, too: 'shop_form'",
        "slots that no form asks for were left out: 'city'",
        "responses that answer no intent by themselves are left out: 'utter_unused'",
    ];
    assert_eq!(told(&corpus), expected);
}

#[test]
fn a_domain_may_say_what_answers_an_intent_and_the_fallback() {
    let corpus = read(&[
        "nlu:\n- intent: a\n  examples: |\n    - x\n",
        "intents:\n- a:\n    triggers: utter_b\n- c:\n    triggers: action_d\n- e\n",
        "responses:\n  utter_b:\n  - text: B\n  utter_default:\n  - text: Pardon?\n",
    ]);
    assert_eq!(replies(&corpus), [("a", "B"), ("nlu_fallback", "Pardon?")]);
}

#[test]
fn a_response_that_no_file_has_is_told() {
    let corpus = read(&[
        "nlu:\n- intent: a\n  examples: |\n    - x\n- intent: faq\n  examples: |\n    - y\n",
        "rules:\n- rule: a\n  steps:\n  - intent: a\n  - action: utter_b\n- rule: faq\n  steps:\n  - intent: faq\n  - action: utter_faq\n",
        "responses:\n  utter_faq/x:\n  - text: z\n",
    ]);
    assert_eq!(replies(&corpus), []);
    let expected = [
        "responses that rules name are in none of the files: give their file, too: 'utter_b'",
        "responses that answer no intent by themselves are left out: 'utter_faq/x'",
    ];
    assert_eq!(told(&corpus), expected);
}

#[test]
fn of_two_responses_with_one_name_the_first_is_kept_and_told() {
    let responses = |text: &str| format!("responses:\n  utter_a:\n  - text: {text}\n");
    let nlu = "nlu:\n- intent: a\n  examples: |\n    - x\n";
    let corpus = read(&[nlu, &responses("A"), &responses("A"), &responses("B")]);
    assert_eq!(replies(&corpus), [("a", "A")]);
    assert_eq!(told(&corpus), ["responses that two files have keep the first text: 'utter_a'"]);
}

#[test]
fn a_response_is_a_text_or_a_list_of_variants() {
    fn check(responses: &str, text: &str) {
        let nlu = "nlu:\n- intent: a\n  examples: |\n    - x\n";
        let corpus = read(&[nlu, responses]);
        assert_eq!(replies(&corpus), [("a", text)], "{responses}");
    }
    check("responses:\n  utter_a:\n  - text: \"b\\n\\nc\"\n", "b\n\nc");
    check("templates:\n  utter_a:\n  - b\n  - c\n", "b");
    check("responses:\n  utter_a: b\n", "b");
    check("responses:\n  utter_a:\n  - text: no\n    channel: slack\n", "no");
    check("responses:\n  utter_a:\n  - text: 007\n", "007");
    check("responses:\n  utter_a:\n  - image: i\n  - text: b\n", "b");
}

#[test]
fn faults_have_their_line() {
    fn check(text: &str, line: usize, said: &str) {
        match parse(text) {
            Err(CorpusError::Line { line: at, reason }) => {
                assert!(at == line && reason.contains(said), "{at}: {reason}")
            }
            other => unreachable!("{other:?}"),
        }
    }
    check("nlu:\n- intent: a\n  examples: |\n    - x\n- story: b\n", 5, "and this has story");
    check("nlu:\n- a\n", 2, "this is no table");
    check("nlu:\n- intent:\n  examples: |\n    - x\n", 2, "has to be a name");
    check("nlu:\n- intent: a\n  examples: {}\n", 3, "has to be a list");
    check("nlu:\n- intent: a\n  exampels: |\n    - x\n", 3, "but 'exampels': write `examples:`");
    check("nlu: 1\n", 1, "a list of entries");
    check("responses:\n- a\n", 2, "responses has to be a table");
    check("rules:\n  a: b\n", 2, "rules has to be a list");
    check("entities:\n  a: b\n", 2, "entities has to be a list");
}

#[test]
fn yaml_of_something_else_is_refused_with_its_keys() {
    fn check(text: &str, line: usize, said: &str) {
        match parse(text) {
            Err(CorpusError::Unknown { line: at, reason }) => {
                assert!(at == line && reason.contains(said), "{at}: {reason}")
            }
            other => unreachable!("{other:?}"),
        }
    }
    check("# a\nversion: '3'\nservices:\n  web: {}\n", 2, "this has 'version', 'services'");
    check("name: CI\non: push\njobs: {}\n", 1, "this has 'name', 'on', 'jobs'");
    check("- a\n- b\n", 1, "this has none");
    check("just text\n", 1, "this has none");
    let corpus = read(&["version: '2.0'\nnlu: []\nnlus: []\n"]);
    assert_eq!(told(&corpus), ["'nlus' isn't a section of Rasa's, and is passed over (f1:3)"]);
}

proptest! {
    #[test]
    fn any_text_is_survived(
        pieces in proptest::collection::vec(
            "(nlu:|responses:|rules:|\n|- |  |intent: a|examples: [|>]?|utter_a:|text: x|steps:|or:|[\\[\\]{}&*a:\"'#]|.){0,4}",
            0..12,
        )
    ) {
        let text = pieces.concat();
        let _ = parse(&text);
        let _ = parse_markdown(&text);
    }
}
