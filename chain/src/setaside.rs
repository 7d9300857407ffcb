//! Chains that failed, and acknowledged records that are in no chain: those of a chain that can't be read, written or synced, or
//! that lost its place. They wait below `.halod/setaside`, a file a chain, until they are sealed again.

use crate::checkpoint::Fault;
use crate::commit::Work;
use crate::disk::{Regular, open_regular, sync_dir};
use crate::error::{ChainError, ChainUnusable};
use crate::store::Store;
use halod_record::draft::Draft;
use halod_record::parse::scan_line;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where they wait.
#[derive(Clone, Debug)]
pub struct SetAside {
    dir: PathBuf,
}

impl SetAside {
    /// Takes over what a halod of before kept in `orphans.jsonl`.
    ///
    /// # Errors
    /// The directory can't be made, or the older file not be moved.
    pub fn open(own: &Path) -> Result<Self, ChainError> {
        let dir = own.join("setaside");
        DirBuilder::new().recursive(true).mode(0o750).create(&dir).map_err(ChainError::io("create", &dir))?;
        let older = own.join("orphans.jsonl");
        match std::fs::rename(&older, dir.join("orphans.jsonl")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ChainError::io("move", &older)(error));
            }
            _ => {}
        }
        Ok(Self { dir })
    }

    /// Keeps whole lines of a chain, on disk when this returns.
    ///
    /// # Errors
    /// Final: what is acknowledged would be lost.
    pub(super) fn add(&self, stem: &str, lines: &[u8]) -> Result<(), ChainError> {
        let path = self.dir.join(format!("{stem}.jsonl"));
        let kept = (|| {
            let Regular::File(mut file) = open_regular(&path)? else {
                return Err(io::Error::other("it is no regular file"));
            };
            // After what a crash cut short, a new line begins.
            file.write_all(b"\n")?;
            file.write_all(lines)?;
            file.sync_data()?;
            sync_dir(&self.dir)
        })();
        kept.map_err(ChainError::io("write to", &path))
    }

    /// The files that wait.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, ChainError> {
        let entries = std::fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut files: Vec<PathBuf> =
            entries.map_err(ChainError::io("read", &self.dir))?.iter().map(std::fs::DirEntry::path).collect();
        files.sort();
        Ok(files)
    }

    /// What waits in one of them. A line that can't be read was cut short, so it was not acknowledged.
    pub(super) fn read(&self, file: &Path) -> Result<Vec<Draft>, ChainError> {
        let lines = std::fs::read(file).map_err(ChainError::io("read", file))?;
        let drafts = lines.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
            let tenant = scan_line(line)?.subject.tenant()?;
            Draft::reopen(tenant, line)
        });
        Ok(drafts.collect())
    }

    /// All of it is sealed.
    pub(super) fn done(&self, file: &Path) -> Result<(), ChainError> {
        std::fs::remove_file(file).and_then(|()| sync_dir(&self.dir)).map_err(ChainError::io("remove", file))
    }
}

/// What became of records that were set aside.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub sealed: u64,
    /// They were in their chain after all.
    pub duplicate: u64,
    /// Files whose chains can't be had yet.
    pub waiting: usize,
    pub warnings: Vec<String>,
    /// The kinds of the notices of halod's own that were sealed with them.
    pub notices: Vec<&'static str>,
}

/// Chains that the disk fails at a time, beyond which it is the disk that fails.
const HANDFUL: usize = 8;

/// A chain that can't be had, and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its file's name without `.jsonl`.
    pub chain: String,
    pub since: SystemTime,
    pub why: String,
}

/// What is set aside now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    pub chains: usize,
    /// The first of them.
    pub first: Vec<Aside>,
    /// Chains of which acknowledged records wait, by file name without `.jsonl`.
    pub records_of: Vec<String>,
}

impl Store {
    /// Seals again what is set aside, as far as its chains can be had now.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn reseal(&mut self, now_nanos: u64) -> Result<Resealed, ChainError> {
        let mut resealed = Resealed::default();
        self.aside_changed = true;
        for file in self.set_aside.files()? {
            let drafts = self.set_aside.read(&file)?;
            let mut works = [Work { drafts, ..Work::default() }];
            let committed = self.commit(&mut works, now_nanos)?;
            resealed.warnings.extend(committed.warnings);
            resealed.notices.extend(committed.notices);
            let [work] = works;
            resealed.sealed += u64::from(work.sealed);
            resealed.duplicate += u64::from(work.duplicate);
            if work.drafts.is_empty() && work.failed.is_none() {
                self.set_aside.done(&file)?;
            } else {
                resealed.waiting += 1;
            }
        }
        Ok(resealed)
    }

    /// Takes a chain out of use after a fault of its file. It is looked at anew after a while; what only the
    /// journal has of it is set aside by then.
    ///
    /// # Errors
    /// Too many chains have failed for it to be single files.
    pub(super) fn set_chain_aside(&mut self, at: usize, why: &ChainUnusable) -> Result<(), ChainError> {
        self.open.retain(|&other| other != at);
        let chain = &mut self.chains[at];
        (chain.handles, chain.doubtful, chain.disk_failed) = (None, true, why.is_of_the_disk());
        chain.reading = None;
        chain.refuse(&Arc::new(ChainUnusable::SetAside(why.to_string())));
        self.aside_changed = true;
        self.warnings.push(format!("a chain is set aside: {why}"));
        let failing = self.chains.iter().filter(|chain| chain.disk_failed).count();
        if failing > HANDFUL { Err(ChainError::ManyChains(failing)) } else { Ok(()) }
    }

    /// Takes chains out of use whose files could not be synced.
    pub(super) fn set_faults_aside(&mut self) -> Result<(), ChainError> {
        for Fault { stem, why } in self.journal.take_faults() {
            match self.chains.iter().position(|chain| chain.stem == stem) {
                Some(at) => self.set_chain_aside(at, &why)?,
                None => self.warnings.push(format!("a chain is set aside: {why}")),
            }
        }
        Ok(())
    }

    /// What is set aside, with about `most` chains by name, if that may have changed since the last call.
    pub fn aside(&mut self, most: usize) -> Option<Asides> {
        if !std::mem::take(&mut self.aside_changed) {
            return None;
        }
        let mut asides = Asides::default();
        for chain in &self.chains {
            let Some(refused) = &chain.refused else { continue };
            asides.chains += 1;
            if asides.first.len() < most {
                let (chain, why) = (chain.stem.to_string(), refused.why.to_string());
                asides.first.push(Aside { chain, since: refused.since, why });
            }
        }
        // What can't be listed is told of by the next try to seal it.
        let files = self.set_aside.files().unwrap_or_default();
        let stem = |file: PathBuf| Some(file.file_stem()?.to_string_lossy().into_owned());
        asides.records_of = files.into_iter().take(most).filter_map(stem).collect();
        Some(asides)
    }
}
