//! The one seam between halod and the disk, where tests put faults.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The operations whose failure the commit must survive without a lie.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Appends all of `bytes` to a file opened for append.
    ///
    /// # Errors
    /// The bytes may have been written in part.
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Overwrites `bytes` at `at`.
    ///
    /// # Errors
    /// The bytes may have been written in part.
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    /// Returns once the file's data, and the size needed to read it, are on stable storage.
    ///
    /// # Errors
    /// What is on disk is unknown then; the kernel may have dropped the dirty pages.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {}

/// Opens for reading and appending, creating it with mode 0640.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)
}

/// What has a name.
#[derive(Debug)]
pub enum Regular {
    File(File),
    /// A link, a directory, a device: why it is no file to append to.
    No(&'static str),
}

/// As [`open_append`], where the name is free or a regular file's: what a link leads to is not the file
/// of that name, and nothing is kept by a device.
pub fn open_regular(path: &Path) -> io::Result<Regular> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => return Ok(Regular::No("it is a symbolic link")),
        Ok(meta) if meta.is_dir() => return Ok(Regular::No("it is a directory")),
        Ok(meta) if !meta.is_file() => return Ok(Regular::No("it is a device, a pipe or a socket")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o640).custom_flags(no_follow);
    let file = options.open(path)?;
    // Between the look and the opening something else may have taken the name.
    if file.metadata()?.is_file() {
        Ok(Regular::File(file))
    } else {
        Ok(Regular::No("it is no regular file"))
    }
}

/// Makes the names in a directory durable; a path without any part is the current one, as the parent of a bare file name is.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Bytes an unprivileged process may still write to the file system that holds `path`.
///
/// # Errors
/// When the file system cannot be asked.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Replaces a small file so that a crash leaves the old or the new one, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_on(&OsDisk, path, bytes)
}

/// The same on a disk that may fail.
///
/// # Errors
/// The old one or the new one is there.
pub fn replace_on(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    disk.append(&file, bytes)?;
    disk.sync(&file)?;
    std::fs::rename(&new, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}
