//! The body of the fuzz target of log files' names; a test of the usual suite runs this body as well.
//! What rotation and compression add to a name changes nothing of whose log it is, and the tenant that a path
//! names stands in it.

use halod::receivers::tail::{PathTenant, log_path};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is put behind a name, by rotation with a number or a date, and by compression.
const ADDED: [&str; 8] = [
    ".1",
    ".12.gz",
    "-20261122",
    "-20261122-1795336218",
    "-20261122.gz",
    ".2026-11-22T10:00:00Z",
    "_2026-11-22.old",
    "~",
];

/// The bytes are a name, or a pattern and a path that it is to fit, with a line break between.
pub(crate) fn names(data: &[u8]) {
    let name = data.split(|byte| matches!(byte, b'/' | 0)).next().unwrap_or_default();
    if !matches!(name, b"" | b"." | b"..") {
        rotated(name);
    }
    let Some((pattern, path)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    if let Some(tenant) = PathTenant::parse(pattern).as_ref().and_then(|rule| rule.find(path)) {
        assert!(!tenant.is_empty() && !tenant.contains('/') && path.contains(tenant), "{tenant:?}");
    }
}

fn log(name: &[u8]) -> String {
    log_path(&Path::new("/var/log").join(OsStr::from_bytes(name)))
}

fn rotated(name: &[u8]) {
    let own = log(name);
    let base = own.strip_prefix("/var/log/").expect("it stays where it is");
    assert!(!base.is_empty());
    // What a rotated name comes to is a log's own, where it is still a name (`..1` comes to `.`).
    if !matches!(base, "." | "..") {
        assert_eq!(log(base.as_bytes()), own);
    }
    for added in ADDED {
        assert_eq!(log(&[name, added.as_bytes()].concat()), own, "with {added}");
    }
    if let Some(stem) = name.strip_suffix(b".log").filter(|stem| !stem.is_empty()) {
        assert_eq!(log(&[stem, b"-20261122.log"].concat()), own);
    }
}
