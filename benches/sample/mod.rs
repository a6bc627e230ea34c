//! What every benchmark asks: utterances of the sample bot, in English and Chinese.

use anyhow::Context;
use chatbot_worker::{
    app::{
        BUILT_IN_NAME,
        intents::{BUILT_IN, IntentsFile},
    },
    domain::{Request, codec::encode_request},
};

/// The sample bot.
pub(crate) fn bot() -> anyhow::Result<IntentsFile> {
    Ok(IntentsFile::parse(BUILT_IN_NAME, BUILT_IN)?.file)
}

/// Requests as clients send them, JSON: of each intent one English and one Chinese utterance, from the middle of its
/// examples, where they are neither the shortest nor the longest.
pub(crate) fn bodies(bot: &IntentsFile) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    for intent in &bot.intents {
        for language in ["en", "zh"] {
            let of_language = |example: &&_| is(example, language);
            let examples: Vec<_> = intent.examples.iter().filter(of_language).collect();
            let example = examples.get(examples.len() / 2).with_context(|| {
                format!("the sample bot's intent '{}' has no example in the language '{language}'", intent.name)
            })?;
            bodies.push(encode_request(&Request { text: example.text.clone(), ..Request::default() }));
        }
    }
    Ok(bodies)
}

fn is(example: &chatbot_worker::app::intents::Example, language: &str) -> bool {
    example.language.as_deref() == Some(language)
}
