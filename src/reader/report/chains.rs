//! Whose chain is in which file.

use halod_chain::scan::first_tenant;
use halod_record::tenant::Tenant;
use std::io;
use std::path::{Path, PathBuf};

/// The chains of a tenant in a directory, by their first records.
///
/// # Errors
/// The directory can't be read.
pub fn of_tenant(directory: &Path, tenant: &Tenant) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let is_chain = name.ends_with(b".jsonl") && !name.starts_with(b".") && path.is_file();
        if is_chain && first_tenant(&path).as_ref() == Some(tenant) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}
