//! The sequential pass: hashes to their predecessors, times to their order.

use super::Observer;
use super::check::{Checked, Digest, Hashes, Line, Link};
use super::ids::Ids;
use super::issue::{Gravity, Issue, Rule};
use crate::hash::hex;
use crate::time::Instant;
use std::io;

/// What is known of a chain when all of it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Lines that are not blank, complete records or not.
    pub records: u64,
    /// Lines that are not complete records; the chain goes on over them.
    pub torn: u64,
    pub faults: u64,
    /// Records whose `ts` is earlier than the one before.
    pub backwards: u64,
    pub parents: u64,
    /// Of the parents, how many are not in the chain before their children.
    pub unknown_parents: u64,
    /// The line at which the chain of hashes breaks; nothing after it can be graded.
    pub broken_at: Option<u64>,
    /// The hash of the last record, where the chain of hashes is unbroken and not empty.
    pub head: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Intact,
    Broken,
    Empty,
}

impl Report {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.faults, self.records) {
            (1.., _) => Verdict::Broken,
            (0, 0) => Verdict::Empty,
            (0, _) => Verdict::Intact,
        }
    }
}

pub(super) struct Linker<'o> {
    observer: &'o mut dyn Observer,
    report: Report,
    /// The hash that the next record must declare as its predecessor's.
    expected: [u8; 32],
    last_time: Option<Instant>,
    ids: Ids,
}

impl<'o> Linker<'o> {
    pub(super) fn new(observer: &'o mut dyn Observer) -> Self {
        let report = Report {
            records: 0,
            torn: 0,
            faults: 0,
            backwards: 0,
            parents: 0,
            unknown_parents: 0,
            broken_at: None,
            head: None,
        };
        Self { observer, report, expected: [0; 32], last_time: None, ids: Ids::new() }
    }

    /// Takes the next chunk in file order, of so many bytes.
    pub(super) fn link(&mut self, checked: Checked, bytes: u64) -> io::Result<()> {
        let mut issues = checked.issues.into_iter().peekable();
        for line in &checked.lines {
            while let Some(issue) = issues.next_if(|issue| issue.line <= line.number) {
                self.tell(issue);
            }
            self.line(line)?;
        }
        issues.for_each(|issue| self.tell(issue));
        self.report.faults += checked.untold;
        self.observer.progress(bytes);
        Ok(())
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.report.records += 1;
        match &line.link {
            Link::Torn => self.report.torn += 1,
            Link::Broken => self.break_at(line.number),
            Link::Sound { prev, hash } if *prev == self.expected && self.report.broken_at.is_none() => {
                self.expected = *hash;
                self.report.head = Some(*hash);
                self.observer.record(hash);
            }
            _ if self.report.broken_at.is_some() => {}
            Link::Sound { prev, hash } => {
                let (declared_prev, stored) = (Digest::Hash(*prev), Digest::Hash(*hash));
                self.hashes(line.number, &Hashes { declared_prev, stored, computed: Ok(*hash) });
            }
            Link::Record(hashes) => self.hashes(line.number, hashes),
        }
        if let Some(time) = line.time {
            if self.last_time.is_some_and(|last| time < last) {
                self.report.backwards += 1;
                let text = "ts is earlier than that of the record before; the order of the chain counts";
                self.tell(Issue::new(line.number, Rule::Time, text));
            }
            self.last_time = Some(time);
        }
        if let Some(id) = line.id {
            self.ids.add_id(id, line.number)?;
        }
        if let Some(parent) = line.parent {
            self.report.parents += 1;
            self.ids.add_parent(parent, line.number)?;
        }
        Ok(())
    }

    fn hashes(&mut self, line: u64, hashes: &Hashes) {
        let Hashes { declared_prev, stored, computed } = hashes;
        let declared_fits = *declared_prev == Digest::Hash(self.expected);
        let contents_fit = match (stored, computed) {
            (Digest::Hash(stored), Ok(computed)) => stored == computed,
            _ => false,
        };
        if declared_fits && contents_fit {
            self.expected = computed.as_ref().copied().unwrap_or(self.expected);
            self.report.head = Some(self.expected);
            self.observer.record(&self.expected);
            return;
        }
        if !declared_fits {
            let text = if contents_fit {
                "prev_hash is not the hash of the record before; this record is intact over the predecessor it \
                 declares, so one before it is missing, moved or changed"
            } else {
                "prev_hash is not the hash of the record before"
            };
            let issue = Issue::new(line, Rule::PrevHash, text);
            self.tell(issue.expecting(show(&self.expected), declared_prev.to_string()));
        }
        match computed {
            Err(why) => {
                self.tell(Issue::new(line, Rule::Hash, format!("the record cannot be hashed: {why}")));
            }
            Ok(computed) if !contents_fit => {
                let issue = Issue::new(line, Rule::Hash, "the stored hash is not the hash of the content");
                self.tell(issue.expecting(show(computed), stored.to_string()));
            }
            Ok(_) => {}
        }
        self.break_at(line);
    }

    fn break_at(&mut self, line: u64) {
        self.report.broken_at.get_or_insert(line);
        self.report.head = None;
    }

    pub(super) fn tell(&mut self, issue: Issue) {
        self.report.faults += u64::from(issue.rule.gravity() == Gravity::Fault);
        self.observer.issue(&issue);
    }

    /// Counts further findings of `rule` that are not told one by one.
    pub(super) fn tell_uncounted(&mut self, rule: Rule, count: u64) {
        self.report.faults += if rule.gravity() == Gravity::Fault { count } else { 0 };
    }

    pub(super) fn take_ids(&mut self) -> Ids {
        std::mem::replace(&mut self.ids, Ids::new())
    }

    pub(super) fn report(self, unknown_parents: u64) -> Report {
        Report { unknown_parents, ..self.report }
    }
}

fn show(hash: &[u8; 32]) -> String {
    hex(hash).map(char::from).iter().collect()
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hash(hash) => f.write_str(&show(hash)),
            Self::Other(other) => f.write_str(other),
        }
    }
}
