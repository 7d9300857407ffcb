//! What is known of each chain: where its file ended when it was read last, and the state that its slot has.
//!
//! A look at the directory tells what changed; what changed is synced, read from disk, verified, and put into its tree.

use crate::TlogError;
use crate::book::{Named, Row};
use crate::records::{self, RecordsError};
use crate::survey::{Look, Seen, survey};
use crate::tree::Tree;
use halod_chain::disk::Disk;
use halod_chain::scan::first_tenant;
use halod_evidence::Hash;
use halod_evidence::state::State;
use halod_evidence::tree::{empty, leaf};
use halod_record::tenant::Tenant;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The hash before the first record.
const GENESIS: Hash = [0; 32];

/// All chains of a directory, by file name. Some 200 bytes each.
#[derive(Debug)]
pub(crate) struct Chains {
    directory: PathBuf,
    /// In order of names.
    all: Vec<Chain>,
    alarms: BTreeMap<Box<str>, Alarm>,
}

/// What is known of one chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) stem: Box<str>,
    /// The subject's id where it is not the file's name; empty for the records of no subject.
    id: Option<Box<str>>,
    state: Compact,
    /// Bytes of the file that the state is of.
    pub(crate) len: u64,
    /// What the file looked like then; nothing for one that was not looked at since the start.
    seen: Option<Seen>,
}

/// A state; most have no generation before them.
#[derive(Debug, Default)]
struct Compact {
    count: u64,
    head: Hash,
    first: Hash,
    root: Hash,
    before: Option<Box<(u32, Hash)>>,
}

/// Why a chain's slot keeps the state that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The file has fewer records than were signed, or is gone.
    Shorter,
    /// Records that were signed are others now.
    Other,
    /// A record does not verify.
    Broken { offset: u64, why: &'static str },
    /// The tenant has another file, which is signed.
    Second,
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shorter => {
                f.write_str("records that were signed are missing from its end, or the file is gone")
            }
            Self::Other => f.write_str("records that were signed are others now"),
            Self::Broken { offset, why } => write!(f, "the record at byte {offset} does not verify: {why}"),
            Self::Second => f.write_str("its tenant has another file, which is signed"),
        }
    }
}

/// What came of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many new records are in its tree.
    Records(u64),
    /// Its slot keeps its state, from now on.
    Alarm(Alarm),
    /// Nothing: it holds no record yet, or can't be read now.
    Nothing,
}

impl Compact {
    fn of(state: State) -> Self {
        let State { generation, before, count, head, first, root } = state;
        let before = (generation > 0).then(|| Box::new((generation, before)));
        Self { count, head, first, root, before }
    }

    fn state(&self) -> State {
        let (generation, before) = self.before.as_deref().copied().unwrap_or((0, [0; 32]));
        let Self { count, head, first, root, .. } = *self;
        State { generation, before, count, head, first, root }
    }
}

impl Chain {
    fn tenant(&self) -> Tenant {
        Tenant::stored(self.id.as_deref().unwrap_or(&self.stem))
    }

    fn set_tenant(&mut self, tenant: &Tenant) {
        let id = tenant.subject().unwrap_or_default();
        self.id = (id != &*self.stem).then(|| id.into());
    }

    /// The chain as an epoch has it; `None` before its first record.
    pub(crate) fn state(&self) -> Option<State> {
        (self.state.count > 0).then(|| self.state.state())
    }

    pub(crate) fn named(&self, slot: Hash) -> Named {
        Named { slot, stem: self.stem.clone(), tenant: self.tenant() }
    }

    pub(crate) fn slot(&self, origin: &str) -> Hash {
        halod_evidence::state::slot(origin, &self.tenant())
    }
}

impl Chains {
    /// The chains that were signed before.
    pub(crate) fn new(directory: &Path, signed: impl Iterator<Item = (Named, Row)>) -> Self {
        let chain = |(named, row): (Named, Row)| {
            let state = Compact::of(row.state);
            let mut chain = Chain { stem: named.stem, id: None, state, len: row.len, seen: None };
            chain.set_tenant(&named.tenant);
            chain
        };
        let mut all: Vec<Chain> = signed.map(chain).collect();
        all.sort_by(|a, b| a.stem.cmp(&b.stem));
        all.shrink_to_fit();
        Self { directory: directory.to_owned(), all, alarms: BTreeMap::new() }
    }

