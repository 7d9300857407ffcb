//! What vendors have anchored: one file that only grows, in the form of the reference's `witness.jsonl`.
//!
//! A line is synced before its receipt is given. So a last line without an end was never answered: it is put aside at start.
//! Any other line that is damaged may be the very one that shows what a vendor hides: nothing is read or written then until
//! the file is restored.

use super::anchor::{Anchor, Chain};
use halod_chain::disk::sync_dir;
use halod_evidence::note::Signer;
use halod_record::time::rfc3339;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Below the directory of the witness, as in that of the reference.
pub(super) const FILE: &str = "witness.jsonl";

/// Bytes of a line that are read: a subject, four times over, and hashes.
const LONGEST_LINE: usize = 16 << 10;

/// All anchors. About 150 bytes of each stand in memory.
#[derive(Debug)]
pub(super) struct Anchors {
    path: PathBuf,
    file: File,
    length: u64,
    of: HashMap<Chain, Vec<Entry>>,
    /// Why nothing is read or written.
    damage: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    count: u64,
    head: [u8; 32],
    root: Option<[u8; 32]>,
    at: u64,
    length: u32,
}

/// What an anchor comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Anchored {
    /// It is kept; or it was before, and this is the receipt that was given then.
    Kept(String),
    /// The chain had more records before.
    Lower(u64),
    /// The chain had another record there, or began with another one: the line that says so, and why.
    Contradicts(String, &'static str),
    Unavailable(String),
}

impl Anchors {
    /// Reads them all, once.
    ///
    /// # Errors
    /// The file can't be made or opened.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        sync_dir(directory)?;
        let mut own = Self { path, file, length: 0, of: HashMap::new(), damage: None };
        if let Err(error) = own.read_all() {
            own.damage = Some(format!("can't be read: {error}"));
        }
        if let Some(what) = &own.damage {
            let file = own.path.display();
            tracing::error!(%file, what, "the store of anchors is damaged: reads and writes are answered with 503 until it is \
                restored");
        }
        Ok(own)
    }

    fn read_all(&mut self) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, self.file.try_clone()?);
        reader.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let length = reader.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                return self.torn(number, length);
            }
            if !line.trim_ascii().is_empty() {
                match Anchor::parse(&line) {
                    Ok(anchor) => self.note(&anchor, self.length, length),
                    Err(what) => {
                        self.damage = Some(format!("line {number} is no anchor: {what}"));
                        return Ok(());
                    }
                }
            }
            self.length += length as u64;
        }
        Ok(())
    }

    /// Puts a last line aside that has no end.
    fn torn(&mut self, number: u64, length: usize) -> io::Result<()> {
        if length > LONGEST_LINE {
            self.damage = Some(format!("line {number} has more than {LONGEST_LINE} bytes"));
            return Ok(());
        }
        let mut torn = vec![0; length];
        self.file.read_exact_at(&mut torn, self.length)?;
        let aside = self.path.with_file_name(format!("{FILE}.torn-{}", self.length));
        let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        copy.write_all(&torn)?;
        copy.sync_all()?;
        self.file.set_len(self.length)?;
        self.file.sync_all()?;
        let (line, aside) = (number, aside.display());
        tracing::warn!(line, bytes = length, %aside, "the last line of the anchors has no end, so it was never answered: it is put \
            aside");
        Ok(())
    }

    fn note(&mut self, anchor: &Anchor, at: u64, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let entry = Entry { count: anchor.count, head: anchor.head, root: anchor.root, at, length };
        self.of.entry(anchor.chain()).or_default().push(entry);
    }

    /// Keeps an anchor, unless what is kept already says otherwise; durable when this returns.
    pub(super) fn add(&mut self, anchor: &Anchor, unix_nanos: u64, receipts: &Signer) -> Anchored {
        if let Some(what) = &self.damage {
            return Anchored::Unavailable(what.clone());
        }
        match self.judge(anchor) {
            Ok(None) => {}
            Ok(Some(known)) => return known,
            Err(error) => return Anchored::Unavailable(error.to_string()),
        }
        let ts = String::from_utf8_lossy(&rfc3339(unix_nanos)).into_owned();
        let line = match anchor.line(&ts, receipts) {
            Ok(line) => line,
            Err(error) => return Anchored::Unavailable(error.to_string()),
        };
        match self.append(&line) {
            Ok(()) => {
                let (at, length) = (self.length, line.len() + 1);
                self.note(anchor, at, length);
                self.length += length as u64;
                Anchored::Kept(line)
            }
            Err(error) => Anchored::Unavailable(format!("the anchor can't be kept: {error}")),
        }
    }

    /// What is known of an anchor already; `None` if it is news.
    fn judge(&self, anchor: &Anchor) -> io::Result<Option<Anchored>> {
        let known = self.of.get(&anchor.chain()).map_or(&[][..], Vec::as_slice);
        let contradicts = |entry: &Entry, why| Ok(Some(Anchored::Contradicts(self.line(entry)?, why)));
        if let Some(other) =
            known.iter().find(|own| own.root.is_some() && anchor.root.is_some() && own.root != anchor.root)
        {
            return contradicts(other, "the chain began with another record");
        }
        let mut same = known.iter().filter(|own| own.count == anchor.count);
        if let Some(own) = same.clone().find(|own| own.head != anchor.head) {
            return contradicts(own, "the chain had another record at this count");
        }
        if let Some(own) = same.next() {
            return Ok(Some(Anchored::Kept(self.line(own)?)));
        }
        let longest = known.iter().map(|own| own.count).max().unwrap_or(0);
        Ok((anchor.count < longest).then_some(Anchored::Lower(longest)))
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let written =
            self.file.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A part of it may be there, or all of it: it is taken back, or nothing is answered any more.
            if let Err(worse) = self.file.set_len(self.length).and_then(|()| self.file.sync_all()) {
                let what = format!(
                    "an anchor could be neither kept nor taken back ({error}; {worse}); restart the witness"
                );
                tracing::error!(file = %self.path.display(), what, "the store of anchors is not used any more");
                self.damage = Some(what);
            }
            return Err(error);
        }
        Ok(())
    }

    fn line(&self, entry: &Entry) -> io::Result<String> {
        let mut line = vec![0; entry.length as usize];
        self.file.read_exact_at(&mut line, entry.at)?;
        line.truncate(line.trim_ascii_end().len());
        String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// How many anchors of a chain there are.
    ///
    /// # Errors
    /// Why nothing is read.
    pub(super) fn count(&self, chain: &Chain) -> Result<usize, String> {
        self.damage
            .as_ref()
            .map_or_else(|| Ok(self.of.get(chain).map_or(0, Vec::len)), |what| Err(what.clone()))
    }

    /// Lines of a chain in the order in which they came: those of `range`, as far as they have no more than `bytes` together,
    /// but one.
    ///
    /// # Errors
    /// Why nothing is read.
    pub(super) fn lines(
        &self,
        chain: &Chain,
        range: Range<usize>,
        bytes: usize,
    ) -> Result<Vec<String>, String> {
        self.count(chain)?;
        let known = self.of.get(chain).and_then(|known| known.get(range)).unwrap_or_default();
        let (mut lines, mut sum) = (Vec::new(), 0);
        for entry in known {
            sum += entry.length as usize;
            if sum > bytes && !lines.is_empty() {
                break;
            }
            lines.push(self.line(entry).map_err(|error| format!("can't be read: {error}"))?);
        }
        Ok(lines)
    }
}

#[cfg(test)]
#[path = "anchors_tests.rs"]
mod tests;
