//! A log as it is read: by `halod check`, `prove` and `export`, beside a daemon that may go on writing.
//!
//! The newest checkpoint is read first; what is read behind it is at least as new, and nothing of it is ever taken back.

use crate::TlogError;
use crate::book::{self, Block, Named, Row};
use crate::entries::EntriesReader;
use crate::log::place;
use crate::notes;
use crate::records::{self, RecordsError};
use crate::tree::TreeFiles;
use halod_evidence::Hash;
use halod_evidence::entry::Epoch;
use halod_evidence::map::{Map, Way};
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::proof::SlotProof;
use halod_evidence::state::{Blind, State, blind, slot};
use halod_evidence::tree::{Edge, inclusion, is_included, leaf, node};
use halod_record::parse::scan_line;
use halod_record::tenant::Tenant;
use memchr::memmem::Finder;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A record of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// From 1.
    pub number: u64,
    pub hash: Hash,
    pub line: String,
}

/// Checkpoints that are looked through for the one that most witnesses have seen.
const LATEST: usize = 60;

/// The log of a directory, as of its newest checkpoint.
#[derive(Debug)]
pub struct LogReader {
    directory: PathBuf,
    own: PathBuf,
    /// The newest note.
    pub note: SignedNote,
    pub checkpoint: Checkpoint,
    pub keys: Vec<VerifierKey>,
    pub names: Vec<Named>,
    entries: EntriesReader,
    /// What states are hidden with, if it may be read.
    secret: Option<Vec<u8>>,
}

impl LogReader {
    /// Opens the log of a directory; `None` where nothing was signed yet.
    ///
    /// # Errors
    /// A file of it can't be read, or is damaged.
    pub fn open(directory: &Path) -> Result<Option<Self>, TlogError> {
        let own = place(directory);
        let Some(note) = notes::newest(&own)? else { return Ok(None) };
        let checkpoint = Checkpoint::parse(&note.text);
        let checkpoint =
            checkpoint.map_err(|error| TlogError::damaged(&own.join("checkpoint"), error.to_string()))?;
        Ok(Some(Self {
            directory: directory.to_owned(),
            note,
            keys: crate::key::verifiers(&own)?,
            names: book::names(&own)?,
            entries: EntriesReader::open(&own, checkpoint.size)?,
            checkpoint,
            secret: std::fs::read(own.join("blind")).ok(),
            own,
        }))
    }

    /// The log as of the newest of its latest checkpoints that most witnesses have cosigned.
    ///
    /// # Errors
    /// Notes can't be read.
    pub fn as_witnessed(mut self) -> Result<Self, TlogError> {
        // The log's own keys are no witnesses: while one takes the other's place there are two.
        let origin = self.checkpoint.origin.clone();
        let witnesses = |note: &SignedNote| {
            let others = note.signatures.iter().filter(|line| line.name != origin);
            let mut lines: Vec<_> = others.map(|line| (&line.name, line.key_id)).collect();
            lines.sort_unstable();
            lines.dedup();
            lines.len()
        };
        let latest = notes::newest_first(&self.own)?.into_iter().take(LATEST);
        // Of several the first, which is the newest.
        let best = latest.reduce(|best, note| if witnesses(&note) > witnesses(&best) { note } else { best });
        if let Some(note) = best
            && let Ok(checkpoint) = Checkpoint::parse(&note.text)
            && self.entries.root_at(checkpoint.size) == Some(checkpoint.root)
        {
            (self.note, self.checkpoint) = (note, checkpoint);
        }
        Ok(self)
    }

    /// The entries of the log.
    #[must_use]
    pub fn entries(&self) -> &EntriesReader {
        &self.entries
    }

    #[must_use]
    pub fn slot(&self, tenant: &Tenant) -> Hash {
        slot(&self.checkpoint.origin, tenant)
    }

    /// The file name, without `.jsonl`, under which a tenant's chain was seen last.
    #[must_use]
    pub fn stem(&self, tenant: &Tenant) -> Option<&str> {
        self.names.iter().rev().find(|named| named.tenant == *tenant).map(|named| &*named.stem)
    }

    /// Whether the map of an epoch can be made again.
    #[must_use]
    pub fn knows_blinds(&self) -> bool {
        self.secret.is_some()
    }

    fn blind(&self, epoch: u64, slot: &Hash) -> Result<Blind, TlogError> {
        let path = self.own.join("blind");
        let secret = self.secret.as_ref().ok_or_else(|| TlogError::damaged(&path, "it can't be read"))?;
        Ok(blind(secret, epoch, slot))
    }

