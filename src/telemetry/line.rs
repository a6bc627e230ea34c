//! An entry's fields in the log's text form, where each entry is one line.
//!
//! What they hold may be a client's, a service's or the broker's: a line break in it would begin what looks like another
//! entry, and a control character may play with the terminal of whoever reads. JSON escapes both by itself.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// Writes fields as tracing-subscriber's own form does, but for what would break the line.
pub(super) struct OneLine;

struct Fields<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

/// Escapes what is written to it.
struct Escaping<'a>(&'a mut dyn Write);

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut written = Fields { writer, is_first: true, result: Ok(()) };
        fields.record(&mut written);
        written.result
    }
}

impl Fields<'_> {
    fn write(&mut self, name: &str, value: &dyn Debug) -> fmt::Result {
        if !self.is_first {
            self.writer.write_char(' ')?;
        }
        self.is_first = false;
        if name != "message" {
            match self.writer.has_ansi_escapes() {
                true => write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?,
                false => write!(self.writer, "{name}=")?,
            }
        }
        write!(Escaping(&mut self.writer), "{value:?}")
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = field.name();
        // Those of the `log` crate say where an entry comes from, which isn't shown.
        if self.result.is_ok() && !name.starts_with("log.") {
            self.result = self.write(name.strip_prefix("r#").unwrap_or(name), value);
        }
    }
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c.is_control() || is_line_break(c) {
            true => write!(self.0, "{}", c.escape_default()),
            false => self.0.write_char(c),
        })
    }
}

/// Those that are no control characters, and break a line to some readers.
fn is_line_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(ansi: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(ansi)
            .without_time()
            .with_target(false)
            .fmt_fields(OneLine)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn whatever_an_entry_holds_it_is_one_line() {
        let forged = "a\n2026-01-01T00:00:00Z  INFO ready\r\u{1b}[2J\u{85}\u{2028}退货";
        let told = r"a\n2026-01-01T00:00:00Z  INFO ready\r\u{1b}[2J\u{85}\u{2028}退货";
        let log =
            written(false, || tracing::warn!(error = %forged, text = ?"b\nc", kind = "d e", count = 3, "{forged}"));
        assert_eq!(log, format!(" WARN {told} error={told} text=\"b\\nc\" kind=\"d e\" count=3\n"));
        let log = written(false, || {
            let _span = tracing::info_span!("work", id = %"x\ny").entered();
            tracing::info!(message = "m\nn");
        });
        assert_eq!(log, " INFO work{id=x\\ny}: m\\nn\n");
    }

    #[test]
    fn on_a_terminal_names_have_their_style_and_values_none() {
        let log = written(true, || tracing::warn!(error = %"\u{1b}[31mred", "m"));
        assert!(log.contains("\u{1b}[3merror\u{1b}[0m\u{1b}[2m=\u{1b}[0m\\u{1b}[31mred"), "{log:?}");
    }
}
