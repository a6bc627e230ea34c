//! The files of a page that are built in, and how they are served.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

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

/// A file, with the policy that says what its page may load and who may frame it.
pub(crate) fn respond(file: &File, policy: HeaderValue) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // It changes with the program alone; a browser asks, and mustn't show an old one.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, file.text).into_response()
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
