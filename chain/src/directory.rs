//! The records directory: made when it is missing, and owned by one daemon at a time.
//!
//! The lock is an advisory `flock` on `.halod/lock`, so the system gives it back however the daemon
//! ends; the file itself stays. It keeps two daemons apart and nobody else: a recorder that appends
//! to a chain takes that chain's own lock.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::is_want_of_room;
use super::tail::file_id;
use rustix::fs::{Access, access};

/// What is halod's own, beside the chains.
const OURS: &str = ".halod";

/// Why the directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(
        "{} belongs to another halod that is running{}; stop it, or give this one a directory of its own (--dir)",
        .directory.display(), holder(.pid)
    )]
    Owned { directory: PathBuf, pid: Option<u32> },
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} can't be written to: {error}; {}", .path.display(), advice(.error))]
    NotWritable { path: PathBuf, error: io::Error },
    #[error(
        "{} is on a file system of the kernel's own, which keeps no files; choose another directory (--dir)",
        .0.display()
    )]
    Virtual(PathBuf),
}

impl DirectoryError {
    /// Whether room on the disk, or in the quota, is all that is missing.
    #[must_use]
    pub fn is_want_of_room(&self) -> bool {
        match self {
            Self::NotWritable { error, .. } => is_want_of_room(error),
            Self::Owned { .. } | Self::NotADirectory(_) | Self::Virtual(_) => false,
        }
    }
}

/// What to do about it, by its cause.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "give this user write access, or choose another (--dir)",
        io::ErrorKind::ReadOnlyFilesystem => "its file system is mounted read-only; choose another (--dir)",
        _ if is_want_of_room(error) => "make room there, or choose another (--dir)",
        _ => "choose another (--dir)",
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// The directory is this process's until this is dropped, or until somebody takes its file away.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// The lock's file is not in the directory any more: another halod may have started on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} was removed or replaced while halod ran, so another halod may use the same directory: never touch .halod while halod runs",
    .0.display()
)]
pub struct LockLost(PathBuf);

impl Lock {
    /// Looks whether the lock still keeps others out.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), LockLost> {
        let same =
            || Some(file_id(&self.path.symlink_metadata().ok()?) == file_id(&self.file.metadata().ok()?));
        if same() == Some(true) { Ok(()) } else { Err(LockLost(self.path.clone())) }
    }
}

/// Makes the directory if need be, with mode 0750, and takes it.
///
/// # Errors
/// It can't be made or written to, or another daemon has it.
pub fn open(directory: &Path) -> Result<Lock, DirectoryError> {
    let ours = directory.join(OURS);
    let not_writable = |path: &Path| {
        let path = path.to_owned();
        move |error| DirectoryError::NotWritable { path, error }
    };
    let (existing, _) = existing(directory);
    if !existing.is_dir() {
        return Err(DirectoryError::NotADirectory(existing));
    }
    keeps_files(&existing)?;
    for path in [directory, &ours] {
        DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(not_writable(path))?;
    }
    writable(directory)?;
    let path = ours.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(not_writable(&path))?;
    take(&mut file, directory, &path)?;
    let pid = std::process::id();
    // The number is for messages only; without it the lock holds all the same.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{pid}"));
    Ok(Lock { file, path })
}

/// Whether [`open`] would work, without making anything.
///
/// # Errors
/// What [`open`] would say.
pub fn check(directory: &Path) -> Result<(), DirectoryError> {
    let (existing, is_it) = existing(directory);
    if existing.is_dir() {
        keeps_files(&existing)?;
    }
    writable(&existing)?;
    if !is_it {
        return Ok(());
    }
    let ours = directory.join(OURS);
    if ours.exists() {
        writable(&ours)?;
    }
    let path = ours.join("lock");
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(mut file) => take(&mut file, directory, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DirectoryError::NotWritable { path, error }),
    }
}

/// The directory, or what of the way to it is there; and whether it is the directory itself.
fn existing(directory: &Path) -> (PathBuf, bool) {
    if directory.exists() {
        return (directory.to_owned(), true);
    }
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    (existing.to_owned(), false)
}

/// File systems in which the kernel shows itself, by their numbers in linux/magic.h: proc, sysfs, cgroup and cgroup2,
/// debugfs, tracefs, securityfs, devpts. Access to them may be granted, and nothing can be made there all the same.
#[cfg(target_os = "linux")]
const VIRTUAL: [i64; 8] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x1cd1];

#[cfg(target_os = "linux")]
fn keeps_files(directory: &Path) -> Result<(), DirectoryError> {
    let found = rustix::fs::statfs(directory).ok();
    if found.is_some_and(|found| VIRTUAL.iter().any(|kind| i128::from(found.f_type) == i128::from(*kind))) {
        return Err(DirectoryError::Virtual(directory.to_owned()));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn keeps_files(_: &Path) -> Result<(), DirectoryError> {
    Ok(())
}

fn writable(directory: &Path) -> Result<(), DirectoryError> {
    if !directory.is_dir() {
        return Err(DirectoryError::NotADirectory(directory.to_owned()));
    }
    access(directory, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| DirectoryError::NotWritable { path: directory.to_owned(), error: error.into() })
}

fn take(file: &mut File, directory: &Path, path: &Path) -> Result<(), DirectoryError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.take(20).read_to_string(&mut text);
            Err(DirectoryError::Owned { directory: directory.to_owned(), pid: text.trim().parse().ok() })
        }
        Err(TryLockError::Error(error)) => Err(DirectoryError::NotWritable { path: path.to_owned(), error }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("a/records");
        check(&directory).unwrap();
        assert!(!directory.exists(), "checking makes nothing");
        let lock = open(&directory).unwrap();
        for made in [&directory, &directory.join(OURS)] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o027, 0, "{}", made.display());
        }
        for refused in [open(&directory).map(drop), check(&directory)] {
            let said = refused.unwrap_err().to_string();
            let pid = std::process::id();
            assert!(said.contains(&format!(
                "records belongs to another halod that is running (process {pid}); stop it"
            )));
        }
        drop(lock);
        check(&directory).unwrap();
        open(&directory).unwrap();
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_lost() {
        let temporary = tempfile::tempdir().unwrap();
        let lock = open(temporary.path()).unwrap();
        lock.check().unwrap();
        std::fs::remove_dir_all(temporary.path().join(OURS)).unwrap();
        assert!(lock.check().unwrap_err().to_string().contains(".halod/lock was removed"));
        let second = open(temporary.path()).unwrap();
        assert!(lock.check().is_err(), "another one's file is not ours");
        second.check().unwrap();
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(check(&file).unwrap_err().to_string().ends_with("file is not a directory"));
        assert!(check(&file.join("below")).unwrap_err().to_string().ends_with("file is not a directory"));
        for refused in [open(&file), open(&file.join("below"))] {
            let said = refused.unwrap_err().to_string();
            assert!(said.ends_with("file is not a directory"), "{said}");
        }
    }

    /// The system lets root have such a directory, and nothing can be made there.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_kernel_shows_of_itself_keeps_no_files() {
        for refused in [open(Path::new("/proc/halod")).map(drop), check(Path::new("/proc/halod"))] {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("/proc is on a file system of the kernel's own"), "{said}");
        }
    }
}