    /// The map of an epoch, from the states that all slots had.
    ///
    /// # Errors
    /// Blinds can't be made.
    pub fn map(&self, epoch: u64, rows: &HashMap<Hash, Row>) -> Result<Map, TlogError> {
        let leaf = |row: &Row| Ok((row.slot, row.state.hidden(&self.blind(epoch, &row.slot)?)));
        let leaves: Result<Vec<_>, TlogError> = rows.values().map(leaf).collect();
        Ok(Map::new(leaves?))
    }

    /// Goes through the epochs that are kept and in the checkpoint, in order. `each` is given an epoch's changes, and what all
    /// slots have after them.
    ///
    /// # Errors
    /// The book can't be read, or `each` fails.
    pub fn epochs<E: From<TlogError>>(
        &self,
        mut each: impl FnMut(&Block, &HashMap<Hash, Row>) -> Result<(), E>,
    ) -> Result<(), E> {
        let last = self.last_epoch()?.map_or(0, |(_, epoch)| epoch.epoch);
        let mut rows = HashMap::new();
        let mut result = Ok(());
        book::each_epoch(&self.own, |block| {
            if result.is_ok() && block.epoch <= last {
                rows.extend(block.rows.iter().map(|row| (row.slot, row.clone())));
                result = each(&block, &rows);
            }
        })?;
        result
    }

    /// The entries of epochs in the checkpoint: by epoch, the entry's number in the log.
    ///
    /// # Errors
    /// Entries can't be read.
    pub fn epochs_by_number(&self) -> Result<BTreeMap<u64, u64>, TlogError> {
        let mut epochs = BTreeMap::new();
        for index in 0..self.entries.len().min(self.checkpoint.size) {
            if let Some(epoch) = Epoch::read(&self.entries.entry(index)?) {
                epochs.insert(epoch.epoch, index);
            }
        }
        Ok(epochs)
    }

    /// The number of an epoch's last entry in the log, and the epoch.
    ///
    /// # Errors
    /// Entries can't be read.
    pub fn last_epoch(&self) -> Result<Option<(u64, Epoch)>, TlogError> {
        for index in (0..self.entries.len().min(self.checkpoint.size)).rev() {
            if let Some(epoch) = Epoch::read(&self.entries.entry(index)?) {
                return Ok(Some((index, epoch)));
            }
        }
        Ok(None)
    }

    /// Shows a tenant's slot at an epoch, whose entry has this number, from all slots' states then.
    ///
    /// # Errors
    /// What it takes can't be read.
    pub fn slot_proof(
        &self,
        tenant: &Tenant,
        index: u64,
        rows: &HashMap<Hash, Row>,
    ) -> Result<SlotProof, TlogError> {
        let path = self.own.join("entries");
        let entry = self.entries.entry(index)?;
        let unknown = || TlogError::damaged(&path, format!("entry {index} is no epoch's"));
        let epoch = Epoch::read(&entry).ok_or_else(unknown)?.epoch;
        let slot = self.slot(tenant);
        let way = self.map(epoch, rows)?.way(&slot);
        let way = way.unwrap_or(Way { slot: [0; 32], hidden: [0; 32], steps: Vec::new() });
        let state =
            rows.get(&slot).map(|row| Ok::<_, TlogError>((row.state.clone(), self.blind(epoch, &slot)?)));
        let get = |level, index| {
            self.entries.get(level, index).ok_or_else(|| TlogError::damaged(&path, "entries are missing"))
        };
        let beside = inclusion(index, self.checkpoint.size, get)?.unwrap_or_default();
        Ok(SlotProof { entry, index, path: beside, way, state: state.transpose()? })
    }

    /// The states of all slots at an epoch.
    ///
    /// # Errors
    /// The book can't be read, or keeps them no more.
    pub fn states(&self, epoch: u64) -> Result<HashMap<Hash, Row>, TlogError> {
        let gone = || {
            TlogError::damaged(&self.own.join("epochs"), format!("the states of epoch {epoch} are not kept"))
        };
        book::at_epoch(&self.own, epoch)?.ok_or_else(gone)
    }

    /// The file of a tenant's chain.
    #[must_use]
    pub fn chain(&self, stem: &str) -> PathBuf {
        self.directory.join(format!("{stem}.jsonl"))
    }

