//! The section `door`: HTTP for those who aren't clients of RabbitMQ.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::ListenAddress;
use crate::{
    config::{
        Conflict,
        types::{BoundedDuration, CountTo, FilePath, Invalid, List, OrOff, choose, text::serde_as_text},
    },
    door::keys::{Network, Origin},
};

/// HTTP for those who aren't clients of RabbitMQ.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Door {
    /// The address; port 0 picks one. Off: `run` opens no door, and `serve` one at its own default.
    pub listen: OrOff<ListenAddress>,
    /// The file of keys.
    pub keys_path: Option<FilePath>,
    pub keys: KeyUse,
    /// The longest that a request waits for its answer, 1 s to 1 h.
    pub timeout: BoundedDuration<1_000, 3_600_000>,
    /// The other sites whose pages may ask.
    pub origins: Option<List<Origin>>,
    /// The most connections at once.
    pub max_connections: CountTo<1_000_000>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Option<List<Network>>,
}

/// Whether whoever asks needs a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Where there is a file of keys; without one, only this machine may ask.
    Required,
    /// Nobody needs one.
    Off,
}

const KEY_USES: [(&str, KeyUse); 2] = [("required", KeyUse::Required), ("off", KeyUse::Off)];

impl FromStr for KeyUse {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &KEY_USES)
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY_USES.iter().find(|(_, uses)| uses == self).map_or("", |(name, _)| name))
    }
}

serde_as_text!(KeyUse);

impl Door {
    pub(super) fn conflict(&self) -> Option<Conflict> {
        let message = match (self.keys, &self.keys_path, self.listen.get()) {
            (KeyUse::Off, Some(_), _) => {
                "door.keys is off, so the keys of door.keys_path would not be asked for: unset \
                                          CHATBOT_DOOR_KEYS, or CHATBOT_DOOR_KEYS_PATH"
                    .to_owned()
            }
            (KeyUse::Required, None, Some(listen)) if !listen.get().ip().to_canonical().is_loopback() => format!(
                "door.listen is {listen}, which other machines can reach, and there is no file of keys: set \
                 CHATBOT_DOOR_KEYS_PATH to one (`chatbot-worker key new NAME --file keys.toml` makes it), or \
                 CHATBOT_DOOR_KEYS to off if whoever reaches the door may ask"
            ),
            _ => return None,
        };
        let keys = ["door.listen", "door.keys", "door.keys_path"].map(str::to_owned).to_vec();
        Some(Conflict { keys, message })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::{super::Settings, *};

    fn load(variables: &[(&str, &str)]) -> Result<Door, String> {
        let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let loaded = Settings::load(&variables.iter().copied().collect(), &read);
        loaded.map(|loaded| loaded.settings.door).map_err(|problems| problems.to_string())
    }

    const PATH: (&str, &str) = ("CHATBOT_DOOR_KEYS_PATH", "keys.toml");
    const OFF: (&str, &str) = ("CHATBOT_DOOR_KEYS", "off");

    #[test]
    fn a_door_that_others_reach_has_keys_or_says_that_it_has_none() {
        fn check(listen: &str, more: &[(&str, &str)], expected: &str) {
            let variables = [&[("CHATBOT_DOOR_LISTEN", listen)], more].concat();
            let fault = load(&variables).map(|_| ()).err().unwrap_or_default();
            assert!(fault.contains(expected), "{variables:?}: {fault}");
            assert_eq!(fault.is_empty(), expected.is_empty(), "{variables:?}: {fault}");
        }
        for listen in ["off", "127.0.0.1:8000", "127.0.0.2:0", "[::1]:8000", "[::ffff:127.0.0.1]:8000"] {
            check(listen, &[], "");
            check(listen, &[PATH], "");
            check(listen, &[OFF], "");
            check(listen, &[OFF, PATH], "unset CHATBOT_DOOR_KEYS, or CHATBOT_DOOR_KEYS_PATH");
        }
        for listen in ["0.0.0.0:8000", "[::]:8000", "192.0.2.7:80", "[::ffff:192.0.2.7]:80"] {
            check(listen, &[], "set CHATBOT_DOOR_KEYS_PATH");
            check(listen, &[], "CHATBOT_DOOR_KEYS to off");
            check(listen, &[PATH], "");
            check(listen, &[OFF], "");
            check(listen, &[OFF, PATH], "unset CHATBOT_DOOR_KEYS, or CHATBOT_DOOR_KEYS_PATH");
        }
    }

    #[test]
    fn the_defaults_open_no_door() {
        let door = load(&[]).unwrap();
        assert_eq!(door.listen.get(), None);
        assert_eq!((door.keys, door.keys_path), (KeyUse::Required, None));
        assert_eq!((door.timeout.get().as_secs(), door.max_connections.get()), (30, 10_000));
        assert!(door.origins.is_none() && door.trusted_proxies.is_none());
    }

    #[test]
    fn each_setting_is_read_or_told_with_what_would_be_right() {
        fn check(variable: &str, value: &str, fault: &str) {
            let told = load(&[(variable, value)]).map(|_| ()).err().unwrap_or_default();
            assert!(told.contains(fault) && told.starts_with(variable), "{variable}={value}: {told}");
        }
        check("CHATBOT_DOOR_LISTEN", "8000", "isn't an IP address with a port");
        check("CHATBOT_DOOR_KEYS", "no", "isn't one of: required, off");
        check("CHATBOT_DOOR_TIMEOUT", "999ms", "from 1s to 1h");
        check("CHATBOT_DOOR_TIMEOUT", "2h", "from 1s to 1h");
        check("CHATBOT_DOOR_ORIGINS", "*", "every page of the web");
        check("CHATBOT_DOOR_ORIGINS", "https://a.example,https://b.example/x", "entry 2 of the list: an origin ends");
        check("CHATBOT_DOOR_ORIGINS", "[\"http://a\"]", "several are separated by commas");
        check("CHATBOT_DOOR_ORIGINS", "http://a http://b", "several are separated by commas");
        check("CHATBOT_DOOR_MAX_CONNECTIONS", "0", "from 1 to 1000000");
        check("CHATBOT_DOOR_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "entry 2 of the list: that is neither");
        let variables = [
            ("CHATBOT_DOOR_ORIGINS", "https://a.example:443, http://b"),
            ("CHATBOT_DOOR_TRUSTED_PROXIES", "10.1.1.1/8"),
        ];
        let door = load(&variables).unwrap();
        assert_eq!(door.origins.unwrap().to_string(), "https://a.example,http://b");
        assert_eq!(door.trusted_proxies.unwrap().to_string(), "10.0.0.0/8");
    }
}
