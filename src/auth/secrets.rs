//! Secrets that senders show, and what each stands for.
//!
//! Only the SHA-256 of a secret is known here, so neither a configuration file nor a core dump gives one
//! away. A secret has to be long and random: its hash is no protection of one that can be guessed.

use halod_record::hash::sha256;
use std::fmt;

/// What secrets stand for, by their SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets<T> {
    of: Vec<([u8; 32], T)>,
}

impl<T> Secrets<T> {
    #[must_use]
    pub fn new(of: Vec<([u8; 32], T)>) -> Self {
        Self { of }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// What a secret stands for.
    #[must_use]
    pub fn find(&self, secret: &[u8]) -> Option<&T> {
        let digest = sha256(secret);
        let mut found = None;
        // All of them, every time: how long it takes says nothing.
        for (own, what) in &self.of {
            if same(own, &digest) {
                found = Some(what);
            }
        }
        found
    }
}

/// Whether a secret is the one of this SHA-256.
#[must_use]
pub fn is_secret(digest: &[u8; 32], secret: &[u8]) -> bool {
    same(digest, &sha256(secret))
}

/// In a time that says nothing of where two digests differ.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

impl<T> Default for Secrets<T> {
    fn default() -> Self {
        Self { of: Vec::new() }
    }
}

/// Shows what the secrets stand for, and no hash.
impl<T: fmt::Debug> fmt::Debug for Secrets<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.of.iter().map(|(_, what)| what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_hash_alone() {
        let secrets = Secrets::new(vec![(sha256(b"ab"), 1), (sha256(b""), 2)]);
        for (secret, found) in [("ab", Some(&1)), ("a", None), ("abc", None), ("", Some(&2))] {
            assert_eq!(secrets.find(secret.as_bytes()), found, "{secret}");
        }
        assert!(is_secret(&sha256(b"ab"), b"ab") && !is_secret(&sha256(b"ab"), b"a"));
        assert_eq!(format!("{secrets:?}"), "[1, 2]");
    }
}
