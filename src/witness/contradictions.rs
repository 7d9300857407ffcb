//! What contradicts itself, as files: evidence for whoever asks, long after.

use halod_chain::disk::replace;
use halod_record::hash::{hex_text, sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Below the directory of the witness.
const PLACE: &str = "contradictions";

/// Contradictions of one log or one chain that are kept: a few show what all of them do, and whoever makes them could fill
/// the disk.
const MOST_OF_ONE: usize = 8;

/// Whose a contradiction is, which says who may read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// A log's, by its origin: two notes that it has signed. Anybody may know.
    Log(String),
    /// A vendor's, by the subject of the chain, or the root where it has none.
    Chain(String),
}

/// The contradictions that are kept. Each is a file of its own, whose name is the hash of what it holds.
#[derive(Debug)]
pub(super) struct Contradictions {
    directory: PathBuf,
    of: Mutex<BTreeMap<Whose, Vec<String>>>,
}

impl Contradictions {
    /// Reads which ones there are. `whose` tells that of a file's content.
    ///
    /// # Errors
    /// The directory can't be made or read.
    pub(super) fn open(directory: &Path, whose: impl Fn(&str) -> Option<Whose>) -> io::Result<Self> {
        let directory = directory.join(PLACE);
        fs::create_dir_all(&directory)?;
        let mut of: BTreeMap<Whose, Vec<String>> = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(id) = name.strip_suffix(".json") else { continue };
            match fs::read_to_string(directory.join(&name)).ok().and_then(|text| whose(&text)) {
                Some(whose) => of.entry(whose).or_default().push(id.to_owned()),
                None => {
                    tracing::warn!(file = name, "a file of a contradiction can't be read, and is not served");
                }
            }
        }
        Ok(Self { directory, of: Mutex::new(of) })
    }

    /// Keeps one; durable when this returns. Its id, or `None` where enough of this log or chain are kept.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn keep(&self, whose: &Whose, text: &str) -> io::Result<Option<String>> {
        let id = hex_text(&sha256(text.as_bytes())[..16]);
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = of.entry(whose.clone()).or_default();
        if kept.contains(&id) {
            return Ok(Some(id));
        }
        if kept.len() >= MOST_OF_ONE {
            return Ok(None);
        }
        replace(&self.directory.join(format!("{id}.json")), text.as_bytes())?;
        kept.push(id.clone());
        Ok(Some(id))
    }

    /// The files of one log or chain.
    ///
    /// # Errors
    /// One of them can't be read.
    pub(super) fn of(&self, whose: &Whose) -> io::Result<Vec<String>> {
        let ids =
            self.of.lock().unwrap_or_else(PoisonError::into_inner).get(whose).cloned().unwrap_or_default();
        ids.iter().map(|id| fs::read_to_string(self.directory.join(format!("{id}.json")))).collect()
    }
}
