//! Tests of the report: what it says, and what of a text it lets through.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::time::Duration;

use super::{
    super::{
        Subject, ThresholdFrom,
        metrics::tests::answers,
        tuning::{Rule, tune},
    },
    *,
};

fn page(answers: &[Answer], names: &LabelNames, models: usize) -> String {
    let subject = || Subject {
        model: "embedded".into(),
        folds: None,
        threshold: Some(0.5),
        threshold_from: ThresholdFrom::Setting,
        training: Duration::from_secs(1),
        times: vec![Duration::from_micros(7)],
        errors: Vec::new(),
    };
    let models: Vec<_> = (0..models).map(|_| Measured::new(subject(), &[], answers, Vec::new())).collect();
    let tuning = (models.len() > 1).then(|| tune(answers, answers, Rule { threshold: None, margin: 0.0 }, 0.1));
    let tuning = tuning.as_ref();
    Report { title: "bot", data: "tried", models: &models, train: &[], answers, names, tuning }.html().unwrap()
}

#[test]
fn what_users_say_is_data() {
    let mut names = LabelNames::default();
    let (evil, other) = (names.name("<i>退货\""), names.name("b"));
    let mut of = answers(&[("a", "b", 0.9), ("a", "a", 0.7)]);
    of[0].text = "<script>alert('水壶')</script>".into();
    (of[0].expected, of[0].predicted) = (Some(evil), Some(other));
    let page = page(&of, &names, 1);
    for there in ["&lt;script&gt;alert", "水壶", "&lt;i&gt;退货&quot;", "50.0 %", "1 of 1", "0.90"] {
        assert!(page.contains(there), "{there} isn't in {page}");
    }
    for none in ["<script", "<i>退", "http://", "https://", "src=", "@import"] {
        assert!(!page.contains(none), "{none} is in the page");
    }
}

#[test]
fn the_matrix_shows_what_is_confused_most() {
    // Each of many intents is taken once for one of its own, and two for each other.
    let many: Vec<(String, String)> = (0..30).map(|n| (format!("a{n}"), format!("b{n}"))).collect();
    let mut of: Vec<_> = many.iter().map(|(a, b)| (a.as_str(), b.as_str(), 0.5)).collect();
    of.extend([("y", "z", 0.5), ("y", "z", 0.5), ("y", "y", 0.5)]);
    let page = page(&answers(&of), &LabelNames::default(), 1);
    let there = "title=\"2 of 3 texts of y taken for z\"";
    assert!(page.contains(there) && page.contains("The 18 of 62 intents that are confused most"), "{page}");
}

#[test]
fn every_kind_of_data_makes_a_page() {
    let names = LabelNames::default();
    for of in [&[][..], &[("", "a", 0.5)], &[("a", "", 0.0)], &[("a", "a", 1.0)], &[("a", "b", 0.5); 600]] {
        for models in [1, 2] {
            let page = page(&answers(of), &names, models);
            assert!(page.ends_with("</html>") && !page.contains("NaN"), "{page}");
            assert_eq!(page.contains("The models"), models == 2);
            assert_eq!(page.contains("A cascade"), models == 2);
        }
    }
}
