//! Tenants: the subject id that keys a chain, and the chain's file name.
//!
//! Names are the reference's, so that a Python recorder and halod find the same file: a stem here
//! is the file's name without `.jsonl`.

mod marks;

use super::hash::{sha256, write_hex};
use std::sync::Arc;

/// Whose chain a record belongs to. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// Records without a subject; their chain is `local.jsonl`.
    Local,
    Subject(Arc<str>),
}

/// The longest tenant id, in bytes of UTF-8. Every record of the tenant repeats it.
pub const MAX_ID_BYTES: usize = 512;

/// The longest stem: with `.jsonl.lock` it fills the 255 bytes that a file name may have.
const MAX_STEM: usize = 244;
/// What is kept of the id in a digested stem that would be longer than [`MAX_STEM`].
const CUT_STEM: usize = 128;
/// `~` and 24 hex digits.
const DIGEST: usize = 25;

/// The id that the reference gives records without a subject. No sender may use it: the reference
/// keeps the records of a subject that is really called so, and those of no subject, in one file.
const LOCAL_ID: &str = "_local";

/// The subject whose plain file name is the local chain's.
const LOCAL_STEM: &str = "local";

/// Why an id cannot be a tenant's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTenantId {
    #[error("tenant id of {bytes} bytes: at most {MAX_ID_BYTES} are accepted")]
    TooLong { bytes: usize },
    #[error("the tenant id `_local` means records without a tenant: send none, or choose another id")]
    Reserved,
}

impl Tenant {
    /// The tenant that a sender names; the empty id names none.
    ///
    /// # Errors
    /// The id is longer than [`MAX_ID_BYTES`], or `_local`.
    pub fn claimed(id: &str) -> Result<Self, BadTenantId> {
        match id.len() {
            bytes if bytes > MAX_ID_BYTES => Err(BadTenantId::TooLong { bytes }),
            _ if id == LOCAL_ID => Err(BadTenantId::Reserved),
            _ => Ok(Self::stored(id)),
        }
    }

    /// The tenant of a record that is sealed, or was: whatever id it has, it keeps.
    #[must_use]
    pub fn stored(id: &str) -> Self {
        if id.is_empty() { Self::Local } else { Self::Subject(id.into()) }
    }

    /// The subject id, if there is one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Subject(id) => Some(id),
        }
    }

    /// The same for the same tenant and no other, of one length.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        // No subject's id is empty.
        sha256(self.subject().unwrap_or_default().as_bytes())
    }

    /// Whether the plain name of this subject's file is the local chain's.
    #[must_use]
    pub fn is_named_local(&self) -> bool {
        self.subject() == Some(LOCAL_STEM)
    }

    /// The name of the chain's file: the id itself where that is safe on every file system,
    /// otherwise [`Self::digest_stem`]. Two ids share a stem only as `local` does with the chain
    /// of no subject: whoever opens a chain must look at whose records it holds.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let Self::Subject(id) = self else { return LOCAL_STEM.to_owned() };
        let plain = **id == *clean(id, is_safe)
            && !id.bytes().any(|byte| byte.is_ascii_uppercase())
            && id.len() <= MAX_STEM
            && **id != *LOCAL_ID;
        if plain { id.as_ref().to_owned() } else { self.digest_stem() }
    }

    /// The name to use when another subject's records are already under [`Self::file_stem`]: what
    /// is safe of the id, and 24 hex digits of its SHA-256, which no plain stem can imitate.
    #[must_use]
    pub fn digest_stem(&self) -> String {
        let id = self.subject().unwrap_or(LOCAL_ID);
        let mut stem = clean(id, is_safe);
        if stem.len() + DIGEST > MAX_STEM {
            stem.truncate(CUT_STEM);
        }
        let mut digest = Vec::with_capacity(DIGEST);
        digest.push(b'~');
        write_hex(sha256(id.as_bytes()).first_chunk::<12>().unwrap_or(&[0; 12]), &mut digest);
        stem.extend(digest.into_iter().map(char::from));
        stem
    }

    /// The name that recorders before 0.2.46 used, where it differs from [`Self::file_stem`] and
    /// could exist: a chain there that holds only this subject is continued in place.
    #[must_use]
    pub fn legacy_stem(&self) -> Option<String> {
        let stem = clean(self.subject()?, |c| is_safe(c) || is_python_alnum(c));
        (stem.len() <= MAX_STEM && stem != self.file_stem()).then_some(stem)
    }
}

