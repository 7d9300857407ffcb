//! The keys of a witness: made once, and never again.
//!
//! | file | what |
//! |---|---|
//! | `witness.p8` | signs cosignatures (type 4); Ed25519 in PKCS#8 (RFC 8410), 0600 |
//! | `receipts.p8` | signs receipts of anchors (type 1): one key must not serve two kinds of signatures |
//! | `vkeys` | the verifier keys of both, one a line: the cosignatures' first |

use crate::config::secret_file;
use halod_chain::disk::replace;
use halod_evidence::note::{Kind, NoteError, Signer, VerifierKey};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes that a file of a key may have.
const MOST: usize = 16 << 10;

/// Who else may read or change a file.
const OTHERS: u32 = 0o077;

const COSIGNS: &str = "witness.p8";
const RECEIPTS: &str = "receipts.p8";
const VKEYS: &str = "vkeys";

/// What a witness signs with.
#[derive(Debug)]
pub struct Keys {
    pub cosigns: Signer,
    pub receipts: Signer,
}

/// The keys of a witness can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{}: {what}", .path.display())]
    File { path: PathBuf, what: String },
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("the name of the witness can't be a key's: {0}")]
    Name(NoteError),
    #[error(
        "the witness is called {has}, which is in its signatures for ever; begin one called {wanted} in another directory"
    )]
    Renamed { has: String, wanted: String },
    #[error("the system gives no random numbers")]
    Random,
}

impl Keys {
    /// Those of a directory, made where there are none, by this name or by one that nobody else has.
    ///
    /// # Errors
    /// They can't be read or made, others may read them, or the witness has another name.
    pub fn open(directory: &Path, name: Option<&str>) -> Result<Self, KeyError> {
        let path = directory.join(VKEYS);
        match secret_file::read_with_mode(&path, MOST) {
            Ok((text, _)) => Self::read(directory, &text, name),
            // The verifier keys are written last: without them nothing was ever signed.
            Err(_) if matches!(path.try_exists(), Ok(false)) => Self::make(directory, name),
            Err(what) => Err(KeyError::File { path, what }),
        }
    }

    fn read(directory: &Path, text: &[u8], wanted: Option<&str>) -> Result<Self, KeyError> {
        let path = directory.join(VKEYS);
        let text = std::str::from_utf8(text).unwrap_or_default();
        let keys: Result<Vec<VerifierKey>, _> = text.lines().map(str::parse).collect();
        let (cosigns, receipts) = match keys.as_deref() {
            Ok([cosigns, receipts]) => (cosigns, receipts),
            _ => return Err(KeyError::File { path, what: "holds no two verifier keys; restore it".into() }),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != cosigns.name()) {
            return Err(KeyError::Renamed { has: cosigns.name().into(), wanted: wanted.into() });
        }
        Ok(Self {
            cosigns: signer(directory, COSIGNS, cosigns)?,
            receipts: signer(directory, RECEIPTS, receipts)?,
        })
    }

    fn make(directory: &Path, name: Option<&str>) -> Result<Self, KeyError> {
        // What was signed before with keys that are gone can't be gone on with.
        if matches!(directory.join(super::logs::PLACE).try_exists(), Ok(true)) {
            let what = "is gone, and the witness has signed already; restore it".into();
            return Err(KeyError::File { path: directory.join(VKEYS), what });
        }
        let random: [u8; 8] = crate::auth::random().map_err(|_| KeyError::Random)?;
        let unique = format!("halod.invalid/witness-{}", halod_record::hash::hex_text(&random));
        let name = name.unwrap_or(&unique);
        let cosigns = made(directory, COSIGNS, Kind::Cosignature, name)?;
        let receipts = made(directory, RECEIPTS, Kind::Text, &format!("{name}/receipts"))?;
        let (path, text) = (directory.join(VKEYS), format!("{}\n{}\n", cosigns.key(), receipts.key()));
        replace(&path, text.as_bytes()).map_err(|error| KeyError::Io { path, error })?;
        Ok(Self { cosigns, receipts })
    }
}

fn made(directory: &Path, file: &str, kind: Kind, name: &str) -> Result<Signer, KeyError> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
    let signer = Signer::of(kind, name, pkcs8.as_ref()).map_err(KeyError::Name)?;
    let path = directory.join(file);
    replace(&path, pkcs8.as_ref()).map_err(|error| KeyError::Io { path, error })?;
    Ok(signer)
}

fn signer(directory: &Path, file: &str, key: &VerifierKey) -> Result<Signer, KeyError> {
    let path = directory.join(file);
    let failed = |what: String| KeyError::File { path: path.clone(), what };
    let (pkcs8, mode) = secret_file::read_with_mode(&path, MOST)
        .map_err(|what| failed(format!("{what}; a witness without its key can't go on: restore it")))?;
    if mode & OTHERS != 0 {
        return Err(failed(format!("others may read or change the key; chmod 600 {}", path.display())));
    }
    let signer = Signer::of(key.kind(), key.name(), &pkcs8).map_err(|error| failed(error.to_string()))?;
    if signer.key() == key {
        Ok(signer)
    } else {
        Err(failed("is not the key that `vkeys` tells of; restore it".into()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keys::open(dir.path(), Some("witness.example/w1")).unwrap();
        assert_eq!((made.cosigns.key().kind(), made.receipts.key().kind()), (Kind::Cosignature, Kind::Text));
        assert_eq!(
            (made.cosigns.key().name(), made.receipts.key().name()),
            ("witness.example/w1", "witness.example/w1/receipts")
        );
        assert_ne!(made.cosigns.key().public(), made.receipts.key().public());
        let again = Keys::open(dir.path(), None).unwrap();
        assert_eq!((again.cosigns.key(), again.receipts.key()), (made.cosigns.key(), made.receipts.key()));
        assert!(matches!(Keys::open(dir.path(), Some("other")), Err(KeyError::Renamed { .. })));
        let mode = |file: &str| fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(COSIGNS), mode(RECEIPTS)), (0o600, 0o600));
    }

    #[test]
    fn keys_that_were_changed_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Keys::open(dir.path(), Some("a b")), Err(KeyError::Name(_))));
        Keys::open(dir.path(), None).unwrap();
        let path = dir.path().join(COSIGNS);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = Keys::open(dir.path(), None).unwrap_err().to_string();
        assert!(said.contains("chmod 600"), "{said}");
        let other = fs::read(dir.path().join(RECEIPTS)).unwrap();
        replace(&path, &other).unwrap();
        assert!(Keys::open(dir.path(), None).unwrap_err().to_string().contains("is not the key"));
        fs::remove_file(&path).unwrap();
        assert!(Keys::open(dir.path(), None).unwrap_err().to_string().contains("restore it"));
        fs::write(dir.path().join(VKEYS), "x\n").unwrap();
        assert!(Keys::open(dir.path(), None).unwrap_err().to_string().contains("no two verifier keys"));
    }
}
