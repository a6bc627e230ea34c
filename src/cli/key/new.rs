//! `key new`: makes a key.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    super::{Exit, Failure, output},
    file,
};
use crate::door::keys::{self, Entry, EntryKind, KeyHash, MAX_RATE, Origin, name_fault, new_key};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Whose key it is: the sender that the bot sees
    #[arg(value_parser = name)]
    name: String,
    /// For pages: anybody may read it there, so it is bound to origins, limited by address, and speaks only in
    /// conversations that the door made
    #[arg(long, requires = "origin")]
    public: bool,
    /// The site of the pages, such as https://shop.example.com; may be given several times
    #[arg(long = "origin", id = "origin", value_name = "ORIGIN", requires = "public")]
    origins: Vec<Origin>,
    /// The requests that it may make in a minute (a public one: from one address, and 30 where this is left out)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RATE)))]
    rate: Option<u32>,
    /// It may say who the sender is, as a program does that speaks for many
    #[arg(long, conflicts_with = "public")]
    names_senders: bool,
    /// Put its lines into this file, which is made where it isn't there, for this user alone
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, &'static str> {
    name_fault(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// What a key of its kind is for, behind its name.
fn kind(entry: &Entry) -> &'static str {
    match entry.is_public() {
        true => "a public key (cbp_…), for pages of its origins",
        false => "a secret key (cbk_…), which has no place in a page",
    }
}

/// Makes a key, and prints it: on the first line of standard output, so that a program may take it from there.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (key, entry) = made(arguments)?;
    let key = key.expose_secret();
    match &arguments.file {
        Some(path) => {
            add(path, &entry)?;
            output::print(&format!("{key}\n"))?;
            output::tell(&format!(
                "{}: the key of '{}' was added, {}. It is printed this once: nobody can make it out of the file\n",
                path.display(),
                entry.name,
                kind(&entry)
            ));
            file::warn_if_exposed(path);
        }
        None => {
            output::print(&format!("{key}\n\n{}", entry.to_toml()))?;
            output::tell(&format!(
                "\nThe first line is the key, which is printed this once: {}. The others go into the file of keys \
                 (CHATBOT_DOOR_KEYS_PATH)\n",
                kind(&entry)
            ));
        }
    }
    Ok(Exit::Ok)
}

fn made(arguments: &Arguments) -> Result<(SecretString, Entry), Failure> {
    let key = new_key(arguments.public).map_err(|error| Failure::new(Exit::Os, error))?;
    let kind = match arguments.public {
        true => EntryKind::Public { origins: arguments.origins.clone() },
        false => EntryKind::Secret { names_senders: arguments.names_senders },
    };
    let hash = KeyHash::of(key.expose_secret());
    let rate = arguments.rate.and_then(NonZeroU32::new);
    let entry = Entry { name: arguments.name.as_str().into(), hash, kind, rate };
    Ok((key, entry))
}

