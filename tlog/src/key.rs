//! What a log signs with, and what it hides states with.
//!
//! `key.p8` is the private key (PKCS#8, Ed25519), `blind` the secret of the blinds (32 random bytes), both 0600; `vkeys` has the
//! verifier keys, one a line, the one in use last, each with who holds its private key. All are made at the first start. A rotated key, `key.old.p8`, signs beside the new one
//! for 30 days.

use crate::TlogError;
use data_encoding::HEXLOWER;
use halod_evidence::note::{NoteError, Signer, VerifierKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;
use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name of a log whose operator chose none; RFC 2606 keeps `.invalid` free of owners.
const UNREGISTERED: &str = "halod.invalid/";

/// What a log is called and signs with, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySettings {
    /// The log's name; a random one is made where there is none.
    pub origin: Option<String>,
    /// Where the private key is, if not in the log's directory.
    pub key_file: Option<PathBuf>,
}

/// The keys of a log.
#[derive(Debug)]
pub struct Keys {
    /// Shared with who signs receipts.
    pub signer: Arc<Signer>,
    /// The key before it, while that signs, too.
    pub old: Option<Arc<Signer>>,
    /// What blinds are made with.
    pub blind: [u8; 32],
}

/// The verifier keys of a log, the one in use last.
///
/// # Errors
/// The file can't be read, or a line is no key.
pub fn verifiers(log: &Path) -> Result<Vec<VerifierKey>, TlogError> {
    let path = log.join("vkeys");
    let text = std::fs::read_to_string(&path).map_err(TlogError::io("read", &path))?;
    let parse = |line: &str| match read(line) {
        Ok((key, _)) => Ok(key),
        Err(source) => Err(TlogError::Key { path: path.clone(), source }),
    };
    text.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

/// A line of verifier keys: a key, and who holds the private one, as the log says.
///
/// # Errors
/// It begins with no key.
pub fn read(line: &str) -> Result<(VerifierKey, Option<&str>), NoteError> {
    let (key, custody) = line.split_once(' ').map_or((line, None), |(key, rest)| (key, Some(rest)));
    Ok((key.parse()?, custody.and_then(|rest| rest.strip_prefix("custody="))))
}

/// What a customer writes down of a verifier key: SHA-256 of its text, in groups.
#[must_use]
pub fn fingerprint(key: &VerifierKey) -> String {
    let digits = HEXLOWER.encode(&Sha256::digest(key.to_string()));
    let groups: Vec<&str> = (0..64).step_by(8).map(|at| &digits[at..at + 8]).collect();
    groups.join(" ")
}

impl Keys {
    /// Opens the keys in a log's directory, and makes what is missing.
    ///
    /// # Errors
    /// A key can't be read, is open to others, or is not the one that the log signed with.
    pub fn open(log: &Path, settings: &KeySettings) -> Result<Self, TlogError> {
        if settings.key_file.is_none() {
            finish_rotation(log)?;
        }
        let path = settings.key_file.clone().unwrap_or_else(|| log.join(KEY));
        let vkeys = log.join("vkeys");
        let known = if vkeys.exists() { verifiers(log)? } else { Vec::new() };
        if known.is_empty() && settings.key_file.is_none() && !path.exists() {
            let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| TlogError::Random)?;
            write(&path, key.as_ref())?;
        }
        let pkcs8 = secret(&path)?;
        let origin = match (known.last(), &settings.origin) {
            (Some(known), None) => known.name().to_owned(),
            (None, Some(origin)) => origin.clone(),
            (None, None) => format!("{UNREGISTERED}{}", HEXLOWER.encode(&random::<8>()?)),
            (Some(known), Some(origin)) if is_called(known.name(), origin) => known.name().to_owned(),
            (Some(known), Some(origin)) => {
                let what = format!(
                    "the log is called {}, and can't be called {origin} from now on: its name is part of what it signed",
                    known.name()
                );
                return Err(TlogError::damaged(&vkeys, what));
            }
        };
        let signer = Signer::new(&origin, &pkcs8);
        let signer = signer.map_err(|source| TlogError::Key { path: path.clone(), source })?;
        match known.last() {
            Some(known) if known == signer.key() => {}
            Some(known) => {
                let what = format!("its key is not {known}, with which the log was signed last");
                return Err(TlogError::damaged(&path, what));
            }
            None => {
                write(&vkeys, line(signer.key(), settings.key_file.is_some()).as_bytes())?;
            }
        }
        let old =
            known.len().checked_sub(2).and_then(|at| known.get(at)).map(|key| old(log, key)).transpose()?;
        let old = old.flatten().map(Arc::new);
        Ok(Self { signer: Arc::new(signer), old, blind: blind(log)? })
    }

    /// Makes the key that is to sign from now on; [`Self::commit`] puts it in the place of this one.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn next(&self, log: &Path) -> Result<VerifierKey, TlogError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| TlogError::Random)?;
        let path = log.join(NEXT);
        write(&path, pkcs8.as_ref())?;
        let signer = Signer::new(self.signer.key().name(), pkcs8.as_ref());
        signer.map(|signer| signer.key().clone()).map_err(|source| TlogError::Key { path, source })
    }

    /// Lets the next key sign, once the log says so.
    ///
    /// # Errors
    /// It can't be put in its place; the next start does it.
    pub(crate) fn commit(&self, log: &Path, next: &VerifierKey) -> Result<(), TlogError> {
        let vkeys = log.join("vkeys");
        let text = std::fs::read_to_string(&vkeys).map_err(TlogError::io("read", &vkeys))?;
        write(&vkeys, (text + &line(next, false)).as_bytes())?;
        finish_rotation(log)
    }
}

