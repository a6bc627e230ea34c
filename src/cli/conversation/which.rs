//! Which conversations a command is about, as the command line says it.

use std::collections::BTreeMap;

use super::{each, store_failure};
use crate::{
    cli::{Exit, Failure},
    conversation::{Record, Store, Stored, Who},
    domain::Key,
};

/// Whose they are; several options have to fit together.
#[derive(Debug, clap::Args)]
#[group(id = "whose", multiple = true)]
pub(super) struct Whose {
    /// Those with this id, as the client chose it
    #[arg(long, value_name = "ID")]
    pub(super) conversation: Option<String>,
    /// Those of this sender, as the client calls it
    #[arg(long, value_name = "SENDER")]
    sender: Option<String>,
    /// Those of this user of the broker
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Whose {
    pub(super) fn fits(&self, who: &Who) -> bool {
        let fits = |asked: &Option<String>, is: Option<&String>| asked.is_none() || asked.as_ref() == is;
        fits(&self.conversation, Some(&who.conversation))
            && fits(&self.sender, who.sender.as_ref())
            && fits(&self.user, who.user_id.as_ref())
    }
}

/// By key, or by whose they are.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true, args = ["key", "conversation", "sender", "user"])]
pub(super) struct Which {
    /// The key, as `conversation list` prints it; a beginning that no other has is enough
    #[arg(value_name = "KEY", value_parser = key_prefix, conflicts_with_all = ["conversation", "sender", "user"])]
    key: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

impl Which {
    /// Those that it means, each once: its key, and what is stored.
    ///
    /// # Errors
    /// Where there is none, or the beginning of a key is that of several.
    pub(super) async fn find(&self, store: &dyn Store) -> Result<BTreeMap<String, (Key, Stored)>, Failure> {
        let mut found = BTreeMap::new();
        match self.key.as_deref() {
            Some(prefix) => match prefix.parse::<Key>() {
                Ok(key) => {
                    let stored = store.get(&key).await.map_err(store_failure)?;
                    found.extend(stored.map(|stored| (key.to_string(), (key, stored))));
                }
                Err(_) => {
                    let begins = |key: &Key, _: &Stored| key.to_string().starts_with(prefix);
                    gather(store, &mut found, begins).await?;
                }
            },
            None => {
                // What can't be read is nobody's.
                let fits = |key: &Key, stored: &Stored| {
                    Record::read(key, stored).is_ok_and(|record| self.whose.fits(record.who()))
                };
                gather(store, &mut found, fits).await?;
            }
        }
        if found.is_empty() {
            return Err(Failure::new(Exit::No, "no such conversation is kept"));
        }
        if self.key.is_some() && found.len() > 1 {
            let message = format!("{} conversations have a key that begins so: write more of it", found.len());
            return Err(Failure::new(Exit::No, message));
        }
        Ok(found)
    }
}

async fn gather(
    store: &dyn Store,
    found: &mut BTreeMap<String, (Key, Stored)>,
    fits: impl Fn(&Key, &Stored) -> bool,
) -> Result<(), Failure> {
    each(store, |key, stored| {
        if fits(&key, stored) {
            found.insert(key.to_string(), (key, stored.clone()));
        }
        Ok(())
    })
    .await
}

/// The beginning of a key.
fn key_prefix(text: &str) -> Result<String, String> {
    match text.len() {
        1..=64 if text.chars().all(|c| c.is_ascii_hexdigit()) => Ok(text.to_ascii_lowercase()),
        _ => Err("a key is up to 64 hexadecimal digits, as `conversation list` prints them".to_owned()),
    }
}
