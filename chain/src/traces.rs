//! Whose traces are, as their spans said: in memory and on disk, both bounded.
//!
//! What is remembered is the latest; what was used or said again stays. Two files are written in turn, so that what is
//! forgotten in memory is forgotten on disk, and nothing is rewritten. They are no evidence and are not synced with every
//! commit, but before what was placed by them is acknowledged.
//!
//! ```text
//! file:  "halod claims 1 " generation (16 hex digits) | line ...
//! line:  sender (16 hex digits) " " trace (32 hex digits) " " s | d | u | t " " tenant (JSON string, or null)
//! ```
//!
//! `s` is a tenant that was stated, `d` one by the dialect's name for it, `u` the chain of what
//! said nothing and is not disclosed yet; `t` tells that all of it is disclosed.

use super::error::ChainError;
use halod_record::hash::{parse_hex, write_hex};
use halod_record::json::{Json, parse};
use halod_record::tenant::Tenant;
use halod_record::trace::{Elsewhere, Rank, Trace};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that each of the two generations may take in memory, and its file on disk.
const GENERATION: usize = 4 << 20;
/// What a trace takes in memory, with its place in the map; and each tenant and span of it.
const TRACE: usize = 256;
const TENANT: usize = 96;
const SPAN: usize = 8;
/// The longest line: the longest tenant id, every byte of it escaped.
const LINE: u64 = 4 << 10;
const HEAD: &str = "halod claims 1 ";

/// The traces of all senders. Shared by those who place spans and the owner of the chains.
#[derive(Debug, Default)]
pub struct TraceTenants {
    known: Mutex<Known>,
    file: Mutex<Files>,
}

type Key = ([u8; 8], [u8; 16]);

/// Senders of one trace that are remembered; what further ones say of it holds for their request alone.
const SENDERS: usize = 8;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Claim(Rank),
    Untold,
    Told,
}

#[derive(Debug, Default)]
struct Known {
    /// By trace, as each of its senders tells of it.
    young: HashMap<[u8; 16], Vec<Arc<Trace>>>,
    old: HashMap<[u8; 16], Vec<Arc<Trace>>>,
    /// Bytes of the young ones.
    bytes: usize,
    /// Lines that are not written yet. `None` marks where a generation begins.
    pending: Vec<Option<Vec<u8>>>,
    /// Traces whose disclosure is due.
    due: Vec<Arc<Trace>>,
}

/// Where it is written, once there is a directory.
#[derive(Debug, Default)]
struct Files {
    paths: Option<[PathBuf; 2]>,
    file: Option<File>,
    generation: u64,
    /// Whether something was written since the last sync.
    unsynced: bool,
}

impl TraceTenants {
    /// Reads what is remembered below a data directory, and goes on there. What can't be read is forgotten.
    ///
    /// # Errors
    /// The directory can't be made, or a file in it not be opened.
    pub fn open(&self, directory: &Path) -> Result<(), ChainError> {
        let folder = directory.join(".halod").join("claims");
        let make = DirBuilder::new().recursive(true).mode(0o750).create(&folder);
        make.map_err(ChainError::io("make", &folder))?;
        let paths = ["0", "1"].map(|name| folder.join(name));
        let mut files = self.files();
        for (generation, path) in generations(&paths) {
            let mut file = open(path).map_err(ChainError::io("open", path))?;
            self.known().begin();
            self.read(&file).map_err(ChainError::io("read", path))?;
            // What was cut short is not gone on with.
            file.write_all(b"\n").map_err(ChainError::io("write", path))?;
            (files.generation, files.file) = (generation, Some(file));
        }
        files.paths = Some(paths);
        let mut known = self.known();
        let all: Vec<_> = known.old.values().chain(known.young.values()).flatten().cloned().collect();
        all.iter().for_each(|trace| known.due_if(trace));
        known.pending.clear();
        if files.file.is_none() {
            known.begin();
        }
        Ok(())
    }

