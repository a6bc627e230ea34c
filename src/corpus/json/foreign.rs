//! Exports of other programs that aren't read: what they are, and what to do with them.

use super::{member, value::Value};

/// What a document is, where it is such an export and surely nothing else; its members, where it is an object.
pub(super) fn told(document: Value<'_>, members: &[(String, Value<'_>)]) -> Option<&'static str> {
    let is = |key: &str, is: &dyn Fn(Value<'_>) -> bool| member(members, key).is_some_and(is);
    let has = |key: &str| member(members, key).is_some();
    let lists = |value: Value<'_>, key: &str| value.member(key).is_some_and(|it| it.is_list());
    if is("trainingPhrases", &|it| it.is_list()) || has("numTrainingPhrases") {
        return Some(
            "this is a file of an agent of Dialogflow CX, whose export isn't read: write the texts of each folder in intents/ \
             into one file, {\"INTENT\": [\"…\", \"…\"], …}; each text is the parts of a training phrase, joined",
        );
    }
    if is("resource", &|it| lists(it, "intents") || lists(it, "sampleUtterances"))
        || has("slotTypeValues")
        || has("sampleUtterances")
    {
        return Some(
            "this is a file of a bot of Amazon Lex, whose export isn't read: write the sampleUtterances of its intents into one \
             file, {\"INTENT\": [\"…\", \"…\"], …}, with a value in place of each {slot}",
        );
    }
    if has("interactionModel") {
        return Some(
            "this is the model of a skill of Alexa, which isn't read: write the samples of its intents into one file, \
             {\"INTENT\": [\"…\", \"…\"], …}, with a value in place of each {slot}",
        );
    }
    if (has("diagrams") || has("project")) && is("version", &|it| it.is_object()) {
        return Some(
            "this is a project of Voiceflow, which isn't read: write the utterances of its intents into one file, \
             {\"INTENT\": [\"…\", \"…\"], …}",
        );
    }
    if is("utterances", &|it| it.is_object()) && (has("slots") || has("contexts") || has("filename")) {
        return Some(
            "this is an intent of Botpress, which isn't read: write the utterances of all of them into one file, \
             {\"INTENT\": [\"…\", \"…\"], …}",
        );
    }
    if is("workspace", &|it| lists(it, "actions")) {
        return Some(
            "this is an assistant of IBM's Watson that is made of actions, which aren't read: write the examples of each into one \
             file, {\"ACTION\": [\"…\", \"…\"], …}",
        );
    }
    let is_by_language = |item: Value<'_>, key: &str| item.member(key).is_some_and(|it| it.is_object());
    let is_qna = |item: Value<'_>| {
        let data = item.member("data").unwrap_or(item);
        is_by_language(data, "questions") && is_by_language(data, "answers")
    };
    let qnas = member(members, "qnas").unwrap_or(document).items().unwrap_or_default();
    (!qnas.is_empty() && qnas.into_iter().all(is_qna)).then_some(
        "these are questions and answers, as Botpress exports them, and no intents: write them as \
         {\"question\": \"…\", \"answer\": \"…\", \"questions\": [\"…\"]}, an object a line, name that file in [knowledge], \
         and let the handler search answer from it",
    )
}
