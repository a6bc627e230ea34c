//! Tests of the embedded model as a whole: what it learns, what it is sure of, and that nothing else changes it.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::sync::Mutex;

use super::*;

pub(super) const TOY: [(&str, &str); 14] = [
    ("where is my order", "order"),
    ("track my parcel", "order"),
    ("when does my order arrive", "order"),
    ("我的订单到哪里了", "order"),
    ("查一下快递", "order"),
    ("i want my money back", "refund"),
    ("please refund me", "refund"),
    ("give me a refund", "refund"),
    ("我要退款", "refund"),
    ("钱什么时候退给我", "refund"),
    ("hello", "greeting"),
    ("good morning", "greeting"),
    ("你好", "greeting"),
    ("早上好", "greeting"),
];

fn train_on(examples: &[(&str, &str)], threads: usize) -> Result<EmbeddedModel, TrainError> {
    let names: Vec<IntentName> = examples.iter().map(|(_, intent)| IntentName::new(intent).unwrap()).collect();
    let examples: Vec<Example<'_>> =
        examples.iter().zip(&names).map(|((text, _), intent)| Example { text, intent }).collect();
    let data = TrainingData { examples, ..TrainingData::default() };
    EmbeddedModel::train_by(&data, NonZeroUsize::new(threads).unwrap(), &|_, _| {})
}

pub(super) fn toy() -> EmbeddedModel {
    train_on(&TOY, 2).unwrap()
}

pub(super) fn bits(ranking: &[Scored]) -> Vec<(&str, u32)> {
    ranking.iter().map(|scored| (scored.name.as_str(), scored.confidence.to_bits())).collect()
}

#[test]
fn it_learns_from_a_handful_of_examples() {
    let model = toy();
    let check = |text: &str, expected: &str| assert_eq!(model.rank(text)[0].name.as_str(), expected, "{text:?}");
    TOY.iter().for_each(|(text, intent)| check(text, intent));
    check("where's the order I made?", "order");
    check("REFUND, PLEASE", "refund");
    check("你好呀", "greeting");
    check("请问我的订单在哪里", "order");
    check("我想退款 refund", "refund");
}

#[test]
fn what_names_and_descriptions_say_is_learned() {
    const SAID: [&str; 6] =
        ["make it look nice", "it's for my mum", "with a ribbon", "it is too late", "where is it", "not here yet"];
    let confidence = |names: [&str; 2], description: Option<&str>, text| {
        let names = names.map(|name| IntentName::new(name).unwrap());
        let examples = SAID.iter().enumerate().map(|(at, text)| Example { text, intent: &names[at / 3] }).collect();
        let descriptions = description.map(|description| (&names[0], description)).into_iter().collect();
        let model = EmbeddedModel::train(&TrainingData { examples, descriptions }).unwrap();
        model.rank(text).into_iter().find(|scored| scored.name == names[0]).unwrap().confidence
    };
    let nothing = confidence(["intent_1", "intent_2"], None, "can you wrap the present");
    let name = confidence(["gift_wrap", "order_status"], None, "can you wrap the present");
    let described = confidence(["intent_1", "intent_2"], Some("Wraps gifts."), "can you wrap the present");
    assert!(name > nothing + 0.1 && described > nothing + 0.1, "{nothing} {name} {described}");
}

#[test]
fn names_that_say_nothing_change_nothing() {
    let called = |names: [&str; 3]| {
        let call = |intent: &str| names[["order", "refund", "greeting"].iter().position(|it| *it == intent).unwrap()];
        let model = train_on(&TOY.map(|(text, intent)| (text, call(intent))), 1).unwrap();
        ["where is my order", "我的钱", "intent", "faq"].map(|text| {
            let mut scratch = Scratch::default();
            model.score(text, &mut scratch);
            scratch.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>()
        })
    };
    let numbers = called(["1", "2", "3"]);
    assert_eq!(called(["intent_1", "intent_2", "intent_3"]), numbers);
    assert_eq!(called(["faq-7", "FAQ_8", "Faq9"]), numbers);
    assert_ne!(called(["order", "refund", "greeting"]), numbers);
}

#[test]
fn where_examples_are_many_names_change_nothing() {
    let scores = |count: usize, names: [&'static str; 2]| {
        let texts: Vec<_> = (0..2 * count).map(|at| format!("{} number {at}", ["parcel", "money"][at % 2])).collect();
        let examples: Vec<_> = texts.iter().enumerate().map(|(at, text)| (text.as_str(), names[at % 2])).collect();
        let mut scratch = Scratch::default();
        train_on(&examples, 1).unwrap().score("where is my order", &mut scratch);
        scratch.scores
    };
    let differ = |count| scores(count, ["order", "refund"]) != scores(count, ["intent_1", "intent_2"]);
    assert!(differ(ENOUGH_EXAMPLES) && !differ(ENOUGH_EXAMPLES + 1));
}

