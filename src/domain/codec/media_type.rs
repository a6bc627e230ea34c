//! A media type, as the property `content_type` holds it: `type/subtype; parameter=value` (RFC 9110, 8.3.1).

/// How the body of a request is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, and nothing else.
    Json,
    /// Text, unless it is a JSON object with a string `body`.
    Text,
    /// A JSON object if it parses as one, else text: what clients send that set no content type.
    Unnamed,
}

/// The two parts of a media type that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MediaType<'a> {
    essence: &'a str,
    /// The parameter `charset`, without its quotes; `None` if it is empty.
    pub(super) charset: Option<&'a str>,
}

impl<'a> MediaType<'a> {
    /// Splits a content type. Nothing fails: what can't be a media type has a [`MediaType::format`] of none.
    pub(super) fn parse(content_type: &'a str) -> Self {
        let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        Self { essence: essence.trim(), charset: charset(parameters) }
    }

    /// How to read a body of this type; `None` if it isn't spoken here.
    pub(super) fn format(&self) -> Option<Format> {
        let essence = self.essence.to_ascii_lowercase();
        match essence.as_str() {
            "" | "application/octet-stream" => Some(Format::Unnamed),
            "application/json" => Some(Format::Json),
            "text/plain" => Some(Format::Text),
            _ => {
                let subtype = essence.strip_prefix("application/")?.strip_suffix("+json")?;
                (!subtype.is_empty()).then_some(Format::Json)
            }
        }
    }
}

/// The value of the first parameter `charset`.
fn charset(mut parameters: &str) -> Option<&str> {
    while let Some((before, rest)) = parameters.split_once('=') {
        // What stands before the last ';' has no '=', so it is no parameter, and is skipped.
        let name = before.rsplit(';').next().unwrap_or_default().trim();
        let (value, rest) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => split_quoted(quoted),
            None => rest.split_once(';').unwrap_or((rest, "")),
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("charset") && !value.is_empty() {
            return Some(value);
        }
        parameters = rest;
    }
    None
}

/// Splits at the quote that ends a quoted string. A backslash takes the meaning from the character after it, but stays:
/// no charset's name has one.
fn split_quoted(quoted: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    match end.and_then(|end| quoted.split_at_checked(end)) {
        Some((value, rest)) => (value, rest.strip_prefix('"').unwrap_or(rest)),
        None => (quoted, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: &str, format: Option<Format>, charset: Option<&str>) {
        let parsed = MediaType::parse(content_type);
        assert_eq!((parsed.format(), parsed.charset), (format, charset), "{content_type:?}");
    }

    #[test]
    fn types() {
        check("", Some(Format::Unnamed), None);
        check("application/octet-stream", Some(Format::Unnamed), None);
        check("application/json", Some(Format::Json), None);
        check(" Application/JSON ", Some(Format::Json), None);
        check("application/cloudevents+json", Some(Format::Json), None);
        check("application/ld+JSON;profile=x", Some(Format::Json), None);
        check("text/plain", Some(Format::Text), None);
        for other in
            ["application/+json", "text/json", "text/html", "image/svg+json", "json", "application/json x", "/"]
        {
            check(other, None, None);
        }
    }

    #[test]
    fn charsets() {
        check("text/plain; charset=gbk", Some(Format::Text), Some("gbk"));
        check("TEXT/PLAIN;CHARSET=GBK", Some(Format::Text), Some("GBK"));
        check(r#"text/plain; charset="gb18030""#, Some(Format::Text), Some("gb18030"));
        check(r#"text/plain;charset=" gbk ";x=y"#, Some(Format::Text), Some("gbk"));
        check("text/plain; format=flowed; charset = utf-8 ; x=y", Some(Format::Text), Some("utf-8"));
        check(r#"text/plain; a="x;charset=gbk"; charset=utf-8"#, Some(Format::Text), Some("utf-8"));
        check(r#"text/plain; a="x\";charset=gbk\\"; charset=utf-8"#, Some(Format::Text), Some("utf-8"));
        check("text/plain; flowed; charset=gbk", Some(Format::Text), Some("gbk"));
        check("text/plain; charset=gbk; charset=utf-8", Some(Format::Text), Some("gbk"));
        check("; charset=gbk", Some(Format::Unnamed), Some("gbk"));
        check("application/octet-stream; charset=gbk", Some(Format::Unnamed), Some("gbk"));
        for without in [
            "text/plain;",
            "text/plain; charset",
            "text/plain; charset=",
            r#"text/plain; charset="""#,
            "text/plain; xcharset=gbk",
            r#"text/plain; a="charset=gbk"#,
            "text/plain;=;=;",
        ] {
            check(without, Some(Format::Text), None);
        }
        check(r#"text/plain; charset="gbk"#, Some(Format::Text), Some("gbk"));
    }
}
