//! A key's hash, which is all that the file of keys holds of it; and new keys.
//!
//! A key has 256 random bits, so nobody finds it by trying, and a plain SHA-256 is as safe as a slow hash.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const FORM: &str = "sha256:";
/// What secret keys begin with, so that people and programs that look for leaked secrets know one.
const SECRET: &str = "cbk_";
/// The same of public ones, which stand in pages. Those of before begin as secret ones do, and hold on: only hashes are kept.
const PUBLIC: &str = "cbp_";

/// The SHA-256 of a key. Compared in constant time only, and never shown but to the file's author.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

/// The system gives no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(String);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// A new key of 256 random bits: a public one, or a secret one.
///
/// # Errors
/// [`NoRandomness`].
pub fn new_key(is_public: bool) -> Result<SecretString, NoRandomness> {
    let begin = if is_public { PUBLIC } else { SECRET };
    Ok(format!("{begin}{}", URL_SAFE_NO_PAD.encode(random::<32>()?)).into())
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

impl FromStr for KeyHash {
    /// What would be right; the text is told to nobody, since it may be the key itself.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "hash must be sha256: and 64 hexadecimal digits, as `chatbot-worker key new` prints it; the key \
                             itself has no place in this file";
        let digits = text.strip_prefix(FORM).filter(|digits| digits.len() == 64).ok_or(WRONG)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(0).zip(digit(1)).map(|(high, low)| high << 4 | low).ok_or(WRONG)?;
        }
        Ok(Self(hash))
    }
}

/// As the file has it.
impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_hash_is_what_other_programs_make_of_the_key() {
        // printf %s abc | sha256sum
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of("abc").to_string(), expected);
        let read: KeyHash = expected.to_uppercase().replace("SHA", "sha").parse().unwrap();
        assert!(bool::from(read.is(&KeyHash::of("abc"))));
        assert!(!bool::from(read.is(&KeyHash::of("abd"))));
        assert_eq!(format!("{read:?}"), "KeyHash(…)");
        for wrong in ["", "abc", &expected[7..], &expected[..70], &format!("{expected}0"), &expected.replace('b', "g")]
        {
            assert!(wrong.parse::<KeyHash>().is_err_and(|told| told.contains("64 hexadecimal")), "{wrong}");
        }
    }

    #[test]
    fn a_new_key_is_another_each_time_tells_its_kind_and_fits_into_an_address() {
        for (is_public, begin) in [(false, "cbk_"), (true, "cbp_")] {
            let keys: Vec<SecretString> = (0..2).map(|_| new_key(is_public).unwrap()).collect();
            let [one, other] = [0, 1].map(|at| keys[at].expose_secret());
            assert_ne!(one, other);
            assert_eq!(one.len(), 4 + 43);
            assert!(
                one.starts_with(begin) && one.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{one}"
            );
        }
    }
}
