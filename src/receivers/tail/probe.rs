//! Is a file's beginning a content that is known? Reads it up to the places where that can be told.

use super::source::Source;
use crate::receivers::lines::split::{Mark, Splitter};
use std::io;
use std::path::{Path, PathBuf};

/// A place that may be met: the content of `owner` up to `mark`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub owner: u64,
    pub mark: Mark,
}

/// Reads one file from its beginning.
#[derive(Debug)]
pub(super) struct Probe {
    path: PathBuf,
    packed: bool,
    /// Open from the first read on, as many may wait.
    source: Option<Source>,
    splitter: Splitter,
    /// In the order of their places.
    targets: Vec<Target>,
    met: Option<Target>,
    head: Vec<u8>,
    fingerprint: usize,
}

impl Probe {
    pub(super) fn new(path: &Path, packed: bool, fingerprint: usize, mut targets: Vec<Target>) -> Self {
        targets.sort_by_key(|target| target.mark.offset);
        let splitter = Splitter::new(Mark::default(), 0);
        let path = path.to_owned();
        Self { path, packed, source: None, splitter, targets, met: None, head: Vec::new(), fingerprint }
    }

    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Reads on. At the end, the last of the places that was met, and the file's first bytes.
    ///
    /// # Errors
    /// What the system says.
    #[allow(clippy::type_complexity)]
    pub(super) fn go_on(&mut self, buffer: &mut [u8]) -> io::Result<Option<(Option<Target>, Vec<u8>)>> {
        let source = match &mut self.source {
            Some(source) => source,
            None => self.source.insert(Source::open(&self.path, self.packed)?.0),
        };
        let read = source.read(self.splitter.position(), buffer)?;
        let mut block = &buffer[..read];
        if self.head.len() < self.fingerprint {
            let room = self.fingerprint - self.head.len();
            self.head.extend_from_slice(&block[..block.len().min(room)]);
        }
        while let Some(target) = self.targets.first().copied() {
            let taken = self.splitter.skip_to(block, target.mark.offset);
            block = &block[taken..];
            if self.splitter.position() < target.mark.offset {
                break;
            }
            if self.splitter.mark() == target.mark {
                self.met = Some(target);
            }
            self.targets.remove(0);
        }
        let over = read == 0 || self.targets.is_empty();
        Ok(over.then(|| (self.met, std::mem::take(&mut self.head))))
    }
}
