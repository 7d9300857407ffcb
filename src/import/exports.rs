//! The exports in watched folders: what their manifests count, compared with what was read of their files, which
//! come one by one and in any order.

use super::format::Format;
use super::manifest::{Hole, Lacks, Manifest, lacks};
use super::source::{Input, Manner, Opened};
use halod_record::charge;
use halod_record::json::parse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// How long nothing must have come before a file counts as missing: the files of an export are copied one after the
/// other.
const SETTLED: Duration = Duration::from_secs(20);

/// Manifests that are remembered until their files are there.
const MANIFESTS: usize = 10_000;

/// What a row may take in memory while it is looked at.
const ROW: usize = 32 << 20;

/// What is known of the files in watched folders.
#[derive(Debug)]
pub(super) struct Exports {
    /// Manifests of which not all files are known to be whole.
    open: Vec<(PathBuf, Manifest)>,
    /// Files that were read, and their rows where it is known how many.
    read: BTreeMap<PathBuf, Option<u64>>,
    /// When something came last.
    news: Instant,
    /// What came last when it was compared, and whether that was a while ago.
    compared: Option<(Instant, bool)>,
}

/// What became of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) manifest: PathBuf,
    pub(super) holes: Vec<Hole>,
}

impl Exports {
    pub(super) fn new(now: Instant) -> Self {
        Self { open: Vec::new(), read: BTreeMap::new(), news: now, compared: None }
    }

    /// A file was read.
    pub(super) fn read(&mut self, path: &Path, rows: Option<u64>, now: Instant) {
        self.read.insert(path.to_owned(), rows);
        self.news = now;
    }

    /// A file is a manifest. False where no more can be remembered.
    pub(super) fn manifest(&mut self, path: &Path, manifest: Manifest, now: Instant) -> bool {
        self.settle(path);
        if self.open.len() >= MANIFESTS {
            return false;
        }
        self.open.push((path.to_owned(), manifest));
        self.news = now;
        true
    }

    /// Compares what is there, where nothing is under way any more and something has changed: what exports are whole,
    /// and after a while what others lack.
    pub(super) fn compare(&mut self, now: Instant) -> Vec<Compared> {
        let is_quiet = now.saturating_duration_since(self.news) >= SETTLED;
        let asked = Some((self.news, is_quiet));
        if self.open.is_empty() || self.compared == asked {
            return Vec::new();
        }
        self.compared = asked;
        let read: Vec<_> = self.read.iter().map(|(path, rows)| (path.clone(), *rows)).collect();
        let manifests: Vec<Manifest> = self.open.iter().map(|(_, manifest)| manifest.clone()).collect();
        let of_all = self.open.iter().zip(lacks(&manifests, &read));
        let told = of_all.filter_map(|((path, _), lacks)| {
            let holes = match lacks {
                Lacks::Nothing => Vec::new(),
                Lacks::Rows(holes) if is_quiet => holes,
                Lacks::Rows(_) | Lacks::Unread => return None,
            };
            Some(Compared { manifest: path.clone(), holes })
        });
        told.collect()
    }

    /// What was found of a manifest could not be told: it is to be compared again.
    pub(super) fn again(&mut self) {
        self.compared = None;
    }

    /// What a comparison came to is told.
    pub(super) fn settle(&mut self, manifest: &Path) {
        self.open.retain(|(known, _)| known != manifest);
    }
}

/// The manifest that a file is, if it is one. Blocks.
pub(super) fn manifest_of(path: &Path, manner: &Manner) -> Option<Manifest> {
    let opened = Opened::open(&Input::File(path.to_owned()), manner, &Arc::new(AtomicU64::new(0)));
    // The manifests of an archive are compared with its own files.
    let Ok(Opened::File(mut source)) = opened else { return None };
    if source.meta.format != Format::Langfuse {
        return None;
    }
    let chunk = source.piece().ok()??.chunk?;
    let text = std::str::from_utf8(chunk.row(chunk.rows.first()?)).ok()?;
    charge::within(ROW, || Manifest::of(&parse(text).ok()?)).ok()?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn manifest(files: &[(&str, i64)]) -> Manifest {
        let file = |(key, rows): &(&str, i64)| format!(r#"{{"key":"{key}","table":"t","rowCount":{rows}}}"#);
        let files: Vec<String> = files.iter().map(file).collect();
        let text = format!(r#"{{"exportSource":"X","window":{{}},"files":[{}]}}"#, files.join(","));
        Manifest::of(&parse(&text).unwrap()).unwrap()
    }

    fn told(compared: Vec<Compared>) -> Vec<(String, usize)> {
        let one = |it: Compared| (it.manifest.to_string_lossy().into_owned(), it.holes.len());
        compared.into_iter().map(one).collect()
    }

    #[test]
    fn what_is_whole_is_known_at_once_and_what_lacks_after_a_while() {
        let start = Instant::now();
        let mut exports = Exports::new(start);
        assert!(exports.manifest(
            Path::new("/e/m/1.json"),
            manifest(&[("p/o/1.gz", 3), ("p/s/1.gz", 1)]),
            start
        ));
        // None of its files was read: nothing is said, however long that lasts.
        assert_eq!(told(exports.compare(start + SETTLED * 9)), []);
        let one = start + SETTLED * 10;
        exports.read(Path::new("/e/p/o/1.gz"), Some(3), one);
        assert_eq!(told(exports.compare(one)), []);
        assert_eq!(told(exports.compare(one + SETTLED)), [("/e/m/1.json".into(), 1)]);
        // The same is not compared twice, unless it could not be told.
        assert_eq!(told(exports.compare(one + SETTLED * 2)), []);
        exports.again();
        assert_eq!(told(exports.compare(one + SETTLED * 2)), [("/e/m/1.json".into(), 1)]);
        let two = one + SETTLED * 3;
        exports.read(Path::new("/e/p/s/1.gz"), Some(1), two);
        assert_eq!(told(exports.compare(two)), [("/e/m/1.json".into(), 0)]);
        exports.settle(Path::new("/e/m/1.json"));
        assert_eq!(told(exports.compare(two + SETTLED)), []);
    }

    #[test]
    fn a_file_that_was_not_read_to_its_end_lacks_nothing_that_is_known() {
        let start = Instant::now();
        let mut exports = Exports::new(start);
        exports.read(Path::new("/e/p/o/1.gz"), None, start);
        assert!(exports.manifest(Path::new("/e/m.json"), manifest(&[("p/o/1.gz", 3)]), start));
        assert_eq!(told(exports.compare(start)), [("/e/m.json".into(), 0)]);
    }
}
