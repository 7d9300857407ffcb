//! Every chain below one data directory: which file is whose, what is open, what is known.

use super::disk::{Disk, open_append};
use super::error::{ChainError, ChainUnusable};
use super::index::{Index, Opened, Position};
use super::journal::{Entry, Journal, Section};
use super::scan::{Scan, scan};
use super::tail::{Chain, Handles, file_id};
use crate::record::build::{self, About};
use crate::record::draft::{Draft, HexHash};
use crate::record::hash;
use crate::record::ids::RecordId;
use crate::record::parse::scan_line;
use crate::record::tenant::Tenant;
use crate::record::time::Instant;
use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where chains are kept, and the bounds on what keeping them takes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub directory: PathBuf,
    /// Chains whose two descriptors may be open at a time.
    pub open_chains: usize,
    pub max_tenants: usize,
    /// Bytes of both journal segments together.
    pub journal_size: u64,
}

/// All chains of one directory. One thread owns it; nothing else may write there.
#[derive(Debug)]
pub struct Store {
    pub(super) settings: Settings,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) chains: Vec<Chain>,
    by_tenant: HashMap<Tenant, usize>,
    /// Chains with open descriptors, the longest open first.
    open: VecDeque<usize>,
    pub(super) entry: Entry,
}

/// What opening a store found that an operator should know.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Appends that a crash had cut short and the journal completed.
    pub completed: usize,
    /// Records that were acknowledged, are in no chain any more, and are to be sealed again.
    pub orphans: Vec<Draft>,
    /// Why the index had to be made anew, if it had.
    pub index_rebuilt: Option<String>,
}

impl Store {
    /// Opens the directory, completing what a crash interrupted. The caller commits
    /// [`Recovered::orphans`] and then calls [`Self::orphans_sealed`].
    ///
    /// # Errors
    /// When anything cannot be read, written or synced.
    pub fn open(settings: Settings, disk: Arc<dyn Disk>) -> Result<(Self, Recovered), ChainError> {
        let own = settings.directory.join(".halod");
        let (journal_dir, index_dir) = (own.join("journal"), own.join("index"));
        for dir in [&settings.directory, &own, &journal_dir, &index_dir] {
            make_dir(dir)?;
        }
        let mut recovered = Recovered::default();
        let mut replay = Replay::new(&settings.directory, orphans_path(&settings.directory))?;
        let mut journal = Journal::open(
            &journal_dir,
            &settings.directory,
            settings.journal_size,
            Arc::clone(&disk),
            &mut |section| replay.apply(section, &*disk),
        )?;
        recovered.completed = replay.completed;
        recovered.orphans = replay.save()?;
        journal.start()?;
        let (index, opened) = Index::open(&index_dir, super::index::Settings::default())?;
        if let Opened::Rebuilt(why) = opened {
            recovered.index_rebuilt = Some(why);
        }
        let store = Self {
            settings,
            disk,
            journal,
            index,
            chains: Vec::new(),
            by_tenant: HashMap::new(),
            open: VecDeque::new(),
            entry: Entry::default(),
        };
        Ok((store, recovered))
    }

    /// The orphans that [`Self::open`] returned are in chains again.
    ///
    /// # Errors
    /// When the file that kept them cannot be removed.
    pub fn orphans_sealed(&mut self) -> Result<(), ChainError> {
        let path = orphans_path(&self.settings.directory);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ChainError::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    /// Syncs every chain and writes the index out, so that the next start reads nothing.
    ///
    /// # Errors
    /// When that fails; nothing acknowledged is lost by it.
    pub fn close(self) -> Result<(), ChainError> {
        let positions = positions(&self.chains);
        self.journal.close()?;
        self.index.close(positions)?;
        Ok(())
    }

    /// Chains that were written or looked at since the start.
    #[must_use]
    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }

    /// The chain of a tenant, which may not have been looked at yet.
    pub(super) fn chain_of(&mut self, tenant: &Tenant) -> Result<usize, ChainUnusable> {
        if let Some(&at) = self.by_tenant.get(tenant) {
            return Ok(at);
        }
        if self.chains.len() >= self.settings.max_tenants {
            return Err(ChainUnusable::TooMany(self.chains.len()));
        }
        let at = self.chains.len();
        let stem = self.stems(tenant).next().unwrap_or_default();
        let path = self.path(&stem);
        self.chains.push(Chain::new(tenant.clone(), stem.into(), path));
        self.by_tenant.insert(tenant.clone(), at);
        Ok(at)
    }

    /// File names that may hold a tenant's chain, the preferred one first: as the reference, an
    /// existing file of before 0.2.46 is continued, and a name that holds another subject is left.
    fn stems(&self, tenant: &Tenant) -> impl Iterator<Item = String> + use<> {
        let (plain, digest) = (tenant.file_stem(), tenant.digest_stem());
        let legacy = tenant.legacy_stem().filter(|stem| plain == digest && self.path(stem).exists());
        let mut stems: Vec<String> = legacy.into_iter().chain([plain, digest]).collect();
        stems.dedup();
        stems.into_iter()
    }

