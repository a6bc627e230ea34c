//! The files of a page that are built in, and how they are served.

use std::fmt::Write;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// A file of a page: where it is served, what it is, and what it holds.
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) text: &'static str,
}

/// Files of the folder `page` beside the file that names them, and where they are served.
macro_rules! files {
    ($($path:literal = $file:literal, $media_type:literal;)*) => {
        &[$($crate::page_files::File {
            path: $path,
            media_type: $media_type,
            text: include_str!(concat!("page/", $file)),
        }),*]
    };
}

pub(crate) use files;

/// A file, with the policy that says what its page may load and who may frame it; without its text for a browser that has it.
pub(crate) fn respond(file: &File, policy: HeaderValue, asked: &HeaderMap) -> Response {
    let tag = tag(file.text);
    let is_there = has(asked, &tag);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // It changes with the program alone; a browser asks, and mustn't show an old one.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    let mut response = match is_there {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, file.text).into_response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The tag of a text, by which a browser knows it again.
fn tag(text: &str) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(text).iter().take(16) {
        // A String takes whatever is written.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Whether a browser says that it has what this tag is of. A proxy that compresses has made the tag a weak one, `W/"…"`.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

/// Holds that all files of a folder are served, `index.html` at `/`.
#[cfg(test)]
pub(crate) fn check_all_served(files: &[File], folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut there = std::fs::read_dir(folder)?
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<String>>>()?;
    let name = |file: &File| match file.path.rsplit('/').next().unwrap_or_default() {
        "" => "index.html".to_owned(),
        name => name.to_owned(),
    };
    let mut served: Vec<_> = files.iter().map(name).collect();
    there.sort();
    served.sort();
    assert_eq!(there, served);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File { path: "/", media_type: "text/html", text: "你好" };

    fn respond_to(known: Option<&str>) -> Response {
        let known = known.and_then(|known| HeaderValue::from_str(known).ok());
        let asked: HeaderMap = known.map(|known| (header::IF_NONE_MATCH, known)).into_iter().collect();
        respond(&FILE, HeaderValue::from_static("default-src 'none'"), &asked)
    }

    #[test]
    fn a_browser_that_has_a_file_is_not_sent_it_again() {
        let tag = tag(FILE.text);
        let check = |known: Option<&str>, expected: StatusCode| {
            let response = respond_to(known);
            assert_eq!(response.status(), expected, "{known:?}");
            let told = response.headers().get(header::ETAG).and_then(|told| told.to_str().ok());
            assert_eq!(told, Some(tag.as_str()), "{known:?}");
            assert!(response.headers().contains_key(header::CONTENT_SECURITY_POLICY), "{known:?}");
        };
        check(None, StatusCode::OK);
        check(Some("\"other\""), StatusCode::OK);
        check(Some(&tag), StatusCode::NOT_MODIFIED);
        check(Some(&format!("\"other\", W/{tag}")), StatusCode::NOT_MODIFIED);
        check(Some("*"), StatusCode::NOT_MODIFIED);
    }
}
