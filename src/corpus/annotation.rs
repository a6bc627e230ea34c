//! Entities marked in an example, as Rasa has it: `[kettles](product)`, `[kettles](product:kettle)`,
//! `[kettles]{"entity": "product", "value": "kettle"}`, and a list of such braces, `[LA][{…}, {…}]`, for several entities.
//! `\[` is a bracket that marks nothing.
//!
//! **Invariant:** what looks like a mark is one, or is told as a slip: never is it text without a word.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

/// The keys that braces may have.
const KEYS: [&str; 4] = ["entity", "value", "role", "group"];

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

/// An example that was taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotated {
    /// The text without its marks.
    pub text: String,
    /// What was marked.
    pub mentions: Vec<Mention>,
    /// What looks like a mark and isn't one; it stands in the text.
    pub slips: Vec<Slip>,
    /// Roles and groups of entities, which no mention keeps.
    pub roles: usize,
    /// Texts that are marked as several entities.
    pub several: usize,
    /// Brackets that mark nothing.
    pub brackets: usize,
}

/// What is wrong with what looks like a mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Slip {
    /// Nothing between the brackets.
    #[error("there is no text between its brackets")]
    NoText,
    /// No entity is named.
    #[error("it names no entity")]
    NoEntity,
    /// The bracket that closes it is missing.
    #[error("it isn't closed")]
    Open,
    /// A link, as Markdown has it.
    #[error("it is a link")]
    Link,
    /// White space before the braces.
    #[error("there is a space before its braces")]
    Space,
    /// Python's quotes.
    #[error("its quotes have to be \"")]
    Quotes,
    /// A key that isn't one of [`KEYS`].
    #[error("'{0}' isn't one of entity, value, role and group")]
    Key(String),
    /// A value that isn't a text, a number or a truth value.
    #[error("its {0} has to be a text or a number")]
    Value(&'static str),
    /// Anything else.
    #[error("its braces aren't JSON")]
    NotJson,
}

/// Takes an example apart.
pub fn parse(annotated: &str) -> Annotated {
    let mut parsed = Annotated { text: String::with_capacity(annotated.len()), ..Annotated::default() };
    let mut rest = annotated;
    while let Some(open) = rest.find('[') {
        let (before, from_open) = rest.split_at(open);
        if let Some(before) = before.strip_suffix('\\') {
            parsed.text.push_str(before);
            parsed.text.push('[');
            rest = &from_open[1..];
            continue;
        }
        parsed.text.push_str(before);
        rest = match mark(from_open) {
            Ok(Some(mark)) => {
                parsed.text.push_str(mark.text);
                parsed.several += usize::from(mark.mentions.len() > 1);
                parsed.mentions.extend(mark.mentions);
                parsed.roles += mark.roles;
                mark.rest
            }
            other => {
                match other {
                    Err(slip) => parsed.slips.push(slip),
                    _ => parsed.brackets += 1,
                }
                parsed.text.push('[');
                &from_open[1..]
            }
        };
    }
    parsed.text.push_str(rest);
    parsed
}

/// The text as an example that is taken for it, with nothing marked.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let mut escaped = String::new();
    let mut written = 0;
    for (place, _) in text.match_indices('[') {
        if text[..place].ends_with('\\') || !matches!(mark(&text[place..]), Ok(None)) {
            escaped.push_str(&text[written..place]);
            escaped.push('\\');
            written = place;
        }
    }
    if written == 0 && escaped.is_empty() {
        return Cow::Borrowed(text);
    }
    escaped.push_str(&text[written..]);
    Cow::Owned(escaped)
}

struct Mark<'t> {
    text: &'t str,
    mentions: Vec<Mention>,
    roles: usize,
    rest: &'t str,
}