/// A key as `vkeys` has it. No key of a log is in hardware or with a third party so far.
fn line(key: &VerifierKey, is_operators: bool) -> String {
    format!("{key} custody={}\n", if is_operators { "operator" } else { "halod" })
}

const KEY: &str = "key.p8";
const NEXT: &str = "key.next.p8";
const OLD: &str = "key.old.p8";

/// How long a rotated key signs beside the new one: whoever knows only the old one has that long to take the new one.
const BESIDE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Puts a key in its place that the verifier keys name already; one that they do not name was never used.
fn finish_rotation(log: &Path) -> Result<(), TlogError> {
    let [key, next, old] = [KEY, NEXT, OLD].map(|name| log.join(name));
    if !next.exists() {
        return Ok(());
    }
    let known = verifiers(log)?;
    let Some(newest) = known.last() else { return Ok(()) };
    let of = |path: &Path| Some(Signer::new(newest.name(), &std::fs::read(path).ok()?).ok()?.key().clone());
    let put = || -> io::Result<()> {
        if of(&next).as_ref() != Some(newest) {
            return std::fs::remove_file(&next);
        }
        if key.exists() && of(&key).as_ref() != Some(newest) {
            std::fs::rename(&key, &old)?;
        }
        std::fs::rename(&next, &key)?;
        halod_chain::disk::sync_dir(log)
    };
    put().map_err(TlogError::io("replace", &key))
}

/// The key before the one in use, while it signs; it is removed after that.
fn old(log: &Path, known: &VerifierKey) -> Result<Option<Signer>, TlogError> {
    let path = log.join(OLD);
    let Ok(meta) = path.metadata() else { return Ok(None) };
    // When it was made: a rename does not change that, so the new key's time counts.
    let since = log.join(KEY).metadata().and_then(|meta| meta.modified()).or_else(|_| meta.modified());
    let age = since.ok().and_then(|since| since.elapsed().ok()).unwrap_or_default();
    if age > BESIDE {
        std::fs::remove_file(&path).map_err(TlogError::io("remove", &path))?;
        return Ok(None);
    }
    let signer = Signer::new(known.name(), &secret(&path)?);
    signer.map(Some).map_err(|source| TlogError::Key { path, source })
}