    fn path(&self, stem: &str) -> PathBuf {
        self.directory.join(format!("{stem}.jsonl"))
    }

    fn find(&self, stem: &str) -> Option<usize> {
        self.all.binary_search_by(|chain| (*chain.stem).cmp(stem)).ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Chain> {
        self.all.iter()
    }

    pub(crate) fn get(&self, stem: &str) -> Option<&Chain> {
        self.find(stem).map(|at| &self.all[at])
    }

    pub(crate) fn alarms(&self) -> impl Iterator<Item = (&str, &Alarm)> {
        self.alarms.iter().map(|(stem, alarm)| (&**stem, alarm))
    }

    /// The chains whose files changed since they were read, by name.
    ///
    /// # Errors
    /// The directory can't be read.
    pub(crate) fn look(&mut self, is_left_out: impl Fn(&str) -> bool) -> Result<Vec<Box<str>>, TlogError> {
        let found = survey(&self.directory).map_err(TlogError::io("read", &self.directory))?;
        let (mut changed, mut new) = (Vec::new(), Vec::new());
        let mut known = self.all.iter().peekable();
        for (stem, look) in found {
            while let Some(gone) = known.next_if(|chain| chain.stem < stem) {
                changed.extend(gone.is_missed().then(|| gone.stem.clone()));
            }
            let known = known.next_if(|chain| chain.stem == stem);
            if is_left_out(&stem) || known.is_some_and(|chain| chain.looks(&look)) {
                continue;
            }
            if known.is_none() {
                let state = Compact::default();
                new.push(Chain { stem: stem.clone(), id: None, state, len: 0, seen: None });
            }
            changed.push(stem);
        }
        changed.extend(known.filter(|gone| gone.is_missed()).map(|gone| gone.stem.clone()));
        if !new.is_empty() {
            self.all.reserve_exact(new.len());
            self.all.extend(new);
            self.all.sort_by(|a, b| a.stem.cmp(&b.stem));
        }
        Ok(changed)
    }

    /// Syncs a chain's file, reads and verifies what is new in it, and puts it into its tree.
    ///
    /// # Errors
    /// The tree's files fail. What is wrong with the chain is no error.
    pub(crate) fn take_in(&mut self, stem: &str, disk: &dyn Disk) -> Result<Taken, TlogError> {
        let Some(at) = self.find(stem) else { return Ok(Taken::Nothing) };
        if self.all[at].state.count == 0 && !self.begin(at) {
            return Ok(self.settle(at, None, Taken::Alarm(Alarm::Second)));
        }
        let path = self.path(stem);
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = match File::options().read(true).custom_flags(no_follow).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(self.settle(at, Some(Seen::NOTHING), Taken::Alarm(Alarm::Shorter)));
            }
            // The store says so, too, and refuses the tenant.
            Err(_) => return Ok(Taken::Nothing),
            Ok(file) => file,
        };
        let Ok(meta) = file.metadata() else { return Ok(Taken::Nothing) };
        if disk.sync(&file).is_err() {
            return Ok(Taken::Nothing);
        }
        let look = Look::of(&meta);
        let tree = self.directory.join(".halod/tree").join(stem);
        let is_alarmed = self.alarms.contains_key(stem);
        let chain = &mut self.all[at];
        let is_appended = chain.seen.is_none_or(|seen| seen.is_same_file(&look)) && look.len > chain.len;
        let taken = if is_appended && !is_alarmed && chain.is_continued(&file) {
            chain.read_on(&file, &tree, look.len)
        } else {
            chain.read_whole(&file, &tree, look.len)
        };
        match taken {
            Ok(taken) => Ok(self.settle(at, Some(Seen::of(&look)), taken)),
            Err(RecordsError::Broken { offset, why }) => {
                Ok(self.settle(at, Some(Seen::of(&look)), Taken::Alarm(Alarm::Broken { offset, why })))
            }
            Err(RecordsError::Io(source)) => Err(TlogError::Io { doing: "read", path, source }),
        }
    }

    /// Finds out whose chain a file is; `false` where its tenant has another one.
    fn begin(&mut self, at: usize) -> bool {
        let Some(tenant) = first_tenant(&self.path(&self.all[at].stem)) else { return true };
        self.all[at].set_tenant(&tenant);
        let names = [Some(tenant.file_stem()), Some(tenant.digest_stem()), tenant.legacy_stem()];
        let other = names.into_iter().flatten().filter_map(|name| self.find(&name));
        let other = other.filter(|other| *other != at && self.all[*other].state.count > 0);
        let Some(other) = other.into_iter().find(|other| self.all[*other].tenant() == tenant) else {
            return true;
        };
        if self.path(&self.all[other].stem).exists() {
            return false;
        }
        // The same chain under a new name: it has to be what it was.
        self.all[at].state = std::mem::take(&mut self.all[other].state);
        let old = self.all[other].stem.clone();
        self.alarms.remove(&old);
        true
    }

    fn settle(&mut self, at: usize, seen: Option<Seen>, taken: Taken) -> Taken {
        let chain = &mut self.all[at];
        chain.seen = seen.or(chain.seen);
        match taken {
            Taken::Alarm(alarm) => drop(self.alarms.insert(chain.stem.clone(), alarm)),
            Taken::Records(_) | Taken::Nothing => drop(self.alarms.remove(&chain.stem)),
        }
        taken
    }
}

