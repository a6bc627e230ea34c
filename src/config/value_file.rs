//! A setting's value in a file of its own, which a variable that ends in `_FILE` names: how secrets are mounted.

use std::path::PathBuf;

use serde::{
    de::DeserializeOwned,
    de::value::{Error, StrDeserializer},
};

use super::{Effective, Origin};
use crate::utf8;

/// The file that holds a setting's value. It is kept beside the value, as secrets are renewed while a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFile {
    /// The variable's name ends in `_FILE`.
    pub variable: String,
    pub path: PathBuf,
}

impl ValueFile {
    /// The file that a setting's value came from, if there is one to read again: a pipe, such as a shell's `<(…)`, gives
    /// its content once.
    pub fn of(setting: &Effective) -> Option<Self> {
        let Origin::VariableFile { variable, path } = &setting.origin else { return None };
        path.is_file().then(|| Self { variable: variable.clone(), path: path.clone() })
    }

    /// The value as the file has it now.
    ///
    /// # Errors
    /// What is wrong with which file; never its content.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let wrong = |what: &str| format!("{}: the file {} {what}", self.variable, self.path.display());
        let text = utf8::read(&self.path).map_err(|reason| wrong(&reason))?;
        match text.trim() {
            "" => Err(wrong("is empty")),
            value => T::deserialize(StrDeserializer::<Error>::new(value))
                .map_err(|error| wrong(&format!("holds a value that can't be used: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

    use std::fs;

    use super::*;
    use crate::config::types::{Count, List};

    #[test]
    fn a_value_is_read_from_its_file_anew() {
        let path = std::env::temp_dir().join(format!("value-{}", uuid::Uuid::now_v7()));
        let file = ValueFile { variable: "X_FILE".into(), path: path.clone() };
        let read = || file.read::<List<Count>>().map(|list| list.to_string());
        let check = |content: &[u8], expected: Result<&str, &str>| {
            fs::write(&path, content).unwrap();
            match (read(), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected),
                (Err(fault), Err(expected)) => {
                    assert!(fault.starts_with(&format!("X_FILE: the file {} ", path.display())), "{fault}");
                    assert!(fault.contains(expected), "{fault}");
                }
                (found, _) => panic!("{content:?}: {found:?}"),
            }
        };
        check(b"7", Ok("7"));
        check(b"7, 8\n", Ok("7,8"));
        check(b"\xef\xbb\xbf7\r\n", Ok("7"));
        check(b" \n", Err("is empty"));
        check(b"\xff\xfe7\0", Err("is UTF-16 text"));
        check(b"seven", Err("can't be used"));
        fs::remove_file(&path).unwrap();
        assert!(read().is_err_and(|fault| fault.contains("can't be read: No such file")));
    }
}
