//! The index directory. Every change to it is one step here, so that tests can stop between any two.

use super::IndexError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub(super) const MANIFEST: &str = "MANIFEST";
const MANIFEST_NEW: &str = "MANIFEST.new";

#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Set for good once the manifest was withdrawn; held while the manifest is replaced.
    withdrawn: Mutex<bool>,
    #[cfg(test)]
    pub(super) crash_after: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

pub(super) fn run_name(id: u64) -> String {
    format!("run-{id}")
}

impl Files {
    pub(super) fn open(dir: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(dir).map_err(|e| IndexError::io("create", dir, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            withdrawn: Mutex::new(false),
            #[cfg(test)]
            crash_after: None,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn create(&self, name: &str) -> Result<File, IndexError> {
        let path = self.path(name);
        self.step("create", &path)?;
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o640).clone();
        options.open(&path).map_err(|e| IndexError::io("create", &path, e))
    }

    pub(super) fn write_at(&self, file: &File, name: &str, bytes: &[u8], at: u64) -> Result<(), IndexError> {
        if let Err(stopped) = self.step("write", &self.path(name)) {
            // A process killed while writing leaves a part.
            let part = bytes.get(..bytes.len() / 2).unwrap_or_default();
            let _ = file.write_all_at(part, at);
            return Err(stopped);
        }
        file.write_all_at(bytes, at).map_err(|e| IndexError::io("write", &self.path(name), e))
    }

    pub(super) fn sync(&self, file: &File, name: &str) -> Result<(), IndexError> {
        self.step("sync", &self.path(name))?;
        file.sync_data().map_err(|e| IndexError::io("sync", &self.path(name), e))
    }

    pub(super) fn sync_dir(&self) -> Result<(), IndexError> {
        self.step("sync", &self.dir)?;
        File::open(&self.dir).and_then(|d| d.sync_all()).map_err(|e| IndexError::io("sync", &self.dir, e))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), IndexError> {
        let path = self.path(name);
        self.step("remove", &path)?;
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(IndexError::io("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// Puts `text` in the manifest's place. The runs that it names are on disk before its name is.
    pub(super) fn replace_manifest(&self, text: &[u8]) -> Result<(), IndexError> {
        let withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        if *withdrawn {
            return Err(IndexError::Stopped);
        }
        self.sync_dir()?;
        let file = self.create(MANIFEST_NEW)?;
        self.write_at(&file, MANIFEST_NEW, text, 0)?;
        self.sync(&file, MANIFEST_NEW)?;
        let (from, to) = (self.path(MANIFEST_NEW), self.path(MANIFEST));
        self.step("rename", &to)?;
        std::fs::rename(from, &to).map_err(|e| IndexError::io("replace", &to, e))?;
        self.sync_dir()
    }

    /// Makes the next start rebuild the index: without a manifest the runs count for nothing.
    pub(super) fn withdraw(&self) {
        let mut withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        *withdrawn = true;
        // When even this fails, the next start meets the same damage and tries again.
        let _ = std::fs::remove_file(self.path(MANIFEST));
        let _ = self.sync_dir();
    }

    /// Removes the manifest's temporary and every run that `keep` does not name; says whether there
    /// was such a run.
    pub(super) fn remove_leftovers(&self, keep: impl Fn(&str) -> bool) -> Result<bool, IndexError> {
        let mut removed = false;
        let failed = |e| IndexError::io("list", &self.dir, e);
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some(name) = name.to_str()
                && (name == MANIFEST_NEW || name.starts_with("run-"))
                && !keep(name)
            {
                self.remove(name)?;
                removed |= name != MANIFEST_NEW;
            }
        }
        Ok(removed)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn step(&self, _doing: &'static str, _path: &Path) -> Result<(), IndexError> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self, doing: &'static str, path: &Path) -> Result<(), IndexError> {
        use std::sync::atomic::Ordering::SeqCst;
        match &self.crash_after {
            Some(left) if left.fetch_sub(1, SeqCst) <= 0 => {
                Err(IndexError::io(doing, path, io::Error::other("stopped here by the test")))
            }
            _ => Ok(()),
        }
    }
}