#[test]
fn rankings_are_sorted_and_in_range() {
    let model = toy();
    let long = "refund ".repeat(150_000);
    for text in ["where is my order", "你好", "", "?!", "zzz", "\u{0}\u{feff}", &long] {
        let ranking = model.rank(text);
        assert_eq!(ranking.len(), 3);
        assert!(ranking.is_sorted_by(|a, b| a.confidence >= b.confidence), "{ranking:?}");
        assert!(ranking.iter().all(|scored| (0.0..=1.0).contains(&scored.confidence)), "{ranking:?}");
    }
}

#[test]
fn nonsense_gets_no_confidence() {
    let two: Vec<(&str, &str)> = TOY.into_iter().filter(|(_, intent)| *intent != "greeting").collect();
    for model in [toy(), train_on(&two, 1).unwrap()] {
        for text in ["", " ", "?!", "😀", "zzz qqq", "ぬるぽ"] {
            let ranking = model.rank(text);
            assert!(ranking[0].confidence < 0.5, "{text:?}: {ranking:?}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let models = [1, 2, 7].map(|threads| train_on(&TOY, threads).unwrap());
    for (text, _) in TOY.into_iter().chain([("my money", ""), ("", "")]) {
        let [one, two, seven] = models.each_ref().map(|model| model.rank(text));
        assert_eq!(bits(&one), bits(&two), "{text:?}");
        assert_eq!(bits(&one), bits(&seven), "{text:?}");
    }
}

#[test]
fn a_bot_that_serves_is_left_a_processor() {
    let all = Processors::All.threads().get();
    assert_eq!(Processors::AllButOne.threads().get(), (all - 1).max(1));
}

#[test]
fn training_tells_how_far_it_is() {
    let names: Vec<IntentName> = TOY.iter().map(|(_, intent)| IntentName::new(intent).unwrap()).collect();
    let examples: Vec<_> = TOY.iter().zip(&names).map(|((text, _), intent)| Example { text, intent }).collect();
    let told = Mutex::new(Vec::new());
    let data = TrainingData { examples, ..TrainingData::default() };
    EmbeddedModel::train_telling(&data, &|done, all| told.lock().unwrap().push((done, all))).unwrap();
    assert_eq!(told.into_inner().unwrap(), [(1, 3), (2, 3), (3, 3)]);
}

#[test]
fn case_and_width_change_nothing() {
    let model = toy();
    let check = |a: &str, b: &str| assert_eq!(bits(&model.rank(a)), bits(&model.rank(b)), "{a:?} {b:?}");
    check("ＲＥＦＵＮＤ　ＭＥ！", "refund me!");
    check("Where Is\tMy  Order", "where is my order");
}

#[test]
fn only_the_beginning_of_a_long_text_counts() {
    let model = toy();
    let beginning = "hello ".repeat(1000);
    let text = beginning.clone() + &"refund ".repeat(150_000);
    assert_eq!(bits(&model.rank(&text)), bits(&model.rank(&beginning)));
}

#[test]
fn the_highest_come_first_and_equals_keep_their_order() {
    let check = |margins: &[f32], expected: &[usize]| {
        assert_eq!(highest(margins).collect::<Vec<_>>(), expected, "{margins:?}");
    };
    check(&[0.5, 0.7, 0.5], &[1, 0, 2]);
    check(&[-1.0; 7], &[0, 1, 2, 3, 4]);
    check(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.45, 0.6, 0.0], &[6, 4, 5, 3, 2]);
    check(&[], &[]);
}

#[test]
fn at_most_five_intents_are_ranked() {
    let many = [("one", "a"), ("two", "b"), ("three", "c"), ("four", "d"), ("five", "e"), ("six", "f")];
    assert_eq!(train_on(&many, 2).unwrap().rank("six").len(), 5);
}

#[test]
fn examples_that_make_no_model_are_refused() {
    let check =
        |examples: &[(&str, &str)], expected| assert_eq!(train_on(examples, 1).map(|_| ()).unwrap_err(), expected);
    check(&[], TrainError::TooFewIntents { found: 0 });
    check(&[("hello", "a"), ("hi", "a")], TrainError::TooFewIntents { found: 1 });
    let nothing = |intent| TrainError::NothingToLearn { intent: IntentName::new(intent).unwrap() };
    check(&[("hello", "a"), ("?!", "b"), ("  ", "b")], nothing("b"));
    assert!(train_on(&[("hello", "a"), ("?!", "b"), ("bye", "b")], 1).is_ok());
}

#[tokio::test]
async fn it_answers_as_a_client() {
    let model = toy();
    let query = Query { text: "我要退款", locale: None, deadline: tokio::time::Instant::now() };
    let prediction = model.classify(&query).await.unwrap();
    assert_eq!((model.name(), &*prediction.model), (NAME, NAME));
    assert_eq!((prediction.ranking, prediction.threshold), (model.rank("我要退款"), model.threshold()));
}
