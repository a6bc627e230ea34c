//! Who may ask through the door: keys, origins, addresses, limits.
//!
//! **Invariant:** pure but for reading the file of keys, the clock and the system's random numbers; no key, and nothing of the
//! file but names, is ever in a message or in the log.

mod address;
mod caller;
mod entry;
mod file;
mod hash;
mod limits;
mod origin;
mod reader;
mod refusal;

#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr, num::NonZeroU32, path::Path, sync::Arc};

pub(in crate::door) use self::file::BETWEEN_LOOKS;
use self::{
    address::place,
    file::KeysFile,
    limits::{Counted, Limits},
};
pub use self::{
    address::{Network, client_address},
    caller::Caller,
    entry::{Entry, EntryKind, MAX_NAME, MAX_RATE, name_fault},
    file::exposed,
    hash::{KeyHash, NoRandomness, new_key},
    origin::{Origin, is_same_origin},
    reader::KeysError,
    refusal::Refusal,
};

/// How many wrong keys an address may send in a minute.
const WRONG_KEYS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How many keys and addresses are counted at once, in some 15 MB at the most.
const COUNTED: u64 = 50_000;

/// Who may ask.
pub struct Keys {
    /// `None`: nobody needs a key.
    file: Option<KeysFile>,
    /// The other sites whose pages may ask, besides those of public keys.
    origins: Vec<Origin>,
    counts: Arc<Limits>,
    /// The wrong keys, by where they came from.
    wrong: Limits,
}

/// What somebody who asks shows.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    /// The key of the header `Authorization: Bearer KEY`, or whatever stands for it.
    pub bearer: Option<&'r str>,
    /// The key in the address, where only a public one may be; looked at only without the other.
    pub in_url: Option<&'r str>,
    /// The header `Origin`; `None` where there is none, or where it [is the door's own](is_same_origin).
    pub origin: Option<&'r str>,
    /// Where it comes from: [`client_address`].
    pub address: IpAddr,
}

/// Reads the text of a file of keys, which is called `source_name` in what is told.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Entry>, KeysError> {
    reader::read(source_name, text)
}

/// The text of a file of keys without the lines of one key; `None` where that isn't written as a table with a head of its own.
/// What stands above and below it stays, comments too.
pub fn without(text: &str, name: &str) -> Option<String> {
    let found = reader::lines(text).into_iter().find(|(other, _)| other == name);
    let (_, gone) = found?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (above, below) = (lines.get(..gone.start)?, lines.get(gone.end..)?);
    let is_empty = |line: Option<&&str>| line.is_none_or(|line| line.trim().is_empty());
    // Of the empty lines around it one is left.
    let skipped = usize::from(is_empty(above.last()) && is_empty(below.first()) && !below.is_empty());
    let left: String = above.iter().chain(&below[skipped..]).copied().collect();
    let rest = |text: &str| -> Option<Vec<String>> {
        let entries = parse("", text).ok()?;
        Some(entries.iter().filter(|entry| &*entry.name != name).map(Entry::to_toml).collect())
    };
    let is_gone = parse("", &left).is_ok_and(|entries| entries.iter().all(|entry| &*entry.name != name));
    (is_gone && rest(text) == rest(&left)).then_some(left)
}

impl Keys {
    /// Those of a file, which is read again once it has changed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        Ok(Self::new(Some(KeysFile::open(path)?)))
    }

    /// None: nobody needs one.
    pub fn off() -> Self {
        Self::new(None)
    }

    fn new(file: Option<KeysFile>) -> Self {
        let (counts, wrong) = (Arc::new(Limits::new(COUNTED)), Limits::new(COUNTED));
        Self { file, origins: Vec::new(), counts, wrong }
    }

    /// The same, with other sites whose pages may ask without a public key.
    pub fn with_origins(self, origins: Vec<Origin>) -> Self {
        Self { origins, ..self }
    }

    /// Whether whoever asks needs one.
    pub fn are_required(&self) -> bool {
        self.file.is_some()
    }

    /// Those of the file, as it is now; none where nobody needs one. Reads the file where it has changed, at most once a
    /// second.
    pub fn entries(&self) -> Arc<[Entry]> {
        self.file.as_ref().map(KeysFile::entries).unwrap_or_default()
    }

    /// Who asks. The request isn't counted: [`Caller::take`] does that.
    ///
    /// # Errors
    /// Why it may not; a wrong key is counted by the address, and after too many of them no secret key is taken from there
    /// for a while. A public key is: it is no secret, and others at that address are in its page.
    pub fn admit(&self, presented: &Presented<'_>) -> Result<Caller, Refusal> {
        let Presented { bearer, in_url, origin, address } = *presented;
        if self.file.is_none() {
            return match origin {
                Some(origin) if !self.lists(origin) => Err(Refusal::Origin),
                _ => Ok(Caller::anybody()),
            };
        }
        let [bearer, in_url] = [bearer, in_url].map(|key| key.filter(|key| !key.is_empty()));
        let hash = KeyHash::of(bearer.or(in_url).ok_or(Refusal::Missing)?);
        let entries = self.entries();
        // All of them are compared, so that the time tells nothing.
        let found =
            entries.iter().fold(None, |found, entry| if entry.hash.is(&hash).into() { Some(entry) } else { found });
        let place = Counted::Address(place(address));
        if !found.is_some_and(Entry::is_public)
            && let Some(wait) = self.wrong.wait(&place, WRONG_KEYS)
        {
            return Err(Refusal::Locked(wait));
        }
        let Some(entry) = found else {
            return Err(self.wrong.take(place, WRONG_KEYS).err().map_or(Refusal::Wrong, Refusal::Locked));
        };
        let is_public = entry.is_public();
        if bearer.is_none() && !is_public {
            return Err(Refusal::NotPublic);
        }
        match origin {
            Some(origin) if is_public && !entry.is_for(origin) => Err(Refusal::Origin),
            Some(origin) if !is_public && !self.lists(origin) => Err(Refusal::Origin),
            _ => Ok(Caller::of(entry, address, &self.counts)),
        }
    }

    /// Whether whoever was let in still would be: its key is in the file.
    pub fn hold(&self, caller: &Caller) -> bool {
        self.file.is_none() || self.entries().iter().any(|entry| caller.is_of(entry))
    }

    /// The sites in whose pages a door's page may be framed that has this public key; none where the key is none.
    pub fn origins_of(&self, key: &str) -> Vec<Origin> {
        let hash = KeyHash::of(key);
        let of = |entry: &Entry| match &entry.kind {
            EntryKind::Public { origins, .. } if entry.hash.is(&hash).into() => Some(origins.to_vec()),
            _ => None,
        };
        self.entries().iter().find_map(of).unwrap_or_default()
    }

    /// The other sites whose pages may ask without a public key.
    pub fn listed(&self) -> &[Origin] {
        &self.origins
    }

    /// Whether pages of this origin may ask at all, with some key or none: what a browser asks beforehand, without the key.
    pub fn origin_allowed(&self, origin: &str) -> bool {
        self.lists(origin) || self.entries().iter().any(|entry| entry.is_for(origin))
    }

    fn lists(&self, origin: &str) -> bool {
        self.origins.iter().any(|listed| listed.is(origin))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("are_required", &self.are_required()).finish_non_exhaustive()
    }
}