/// Adds a key's lines at the end of the file, and leaves what is there as it is.
fn add(path: &Path, entry: &Entry) -> Result<(), Failure> {
    file::change(path, |shown, text| {
        let before = keys::parse(shown, text).map_err(|error| Failure::new(Exit::Config, error))?;
        if before.iter().any(|other| other.name == entry.name) {
            let message = format!(
                "{shown} has a key of '{0}' already: choose another name, or take that key back first: `chatbot-worker key revoke \
                 {0} --file {shown}`",
                entry.name
            );
            return Err(Failure::new(Exit::No, message));
        }
        let mut text = text.to_owned();
        if !text.is_empty() {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        text.push_str(&entry.to_toml());
        // `keys = {…}` on a line can't be added to.
        let after = keys::parse(shown, &text).map_or(0, |after| after.len());
        if after != before.len() + 1 {
            let message = format!("{shown} isn't written so that a key can be added: write each as [keys.NAME]");
            return Err(Failure::new(Exit::Config, message));
        }
        Ok(text)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use clap::Parser;

    use super::*;
    use crate::door::keys::{Keys, Presented};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(line: &[&str]) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(["new"].iter().chain(line)).map(|line| line.arguments)
    }

    /// A folder, which is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("key-new-{}", uuid::Uuid::now_v7()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn add_new(path: &Path, line: &[&str]) -> Result<SecretString, Failure> {
        let (key, entry) = made(&parsed(line).unwrap())?;
        add(path, &entry).map(|()| key)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_is_public_with_origins_and_only_then() {
        let page =
            ["page", "--public", "--origin", "https://a.example", "--origin", "https://b.example", "--rate", "20"];
        let (_, entry) = made(&parsed(&page).unwrap()).unwrap();
        assert!(matches!(&entry.kind, EntryKind::Public { origins } if origins.len() == 2));
        assert_eq!(entry.rate.map(NonZeroU32::get), Some(20));
        let (_, entry) = made(&parsed(&["shop", "--names-senders"]).unwrap()).unwrap();
        assert_eq!((entry.kind, entry.rate), (EntryKind::Secret { names_senders: true }, None));
        for wrong in [
            &["page", "--public"][..],
            &["page", "--origin", "https://a.example"],
            &["page", "--public", "--origin", "*"],
            &["page", "--public", "--origin", "https://a.example", "--names-senders"],
            &["shop", "--rate", "0"],
            &["shop", "--rate", "1000001"],
            &[""],
            &["a\nb"],
            &[],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_that_was_added_is_admitted_and_what_was_there_stays() {
        let folder = Folder::new();
        let path = folder.0.join("keys.toml");
        let shop = add_new(&path, &["shop"]).unwrap();
        assert_eq!(mode(&path), 0o600);
        let mut text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(shop.expose_secret()), "{text}");
        // An author's own words, without a line's end; and a file that another user reads.
        text.insert_str(0, "# mine\n");
        text.push_str("# the last");
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let page = add_new(&path, &["商店", "--public", "--origin", "https://a.example"]).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with(&format!("{text}\n\n[keys.\"商店\"]\n")));
        assert_eq!(mode(&path), 0o640);
        let keys = Keys::open(&path).unwrap();
        let address = "192.0.2.1".parse().unwrap();
        for (key, name) in [(shop, "shop"), (page, "商店")] {
            let presented = Presented { bearer: Some(key.expose_secret()), in_url: None, origin: None, address };
            assert_eq!(keys.admit(&presented).unwrap().name.as_deref(), Some(name));
        }
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_cannot_be_added_leaves_the_file_as_it_is() {
        let folder = Folder::new();
        let path = folder.0.join("keys.toml");
        let check = |text: &str, line: &[&str], exit: Exit, told: &str| {
            fs::write(&path, text).unwrap();
            let failure = add_new(&path, line).unwrap_err();
            assert!(failure.exit == exit && failure.message.contains(told), "{failure:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        };
        let hash = format!("hash = \"sha256:{}\"", "0".repeat(64));
        check(&format!("[keys.shop]\n{hash}\n"), &["shop"], Exit::No, "has a key of 'shop' already");
        check("[keys.shop]\n", &["page"], Exit::Config, "line 1: key 'shop': it has no hash");
        check(&format!("keys = {{ shop = {{ {hash} }} }}\n"), &["page"], Exit::Config, "write each as [keys.NAME]");
        let beside = folder.0.join("keys.toml.part");
        fs::write(&beside, "").unwrap();
        check("", &["page"], Exit::Os, "keys.toml.part is there");
        fs::remove_file(&beside).unwrap();
        assert!(add_new(&folder.0.join("none/keys.toml"), &["page"]).is_err_and(|failure| failure.exit == Exit::Os));
        assert!(add_new(&folder.0, &["page"]).is_err_and(|failure| failure.exit == Exit::Os));
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = Folder::new();
        let [path, link] = ["keys.toml", "link.toml"].map(|name| folder.0.join(name));
        add_new(&path, &["shop"]).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        add_new(&link, &["page"]).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Keys::open(&path).unwrap().entries().len(), 2);
    }
}
