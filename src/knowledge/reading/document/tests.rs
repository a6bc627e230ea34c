//! Documents as passages: their sizes, headings and ids.

use proptest::prelude::*;

use super::*;

fn words(count: usize) -> String {
    (0..count).map(|at| format!("W{at}{}", if at % 10 == 9 { "." } else { "" })).collect::<Vec<_>>().join(" ")
}

#[test]
fn passages_have_their_size_and_their_headings() {
    let mut document = Document::default();
    document.heading(1, "Guide");
    document.paragraph(&words(20), 2);
    document.heading(2, "A");
    document.paragraph(&words(100), 4);
    document.heading(2, "B");
    document.paragraph(&words(30), 6);
    document.heading(2, "C");
    document.paragraph(&words(500), 8);
    let passages = document.passages(&"help/guide.md".into());
    let shown: Vec<_> = passages.iter().map(|it| (&*it.id, size(&it.text), it.line)).collect();
    let ids: Vec<_> = passages.iter().map(|it| &*it.id).collect();
    assert_eq!(
        ids,
        [
            "help/guide.md#guide",
            "help/guide.md#a",
            "help/guide.md#b",
            "help/guide.md#c",
            "help/guide.md#c~2",
            "help/guide.md#c~3"
        ],
        "{shown:?}"
    );
    assert!(passages.iter().all(|it| size(&it.text) <= MOST && &*it.title == "Guide"), "{shown:?}");
    assert_eq!(passages[1].headings, [Arc::<str>::from("A")]);
}

#[test]
fn short_neighbours_are_joined_with_their_headings() {
    let mut document = Document::default();
    document.heading(1, "常见问题");
    document.heading(2, "退货");
    document.paragraph("三十天内可以退货。", 3);
    document.heading(2, "配送");
    document.paragraph("两天送达。", 5);
    let passages = document.passages(&"faq.md".into());
    assert_eq!(passages.len(), 1);
    assert_eq!(passages[0].text, "退货\n三十天内可以退货。\n配送\n两天送达。");
    assert_eq!((&*passages[0].id, &*passages[0].title), ("faq.md#常见问题", "常见问题"));
    // An author who doesn't know that they were joined names it by either.
    assert_eq!(passages[0].merged, ["faq.md#退货", "faq.md#配送"].map(Arc::<str>::from));
}

#[test]
fn sizes_are_in_words() {
    for (text, expected) in [("", 0), ("one two", 2), ("退货退货", 2), ("退货 order", 2), ("a-b", 2)] {
        assert_eq!(size(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_word_is_lost(text in "([a-c]{1,3}[ .。\n]){0,600}") {
        let all = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(all(&split(&text).concat()), all(&text));
    }
}