    /// The record of a chain with this id, if it has one.
    ///
    /// # Errors
    /// The chain can't be read, or is broken before it.
    pub fn find(&self, stem: &str, record_id: &str) -> Result<Option<FoundRecord>, TlogError> {
        let (finder, mut found) = (Finder::new(record_id), None);
        read(&self.chain(stem), |Record { number, hash, line, .. }| {
            if found.is_none() && finder.find(line).is_some() {
                let is_it =
                    scan_line(line).is_some_and(|facts| facts.record_id.as_deref() == Some(record_id));
                found = is_it.then(|| {
                    let line = String::from_utf8_lossy(line).trim_end().to_owned();
                    FoundRecord { number, hash, line }
                });
            }
        })?;
        Ok(found)
    }

    /// Copies a chain's bytes up to the last record of a state into a new file, if its records are those of the state.
    ///
    /// # Errors
    /// They are not, or can't be read or written.
    pub fn copy(&self, stem: &str, state: &State, to: &Path) -> Result<(), TlogError> {
        let (chain, mut edge, mut end) = (self.chain(stem), Edge::default(), 0);
        read(&chain, |record| {
            if record.number <= state.count {
                edge.push(leaf(&record.hash), |_, _, _| {});
                end = record.offset + record.line.len() as u64 + 1;
            }
        })?;
        if (edge.size(), edge.root()) != (state.count, state.root) {
            let what = "its records are not those that were signed; `halod check` tells more";
            return Err(TlogError::damaged(&chain, what));
        }
        let copy = || -> io::Result<()> {
            let mut out = File::create_new(to)?;
            io::copy(&mut File::open(&chain)?.take(end), &mut out)?;
            out.sync_all()
        };
        copy().map_err(TlogError::io("write", to))
    }

    /// The hashes beside the way from a record, counted from 1, to the root of its chain's tree at a state.
    ///
    /// # Errors
    /// The chain can't be read, or is not what the state says.
    pub fn record_path(&self, stem: &str, number: u64, state: &State) -> Result<Vec<Hash>, TlogError> {
        let chain = self.chain(stem);
        let known = self.directory.join(".halod/tree").join(stem);
        let path = |tree: TreeFiles| {
            let path = inclusion(number - 1, state.count, |level, index| tree.get(level, index)).ok()??;
            let (leaf, _) = tree.leaf(number - 1).ok()?;
            let place = (number - 1, state.count);
            is_included(&leaf, place, &path, &state.root).then_some(path)
        };
        if let Some(path) = TreeFiles::open(&known).ok().and_then(path) {
            return Ok(path);
        }
        // The tree is not there, or is being made: another one of the same records.
        let leaves = leaves(&chain, state.count)?;
        let get = |level, index| subtree_of(&leaves, level, index).ok_or(());
        let edge = Edge::of(state.count, get).ok().filter(|edge| edge.root() == state.root);
        let path = edge.and_then(|_| inclusion(number - 1, state.count, get).ok()?);
        path.ok_or_else(|| TlogError::damaged(&chain, "its records are not those that were signed"))
    }
}

/// The leaves of a chain's first records.
fn leaves(chain: &Path, count: u64) -> Result<Vec<Hash>, TlogError> {
    let mut leaves = Vec::new();
    read(chain, |record| {
        if record.number <= count {
            leaves.push(leaf(&record.hash));
        }
    })?;
    Ok(leaves)
}

/// A record as it is read.
struct Record<'r> {
    /// From 1.
    number: u64,
    offset: u64,
    hash: Hash,
    line: &'r [u8],
}

/// Reads the records of a chain.
fn read(chain: &Path, mut each: impl FnMut(Record<'_>)) -> Result<(), TlogError> {
    let failed = |doing: &'static str| move |source| TlogError::Io { doing, path: chain.to_owned(), source };
    let file = File::open(chain).map_err(failed("open"))?;
    let mut number = 0;
    let read = records::read(&file, (0, u64::MAX), [0; 32], &mut |offset, hash, line| {
        number += 1;
        each(Record { number, offset, hash, line });
        Ok(())
    });
    match read {
        Ok(_) => Ok(()),
        Err(RecordsError::Io(source)) => Err(failed("read")(source)),
        Err(broken @ RecordsError::Broken { .. }) => Err(TlogError::damaged(chain, broken.to_string())),
    }
}

/// The root of the complete subtree over the leaves `index << level .. (index + 1) << level`.
fn subtree_of(leaves: &[Hash], level: u32, index: u64) -> Option<Hash> {
    let from = usize::try_from(index << level).ok()?;
    let to = usize::try_from((index + 1) << level).ok()?;
    leaves.get(from..to).map(subtree)
}

fn subtree(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node(&subtree(left), &subtree(right))
        }
    }
}
