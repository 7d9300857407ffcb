//! The digests of imprints and signatures.

use crate::oid;
use crate::read::Algorithm;
use std::fmt;
use x509_cert::der::oid::ObjectIdentifier;

/// A digest that is collision-resistant today: others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

/// What was time-stamped: the digest of some data (RFC 3161, section 2.4.1, `messageImprint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imprint<'a> {
    pub algorithm: Digest,
    pub value: &'a [u8],
}

impl<'a> Imprint<'a> {
    #[must_use]
    pub fn sha256(value: &'a [u8; 32]) -> Self {
        Self { algorithm: Digest::Sha256, value }
    }
}

impl Digest {
    pub(crate) fn of(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            oid::SHA_256 => Some(Self::Sha256),
            oid::SHA_384 => Some(Self::Sha384),
            oid::SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The parameters are absent or NULL (RFC 5754).
    pub(crate) fn named(algorithm: &Algorithm<'_>) -> Option<Self> {
        Self::of(algorithm.oid).filter(|_| algorithm.plain)
    }

    pub(crate) fn hash(self, bytes: &[u8]) -> ring::digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha384 => &ring::digest::SHA384,
            Self::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}
