//! Entities marked in an example, as Rasa has it: `[kettles](product)`, `[kettles](product:kettle)`, and
//! `[kettles]{"entity": "product", "value": "kettle"}`.

use serde::Deserialize;

/// A part of an example that was marked as an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The entity's name.
    pub entity: String,
    /// What it stands for; the marked text itself where nothing else is told.
    pub value: String,
    /// What users say.
    pub text: String,
}

#[derive(Deserialize)]
struct Braces {
    entity: String,
    value: Option<String>,
}

/// The text without its marks, and what was marked. Brackets that mark nothing stay as they are.
pub fn parse(annotated: &str) -> (String, Vec<Mention>) {
    let (mut text, mut mentions, mut rest) = (String::with_capacity(annotated.len()), Vec::new(), annotated);
    while let Some(open) = rest.find('[') {
        let (before, from_open) = rest.split_at(open);
        text.push_str(before);
        match mark(from_open) {
            Some((mention, after)) => {
                text.push_str(&mention.text);
                mentions.push(mention);
                rest = after;
            }
            None => {
                text.push('[');
                rest = &from_open[1..];
            }
        }
    }
    text.push_str(rest);
    (text, mentions)
}

/// The mark that `text` begins with, and what follows it.
fn mark(text: &str) -> Option<(Mention, &str)> {
    let (marked, after) = text.strip_prefix('[')?.split_once(']')?;
    if marked.trim().is_empty() || marked.contains('[') {
        return None;
    }
    if let Some(inside) = after.strip_prefix('(') {
        let (entity, rest) = inside.split_once(')')?;
        let (entity, value) = entity.split_once(':').unwrap_or((entity, marked));
        return mention(entity, value, marked).map(|mention| (mention, rest));
    }
    let mut objects = serde_json::Deserializer::from_str(after).into_iter::<Braces>();
    let Braces { entity, value } = after.starts_with('{').then(|| objects.next())??.ok()?;
    let rest = after.get(objects.byte_offset()..)?;
    mention(&entity, value.as_deref().unwrap_or(marked), marked).map(|mention| (mention, rest))
}

fn mention(entity: &str, value: &str, text: &str) -> Option<Mention> {
    let [entity, value] = [entity, value].map(str::trim);
    let is_name = !entity.is_empty() && entity.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (is_name && !value.is_empty()).then(|| Mention {
        entity: entity.to_owned(),
        value: value.to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_taken_out() {
        fn check(annotated: &str, text: &str, mentions: &[(&str, &str, &str)]) {
            let mention = |&(entity, value, text): &(&str, &str, &str)| Mention {
                entity: entity.into(),
                value: value.into(),
                text: text.into(),
            };
            assert_eq!(parse(annotated), (text.into(), mentions.iter().map(mention).collect()), "{annotated}");
        }
        check("where is my [kettle](product)?", "where is my kettle?", &[("product", "kettle", "kettle")]);
        check("[水壶](product:kettle)多少钱", "水壶多少钱", &[("product", "kettle", "水壶")]);
        check(
            r#"from [NYC]{"entity": "city", "role": "from", "value": "New York"} to [Rome](city)"#,
            "from NYC to Rome",
            &[("city", "New York", "NYC"), ("city", "Rome", "Rome")],
        );
        check(r#"[a]{"entity": "b"}"#, "a", &[("b", "a", "a")]);
        for plain in [
            "a [b] c",
            "[](x)",
            "[ ](x)",
            "[a](b c)",
            "[a]()",
            "[a",
            "[a](",
            "[a]{",
            "[a]{}",
            "[a] (b)",
            "f[i](x) = [",
            "see https://x.y/[z](w/v)",
        ] {
            let expected = if plain.starts_with("f[i]") { "fi = [" } else { plain };
            assert_eq!(parse(plain).0, expected);
        }
        check("[[a](b)", "[a", &[("b", "a", "a")]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_unmarked_text_kept(text in ".{0,40}", marks in "[\\[\\](){}:a\"]{0,30}") {
            parse(&marks);
            parse(&format!("{marks}{text}"));
            if !text.contains('[') {
                prop_assert_eq!(parse(&text), (text.clone(), Vec::new()));
            }
        }
    }
}