    fn path(&self, stem: &str) -> PathBuf {
        self.settings.directory.join(format!("{stem}.jsonl"))
    }

    /// Locks a chain and brings what is known of it up to date. `false` when another process has
    /// the lock.
    pub(super) fn ready(&mut self, at: usize) -> Result<bool, ChainUnusable> {
        loop {
            if self.chains[at].handles.is_none() {
                self.make_room();
                self.chains[at].handles = Some(Handles::open(&self.chains[at].path)?);
                self.open.push_back(at);
            }
            if !self.chains[at].try_lock()? {
                return Ok(false);
            }
            if self.look(at)? {
                return Ok(true);
            }
        }
    }

    /// Compares the locked chain with what is known of it. `false` to look again, at other handles.
    fn look(&mut self, at: usize) -> Result<bool, ChainUnusable> {
        let chain = &mut self.chains[at];
        let meta = std::fs::metadata(&chain.path);
        let Some(handles) = &chain.handles else { return Ok(false) };
        let own = handles.file.metadata().map_err(ChainUnusable::io("read", &chain.path))?;
        if !meta.is_ok_and(|meta| file_id(&meta) == file_id(&own)) {
            // The file behind the name is another one now: what we have open is nobody's chain.
            chain.unlock();
            chain.handles = None;
            self.open.retain(|&other| other != at);
            return Ok(false);
        }
        let (len, id) = (own.len(), Some(file_id(&own)));
        if chain.file_id == id && chain.len == len {
            return Ok(true);
        }
        if chain.file_id == id && chain.len < len && !chain.unterminated {
            self.take_in(at)?;
            return Ok(true);
        }
        self.first_look(at, id, len)?;
        if self.take_in(at)? {
            self.chains[at].file_id = id;
            return Ok(true);
        }
        self.use_next_name(at)?;
        Ok(false)
    }

    /// Decides from where a file that is not known has to be read: from where the index covers it,
    /// if its end there is still the same. Less than what was known before is disclosed.
    fn first_look(&mut self, at: usize, id: Option<(u64, u64)>, len: u64) -> Result<(), ChainUnusable> {
        let covered = self.index.position(&self.chains[at].stem);
        let old = &mut self.chains[at];
        let known = old.len.max(covered.as_ref().map_or(0, |p| p.len));
        let only_grew = old.file_id == id && old.len <= len;
        let mut chain = Chain::new(old.tenant.clone(), Arc::clone(&old.stem), old.path.clone());
        (chain.handles, chain.locked) = (old.handles.take(), old.locked);
        let mut as_known = false;
        if let (Some(position), Some(handles)) = (covered.filter(|p| p.len <= len), &chain.handles) {
            let end =
                last_line(&handles.file, position.len).map_err(ChainUnusable::io("read", &chain.path))?;
            if let Some((head, last_ts)) =
                end.filter(|(head, _)| hash::parse_hex(head) == Some(position.head))
            {
                (chain.len, chain.records) = (position.len, position.records);
                (chain.head, chain.last_ts) = (head, last_ts);
                as_known = old.file_id.is_none() || only_grew;
            }
        }
        if known > 0 && !as_known && !only_grew {
            let about = [("found_bytes", About::Number(len)), ("known_bytes", About::Number(known))];
            chain.notices.push(build::notice(&chain.tenant, "chain_changed", &about));
        }
        self.chains[at] = chain;
        Ok(())
    }

    /// Reads what follows the known end. `false` when the file holds another subject's records.
    fn take_in(&mut self, at: usize) -> Result<bool, ChainUnusable> {
        let chain = &mut self.chains[at];
        let Some(handles) = &chain.handles else { return Ok(false) };
        let index = &mut self.index;
        let found: Scan = scan(&handles.file, chain.len, chain.tenant.subject(), &mut |offset, facts| {
            if let Some(id) = facts.record_id.as_deref().and_then(RecordId::parse) {
                index.insert(id.key(), offset);
            }
        })
        .map_err(ChainUnusable::io("read", &chain.path))?;
        if found.mixed && chain.file_id.is_none() {
            return Ok(false);
        }
        chain.advance(&found);
        Ok(true)
    }

    /// Leaves a file that holds another subject for the next of [`Self::stems`].
    fn use_next_name(&mut self, at: usize) -> Result<(), ChainUnusable> {
        let tenant = self.chains[at].tenant.clone();
        let stem = Arc::clone(&self.chains[at].stem);
        let next = self.stems(&tenant).skip_while(|s| **s != *stem).nth(1);
        let chain = &mut self.chains[at];
        chain.unlock();
        self.open.retain(|&other| other != at);
        let path = chain.path.clone();
        let Some(next) = next else {
            chain.handles = None;
            return Err(ChainUnusable::Mixed(path));
        };
        let path = self.settings.directory.join(format!("{next}.jsonl"));
        self.chains[at] = Chain::new(tenant, next.into(), path);
        Ok(())
    }

