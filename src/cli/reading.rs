//! The options by which files of examples are read, of all commands that read them.

use crate::corpus::{Columns, Encoding, Part, Reading};

/// How files of examples are read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReadingArguments {
    /// What the files are encoded in, such as GBK, Big5 or windows-1252; without it, UTF-8, UTF-16, or what a file
    /// surely is
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<&'static Encoding>,
    /// The column, or the key in JSON, of what users say; without it, text, utterance, sentence, query or the like
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// The column or key of the intents; without it, intent, label, class or category, the first of these that is there
    #[arg(long, value_name = "NAME")]
    intent_column: Option<String>,
}

impl ReadingArguments {
    /// These, for one part of data sets that have several.
    pub(super) fn reading(&self, part: Part, reply_column: Option<&String>) -> Reading {
        let columns = Columns {
            text: self.text_column.clone(),
            intent: self.intent_column.clone(),
            reply: reply_column.cloned(),
        };
        Reading { encoding: self.encoding, columns, part }
    }
}

fn encoding(name: &str) -> Result<&'static Encoding, String> {
    let found = Encoding::for_label(name.as_bytes());
    found.ok_or_else(|| {
        "there is no such encoding; known are UTF-8, UTF-16LE, GBK, GB18030, Big5, Shift_JIS, EUC-KR, windows-1252 and the \
         others of the WHATWG's list"
            .to_owned()
    })
}
