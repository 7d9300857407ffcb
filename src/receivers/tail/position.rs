//! What is remembered across starts: for each content how far it is sealed, and by what it is known again.
//!
//! One small file, replaced as a whole. It only saves work and tells of losses: without it everything is
//! read again, and what was sealed is recognised by its content.

use super::follow::Why;
use super::source::Inode;
use crate::receivers::lines::split::Mark;
use crate::receivers::lines::wide::Wide;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;

/// The beginning and the end of what was read, as hashes over so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub length: u32,
    pub hash: u64,
}

impl Fingerprint {
    #[must_use]
    pub(super) fn of(bytes: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(bytes);
        let hash = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash }
    }

    /// Whether `bytes` begin with what this was made of.
    #[must_use]
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.length as usize).is_some_and(|own| Self::of(own) == *self)
    }
}

/// What became of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// In a file that is followed.
    Followed,
    /// The rest of it is looked for.
    Sought,
    /// Read to its end; kept to be recognised.
    Finished,
}

/// One content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub receiver: String,
    pub log: String,
    #[serde(with = "any_path")]
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    pub born: i64,
    pub packed: bool,
    /// When a packed file was last changed: another file may get its inode.
    #[serde(default)]
    pub modified: i64,
    pub fate: Fate,
    /// How a content that is looked for was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Up to where everything is sealed, and the chain there in hex.
    pub offset: u64,
    pub chain: String,
    /// The largest size that was seen.
    pub size: u64,
    pub head: Fingerprint,
    pub tail: Fingerprint,
    /// Nothing more was expected in it.
    pub quiet: bool,
    /// The content is UTF-16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// The format that the content's lines have told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Lines that became no record and are not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Lines that were taken for known ones and are not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

/// A path as text, or as bytes in hex where it is none.
mod any_path {
    use super::{Deserialize, Path, PathBuf, Serialize};
    use serde::{Deserializer, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Text(String),
        Bytes { hex: String },
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let stored = match path.to_str() {
            Some(text) => Stored::Text(text.to_owned()),
            None => Stored::Bytes { hex: data_encoding::HEXLOWER.encode(path.as_os_str().as_bytes()) },
        };
        stored.serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Stored::deserialize(from)? {
            Stored::Text(text) => text.into(),
            Stored::Bytes { hex } => {
                let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes());
                OsString::from_vec(bytes.map_err(serde::de::Error::custom)?).into()
            }
        })
    }
}

/// Lines without a time that were taken for those of another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub lines: u64,
    pub first: u64,
    pub last: u64,
}

/// What has to be told of a content's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Untold {
    pub rejected: Option<Rejected>,
    pub known: Option<Known>,
}

impl Untold {
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What there was before, and what came after it.
    #[must_use]
    pub(super) fn join(self, after: Self) -> Self {
        let known = match (self.known, after.known) {
            (Some(before), Some(after)) => {
                Some(Known { lines: before.lines + after.lines, last: after.last.max(before.last), ..before })
            }
            (before, after) => before.or(after),
        };
        Self { rejected: Rejected::join(self.rejected, after.rejected), known }
    }
}

/// Lines that could not become records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rejected {
    pub lines: u64,
    pub first: u64,
    pub last: u64,
    /// Why the first one was.
    pub reason: String,
}