impl Chain {
    /// Whether its file is as it was read. What was not looked at since the start is known by its length alone.
    fn looks(&self, look: &Look) -> bool {
        match self.seen {
            Some(seen) => seen == Seen::of(look),
            None => self.len == look.len,
        }
    }

    /// Whether its file ought to be there, as far as was told.
    fn is_missed(&self) -> bool {
        self.state.count > 0 && self.seen != Some(Seen::NOTHING)
    }

    fn head(&self) -> Hash {
        if self.state.count == 0 { GENESIS } else { self.state.head }
    }

    /// Whether the file has the last record that was read where it was.
    fn is_continued(&self, file: &File) -> bool {
        self.len == 0 || records::hash_before(file, self.len).ok().flatten() == Some(self.state.head)
    }

    /// Reads what is behind the known end.
    fn read_on(&mut self, file: &File, path: &Path, len: u64) -> Result<Taken, RecordsError> {
        let root = if self.state.count == 0 { empty() } else { self.state.root };
        let Some(mut tree) = Tree::open(path, self.state.count, &root)? else {
            return self.read_whole(file, path, len);
        };
        let mut first = None;
        let end = records::read(file, (self.len, len), self.head(), &mut |offset, hash, _| {
            first.get_or_insert(hash);
            tree.push(leaf(&hash), offset)
        })?;
        tree.write()?;
        Ok(self.advance(&tree, first, end))
    }

    /// Reads the whole file, and holds what was signed against it.
    fn read_whole(&mut self, file: &File, path: &Path, len: u64) -> Result<Taken, RecordsError> {
        let mut tree = Tree::begin(path)?;
        let signed = &self.state;
        let (mut first, mut is_same) = (None, signed.count == 0);
        let end = records::read(file, (0, len), GENESIS, &mut |offset, hash, _| {
            first.get_or_insert(hash);
            tree.push(leaf(&hash), offset)?;
            if signed.count == tree.size() {
                is_same = signed.root == tree.root() && signed.head == hash;
            }
            Ok(())
        })?;
        tree.write()?;
        Ok(match signed.count {
            signed if tree.size() < signed => Taken::Alarm(Alarm::Shorter),
            _ if !is_same => Taken::Alarm(Alarm::Other),
            _ => self.advance(&tree, first, end),
        })
    }

    /// Takes over what was read.
    fn advance(&mut self, tree: &Tree, first: Option<Hash>, end: records::End) -> Taken {
        let known = self.state.count;
        self.len = end.offset;
        if tree.size() == known {
            return Taken::Nothing;
        }
        if known == 0 {
            self.state.first = first.unwrap_or(end.head);
        }
        (self.state.count, self.state.root, self.state.head) = (tree.size(), tree.root(), end.head);
        Taken::Records(self.state.count - known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside this a chain has its name, of some 20 bytes.
    #[test]
    fn a_chain_takes_little_memory() {
        assert!(size_of::<Chain>() <= 168, "{}", size_of::<Chain>());
    }
}
