//! Time-stamps of checkpoints: each the whole answer of the time-stamping service (RFC 3161), as it came, in a file that is called
//! by the entries of its checkpoint, like `42.tsr`. A log has its own in `tsa`; a bundle has some of them.

use crate::{TlogError, put};
use halod_chain::disk::Disk;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const END: &str = ".tsr";

/// Where a log has its time-stamps.
#[must_use]
pub fn place(log: &Path) -> PathBuf {
    log.join("tsa")
}

/// The name of the file for the checkpoint with so many entries.
#[must_use]
pub fn name(size: u64) -> String {
    format!("{size}{END}")
}

/// Keeps what a service answered for the checkpoint with so many entries. It is on disk when this returns.
///
/// # Errors
/// It can't be written.
pub fn keep(log: &Path, size: u64, answer: &[u8], disk: &dyn Disk) -> Result<(), TlogError> {
    let dir = place(log);
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(TlogError::io("make", &dir))?;
    put(&dir.join(name(size)), answer, disk)
}

/// The time-stamps in a directory, by the entries of their checkpoints.
///
/// # Errors
/// The directory can't be read; one that is not there has none.
pub fn all(dir: &Path) -> Result<Vec<(u64, PathBuf)>, TlogError> {
    let entries = match dir.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(TlogError::io("read", dir))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(TlogError::io("read", dir))?.path();
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(END));
        // A number has one spelling.
        let size = stem.and_then(|stem| stem.parse().ok().filter(|size: &u64| size.to_string() == stem));
        found.extend(size.map(|size| (size, path)));
    }
    found.sort_unstable();
    Ok(found)
}

/// How long ago the newest one came, by this machine's clock.
///
/// # Errors
/// They can't be read.
pub fn age(log: &Path) -> Result<Option<Duration>, TlogError> {
    let mut newest: Option<SystemTime> = None;
    for (_, path) in all(&place(log))? {
        let at = path.metadata().and_then(|meta| meta.modified()).map_err(TlogError::io("read", &path))?;
        newest = newest.max(Some(at));
    }
    // A clock that was set back makes it new.
    Ok(newest.map(|at| at.elapsed().unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_chain::disk::OsDisk;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_a_service_answered_is_kept_by_size() {
        let log = tempfile::tempdir().unwrap();
        let dir = place(log.path());
        assert_eq!((all(&dir).unwrap(), age(log.path()).unwrap()), (vec![], None));
        for size in [10, 9, u64::MAX] {
            keep(log.path(), size, &size.to_be_bytes(), &OsDisk).unwrap();
        }
        for other in ["7.new", "07.tsr", "-7.tsr", "x.tsr", "99999999999999999999.tsr", ".tsr"] {
            fs::write(dir.join(other), "").unwrap();
        }
        let found = all(&dir).unwrap();
        let sizes: Vec<u64> = found.iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [9, 10, u64::MAX]);
        assert_eq!(fs::read(&found[1].1).unwrap(), 10_u64.to_be_bytes());
        assert_eq!(fs::metadata(&found[1].1).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(age(log.path()).unwrap().unwrap() < Duration::from_secs(3600));
    }
}
