//! Tells the program the commit that it is built from, for `--version`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=CHATBOT_COMMIT");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    // An image is built without the repository, and names the commit itself.
    let commit = std::env::var("CHATBOT_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(from_git);
    println!("cargo:rustc-env=CHATBOT_COMMIT={}", commit.as_deref().unwrap_or("unknown commit"));
}

fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
