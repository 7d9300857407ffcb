//! Secrets that senders show, and what each stands for.
//!
//! Only the SHA-256 of a secret is known here, so neither a configuration file nor a core dump gives one
//! away. A secret has to be long and random: its hash is no protection of one that can be guessed.

use crate::record::hash::sha256;
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

    /// What a secret stands for.
    #[must_use]
    pub fn find(&self, secret: &[u8]) -> Option<&T> {
        let digest = sha256(secret);
        let mut found = None;
        // All of them, every time: how long it takes says nothing.
        for (own, what) in &self.of {
            let differ = own.iter().zip(&digest).fold(0, |differ, (a, b)| differ | (a ^ b));
            if differ == 0 {
                found = Some(what);
            }
        }
        found
    }
}

impl<T> Default for Secrets<T> {
    fn default() -> Self {
        Self { of: Vec::new() }
    }
}

/// Without the hashes.
impl<T: fmt::Debug> fmt::Debug for Secrets<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.of.iter().map(|(_, what)| what)).finish()
    }
}
