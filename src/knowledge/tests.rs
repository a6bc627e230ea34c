//! What is found, and whether the gate opens, on a few passages in English and Chinese.
#![expect(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;

use super::*;

const PASSAGES: [(&str, &str, &str); 8] = [
    (
        "returns",
        "Returning goods",
        "You can return anything within 30 days. We refund the price once the parcel is back.",
    ),
    ("shipping", "Shipping", "Parcels leave our warehouse the same day. Delivery takes two to four working days."),
    ("warranty", "Warranty", "All kettles have a warranty of two years. Send us a photograph of what is broken."),
    ("payment", "Payment", "We take credit cards, bank transfers and PayPal. Invoices are due within 14 days."),
    ("退货", "退货", "收到商品后三十天内可以退货。包裹寄回仓库以后，我们会退款到原来的账户。"),
    ("配送", "配送", "包裹当天从仓库发出，一般两到四个工作日送达。偏远地区需要一周。"),
    ("保修", "保修", "所有水壶保修两年。请把损坏部分的照片发给客服。"),
    ("支付", "支付", "支持信用卡、银行转账和支付宝付款。发票会发送到您的邮箱。"),
];

fn passages() -> Vec<Passage> {
    let passage = |&(id, title, text): &(&str, &str, &str)| Passage {
        id: id.into(),
        title: title.into(),
        text: text.to_owned(),
        ..Passage::default()
    };
    PASSAGES.iter().map(passage).collect()
}

#[test]
fn the_passage_that_answers_is_found_in_both_languages() {
    let knowledge = Knowledge::build(passages());
    let check = |question: &str, expected: &str| {
        let found = knowledge.search(question, None, 3);
        assert!(!found.hits.is_empty(), "{question}");
        let first = found.hits[0];
        assert_eq!(&*first.passage.id, expected, "{question}: {found:?}");
        assert!((0.0..=1.0).contains(&first.score) && (0.0..=1.0).contains(&found.answerable), "{found:?}");
        assert!(found.hits.is_sorted_by(|a, b| a.score >= b.score) && found.hits.len() <= 3);
        assert!(found.is_open, "{question}: {found:?}");
    };
    check("How many days do I have to return goods?", "returns");
    check("how long does delivery take", "shipping");
    check("Is there a warranty on kettles?", "warranty");
    check("which credit cards do you take", "payment");
    check("多少天内可以退货？", "退货");
    check("包裹几个工作日送达", "配送");
    check("水壶保修几年？", "保修");
    check("可以用支付宝付款吗", "支付");
}

#[test]
fn the_gate_is_shut_to_what_no_passage_answers() {
    let knowledge = Knowledge::build(passages());
    for question in ["who won the football match yesterday", "昨天的足球比赛谁赢了", "", "?!", "zzqx", "the of what"]
    {
        let found = knowledge.search(question, None, 3);
        assert!(!found.is_open, "{question}: {found:?}");
    }
    assert!(!Knowledge::build(Vec::new()).search("returns", None, 3).is_open);
}

#[test]
fn nothing_is_found_for_what_asks_for_nothing() {
    let mut all = passages();
    all[0].text.push_str(" No, yes, not anything else, thanks. 好的，不用，谢谢，自己。");
    let knowledge = Knowledge::build(all);
    for text in ["yes", "No.", "no, thanks!", "yes please", "not anything else", "好的", "不用，谢谢", "你們自己"]
    {
        let found = knowledge.search(text, None, 3);
        assert!(found.hits.is_empty() && !found.is_open, "{text}: {found:?}");
    }
    let found = knowledge.search("are there no refunds", None, 3);
    assert!(found.hits.first().is_some_and(|hit| &*hit.passage.id == "returns"), "{found:?}");
}

#[test]
fn a_question_of_the_authors_own_is_always_answered() {
    let mut all = passages();
    let questions = vec!["Where are you?".to_owned(), "你们在哪里？".to_owned()];
    all.push(Passage {
        id: "place".into(),
        text: "12 Mill Road. 磨坊路12号。".into(),
        questions,
        ..Passage::default()
    });
    all.push(Passage {
        id: "who".into(),
        headings: vec!["Who is it?".into()],
        text: "Us.".into(),
        ..Passage::default()
    });
    let knowledge = Knowledge::build(all);
    let cases =
        [("where are you", "place"), ("Where are you??", "place"), ("你們在哪裡", "place"), ("who is it", "who")];
    for (question, expected) in cases {
        let found = knowledge.search(question, None, 3);
        assert!(found.is_open && found.answerable >= 1.0, "{question}: {found:?}");
        assert!(found.hits.first().is_some_and(|hit| &*hit.passage.id == expected), "{question}: {found:?}");
        assert!(found.hits.is_sorted_by(|a, b| a.score >= b.score), "{question}: {found:?}");
    }
    assert!(!knowledge.search("where are they", None, 3).is_open);
    assert!(knowledge.unfound().is_empty());
}

