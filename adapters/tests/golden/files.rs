//! The files themselves.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A directory of `golden`.
pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// What was sent, in order: the files of a directory beside which something is expected of each.
pub(crate) fn inputs(directory: &Path, expected: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = entries.filter(|path| !path.to_string_lossy().ends_with(expected)).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{}", directory.display());
    inputs
}

/// Holds what is told now against the files that have it, or rewrites them.
pub(crate) fn as_recorded(told: impl IntoIterator<Item = (PathBuf, Value)>) {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut stale = Vec::new();
    for (expected, told) in told {
        let text = serde_json::to_string_pretty(&told).unwrap() + "\n";
        if fs::read_to_string(&expected).unwrap_or_default() == text {
            continue;
        }
        if update {
            fs::write(&expected, text).unwrap();
        } else {
            stale.push(expected);
        }
    }
    assert!(stale.is_empty(), "these differ; UPDATE_EXPECT=1 rewrites them, git diff shows how: {stale:?}");
}
