//! `key revoke`: takes a key back.

use std::path::{Path, PathBuf};

use super::{
    super::{Exit, Failure, output},
    file,
};
use crate::door::keys;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Whose key it is
    name: String,
    /// The file of keys; that of CHATBOT_DOOR_KEYS_PATH where it is left out
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Takes the key's lines out.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = file::named(arguments.file.as_deref())?;
    let left = revoke(&path, &arguments.name)?;
    let (shown, name) = (path.display(), output::one_line(&arguments.name));
    output::tell(&format!(
        "{shown}: the key of '{name}' was taken out, and {left} left. A door that reads the file refuses it within two seconds, \
         and closes its sockets\n",
        left = match left {
            0 => "none is".to_owned(),
            1 => "one is".to_owned(),
            left => format!("{left} are"),
        }
    ));
    file::warn_if_exposed(&path);
    Ok(Exit::Ok)
}

/// How many are left.
fn revoke(path: &Path, name: &str) -> Result<usize, Failure> {
    let mut left = 0;
    file::change(path, |shown, text| {
        let before = keys::parse(shown, text).map_err(|error| Failure::new(Exit::Config, error))?;
        let told = output::one_line(name);
        if !before.iter().any(|entry| &*entry.name == name) {
            let message = format!(
                "{shown} has no key of '{told}': `chatbot-worker key list --file {shown}` lists those there are"
            );
            return Err(Failure::new(Exit::No, message));
        }
        left = before.len() - 1;
        keys::without(text, name).ok_or_else(|| {
            let message = format!(
                "{shown}: the key of '{told}' isn't written as a table [keys.NAME] with its fields below: take it out with an \
                 editor"
            );
            Failure::new(Exit::Config, message)
        })
    })?;
    Ok(left)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::fs;

    use super::*;

    #[test]
    fn a_keys_lines_are_taken_out_and_all_else_stays() {
        let path = std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7()));
        let key = |head: &str, digit: &str| format!("{head}\nhash = \"sha256:{}\"\n", digit.repeat(64));
        let page = key("[keys.page] # of the shop", "2")
            + "public = true\n# two sites\norigins = [\n  \"https://a.example\",\n  # [keys.shop]\n  \"https://b.example\",\n]\n";
        let [shop, desk] = [key("[keys.shop]", "1"), key("[keys.\"商店\"]", "3")];
        let check = |text: &str, name: &str, expected: Result<&str, Exit>| {
            fs::write(&path, text).unwrap();
            let revoked = revoke(&path, name).map_err(|failure| failure.exit);
            let left = fs::read_to_string(&path).unwrap();
            match expected {
                Ok(expected) => assert_eq!((left.as_str(), revoked.is_ok()), (expected, true)),
                Err(exit) => assert_eq!((left.as_str(), revoked), (text, Err(exit))),
            }
        };
        let all = format!("# mine\n{shop}\n{page}\n# 商店\n{desk}# the last\n");
        check(&all, "page", Ok(&format!("# mine\n{shop}\n# 商店\n{desk}# the last\n")));
        check(&all, "shop", Ok(&format!("# mine\n\n{page}\n# 商店\n{desk}# the last\n")));
        check(&all, "商店", Ok(&format!("# mine\n{shop}\n{page}\n# 商店\n# the last\n")));
        check(&shop, "shop", Ok(""));
        check(shop.trim_end(), "shop", Ok(""));
        check(&all, "nobody", Err(Exit::No));
        check("[keys.shop]\n", "shop", Err(Exit::Config));
        let hash = format!("{{ hash = \"sha256:{}\" }}", "0".repeat(64));
        let other = hash.replace('0', "1");
        check(&format!("keys = {{ shop = {hash}, page = {other} }}\n"), "shop", Err(Exit::Config));
        check(
            &format!("[keys]\nshop = {hash}\npage.hash = \"sha256:{}\"\n", "1".repeat(64)),
            "page",
            Ok(&format!("[keys]\nshop = {hash}\n")),
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(revoke(&path, "shop").map_err(|failure| failure.exit), Err(Exit::No));
        assert!(!path.exists());
    }
}
