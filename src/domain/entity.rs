//! What a text names.

use serde::{Deserialize, Serialize};

/// A part of a text that names a thing: a product, an order number, an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entity {
    /// What kind of thing, as the intents file calls it.
    pub name: String,
    /// Which one, in the form that programs look up: `kettle` for "kettles" and 「水壶」, `350` for 「三百五十元」.
    pub value: String,
    /// The part of the text, as the user wrote it.
    pub text: String,
    /// Where it begins, in characters (Unicode scalar values) from the text's beginning.
    pub start: usize,
    /// Where it ends: one past its last character.
    pub end: usize,
}