/// `id` with `_` for every other character, without leading and trailing `.` and `_`.
fn clean(id: &str, keep: impl Fn(char) -> bool) -> String {
    let replaced: String = id.chars().map(|c| if keep(c) { c } else { '_' }).collect();
    match replaced.trim_matches(['.', '_']) {
        "" => "tenant".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Python's `str.isalnum`: letters and numbers by general category. Rust also counts marks and
/// symbols that Unicode calls alphabetic.
fn is_python_alnum(c: char) -> bool {
    c.is_alphanumeric() && !marks::is_alphabetic_mark(c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tenant(id: &str) -> Tenant {
        Tenant::stored(id)
    }

    #[test]
    fn stems_are_the_references() {
        let cases = [
            ("acme", "acme"),
            ("ACME", "ACME~a8308e8e2e4b73307d860de2"),
            ("a/b", "a_b~c14cddc033f64b9dea80ea67"),
            ("..", "tenant~5ec1f7e700f37c3d0b2981d0"),
            ("a_", "a~571fb0e30b4dd94baf8b337b"),
            ("café", "caf~850f7dc43910ff890f8879c0"),
            ("a\0b", "a_b~59b271ae1bbcb1d31d419298"),
            ("local", "local"),
            ("_local", "local~7e9122a41e336759e942b703"),
        ];
        for (id, stem) in cases {
            assert_eq!(tenant(id).file_stem(), stem, "{id}");
        }
        assert_eq!(Tenant::Local.file_stem(), "local");
        assert_eq!(tenant(&"a".repeat(244)).file_stem(), "a".repeat(244));
        assert_eq!(tenant(&"a".repeat(245)).file_stem().len(), 153);
        assert_eq!(tenant(&"A".repeat(219)).file_stem().len(), 244);
        assert_eq!(tenant(&"A".repeat(220)).file_stem().len(), 153);
    }

    #[test]
    fn legacy_stems_keep_letters_of_every_script() {
        assert_eq!(tenant("café").legacy_stem().unwrap(), "café");
        assert_eq!(tenant("a\u{301}b").legacy_stem().unwrap(), "a_b");
        assert_eq!(tenant("ACME").legacy_stem().unwrap(), "ACME");
        assert_eq!(tenant("²x").legacy_stem().unwrap(), "²x");
        assert_eq!(tenant("\u{345}").legacy_stem().unwrap(), "tenant");
        assert_eq!(tenant("acme").legacy_stem(), None);
        assert_eq!(tenant(&"é".repeat(150)).legacy_stem(), None);
        assert_eq!(Tenant::Local.legacy_stem(), None);
    }

    #[test]
    fn claims_are_bounded() {
        assert_eq!(Tenant::claimed(""), Ok(Tenant::Local));
        assert!(Tenant::claimed(&"x".repeat(512)).is_ok());
        assert_eq!(Tenant::claimed(&"x".repeat(513)), Err(BadTenantId::TooLong { bytes: 513 }));
    }

    #[test]
    fn the_id_of_no_tenant_is_nobodys() {
        assert_eq!(Tenant::claimed("_local"), Err(BadTenantId::Reserved));
        assert_eq!(tenant("_local").subject(), Some("_local"), "what was sealed so is read so");
        assert!(tenant("local").is_named_local() && !Tenant::Local.is_named_local());
    }

    #[test]
    fn digests_tell_tenants_apart() {
        let ids = ["", "_local", "local", "a", "a_", "A"];
        let digests: std::collections::BTreeSet<_> = ids.iter().map(|id| tenant(id).digest()).collect();
        assert_eq!(digests.len(), ids.len());
    }
}
