//! `.halo_serve_secret`: what links, cookies and the operator's key are made with.

use super::AccessError;
use crate::config::secret_file;
use data_encoding::HEXLOWER;
use halod_chain::disk;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub const NAME: &str = ".halo_serve_secret";
/// In place of the file; the reference's own name.
pub const VARIABLE: &str = "HALO_SERVE_SECRET";
/// The operator's key, where it is not made with the secret; the reference's own name.
pub const ADMIN_VARIABLE: &str = "HALO_SERVE_ADMIN";

const MOST: usize = 4096;
/// A secret that is shorter could be guessed.
const LEAST: usize = 16;

const TOKEN_DIGITS: usize = 32;
const ADMIN_DIGITS: usize = 24;

/// What links are made with.
#[derive(Clone)]
pub struct Secret {
    key: Key,
    sessions: Key,
    admin: String,
    /// The file's state when it was read.
    stamp: Option<secret_file::Stamp>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

impl Secret {
    /// That of a directory. It is made if there is none.
    ///
    /// # Errors
    /// The file can't be read or made, or others may read it.
    pub fn open(directory: &Path) -> Result<Self, AccessError> {
        if let Ok(text) = std::env::var(VARIABLE) {
            return Self::of(&text, None).map_err(|what| AccessError::Refused(format!("{VARIABLE}: {what}")));
        }
        let path = directory.join(NAME);
        let made = File::options().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                let write = file.write_all(random()?.as_bytes()).and_then(|()| file.sync_all());
                write.map_err(AccessError::io("write", &path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(AccessError::io("make", &path)(error)),
        }
        // Taken first: what changes meanwhile is seen at the next look.
        let stamp = secret_file::stamp(&path);
        let (bytes, mode) =
            secret_file::read_with_mode(&path, MOST).map_err(|what| AccessError::unusable(&path, what))?;
        if mode & 0o077 != 0 {
            let what = format!("others than its owner may read it; chmod 600 {}", path.display());
            return Err(AccessError::unusable(&path, what));
        }
        let text = String::from_utf8(bytes).map_err(|_| AccessError::unusable(&path, "is not UTF-8"))?;
        Self::of(&text, stamp).map_err(|what| AccessError::unusable(&path, what))
    }

    fn of(text: &str, stamp: Option<secret_file::Stamp>) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < LEAST {
            return Err(format!("a secret has at least {LEAST} characters"));
        }
        let key = Key::new(HMAC_SHA256, text.as_bytes());
        let sessions = Key::new(HMAC_SHA256, sign(&key, b"halod session").as_ref());
        let admin = digits(&sign(&key, b"__admin__"), ADMIN_DIGITS);
        let admin = std::env::var(ADMIN_VARIABLE).ok().filter(|key| key.len() >= LEAST).unwrap_or(admin);
        Ok(Self { key, sessions, admin, stamp })
    }

    /// Makes a new one: every link and every session ends.
    ///
    /// # Errors
    /// The file can't be written, or the secret is not in a file.
    pub fn rotate(directory: &Path) -> Result<(), AccessError> {
        if std::env::var_os(VARIABLE).is_some() {
            let what = format!("the secret is in {VARIABLE}, not in a file: change it there");
            return Err(AccessError::Refused(what));
        }
        let path = directory.join(NAME);
        disk::replace(&path, random()?.as_bytes()).map_err(AccessError::io("write", &path))
    }

    /// Whether the file is another one by now.
    #[must_use]
    pub fn is_outdated(&self, directory: &Path) -> bool {
        self.stamp.is_some() && self.stamp != secret_file::stamp(&directory.join(NAME))
    }

    /// What stands in the link of a chain.
    #[must_use]
    pub fn token(&self, key: &str) -> String {
        digits(&sign(&self.key, key.as_bytes()), TOKEN_DIGITS)
    }

    /// The operator's key.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Whether a text is the operator's key, which takes the same time whatever the text is.
    #[must_use]
    pub fn is_admin(&self, shown: &[u8]) -> bool {
        let own = sign(&self.sessions, self.admin.as_bytes());
        verify(&self.sessions, shown, own.as_ref()).is_ok()
    }

    /// Signs what a session says.
    #[must_use]
    pub fn sign(&self, session: &[u8]) -> Vec<u8> {
        sign(&self.sessions, session).as_ref().to_vec()
    }

    #[must_use]
    pub fn is_signed(&self, session: &[u8], tag: &[u8]) -> bool {
        verify(&self.sessions, session, tag).is_ok()
    }
}

fn digits(tag: &Tag, most: usize) -> String {
    let mut text = HEXLOWER.encode(tag.as_ref());
    text.truncate(most);
    text
}

/// 32 random bytes in hexadecimal digits.
///
/// # Errors
/// The system gives none.
pub fn random() -> Result<String, AccessError> {
    let mut bytes = [0; 32];
    let none = |_| AccessError::Refused("the system gives no random numbers".into());
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn tokens_are_the_references() {
        let text = "abb51f22e2082a184a6f3cc06f3364db900000000000000000000000000000ff";
        let secret = Secret::of(&format!("{text}\n"), None).unwrap();
        let key = Key::new(HMAC_SHA256, text.as_bytes());
        let whole = HEXLOWER.encode(sign(&key, b"acme").as_ref());
        assert_eq!(secret.token("acme"), whole[..32]);
        assert!(secret.is_admin(secret.admin().as_bytes()) && !secret.is_admin(b""));
        assert_eq!(secret.admin().len(), ADMIN_DIGITS);
        let tag = secret.sign(b"x");
        assert!(secret.is_signed(b"x", &tag) && !secret.is_signed(b"y", &tag));
        assert!(!format!("{secret:?}").contains(secret.admin()));
    }

    #[test]
    fn a_secret_is_made_once_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let first = Secret::open(directory.path()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Secret::open(directory.path()).unwrap().token("a"), first.token("a"));
        assert!(!first.is_outdated(directory.path()));
        Secret::rotate(directory.path()).unwrap();
        assert!(first.is_outdated(directory.path()));
        assert_ne!(Secret::open(directory.path()).unwrap().token("a"), first.token("a"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Secret::open(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short").unwrap();
        let refused = Secret::open(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("16 characters") && !refused.contains("short"), "{refused}");
    }
}