/// The mark that `from_open` begins with; none where its bracket is text.
fn mark(from_open: &str) -> Result<Option<Mark<'_>>, Slip> {
    // No mark has a bracket within its text, so that no text is gone through again for each of its brackets.
    let inside = from_open.strip_prefix('[').unwrap_or_default();
    let Some((text, after)) =
        inside.find(['[', ']']).and_then(|end| inside.get(..end).zip(inside[end..].strip_prefix(']')))
    else {
        return Ok(None);
    };
    let spaced = after.trim_start();
    let braces = [r#"{""#, "{'", r#"[{""#, "[{'"];
    if spaced.len() < after.len() && braces.iter().any(|&braces| spaced.starts_with(braces)) {
        return Err(Slip::Space);
    }
    let in_list = after.strip_prefix('[').is_some_and(|list| list.trim_start().starts_with('{'));
    if !after.starts_with(['(', '{']) && !in_list {
        return Ok(None);
    }
    if text.trim().is_empty() {
        return Err(Slip::NoText);
    }
    let (braces, rest) = if after.starts_with('(') {
        return in_parentheses(text, after).map(Some);
    } else if in_list {
        json::<Vec<Braces>>(after)?
    } else {
        let (braces, rest) = json::<Braces>(after)?;
        (vec![braces], rest)
    };
    let mut mark = Mark { text, mentions: Vec::with_capacity(braces.len()), roles: 0, rest };
    for braces in braces {
        if let Some(key) = braces.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(Slip::Key(key.clone()));
        }
        mark.roles += usize::from(braces.contains_key("role") || braces.contains_key("group"));
        let entity = word(&braces, "entity")?.ok_or(Slip::NoEntity)?;
        let value = word(&braces, "value")?;
        mark.mentions.push(mention(&entity, value.as_deref(), text));
    }
    Ok(Some(mark))
}

fn in_parentheses<'t>(text: &'t str, after: &'t str) -> Result<Mark<'t>, Slip> {
    let inside = after.strip_prefix('(').unwrap_or_default();
    let (inside, rest) = inside
        .find([')', '['])
        .and_then(|end| inside.get(..end).zip(inside[end..].strip_prefix(')')))
        .ok_or(Slip::Open)?;
    let (entity, value) = inside.split_once(':').map_or((inside, None), |(entity, value)| (entity, Some(value)));
    let entity = entity.trim();
    if inside.contains("//") || entity.starts_with("www.") || ["mailto", "tel"].contains(&entity) {
        return Err(Slip::Link);
    }
    if entity.is_empty() {
        return Err(Slip::NoEntity);
    }
    Ok(Mark { text, mentions: vec![mention(entity, value, text)], roles: 0, rest })
}

type Braces = BTreeMap<String, Box<RawValue>>;

/// The JSON that a text begins with, and what follows it.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<(T, &str), Slip> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok((value, text.get(values.byte_offset()..).unwrap_or_default())),
        Some(Err(error)) if error.is_eof() => Err(Slip::Open),
        _ if text.trim_start_matches(['[', '{', ' ']).starts_with('\'') => Err(Slip::Quotes),
        _ => Err(Slip::NotJson),
    }
}

/// A text without white space around it, or a number or a truth value as written; none where there is nothing.
fn word(braces: &Braces, key: &'static str) -> Result<Option<String>, Slip> {
    let Some(raw) = braces.get(key).map(|raw| raw.get().trim()) else { return Ok(None) };
    let word = match raw.chars().next() {
        Some('"') => serde_json::from_str::<String>(raw).map_err(|_| Slip::NotJson)?.trim().to_owned(),
        Some('n') => String::new(),
        Some('{' | '[') => return Err(Slip::Value(key)),
        _ => raw.to_owned(),
    };
    Ok(Some(word).filter(|word| !word.is_empty()))
}

