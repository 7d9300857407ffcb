//! The file of identities that `auth.file` names.

use super::secret_file;
use crate::auth::Table;
use crate::auth::lines::MAX_BYTES;
use std::path::Path;

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
