//! The chains that can be shown: which file a link stands for, and what of it was verified.
//!
//! A file is verified once; with each request only what was appended since. Another file in its place, or one that is shorter or
//! was changed, is verified from its beginning.

use crate::reader::access::chains::{self, Entry, Memory};
use crate::reader::access::secret::Secret;
use crate::reader::access::{AccessError, ChainKey};
use halod_record::hash::{hex_text, sha256};
use halod_record::parse::subject;
use halod_record::tenant::Tenant;
use halod_record::verify::Prefix;
use memchr::memmem::Finder;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as Turn;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long what was found of the directory holds.
const FRESH: Duration = Duration::from_secs(1);

/// How long a request waits while its chain is verified.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes before the end of what was verified that are compared, when the file has grown.
const TAIL: u64 = 4096;

#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    scanned: Mutex<Scanned>,
    chains: Mutex<HashMap<String, Arc<Chain>>>,
}

#[derive(Debug, Default)]
struct Scanned {
    at: Option<Instant>,
    /// Which secret the links were made with.
    of: String,
    memory: Memory,
    table: Arc<Table>,
}

/// Which chains there are, and their links.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    tokens: HashMap<String, usize>,
}

impl Table {
    /// The chain that a link stands for, withheld or not.
    pub(super) fn get(&self, token: &str) -> Option<&Entry> {
        self.entries.get(*self.tokens.get(token)?)
    }
}

#[derive(Debug, Default)]
struct Chain {
    known: Arc<Turn<Known>>,
    told: Mutex<Told>,
}

/// What the last look at a chain came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Unread,
    Shown {
        count: u64,
        head: Option<String>,
    },
    Withheld(String),
}

/// A chain as a request is answered from it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) file: Arc<File>,
    pub(super) tenant: Tenant,
    pub(super) count: u64,
    /// Where its last record ends.
    pub(super) bytes: u64,
    pub(super) head: Option<[u8; 32]>,
    pub(super) first: Option<[u8; 32]>,
    pub(super) gaps: u64,
    /// Where to begin to look for the record that was asked for: a place, and the number of the record there.
    pub(super) near: Option<(u64, u64)>,
}

/// Why a chain is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unshown {
    /// It is being verified.
    Busy,
    Withheld,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), scanned: Mutex::default(), chains: Mutex::default() }
    }

    /// What there is now. Blocks: for a thread that may.
    ///
    /// # Errors
    /// The directory can't be read.
    pub(super) fn table(&self, secret: &Secret) -> Result<Arc<Table>, AccessError> {
        let mut scanned = lock(&self.scanned);
        let of = secret.token("");
        if scanned.of == of && scanned.at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(Arc::clone(&scanned.table));
        }
        let entries = chains::scan(&self.directory, &mut scanned.memory)?;
        let mut tokens = HashMap::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let token = secret.token(entry.key.text());
            // A subject's chain goes before one that is known by its file.
            if matches!(entry.key, ChainKey::Subject(_)) {
                tokens.insert(token, at);
            } else {
                tokens.entry(token).or_insert(at);
            }
        }
        lock(&self.chains)
            .retain(|stem, _| entries.binary_search_by(|entry| entry.stem.as_str().cmp(stem)).is_ok());
        scanned.table = Arc::new(Table { entries, tokens });
        (scanned.at, scanned.of) = (Some(Instant::now()), of);
        Ok(Arc::clone(&scanned.table))
    }

    fn chain(&self, stem: &str) -> Arc<Chain> {
        let mut chains = lock(&self.chains);
        if let Some(chain) = chains.get(stem) {
            return Arc::clone(chain);
        }
        Arc::clone(chains.entry(stem.to_owned()).or_default())
    }

    /// What the last look at a chain came to, without another one.
    pub(super) fn told(&self, entry: &Entry) -> Told {
        match &entry.withheld {
            Some(why) => Told::Withheld(why.clone()),
            None => lock(&self.chain(&entry.stem).told).clone(),
        }
    }

    /// Looks at a chain, verifying what is new of it.
    ///
    /// # Errors
    /// It is withheld, or another request's look takes long.
    pub(super) async fn look(&self, entry: &Entry, number: Option<u64>) -> Result<Snapshot, Unshown> {
        if entry.withheld.is_some() {
            return Err(Unshown::Withheld);
        }
        let chain = self.chain(&entry.stem);
        let turn = timeout(PATIENCE, Arc::clone(&chain.known).lock_owned()).await;
        let mut known = turn.map_err(|_| Unshown::Busy)?;
        let own = entry.clone();
        let looking = spawn_blocking(move || known.look(&own, number));
        // It goes on where the wait ends.
        let looked = timeout(PATIENCE, looking).await.map_err(|_| Unshown::Busy)?;
        let looked = looked.unwrap_or_else(|failed| Err(failed.to_string()));
        *lock(&chain.told) = match &looked {
            Ok(seen) => Told::Shown { count: seen.count, head: seen.head.map(|head| hex_text(&head)) },
            Err(why) => Told::Withheld(why.clone()),
        };
        looked.map_err(|_| {
            let mut scanned = lock(&self.scanned);
            scanned.memory.forget(&entry.stem);
            Unshown::Withheld
        })
    }
}

