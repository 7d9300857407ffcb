//! The file of identities that `auth.file` names.

use super::secret_file;
use crate::auth::Table;
use crate::auth::lines::MAX_BYTES;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Reads a file of identities.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path) -> Result<(Table, Option<String>), Vec<String>> {
    let secret_file::Contents { text, warning } =
        secret_file::read(path, MAX_BYTES).map_err(|what| vec![what])?;
    match Table::parse(&text) {
        Ok(table) => Ok((table, warning)),
        Err(wrong) => {
            let at = |wrong| format!("{}: {wrong}", path.display());
            Err(wrong.into_iter().map(at).collect())
        }
    }
}

/// What tells one state of a file from another; `None` where there is no file. Orchestrators put another file in its place.
#[must_use]
pub fn state(path: &Path) -> Option<(SystemTime, u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
