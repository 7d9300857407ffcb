//! Keyed hashes: who has no key can't confirm a guess of what a record's content was.
//!
//! From the operator's secret a key is derived for each tenant by HKDF-SHA-256 (RFC 5869), so that one can be given
//! away without the others. A record then has `hmac-sha256:` and HMAC-SHA-256 (RFC 2104), under its tenant's key, of
//! the SHA-256 that it would have without a key; `data.hash_key` names the key. What halod derives from content
//! besides, the ids of log records without one and the marks of messages, is keyed too, with a key of no tenant's.

use super::hash::{hex_text, parse_hex, write_hex};
use super::tenant::Tenant;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use thiserror::Error;

/// The fact, and member of `data`, that names the key of a record's hashes.
pub const HASH_KEY: &str = "hash_key";

/// Bytes of a secret at least: as many as the keys that are derived from it.
const LEAST: usize = 32;

/// What the keys are for; the tenant's id follows.
const OF_TENANT: &[u8] = b"halod/hash-key/1 tenant\0";
const OF_DIRECTORY: &[u8] = b"halod/hash-key/1 directory\0";
const NAME: &[u8] = b"halod/hash-key/1 name\0";

/// The operator's secret, from which the keys come.
#[derive(Clone)]
pub struct HashKey(Hkdf<Sha256>);

/// The key of one tenant's hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantKey([u8; 32]);

/// A secret that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key has at least {LEAST} bytes, and this has {0}; make one with: openssl rand -hex 32")]
pub struct TooShort(usize);

impl HashKey {
    /// # Errors
    /// It has less than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        if secret.len() < LEAST { Err(TooShort(secret.len())) } else { Ok(Self(Hkdf::new(None, secret))) }
    }

    #[must_use]
    pub fn of_tenant(&self, tenant: &Tenant) -> TenantKey {
        // A subject is never empty, so the empty string stands for `Local` alone.
        TenantKey(self.derived(&[OF_TENANT, tenant.subject().unwrap_or("").as_bytes()]))
    }

    /// What stands for a digest of content in ids and marks.
    pub(super) fn of_directory(&self, digest: &[u8]) -> [u8; 32] {
        mac(&self.derived(&[OF_DIRECTORY]), digest)
    }

    fn derived(&self, info: &[&[u8]]) -> [u8; 32] {
        let mut key = [0; 32];
        // An output of 32 bytes is never too long (RFC 5869, section 2.3).
        let made = self.0.expand_multi_info(info, &mut key);
        debug_assert!(made.is_ok(), "32 bytes are too long for HKDF");
        key
    }
}

impl TenantKey {
    /// Reads the 64 hexadecimal digits that [`Self::text`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text.trim().as_bytes()).map(Self)
    }

    /// The key itself, to be given to whoever may confirm what was in the tenant's records.
    #[must_use]
    pub fn text(&self) -> String {
        hex_text(&self.0)
    }

    /// The name of the key, which tells nothing of it: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> String {
        hex_text(&mac(&self.0, NAME)[..8])
    }

    /// The keyed hash of content whose SHA-256 is `digest`.
    #[must_use]
    pub fn hash(&self, digest: &[u8; 32]) -> [u8; 32] {
        mac(&self.0, digest)
    }
}

fn mac(key: &[u8; 32], of: &[u8]) -> [u8; 32] {
    // As a key is filled up with zeros to a block (RFC 2104, section 2).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(of);
    mac.finalize().into_bytes().into()
}

/// Two are the same if their keys are.
impl PartialEq for HashKey {
    fn eq(&self, other: &Self) -> bool {
        self.of_directory(&[]) == other.of_directory(&[])
    }
}

impl Eq for HashKey {}

/// Secrets are never shown.
impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantKey({})", self.name())
    }
}

/// How the content of a record is hashed.
#[derive(Clone, Debug, Default)]
pub(super) enum Hasher {
    #[default]
    Plain,
    Keyed(TenantKey),
}

impl Hasher {
    /// The name of the key, where there is one.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Keyed(key) => Some(key.name()),
        }
    }

    /// The hash of content whose SHA-256 is `digest`, as a string of JSON.
    pub(super) fn write(&self, digest: &[u8; 32], line: &mut Vec<u8>) {
        match self {
            Self::Plain => {
                line.extend_from_slice(b"\"sha256:");
                write_hex(digest, line);
            }
            Self::Keyed(key) => {
                line.extend_from_slice(b"\"hmac-sha256:");
                write_hex(&key.hash(digest), line);
            }
        }
        line.push(b'"');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn keys_are_derived_as_the_page_says() {
        // Made with Python's hmac and hashlib.
        let key = HashKey::new(&[7; 32]).unwrap().of_tenant(&Tenant::claimed("acme-corp").unwrap());
        assert_eq!(key.text(), "77d11cdff4019d71b375a1e9d4f94fd6f7764dfc855863cc23db2795d02869b3");
        assert_eq!(key.name(), "5074095161c0ebe9");
        assert_eq!(
            hex_text(&key.hash(&sha256(b"\"x\""))),
            "3d36c034efe37fee2358864d2af1c72b38e847ab994682c26ed3f3d6ee99706d"
        );
        assert_eq!(TenantKey::parse(&format!("{}\n", key.text())), Some(key));
    }

    #[test]
    fn tenants_and_the_directory_have_keys_of_their_own() {
        let key = HashKey::new(&[7; 32]).unwrap();
        let acme = Tenant::claimed("acme-corp").unwrap();
        assert_ne!(key.of_tenant(&acme), key.of_tenant(&Tenant::Local));
        assert_ne!(key.of_tenant(&acme), HashKey::new(&[8; 32]).unwrap().of_tenant(&acme));
        assert_ne!(key.of_directory(&[1]), key.of_tenant(&Tenant::Local).hash(&sha256(&[1])));
        assert_eq!(HashKey::new(&[7; 31]).unwrap_err(), TooShort(31));
        assert_eq!(format!("{key:?}"), "HashKey(..)");
        assert!(!format!("{:?}", key.of_tenant(&acme)).contains(&key.of_tenant(&acme).text()));
    }
}