/// What was verified of a file.
#[derive(Debug, Default)]
struct Known {
    file: Option<Seen>,
    prefix: Prefix,
    /// What stands before the end of the prefix.
    tail: [u8; 32],
    whose: Option<Tenant>,
    mixes: bool,
    gaps: u64,
}

/// A file as it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Seen {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}

impl Known {
    fn look(&mut self, entry: &Entry, number: Option<u64>) -> Result<Snapshot, String> {
        let unreadable = |error: io::Error| format!("it can't be read: {error}");
        let file = File::open(&entry.path).map_err(unreadable)?;
        let seen = Seen::of(&file.metadata().map_err(unreadable)?);
        if self.file != Some(seen) {
            if !self.is_continued(&file, &seen).map_err(unreadable)? {
                *self = Self::default();
            }
            self.extend(&file).map_err(|error| format!("it can't be read: {error}"))?;
            self.tail = tail(&file, self.prefix.bytes()).map_err(unreadable)?;
            self.file = Some(seen);
        }
        if let Some(fault) = self.prefix.fault() {
            return Err(format!(
                "it does not verify: {fault}; `halod verify {}` tells more",
                entry.path.display()
            ));
        }
        if self.mixes {
            return Err("it holds records of several subjects; each has to have a file of its own".into());
        }
        let tenant = self.whose.clone().unwrap_or(Tenant::Local);
        if chains::key(&entry.stem, Some(&tenant)) != entry.key {
            return Err("its records are another subject's than they were".into());
        }
        let prefix = &self.prefix;
        Ok(Snapshot {
            file: Arc::new(file),
            tenant,
            count: prefix.records(),
            bytes: prefix.bytes(),
            head: prefix.head(),
            first: prefix.first(),
            gaps: self.gaps,
            near: number.and_then(|number| prefix.near(number)),
        })
    }

    /// Whether what was verified is still there, and something behind it at most.
    fn is_continued(&self, file: &File, seen: &Seen) -> io::Result<bool> {
        let Some(before) = self.file else { return Ok(false) };
        if (before.device, before.inode) != (seen.device, seen.inode) || seen.bytes <= before.bytes {
            return Ok(false);
        }
        Ok(tail(file, self.prefix.bytes())? == self.tail)
    }

    fn extend(&mut self, file: &File) -> Result<(), halod_record::verify::PrefixError> {
        // In a string these quotes would be escaped.
        let gap = Finder::new(br#""tool":"halod.gap""#);
        let Self { prefix, whose, mixes, gaps, .. } = self;
        prefix.extend(file, &mut |line| {
            *gaps += u64::from(gap.find(line).is_some());
            // Whose it is that is nobody's who could be asked for, differs from everybody.
            let tenant = subject(line).and_then(|subject| subject.tenant());
            match (&whose, tenant) {
                (None, Some(tenant)) => *whose = Some(tenant),
                (Some(known), Some(tenant)) if *known == tenant => {}
                _ => *mixes = true,
            }
        })
    }
}

/// What stands before a place of a file.
fn tail(file: &File, end: u64) -> io::Result<[u8; 32]> {
    let begin = end.saturating_sub(TAIL);
    let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, begin) {
        Ok(()) => Ok(sha256(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; 32]),
        Err(error) => Err(error),
    }
}