fn mention(entity: &str, value: Option<&str>, text: &str) -> Mention {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    Mention { entity: entity.to_owned(), value: value.unwrap_or(text.trim()).to_owned(), text: text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_taken_out() {
        fn check(annotated: &str, text: &str, mentions: &[(&str, &str, &str)]) {
            let parsed = parse(annotated);
            let told: Vec<_> = parsed.mentions.iter().map(|it| (&*it.entity, &*it.value, &*it.text)).collect();
            assert_eq!((parsed.text.as_str(), &told[..], &parsed.slips[..]), (text, mentions, &[][..]), "{annotated}");
        }
        check("where is my [kettle](product)?", "where is my kettle?", &[("product", "kettle", "kettle")]);
        check("[水壶](product:kettle)多少钱", "水壶多少钱", &[("product", "kettle", "水壶")]);
        check(
            r#"from [NYC]{"entity": "city", "role": "from", "value": "New York"} to [Rome](city)"#,
            "from NYC to Rome",
            &[("city", "New York", "NYC"), ("city", "Rome", "Rome")],
        );
        check(r#"[a]{"entity": "b"}"#, "a", &[("b", "a", "a")]);
        check(r#"[7]{"entity": "number", "value": 7}"#, "7", &[("number", "7", "7")]);
        check(r#"[half]{"entity": "number", "value": 0.50}"#, "half", &[("number", "0.50", "half")]);
        check(r#"[on]{"entity": "switch", "value": true}"#, "on", &[("switch", "true", "on")]);
        check(r#"[a]{"entity": "b", "value": null}"#, "a", &[("b", "a", "a")]);
        check(
            r#"[LA][{"entity": "city", "value": "Los Angeles"}, {"entity": "location"}] tomorrow"#,
            "LA tomorrow",
            &[("city", "Los Angeles", "LA"), ("location", "LA", "LA")],
        );
        check("[$200](amount.of.money)", "$200", &[("amount.of.money", "$200", "$200")]);
        check("[ München ](Stadt im Süden)", " München ", &[("Stadt im Süden", "München", "München")]);
        check("[[a](b)", "[a", &[("b", "a", "a")]);
        check("at [10](time:10:00)", "at 10", &[("time", "10:00", "10")]);
        for plain in ["a [b] c", "[a", "[a] (b)", "a[0] = [1]", "[a][b]", "[]", "[ ] done"] {
            check(plain, plain, &[]);
        }
        check(r"\[a](b) \\[c](d)", r"[a](b) \[c](d)", &[]);
    }

    #[test]
    fn what_looks_like_a_mark_and_is_none_is_told() {
        fn check(annotated: &str, slip: &Slip) {
            let parsed = parse(annotated);
            assert_eq!((&parsed.slips[..], parsed.text.as_str()), (&[slip.clone()][..], annotated), "{annotated}");
        }
        check(r#"[7]{"entiti": "number"}"#, &Slip::Key("entiti".into()));
        check(r#"[7]{"entity": "number", "valu": 7}"#, &Slip::Key("valu".into()));
        check("[7]{'entity': 'number'}", &Slip::Quotes);
        check("[7][{'entity': 'number'}]", &Slip::Quotes);
        check(r#"[7]{"value": 7}"#, &Slip::NoEntity);
        check(r#"[7]{"entity": ["a"]}"#, &Slip::Value("entity"));
        check(r#"[7]{"entity": "a", "value": {}}"#, &Slip::Value("value"));
        check(r#"[7]{"entity": "number""#, &Slip::Open);
        check("[7](number", &Slip::Open);
        check("[7]{", &Slip::Open);
        check("[7]{number}", &Slip::NotJson);
        check("[7]()", &Slip::NoEntity);
        check("[](number)", &Slip::NoText);
        check(r#"[7] {"entity": "number"}"#, &Slip::Space);
        check("see [here](https://shop.example.com)", &Slip::Link);
    }

    #[test]
    fn roles_several_entities_and_brackets_are_counted() {
        let parsed = parse(
            r#"[a]{"entity": "b", "role": "c"} [d]{"entity": "b", "group": "1"} [e][{"entity":"f"},{"entity":"g"}] [h]"#,
        );
        assert_eq!((parsed.roles, parsed.several, parsed.brackets), (2, 1, 1));
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_an_escaped_one_is_kept(text in ".{0,40}", marks in "[\\[\\](){}:a\"\\\\ ]{0,30}") {
            for text in [format!("{marks}{text}"), text, marks] {
                parse(&text);
                let parsed = parse(&escaped(&text));
                prop_assert_eq!((&parsed.text, parsed.mentions.len(), parsed.slips.len()), (&text, 0, 0));
                if !text.contains('[') {
                    prop_assert_eq!(&*escaped(&text), text.as_str());
                }
            }
        }
    }
}
