//! Passwords, by their Argon2 hash: checked once, and remembered.
//!
//! Argon2 (RFC 9106) is made to be slow, so one password is checked at a time, on a thread of its own; what was checked is
//! known by a digest under a key that ends with the process.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use halod_record::hash::sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Passwords that are remembered, right ones and wrong ones.
const REMEMBERED: usize = 1024;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was checked.
pub(super) struct Checked {
    key: [u8; 32],
    known: Mutex<HashMap<[u8; 32], bool>>,
    turn: Semaphore,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").finish_non_exhaustive()
    }
}

/// Nobody could check a password in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Checked {
    /// With a key that nobody knows.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, known: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// Whether the password is that of `hash`.
    ///
    /// # Errors
    /// Too many others are being checked.
    pub(super) async fn is_right(&self, hash: &str, password: &[u8]) -> Result<bool, Busy> {
        let digest = self.digest(hash, password);
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let turn = tokio::time::timeout(PATIENCE, self.turn.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(Busy) };
        // Whoever waited may have waited for the same one.
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let (hash, password) = (hash.to_owned(), password.to_vec());
        let right = tokio::task::spawn_blocking(move || verify(&hash, &password)).await.unwrap_or(false);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(digest, right);
        Ok(right)
    }

    fn known(&self, digest: &[u8; 32]) -> Option<bool> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied()
    }

    fn digest(&self, hash: &str, password: &[u8]) -> [u8; 32] {
        let hash = sha256(hash.as_bytes());
        sha256(&[&self.key[..], &hash, password].concat())
    }
}

fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// Whether a text can be the hash of a password.
///
/// # Errors
/// It can't, in words that tell nothing of it.
pub(super) fn check(text: &str) -> Result<(), String> {
    let is_hash = PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() && hash.salt.is_some()
    });
    let what = "password is no argon2 hash in the PHC string format, like $argon2id$v=19$...; `halod token password` makes one";
    if is_hash { Ok(()) } else { Err(what.into()) }
}

/// The Argon2id hash of a password, in the PHC string format.
///
/// # Errors
/// The password is too long, in Argon2's words.
pub fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String, String> {
    let salt = SaltString::encode_b64(salt).map_err(|error| error.to_string())?;
    let hash = Argon2::default().hash_password(password, &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_checked_once_and_remembered() {
        let hash = hash(b"correct horse", &[7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$") && check(&hash) == Ok(()), "{hash}");
        let checked = Checked::new([1; 32]);
        for _ in 0..2 {
            assert_eq!(checked.is_right(&hash, b"correct horse").await, Ok(true));
            assert_eq!(checked.is_right(&hash, b"correct horsf").await, Ok(false));
        }
        assert_eq!(checked.known.lock().unwrap().len(), 2);
        // What is remembered is right for this hash alone.
        let other = super::hash(b"another one", &[8; 16]).unwrap();
        assert_eq!(checked.is_right(&other, b"correct horse").await, Ok(false));
        assert!(!format!("{checked:?}").contains("known"));
    }

    #[tokio::test]
    async fn memory_has_an_end() {
        let checked = Checked::new([1; 32]);
        for at in 0..REMEMBERED as u64 {
            checked.known.lock().unwrap().insert(sha256(&at.to_be_bytes()), false);
        }
        assert_eq!(checked.is_right("no hash", b"x").await, Ok(false));
        assert_eq!(checked.known.lock().unwrap().len(), 1);
    }

    #[test]
    fn other_hashes_are_none() {
        for text in ["", "hunter2", "$2y$10$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
