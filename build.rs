//! Tells the program the commit that it is built from, for `--version`; and what its intent model is made by, so that a
//! model that another source saved isn't taken for its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What a trained model depends on: features, tables and training, and what tells a text's language.
const MADE_BY: [&str; 4] = ["src/domain/language.rs", "src/model/embedded", "src/simplified", "src/simplified.rs"];

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed=CHATBOT_COMMIT");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    // An image is built without the repository, and names the commit itself.
    let commit = std::env::var("CHATBOT_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(from_git);
    println!("cargo:rustc-env=CHATBOT_COMMIT={}", commit.as_deref().unwrap_or("unknown commit"));

    let mut files = Vec::new();
    for path in MADE_BY {
        println!("cargo:rerun-if-changed={path}");
        find_files(Path::new(path), &mut files).map_err(|error| format!("{path}: {error}"))?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in files {
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        hash = add(add(hash, file.to_string_lossy().as_bytes()), &bytes);
    }
    println!("cargo:rustc-env=CHATBOT_MODEL_SOURCE={hash:016x}");
    Ok(())
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| find_files(&entry?.path(), files))
}

/// FNV-1a, eight bytes at a time: it is to see changes, not to resist anybody.
fn add(hash: u64, bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    let words = bytes.chunks(8).map(word).chain([bytes.len() as u64]);
    words.fold(hash, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29))
}

fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
