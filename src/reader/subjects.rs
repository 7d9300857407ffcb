//! Whose chain is in which file.

use halod_chain::scan::first_tenant;
use halod_record::tenant::Tenant;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is called as chains are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub path: PathBuf,
    /// The file's name without `.jsonl`.
    pub stem: String,
    /// Whom its first record names; `None` where there is no record, or one that is nobody's.
    pub tenant: Option<Tenant>,
}

impl Chain {
    /// The chain in a file.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = name.strip_suffix(".jsonl").unwrap_or(&name).to_owned();
        Self { path: path.to_owned(), stem, tenant: first_tenant(path) }
    }
}

/// The chains of a directory in order of their names, or the one file that a path is.
///
/// # Errors
/// The directory can't be read, or nothing is there.
pub fn chains(path: &Path) -> io::Result<Vec<Chain>> {
    Ok(files(path)?.iter().map(|path| Chain::of(path)).collect())
}

/// The files of [`chains`], none of which was opened.
///
/// # Errors
/// As [`chains`].
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let meta = path.metadata()?;
    if meta.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !meta.is_dir() {
        return Err(io::Error::other("it is neither a file nor a directory"));
    }
    let mut files = Vec::new();
    for entry in path.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".jsonl") && !name.starts_with(b".") && path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The files of a tenant's chains in a directory.
///
/// # Errors
/// The directory can't be read.
pub fn of_tenant(directory: &Path, tenant: &Tenant) -> io::Result<Vec<PathBuf>> {
    let of = chains(directory)?.into_iter().filter(|chain| chain.tenant.as_ref() == Some(tenant));
    Ok(of.map(|chain| chain.path).collect())
}

/// A tenant as a reader names it: `_local` for the records of none.
#[must_use]
pub fn name(tenant: &Tenant) -> &str {
    tenant.subject().unwrap_or("_local")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_others_and_whose_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str| dir.path().join(name);
        std::fs::write(
            of("b.jsonl"),
            "torn\n{\"integrity\":{\"hash\":\"ab\"},\"subject\":{\"id\":\"B/1\"}}\n",
        )
        .unwrap();
        std::fs::write(of("a.jsonl"), "{\"integrity\":{\"hash\":\"ab\"}}\n").unwrap();
        std::fs::write(of("c.jsonl"), "").unwrap();
        std::fs::write(of(".d.jsonl"), "").unwrap();
        std::fs::write(of("a.jsonl.lock"), "").unwrap();
        std::fs::create_dir(of("e.jsonl")).unwrap();
        let found: Vec<_> =
            chains(dir.path()).unwrap().into_iter().map(|chain| (chain.stem, chain.tenant)).collect();
        let told = |stem: &str, tenant| (stem.to_owned(), tenant);
        assert_eq!(
            found,
            [told("a", Some(Tenant::Local)), told("b", Some(Tenant::stored("B/1"))), told("c", None)]
        );
        assert_eq!(chains(&of("b.jsonl")).unwrap().len(), 1);
        assert!(chains(&of("none")).is_err());
    }
}
