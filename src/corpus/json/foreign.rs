//! Exports of other programs that are no labelled texts: what they are, and what to do with them.

use super::value::Value;

/// What a document is, where it is such an export and surely nothing else.
pub(super) fn told(document: Value<'_>) -> Option<&'static str> {
    let is_phrase =
        |item: &Value<'_>| member(*item, "isTemplate").and(member(*item, "data")).is_some_and(Value::is_list);
    if are_all(document, &is_phrase) {
        return Some(
            "these are the texts of one intent, as Dialogflow exports them, and nothing but the file's name tells of \
             which: write all of them into one file, {\"INTENT\": [\"…\", \"…\"], …}",
        );
    }
    let is_by_language = |item: Value<'_>, key: &str| member(item, key).is_some_and(Value::is_object);
    let is_qna = |item: &Value<'_>| {
        let data = member(*item, "data").unwrap_or(*item);
        is_by_language(data, "questions") && is_by_language(data, "answers")
    };
    are_all(member(document, "qnas").unwrap_or(document), &is_qna).then_some(
        "these are questions and answers, as Botpress exports them, and no intents: write them as \
         {\"question\": \"…\", \"answer\": \"…\", \"questions\": [\"…\"]}, an object a line, name that file in [knowledge], \
         and let the handler search answer from it",
    )
}

fn member<'t>(object: Value<'t>, key: &str) -> Option<Value<'t>> {
    object.members()?.into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Whether a value is a list of such values.
fn are_all(value: Value<'_>, is: &dyn Fn(&Value<'_>) -> bool) -> bool {
    value.items().is_some_and(|items| !items.is_empty() && items.iter().all(is))
}