    /// Closes the longest open descriptors until one more chain may be opened.
    fn make_room(&mut self) {
        for _ in 0..self.open.len() {
            if self.open.len() < self.settings.open_chains {
                return;
            }
            if let Some(oldest) = self.open.pop_front() {
                if self.chains[oldest].locked {
                    self.open.push_back(oldest);
                } else {
                    self.chains[oldest].handles = None;
                }
            }
        }
    }
}

/// How far each chain is in the index. A chain whose last line is unfinished is left out: what
/// follows is not the start of a line.
pub(super) fn positions(chains: &[Chain]) -> Vec<(String, Position)> {
    let known = chains.iter().filter(|c| c.file_id.is_some() && !c.unterminated);
    known
        .map(|c| {
            let head = hash::parse_hex(&c.head).unwrap_or_default();
            (c.stem.to_string(), Position { len: c.len, head, records: c.records })
        })
        .collect()
}

/// Head and time of the record that ends at `end`, if one does.
fn last_line(file: &File, end: u64) -> io::Result<Option<(HexHash, u64)>> {
    let mut window = 64 << 10;
    loop {
        let start = end.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        let Some((b'\n', body)) = bytes.split_last() else { return Ok(None) };
        let line = match memchr::memrchr(b'\n', body) {
            Some(newline) => &body[newline + 1..],
            None if start == 0 => body,
            None if window > super::scan::MAX_LINE as u64 => return Ok(None),
            None => {
                window *= 4;
                continue;
            }
        };
        return Ok(scan_line(line).and_then(|facts| {
            let head: HexHash = facts.hash.as_bytes().try_into().ok()?;
            Some((head, facts.ts.map_or(0, Instant::unix_nanos)))
        }));
    }
}

fn make_dir(path: &Path) -> Result<(), ChainError> {
    DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(ChainError::io("create", path))
}

fn orphans_path(dir: &Path) -> PathBuf {
    dir.join(".halod").join("orphans.jsonl")
}

/// Applies the journal to the chain files after a crash.
struct Replay<'a> {
    dir: &'a Path,
    orphans: PathBuf,
    completed: usize,
    /// Lines that were acknowledged but do not fit where they belong: the file lost what came
    /// before them, or others have written there since.
    lost: Vec<u8>,
}

impl<'a> Replay<'a> {
    /// Starts with what an earlier recovery could not finish.
    fn new(dir: &'a Path, orphans: PathBuf) -> Result<Self, ChainError> {
        let lost = match std::fs::read(&orphans) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(ChainError::io("read", &orphans))?,
        };
        Ok(Self { dir, orphans, completed: 0, lost })
    }

    fn apply(&mut self, section: &Section<'_>, disk: &dyn Disk) -> Result<(), ChainError> {
        let path = self.dir.join(format!("{}.jsonl", section.stem));
        let lock_path = super::tail::lock_path(&path);
        let lock = open_append(&lock_path).map_err(ChainError::io("open", &lock_path))?;
        lock.lock().map_err(ChainError::io("lock", &lock_path))?;
        let file = open_append(&path).map_err(ChainError::io("open", &path))?;
        let len = file.metadata().map_err(ChainError::io("read", &path))?.len();
        let present = usize::try_from(len.saturating_sub(section.offset)).unwrap_or(usize::MAX);
        let (present, missing) = section.bytes.split_at(present.min(section.bytes.len()));
        let mut there = vec![0; present.len()];
        file.read_exact_at(&mut there, section.offset.min(len)).map_err(ChainError::io("read", &path))?;
        if len < section.offset || there != present {
            self.lost.extend_from_slice(section.bytes);
        } else if !missing.is_empty() {
            disk.append(&file, missing).map_err(ChainError::io("write to", &path))?;
            self.completed += 1;
        }
        Ok(())
    }

    /// Keeps the orphans where a further crash cannot lose them, before the journal forgets them.
    fn save(self) -> Result<Vec<Draft>, ChainError> {
        if self.lost.is_empty() {
            return Ok(Vec::new());
        }
        super::disk::replace(&self.orphans, &self.lost).map_err(ChainError::io("write", &self.orphans))?;
        let lines = self.lost.split_inclusive(|&byte| byte == b'\n');
        Ok(lines
            .filter_map(|line| {
                let subject = scan_line(line)?.subject;
                Draft::reopen(Tenant::claimed(subject.as_deref().unwrap_or("")).ok()?, line)
            })
            .collect())
    }
}
