//! How files are read, where their reader has something to say about it.

pub use encoding_rs::Encoding;

/// What is known of files besides what they tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What they are encoded in; without it, what they seem to be.
    pub encoding: Option<&'static Encoding>,
    /// Which columns hold what.
    pub columns: Columns,
    /// Which part is read of a file that holds several.
    pub part: Part,
}

/// The columns of a table, or the keys of objects, by name; without one, the names that are known are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// What users say.
    pub text: Option<String>,
    /// What they mean.
    pub intent: Option<String>,
    /// What the bot answers. No column is taken for that unless it is named.
    pub reply: Option<String>,
}

/// The parts that a data set is split into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// To learn from.
    #[default]
    Train,
    /// To fit settings to.
    Valid,
    /// To measure with.
    Test,
}