    /// The same for who writes nothing: another halod may be at work there.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn peek(&self, directory: &Path) -> std::io::Result<()> {
        let folder = directory.join(".halod").join("claims");
        let paths = ["0", "1"].map(|name| folder.join(name));
        for (_, path) in generations(&paths) {
            self.known().begin();
            self.read(&File::open(path)?)?;
        }
        Ok(())
    }

    fn read(&self, file: &File) -> std::io::Result<()> {
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let Some((key, kind, tenant)) = std::str::from_utf8(&line).ok().and_then(parsed) else {
                continue;
            };
            let trace = self.trace(key.0, key.1);
            match kind {
                Kind::Claim(rank) => self.claim(&trace, &tenant, rank),
                Kind::Untold => trace.was_sealed(&tenant),
                Kind::Told => trace.is_told(),
            }
        }
    }

    /// What is known of a trace of a sender.
    #[must_use]
    pub fn trace(&self, sender: [u8; 8], id: [u8; 16]) -> Arc<Trace> {
        let mut known = self.known();
        let all = known.of(id);
        if let Some(trace) = all.iter().find(|trace| trace.sender() == sender) {
            return Arc::clone(trace);
        }
        let trace = Arc::new(Trace::new(sender, id));
        if all.len() < SENDERS {
            all.push(Arc::clone(&trace));
            known.bytes += TRACE;
        }
        trace
    }

    /// The tenants in whose chains a trace may be, whoever said it. Nothing is placed by that.
    #[must_use]
    pub fn tenants_of(&self, id: [u8; 16]) -> Vec<Tenant> {
        let known = self.known();
        let senders = known.young.get(&id).or_else(|| known.old.get(&id));
        let mut tenants: Vec<Tenant> = Vec::new();
        for tenant in senders.into_iter().flatten().flat_map(|trace| trace.tenants()) {
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        tenants
    }

    /// Notes a tenant that was said for a trace.
    pub fn claim(&self, trace: &Arc<Trace>, tenant: &Tenant, rank: Rank) {
        if trace.claim(tenant, rank) {
            let mut known = self.known();
            known.write(trace, Kind::Claim(rank), tenant);
            known.due_if(trace);
        }
    }

    /// Notes session and user of a trace, as the span says that encloses all others. They are not kept over a restart.
    pub fn enclose(&self, trace: &Trace, said: [Option<&str>; 2]) {
        trace.enclose(said);
        self.known().bytes += said.into_iter().flatten().map(str::len).sum::<usize>();
    }

    /// Notes that a span of a trace, which said nothing, was sealed in the chain of `tenant`.
    pub(super) fn sealed(&self, trace: &Arc<Trace>, tenant: &Tenant, span: Option<[u8; 8]>) {
        let first = trace.sealed(tenant, span);
        let mut known = self.known();
        known.bytes += SPAN;
        if first {
            known.write(trace, Kind::Untold, tenant);
        }
        known.due_if(trace);
    }

    /// Traces that have records in other chains than their tenant's, of which no disclosure tells yet.
    #[must_use]
    pub fn take_due(&self) -> Vec<Arc<Trace>> {
        std::mem::take(&mut self.known().due)
    }

    /// The disclosure of a trace is sealed, unless `told` is what could not be.
    pub fn tell(&self, trace: &Arc<Trace>, failed: Option<&Elsewhere>) {
        let mut known = self.known();
        match failed {
            Some(told) => trace.untell(told),
            None => known.write(trace, Kind::Told, &Tenant::Local),
        }
        known.due_if(trace);
    }

    /// Writes what was noted, and syncs it where what was placed by it is to be acknowledged.
    pub(super) fn flush(&self, sync: bool) -> Result<(), ChainError> {
        let pending = std::mem::take(&mut self.known().pending);
        let mut files = self.files();
        let Some(paths) = files.paths.clone() else { return Ok(()) };
        for lines in pending {
            files.write(&paths, lines).map_err(ChainError::io("write", &paths[0]))?;
        }
        if sync && std::mem::take(&mut files.unsynced) {
            files.file.as_ref().map_or(Ok(()), File::sync_data).map_err(ChainError::io("sync", &paths[0]))?;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A trace as its senders tell of it, which is among the latest from now on.
    fn of(&mut self, id: [u8; 16]) -> &mut Vec<Arc<Trace>> {
        if !self.young.contains_key(&id) {
            if self.bytes >= GENERATION {
                self.begin();
            }
            let senders = self.old.remove(&id).unwrap_or_default();
            for trace in &senders {
                self.bytes += TRACE;
                // What is remembered again is written again.
                for (rank, tenant) in trace.all() {
                    self.write(trace, rank.map_or(Kind::Untold, Kind::Claim), &tenant);
                }
            }
            self.young.insert(id, senders);
        }
        self.young.entry(id).or_default()
    }

    /// The young ones are the old ones now.
    fn begin(&mut self) {
        // Lines of the generation before the last would be overwritten at once.
        if let Some(last) = self.pending.iter().rposition(Option::is_none) {
            self.pending.drain(..last);
        }
        self.old = std::mem::take(&mut self.young);
        self.bytes = 0;
        self.pending.push(None);
    }

    fn due_if(&mut self, trace: &Arc<Trace>) {
        if trace.comes_due() {
            self.due.push(Arc::clone(trace));
        }
    }

    fn write(&mut self, trace: &Trace, kind: Kind, tenant: &Tenant) {
        self.bytes += TENANT + tenant.subject().map_or(0, str::len);
        if !matches!(self.pending.last(), Some(Some(_))) {
            self.pending.push(Some(Vec::new()));
        }
        let Some(Some(line)) = self.pending.last_mut() else { return };
        write_hex(&trace.sender(), line);
        line.push(b' ');
        write_hex(&trace.id(), line);
        line.extend_from_slice(match kind {
            Kind::Claim(Rank::Stated) => b" s ",
            Kind::Claim(Rank::Dialect) => b" d ",
            Kind::Untold => b" u ",
            Kind::Told => b" t ",
        });
        match tenant.subject() {
            Some(subject) => {
                halod_record::canon::write_str(subject, line);
            }
            None => line.extend_from_slice(b"null"),
        }
        line.push(b'\n');
    }
}

impl Files {
    /// Writes lines, or begins the next generation in the place of the one before the last.
    fn write(&mut self, paths: &[PathBuf; 2], lines: Option<Vec<u8>>) -> std::io::Result<()> {
        let Some(lines) = lines else {
            self.generation += 1;
            let file = open(if self.generation.is_multiple_of(2) { &paths[0] } else { &paths[1] })?;
            file.set_len(0)?;
            (&file).write_all(format!("{HEAD}{:016x}\n", self.generation).as_bytes())?;
            self.file = Some(file);
            self.unsynced = true;
            return Ok(());
        };
        self.unsynced = true;
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&lines))
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// The files that are there, the older one first.
fn generations(paths: &[PathBuf; 2]) -> Vec<(u64, &PathBuf)> {
    let found = paths.iter().filter_map(|path| Some((generation(&File::open(path).ok()?)?, path)));
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    found
}

/// The generation that a file says it is.
fn generation(file: &File) -> Option<u64> {
    let mut head = String::new();
    BufReader::new(file).take(LINE).read_line(&mut head).ok()?;
    u64::from_str_radix(head.strip_prefix(HEAD)?.strip_suffix('\n')?, 16).ok()
}

fn parsed(line: &str) -> Option<(Key, Kind, Tenant)> {
    let mut words = line.strip_suffix('\n')?.splitn(4, ' ');
    let key = (parse_hex(words.next()?.as_bytes())?, parse_hex(words.next()?.as_bytes())?);
    let kind = match words.next()? {
        "s" => Kind::Claim(Rank::Stated),
        "d" => Kind::Claim(Rank::Dialect),
        "u" => Kind::Untold,
        "t" => Kind::Told,
        _ => return None,
    };
    let tenant = match parse(words.next()?).ok()? {
        Json::Str(subject) => Tenant::stored(subject.as_str()?),
        Json::Null => Tenant::Local,
        _ => return None,
    };
    Some((key, kind, tenant))
}
