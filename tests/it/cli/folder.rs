//! A folder of a test's own.

use std::{fs, path::PathBuf};

/// Removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("chatbot-eval-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A file in it; its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