#[test]
fn the_same_passages_answer_the_same() {
    let answers = |knowledge: &Knowledge| {
        let found = knowledge.search("how do I get a refund for a kettle", None, 8);
        let hits = found.hits.iter().map(|hit| (Arc::clone(&hit.passage.id), hit.score.to_bits()));
        (hits.collect::<Vec<_>>(), found.answerable.to_bits())
    };
    assert_eq!(answers(&Knowledge::build(passages())), answers(&Knowledge::build(passages())));
}

#[test]
fn the_parts_of_one_id_are_one_hit() {
    let mut all = passages();
    all.iter_mut().take(2).for_each(|passage| passage.id = "both".into());
    let knowledge = Knowledge::build(all);
    let found = knowledge.search("return parcels within days of delivery", None, 8);
    assert_eq!(found.hits.iter().filter(|hit| &*hit.passage.id == "both").count(), 1, "{found:?}");
}

#[test]
fn a_services_vectors_find_what_words_dont() {
    let all = passages();
    let vectors = (0..all.len()).map(|at| {
        let vector: Arc<[f32]> = (0..all.len()).map(|axis| if axis == at { 3.0 } else { 0.1 }).collect();
        (at != 1).then_some(vector)
    });
    let vectors: Vec<_> = vectors.collect();
    let knowledge = Knowledge::build(all);
    knowledge.set_vectors(vectors);
    let like_payment: Vec<f32> = (0..8).map(|axis| if axis == 3 { 1.0 } else { 0.0 }).collect();
    let found = knowledge.search("money", Some(&like_payment), 3);
    assert_eq!(&*found.hits.first().unwrap().passage.id, "payment");
    // A vector of another length is passed over.
    assert!(
        knowledge.search("warranty", Some(&[1.0]), 1).hits.first().is_some_and(|hit| &*hit.passage.id == "warranty")
    );
}

#[test]
fn of_a_long_passage_the_sentences_that_answer_are_shown() {
    let mut all = passages();
    let filler = "This sentence talks about nothing that anybody would ever want to know from us. ".repeat(8);
    all[0].text = format!("{filler}Kettles can be returned within 30 days. The parcel is free. {filler}");
    let knowledge = Knowledge::build(all);
    let excerpt = knowledge.excerpt("when can kettles be returned", &knowledge.passages()[0]);
    assert!(excerpt.starts_with("Kettles can be returned within 30 days. The parcel is free."), "{excerpt}");
    assert!(excerpt.len() < 700, "{excerpt}");
    let short = &knowledge.passages()[1];
    assert_eq!(knowledge.excerpt("parcels", short), short.text);
    // A table is shown whole, however long it is.
    let mut all = passages();
    let row = |paper: &str| format!("{paper}; black and white: 0.10 a page and side; colour: 0.40 a page and side\n");
    all[0].text = format!("{filler}\n\n{}", ["A6", "A5", "A4", "A3", "A2", "A1", "A0"].map(row).concat());
    let knowledge = Knowledge::build(all);
    let excerpt = knowledge.excerpt("what is the price of an A3 page in colour", &knowledge.passages()[0]);
    assert!(excerpt.contains("A6; black") && excerpt.contains("A0; black"), "{excerpt}");
}

#[test]
fn the_authors_questions_that_find_another_passage_are_told() {
    let mut all = passages();
    all[0].questions = vec!["Can I send it back?".to_owned()];
    all[1].questions = vec!["xyz".to_owned(), "warranty of two years on kettles".to_owned()];
    all[2].questions = vec!["warranty of two years on kettles".to_owned()];
    let knowledge = Knowledge::build(all);
    let unfound = knowledge.unfound();
    assert!(unfound.iter().all(|it| it.question == "warranty of two years on kettles"), "{unfound:?}");
    assert_eq!(unfound.len(), 1, "{unfound:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_question_is_survived(question in "\\PC{0,60}", long in 1_usize..200) {
        static KNOWLEDGE: std::sync::LazyLock<Knowledge> = std::sync::LazyLock::new(|| Knowledge::build(passages()));
        let found = KNOWLEDGE.search(&question.repeat(long), None, 3);
        prop_assert!(found.hits.iter().all(|hit| hit.score.is_finite()) && found.answerable.is_finite());
    }
}
