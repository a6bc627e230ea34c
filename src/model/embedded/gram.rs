//! A hash of what is spelled, such as an n-gram or a term of documents, and tables by it.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A hash that is taken in character by character: FNV-1a over code points, then the finaliser of MurmurHash3, because a
/// table needs all bits to be good. What a message spells is the sender's choice, but tables are filled from examples and
/// documents alone, and [`Counter`](super::counter::Counter) has a seed, so chosen collisions gain nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gram(u64);

impl Gram {
    pub(crate) const WORD: Self = Self(0xcbf2_9ce4_8422_2325);
    pub(crate) const CHARACTERS: Self = Self(0x9e37_79b9_7f4a_7c15);

    /// The beginning of another kind, which has no hash in common with those above but by chance.
    pub(crate) const fn kind(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(crate) fn then(self, c: char) -> Self {
        Self((self.0 ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[inline]
    pub(crate) fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

/// A table by what [`Gram::finish`] gives, which isn't hashed once more.
pub(crate) type ByGram<V> = HashMap<u64, V, BuildHasherDefault<AlreadyHashed>>;

/// Takes a hash for what it is.
#[derive(Debug, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
