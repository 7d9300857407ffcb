//! A chain's file that grows, verified from where the last look ended.

use super::check::{self, Hashes, Line, Link};
use super::ids::Key;
use super::issue::{Gravity, Issue, Rule};
use super::link::linked;
use crate::lines::{Chunk, MAX_LINE, ReadError, Reader};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

/// Of so many records one has its place kept.
const EVERY: u64 = 64;

/// Why a file can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PrefixError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("line {line} is longer than {} MiB: it is not a record", MAX_LINE >> 20)]
    LineTooLong { line: u64 },
}

/// The part of a chain's file that is known: whole lines from its beginning, by the rules of [`super::verify`].
///
/// It takes 16 bytes of memory a record, for the ids, and one for the places.
#[derive(Clone, Debug, Default)]
pub struct Prefix {
    bytes: u64,
    lines: u64,
    records: u64,
    first: Option<[u8; 32]>,
    head: [u8; 32],
    ids: KnownIds,
    /// Where the records 1, 65, 129 and so on begin.
    places: Vec<u64>,
    /// Where the last record begins.
    last: u64,
    fault: Option<Issue>,
}

impl Prefix {
    /// Where it ends in the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The hash of the first record.
    #[must_use]
    pub fn first(&self) -> Option<[u8; 32]> {
        self.first
    }

    /// The hash of the last record.
    #[must_use]
    pub fn head(&self) -> Option<[u8; 32]> {
        (self.records > 0).then_some(self.head)
    }

    /// Where its last record begins.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Why the chain does not verify. Nothing behind that is looked at.
    #[must_use]
    pub fn fault(&self) -> Option<&Issue> {
        self.fault.as_ref()
    }

    /// From where the record of a number, from 1, is found by reading on: a place, and the number of the record there.
    #[must_use]
    pub fn near(&self, number: u64) -> Option<(u64, u64)> {
        let at = number.checked_sub(1).filter(|_| number <= self.records)? / EVERY;
        let place = self.places.get(usize::try_from(at).ok()?)?;
        Some((*place, at * EVERY + 1))
    }

    /// Takes in the whole lines behind it, up to the first that does not verify. `each` is given the line of each record.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn extend(&mut self, file: &File, each: &mut dyn FnMut(&[u8])) -> Result<(), PrefixError> {
        let mut file = file;
        // The line that did not verify is looked at again: it lies behind what is known.
        self.fault = None;
        file.seek(SeekFrom::Start(self.bytes))?;
        let mut reader = Reader::at_line(file, self.lines + 1);
        let (mut buffer, mut scratch) = (Vec::new(), Vec::new());
        while self.fault.is_none() {
            let chunk = match reader.next_chunk(buffer) {
                Ok(Some(chunk)) if chunk.is_terminated() => chunk,
                // A line without its end is still being written.
                Ok(_) => break,
                Err(ReadError::Io(error)) => return Err(error.into()),
                Err(ReadError::LineTooLong { line }) => return Err(PrefixError::LineTooLong { line }),
            };
            self.take(&chunk, &mut scratch, each);
            buffer = chunk.into_buffer();
        }
        Ok(())
    }

    fn take(&mut self, chunk: &Chunk, scratch: &mut Vec<u8>, each: &mut dyn FnMut(&[u8])) {
        let checked = check::chunk(chunk, scratch);
        let mut faults = checked.issues.into_iter().filter(|issue| issue.rule.gravity() == Gravity::Fault);
        let fault = faults.next();
        let mut records = checked.lines.iter().peekable();
        let mut at = self.bytes + chunk.skipped();
        for (number, bytes) in chunk.iter() {
            if let Some(fault) = fault.as_ref().filter(|fault| fault.line == number) {
                self.fault = Some(fault.clone());
                return;
            }
            if let Some(line) = records.next_if(|line| line.number == number) {
                if let Err(fault) = self.link(line, at) {
                    self.fault = Some(fault);
                    return;
                }
                each(bytes);
            }
            at += bytes.len() as u64 + 1;
            (self.bytes, self.lines) = (at, number);
        }
    }

    fn link(&mut self, line: &Line, at: u64) -> Result<(), Issue> {
        let number = line.number;
        let unknown = || Issue::new(number, Rule::Form, "the line is no record");
        let sound;
        let hashes = match &line.link {
            Link::Record(hashes) => hashes.as_ref(),
            Link::Sound { prev, hash } => {
                sound = Hashes::of_sound(prev, hash);
                &sound
            }
            // What is no record is among the faults of its chunk.
            Link::Torn | Link::Broken => return Err(unknown()),
        };
        let hash = linked(&self.head, number, hashes)
            .map_err(|issues| issues.into_iter().next().unwrap_or_else(unknown))?;
        if line.id.is_some_and(|id| !self.ids.add(id)) {
            return Err(Issue::new(
                number,
                Rule::RepeatedId,
                "record_id was already used in an earlier line",
            ));
        }
        if self.records.is_multiple_of(EVERY) {
            self.places.push(at);
        }
        self.first.get_or_insert(hash);
        (self.head, self.last) = (hash, at);
        self.records += 1;
        Ok(())
    }
}