impl Rejected {
    /// What there was before, and what came after it.
    #[must_use]
    pub(super) fn join(before: Option<Self>, after: Option<Self>) -> Option<Self> {
        match (before, after) {
            (Some(before), Some(after)) => {
                Some(Self { lines: before.lines + after.lines, last: after.last.max(before.last), ..before })
            }
            (before, after) => before.or(after),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// When, in nanoseconds since 1970.
    saved: u64,
    entries: Vec<Entry>,
}

impl Entry {
    #[must_use]
    pub(super) fn mark(&self) -> Mark {
        let chain = halod_record::hash::parse_hex(self.chain.as_bytes()).unwrap_or_default();
        Mark { offset: self.offset, chain }
    }

    #[must_use]
    pub(super) fn file(&self) -> Inode {
        Inode { device: self.device, number: self.inode, born: self.born }
    }
}

/// The file of positions.
#[derive(Debug)]
pub(super) struct Positions {
    directory: PathBuf,
    path: PathBuf,
}

impl Positions {
    /// In `directory`, which is made when it is missing.
    ///
    /// # Errors
    /// It can't be made.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { path: directory.join("positions.json"), directory: directory.to_owned() })
    }

    /// What was saved last, and when; `None` when nothing ever was. A file that makes no sense is put aside: `Err`
    /// says why, once.
    ///
    /// # Errors
    /// The file is damaged, or can't be read.
    pub(super) fn load(&self) -> io::Result<Option<(Vec<Entry>, u64)>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |what: String| {
            // It is of no use any more, but somebody may want to see it.
            let _ = fs::rename(&self.path, self.directory.join("positions.damaged"));
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let (sum, json) = text.split_at_checked(9).ok_or_else(|| damaged("it is cut".into()))?;
        if sum != format!("{:08x} ", crc32fast::hash(json)).as_bytes() {
            return Err(damaged("its checksum is wrong".into()));
        }
        let stored: Stored = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        if stored.version != VERSION {
            return Err(damaged(format!("it is of version {}", stored.version)));
        }
        Ok(Some((stored.entries, stored.saved)))
    }

    /// Replaces what was saved. It is on disk when this returns.
    ///
    /// # Errors
    /// What the system says; then the former state stands.
    pub(super) fn save(&self, entries: Vec<Entry>, saved: u64) -> io::Result<()> {
        let json = serde_json::to_vec(&Stored { version: VERSION, saved, entries })?;
        let temporary = self.directory.join("positions.new");
        let mut file = File::create(&temporary)?;
        file.write_all(format!("{:08x} ", crc32fast::hash(&json)).as_bytes())?;
        file.write_all(&json)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        fs::rename(&temporary, &self.path)?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::receivers::lines::read::hex;
    use std::os::unix::ffi::OsStringExt;

    fn entry() -> Entry {
        let chain = [7; 16];
        Entry {
            receiver: "file_log".into(),
            log: "/var/log/a.log".into(),
            path: "/var/log/a.log.1".into(),
            device: 1,
            inode: u64::MAX,
            born: 3,
            packed: false,
            modified: 0,
            fate: Fate::Sought,
            why: Some(Why::Truncated),
            offset: 9,
            chain: hex(&chain),
            size: 10,
            head: Fingerprint::of(b"abc"),
            tail: Fingerprint::of(b"c"),
            quiet: false,
            wide: None,
            format: Some("nginx".into()),
            rejected: Some(Rejected { lines: 1, first: 2, last: 2, reason: "x".into() }),
            known: Some(Known { lines: 1, first: 2, last: 2 }),
        }
    }

    #[test]
    fn what_is_saved_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let positions = Positions::open(&place.path().join("tail")).unwrap();
        assert_eq!(positions.load().unwrap(), None);
        positions.save(vec![entry()], 5).unwrap();
        assert_eq!(positions.load().unwrap(), Some((vec![entry()], 5)));
        assert_eq!(entry().mark(), Mark { offset: 9, chain: [7; 16] });
        let odd = PathBuf::from(std::ffi::OsString::from_vec(b"/var/log/caf\xe9.log".to_vec()));
        positions.save(vec![Entry { path: odd.clone(), ..entry() }], 6).unwrap();
        assert_eq!(positions.load().unwrap().unwrap().0[0].path, odd);
        positions.save(Vec::new(), 6).unwrap();
        assert_eq!(positions.load().unwrap(), Some((Vec::new(), 6)));
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let place = tempfile::tempdir().unwrap();
        let positions = Positions::open(place.path()).unwrap();
        positions.save(vec![entry()], 5).unwrap();
        let whole = fs::read(&positions.path).unwrap();
        for at in (0..whole.len() - 1).step_by(7) {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&positions.path, &broken).unwrap();
            assert!(positions.load().is_err(), "{at}");
            assert_eq!(positions.load().unwrap(), None, "it is put aside");
            fs::write(&positions.path, &whole[..at]).unwrap();
            assert!(positions.load().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_print_needs_its_bytes() {
        let fingerprint = Fingerprint::of(b"abc");
        assert!(fingerprint.begins(b"abcd") && fingerprint.begins(b"abc"));
        assert!(!fingerprint.begins(b"ab") && !fingerprint.begins(b"abd"));
        assert!(Fingerprint::default().length == 0);
    }
}
