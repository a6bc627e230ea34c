//! The file of keys, as commands change it.
//!
//! **Invariant:** a door finds a whole file at any time; its owner and rights stay as they are, and a new one is for this user
//! alone.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use super::super::{Exit, Failure, output, setup};
use crate::{door::keys, utf8};

/// The file that an argument names, or else CHATBOT_DOOR_KEYS_PATH.
///
/// # Errors
/// Where neither does.
pub(super) fn named(argument: Option<&Path>) -> Result<PathBuf, Failure> {
    const WHICH: &str = "which file? Name it with --file, or set CHATBOT_DOOR_KEYS_PATH";
    match argument {
        Some(path) => Ok(path.to_owned()),
        None => {
            let of_settings = setup::settings()?.settings.door.keys_path;
            Ok(of_settings.ok_or_else(|| Failure::new(Exit::Usage, WHICH))?.as_path().to_owned())
        }
    }
}

/// Changes the text of a file; where there is none, that of an empty one.
///
/// # Errors
/// That of `change`, and where the file can't be read or written.
pub(super) fn change(path: &Path, change: impl FnOnce(&str, &str) -> Result<String, Failure>) -> Result<(), Failure> {
    // A link stays one, and the file that it leads to is written.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let shown = path.display().to_string();
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => utf8::decode_read(read).map_err(|fault| Failure::new(Exit::Os, format!("{shown} {fault}")))?,
    };
    let changed = change(&shown, &text)?;
    write(path, changed.as_bytes())
        .map_err(|error| Failure::new(Exit::Os, format!("{shown}: can't be written: {error}")))
}

/// Tells where others may read a file, or write it.
pub(super) fn warn_if_exposed(path: &Path) {
    if let Some(warning) = exposed(path) {
        output::tell(&format!("{warning}\n"));
    }
}

fn exposed(path: &Path) -> Option<String> {
    let (mode, shown) = (keys::exposed(path)?, path.display());
    Some(format!(
        "{shown}: others may read or write it (its mode is {mode:o}): `chmod 600 {shown}`, or 640 where the door's user reads it \
         by its group"
    ))
}

/// Writes beside the file and renames.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    // New: of two that write at once, one says so, and neither loses the other's key.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let name = beside.display();
            io::Error::other(format!(
                "{name} is there: another command writes the file, or ended before; then remove it"
            ))
        }
        _ => error,
    })?;
    let mut write = || {
        file.write_all(bytes)?;
        if let Ok(old) = fs::metadata(path) {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                chown(&beside, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}