/// Ids that were seen: most of them sorted, which takes least memory, and the newest beside.
#[derive(Clone, Debug, Default)]
struct KnownIds {
    sorted: Vec<Key>,
    newest: HashSet<Key>,
}

/// Newest ids before they are sorted in, at least.
const NEWEST: usize = 4096;

impl KnownIds {
    /// Whether an id is new.
    fn add(&mut self, id: Key) -> bool {
        if self.sorted.binary_search(&id).is_ok() || !self.newest.insert(id) {
            return false;
        }
        if self.newest.len() >= NEWEST.max(self.sorted.len() / 8) {
            self.sorted.extend(std::mem::take(&mut self.newest));
            self.sorted.sort_unstable();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Observer, verify};
    use super::*;
    use crate::hash::{hex_text, sha256};
    use proptest::prelude::*;
    use std::io::Write;

    struct Nobody;

    impl Observer for Nobody {
        fn issue(&mut self, _: &Issue) {}
    }

    /// A linked record.
    fn record(n: usize, prev: &[u8; 32]) -> (String, [u8; 32]) {
        let line = |hash: &str| {
            format!(
                r#"{{"action":{{"category":"security","type":"tool_call"}},"integrity":{{"alg":"sha-256","canon":"rfc8785",{hash}"prev_hash":"{}"}},"record_id":"r{n}","schema_version":"0.1","session_id":"s","ts":"2026-01-01T00:00:00+00:00"}}"#,
                hex_text(prev)
            )
        };
        let hash = sha256(line("").as_bytes());
        (line(&format!(r#""hash":"{}","#, hex_text(&hash))), hash)
    }

    fn chain(records: usize) -> String {
        let (mut text, mut prev) = (String::new(), [0; 32]);
        for n in 1..=records {
            let (line, hash) = record(n, &prev);
            text.push_str(&line);
            text.push('\n');
            prev = hash;
        }
        text
    }

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever was changed, and however the file grew, the verdict is that of a whole look.
        #[test]
        fn growing_by_parts_says_what_a_whole_look_says(
            records in 1_usize..200,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut text = chain(records).into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(text.len());
                text[at] = byte;
            }
            if text.last() != Some(&b'\n') {
                text.push(b'\n');
            }
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            ends.sort_unstable();
            ends.push(text.len());
            let mut growing = file(b"");
            let (mut prefix, mut from, mut seen) = (Prefix::default(), 0, 0);
            for end in ends {
                growing.write_all(&text[from..end]).unwrap();
                from = end;
                prefix.extend(growing.as_file(), &mut |_| seen += 1).unwrap();
                growing.seek(SeekFrom::End(0)).unwrap();
            }
            let report = verify(growing.path(), &mut Nobody).unwrap();
            prop_assert_eq!(prefix.fault().is_none(), report.faults == 0);
            prop_assert_eq!(seen, prefix.records());
            if report.faults == 0 {
                prop_assert_eq!(prefix.head(), report.head);
                prop_assert_eq!(prefix.records(), report.records);
                prop_assert_eq!(prefix.bytes(), text.len() as u64);
            }
        }
    }

    #[test]
    fn records_are_found_near_a_place() {
        let text = chain(200);
        let mut prefix = Prefix::default();
        prefix.extend(file(text.as_bytes()).as_file(), &mut |_| {}).unwrap();
        for number in [1, 64, 65, 200] {
            let (place, at) = prefix.near(number).unwrap();
            let line = text[usize::try_from(place).unwrap()..].lines().next().unwrap();
            assert!(line.contains(&format!(r#""record_id":"r{at}""#)) && at <= number && number - at < EVERY);
        }
        assert_eq!((prefix.near(0), prefix.near(201)), (None, None));
        assert!(text[usize::try_from(prefix.last()).unwrap()..].contains("\"r200\""));
    }

    #[test]
    fn a_repeated_id_is_found_across_looks() {
        let (first, hash) = record(1, &[0; 32]);
        let (again, _) = record(1, &hash);
        let mut growing = file(format!("{first}\n").as_bytes());
        let mut prefix = Prefix::default();
        prefix.extend(growing.as_file(), &mut |_| {}).unwrap();
        assert!(prefix.fault().is_none());
        growing.seek(SeekFrom::End(0)).unwrap();
        growing.write_all(format!("{again}\n").as_bytes()).unwrap();
        prefix.extend(growing.as_file(), &mut |_| {}).unwrap();
        assert_eq!(prefix.fault().map(|fault| fault.rule), Some(Rule::RepeatedId));
    }

    #[test]
    fn a_line_that_is_still_written_is_waited_for() {
        let text = chain(2);
        let mut growing = file(text.trim_end().as_bytes());
        let mut prefix = Prefix::default();
        prefix.extend(growing.as_file(), &mut |_| {}).unwrap();
        assert_eq!((prefix.records(), prefix.fault()), (1, None));
        growing.seek(SeekFrom::End(0)).unwrap();
        growing.write_all(b"\n").unwrap();
        prefix.extend(growing.as_file(), &mut |_| {}).unwrap();
        assert_eq!((prefix.records(), prefix.fault()), (2, None));
    }
}
