//! Server-sent events: bytes in, the data of each event out.
//!
//! The form is that of the HTML standard, 9.2.6: lines end in CR, LF or both; those that begin with a colon are
//! comments; an event's `data` lines are joined by line breaks; an empty line ends an event.

/// Takes a stream of events apart, whatever its chunks.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    /// The last byte ended a line with CR: an LF that follows belongs to it.
    after_cr: bool,
    begun: bool,
}

impl Events {
    /// The data of the events that end in these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => found.extend(self.end_line()),
                byte => self.line.push(byte),
            }
        }
        found
    }

    /// The data of an event that the stream's end cut short of its empty line, as some servers leave it out.
    pub(super) fn end(&mut self) -> Option<String> {
        let by_line = if self.line.is_empty() { None } else { self.end_line() };
        by_line.or_else(|| self.take())
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if std::mem::replace(&mut self.begun, true) { &line } else { line.trim_start_matches('\u{feff}') };
        if line.is_empty() {
            return self.take();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push('\n');
            }
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
        None
    }

    fn take(&mut self) -> Option<String> {
        std::mem::take(&mut self.has_data).then(|| std::mem::take(&mut self.data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_however_their_bytes_come() {
        fn check(stream: &str, expected: &[&str]) {
            for size in [1, 2, 3, 7, 1024] {
                let mut events = Events::default();
                let mut found: Vec<String> =
                    stream.as_bytes().chunks(size).flat_map(|chunk| events.push(chunk)).collect();
                found.extend(events.end());
                assert_eq!(found, expected, "{stream:?} in chunks of {size}");
            }
        }
        check("", &[]);
        check("data: a\n\ndata:b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("\u{feff}data: 你好\n\n", &["你好"]);
        check(": a comment\n\n:\ndata: a\nid: 7\nevent: x\ndata: b\n\n", &["a\nb"]);
        check("retry: 10\n\ndata\n\n", &[""]);
        check("data:  a\n\n", &[" a"]);
        // Cut short of its empty line, or of its line's end.
        check("data: a\n\ndata: [DONE]\n", &["a", "[DONE]"]);
        check("data: a\n\ndata: [DONE]", &["a", "[DONE]"]);
    }
}