/// Whether a log of this name is the one of an origin, or continues it: `/2` and so on stands behind the name then.
fn is_called(name: &str, origin: &str) -> bool {
    let behind = name.strip_prefix(origin);
    behind.is_some_and(|behind| {
        behind.is_empty() || behind.strip_prefix('/').is_some_and(|n| n.parse::<u32>().is_ok())
    })
}

/// The secret of the blinds. Where it was lost, states are hidden anew from the next epoch on.
fn blind(log: &Path) -> Result<[u8; 32], TlogError> {
    let path = log.join("blind");
    if !path.exists() {
        write(&path, &random::<32>()?)?;
    }
    secret(&path)?.try_into().map_err(|_| TlogError::damaged(&path, "it has not 32 bytes"))
}

fn random<const N: usize>() -> Result<[u8; N], TlogError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| TlogError::Random)?;
    Ok(bytes)
}

/// Writes a file of the log's that nobody else may read, whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TlogError> {
    halod_chain::disk::replace(path, bytes).map_err(TlogError::io("write", path))
}

/// Reads a secret that nobody else may read.
fn secret(path: &Path) -> Result<Vec<u8>, TlogError> {
    let read = TlogError::io("read", path);
    let mode = match path.metadata() {
        Ok(meta) => meta.permissions().mode() & 0o7777,
        Err(error) => return Err(read(error)),
    };
    if mode & 0o077 != 0 {
        return Err(TlogError::KeyIsOpen { path: path.to_owned(), mode });
    }
    std::fs::read(path).map_err(read)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::open(dir.path(), &KeySettings::default()).unwrap();
        let name = first.signer.key().name().to_owned();
        assert!(name.starts_with(UNREGISTERED) && name.len() == UNREGISTERED.len() + 16, "{name}");
        for secret in ["key.p8", "blind"] {
            assert_eq!(dir.path().join(secret).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = Keys::open(dir.path(), &KeySettings::default()).unwrap();
        assert_eq!((first.signer.key(), first.blind), (again.signer.key(), again.blind));
        assert_eq!(verifiers(dir.path()).unwrap(), [first.signer.key().clone()]);
        let line = std::fs::read_to_string(dir.path().join("vkeys")).unwrap();
        assert_eq!(read(line.trim_end()).unwrap(), (first.signer.key().clone(), Some("halod")));
        assert_eq!(read(&first.signer.key().to_string()).unwrap().1, None);
        assert_eq!(fingerprint(first.signer.key()).len(), 8 * 8 + 7);

        let other = KeySettings { origin: Some("other".into()), key_file: None };
        let said = Keys::open(dir.path(), &other).unwrap_err().to_string();
        assert!(said.contains("can't be called other"), "{said}");

        let key = dir.path().join("key.p8");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let said = Keys::open(dir.path(), &KeySettings::default()).unwrap_err().to_string();
        assert!(said.contains("mode 0640"), "{said}");
    }

    #[test]
    fn another_key_is_not_taken_for_the_logs() {
        let [one, two] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let settings = KeySettings { origin: Some("log.example/1".into()), key_file: None };
        for dir in [&one, &two] {
            assert_eq!(Keys::open(dir.path(), &settings).unwrap().signer.key().name(), "log.example/1");
        }
        std::fs::copy(two.path().join("key.p8"), one.path().join("key.p8")).unwrap();
        let said = Keys::open(one.path(), &settings).unwrap_err().to_string();
        assert!(said.contains("with which the log was signed last"), "{said}");
        // A log whose key is gone is not given a new one without a word.
        std::fs::remove_file(one.path().join("key.p8")).unwrap();
        assert!(matches!(Keys::open(one.path(), &settings), Err(TlogError::Io { .. })));
    }
}
