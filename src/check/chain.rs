//! One chain against what was signed of it.

use super::bounds::Witnessed;
use super::receipt::{Checked, Places};
use super::stamps::{self, Stamp};
use super::{CheckError, Grade, Report, Request, time};
use halod_evidence::Hash;
use halod_evidence::entry::Epoch;
use halod_evidence::state::State;
use halod_evidence::tree::{Edge, leaf};
use halod_record::hash::hex_text;
use halod_record::verify::{Issue, Observer, Verdict, verify};
use std::path::Path;

/// What an epoch signed of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// From 0; a declared break or a retired chain's return begins the next.
    pub(super) generation: u32,
    pub(super) count: u64,
    pub(super) head: Hash,
    pub(super) root: Hash,
    pub(super) epoch: u64,
    /// The number of the epoch's entry in the log, from 0.
    pub(super) index: u64,
    /// By the daemon's clock.
    pub(super) millis: u64,
    /// The chain ended: its file may be gone.
    pub(super) retired: bool,
}

impl Signed {
    /// Of a state that an epoch, whose entry has this number, has.
    pub(super) fn of(state: &State, epoch: &Epoch, index: u64) -> Self {
        let State { generation, count, head, root, .. } = *state;
        let Epoch { epoch, millis, .. } = *epoch;
        Self { generation, count, head, root, epoch, index, millis, retired: false }
    }
}

/// What others than halod say of the log's checkpoints.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) stamped: Vec<Stamp>,
    pub(super) cosigned: Witnessed,
}

/// Findings told of one chain's records.
const TOLD: usize = 3;

/// Holds each record's hash against what was signed of so many.
struct Prefixes<'s> {
    /// In order of counts.
    signed: &'s [Signed],
    next: usize,
    edge: Edge,
    /// The first one that was another.
    wrong: Option<Signed>,
    expected_head: Option<Hash>,
    /// The number of the record that has the expected hash.
    found_head: Option<u64>,
    issues: Vec<Issue>,
    /// Records of a receipt.
    places: Places,
}

impl Observer for Prefixes<'_> {
    fn issue(&mut self, issue: &Issue) {
        if self.issues.len() < TOLD {
            self.issues.push(issue.clone());
        }
    }

    fn record(&mut self, hash: &Hash) {
        self.edge.push(leaf(hash), |_, _, _| {});
        self.places.record(self.edge.size(), hash);
        if self.expected_head == Some(*hash) {
            self.found_head = Some(self.edge.size());
        }
        while let Some(signed) = self.signed.get(self.next).filter(|signed| signed.count == self.edge.size())
        {
            self.next += 1;
            if self.wrong.is_none() && (signed.head != *hash || signed.root != self.edge.root()) {
                self.wrong = Some(*signed);
            }
        }
    }
}

/// Checks a chain's file: its records, and that what was signed of it, in order of epochs, are prefixes of it. Tells where the
/// records are whose `places` are looked for.
///
/// # Errors
/// The file can't be read.
pub(super) fn check(
    request: &Request,
    name: &str,
    path: &Path,
    (mut signed, places): (Vec<Signed>, Places),
    others: &Others,
    report: &mut Report,
) -> Result<Checked, CheckError> {
    let newest = signed.last().copied();
    earlier_generations(name, &mut signed, report);
    let all = signed.len();
    let shrank = signed.windows(2).find(|pair| pair[1].count < pair[0].count).map(|pair| pair[1]);
    signed.sort_by_key(|signed| signed.count);
    let (expected_head, wrong) = (request.expect_head, None);
    let (edge, issues) = (Edge::default(), Vec::new());
    let mut prefixes =
        Prefixes { signed: &signed, next: 0, edge, wrong, expected_head, found_head: None, issues, places };
    let verified = verify(path, &mut prefixes)?;
    let records = prefixes.edge.size();
    let mut say = |grade, text: String| report.say(grade, Some(name), text);
    for issue in &prefixes.issues {
        say(Grade::Finding, format!("{issue}"));
    }
    match verified.verdict() {
        Verdict::Intact => say(
            Grade::Shown,
            format!("{records} records, each with the hash of its content and of the one before"),
        ),
        Verdict::Empty => say(Grade::Remark, "The file has no records".into()),
        Verdict::Broken => {
            say(Grade::Finding, format!("The chain is broken; {records} records before that are intact"));
        }
    }
    if let Some(shrank) = shrank {
        let text =
            format!("Epoch {} signed fewer records ({}) than one before it", shrank.epoch, shrank.count);
        say(Grade::Finding, text);
    }
    if let Some(wrong) = prefixes.wrong {
        let text = format!(
            "The first {} records are not those that epoch {} signed, at {}: the chain was changed or made anew after that",
            wrong.count,
            wrong.epoch,
            time(wrong.millis)
        );
        say(Grade::Finding, text);
    }
    match newest {
        Some(newest) if newest.count > records => {
            let text = format!(
                "Epoch {}, at {}, signed {} records, and {} are here: {} are missing from the end",
                newest.epoch,
                time(newest.millis),
                newest.count,
                records,
                newest.count - records
            );
            say(Grade::Finding, text);
        }
        Some(newest) if prefixes.wrong.is_none() => {
            let text = format!(
                "The first {} records are those that {all} looked-at epochs signed, the last one at {}",
                newest.count,
                time(newest.millis)
            );
            say(Grade::Shown, text);
            if records > newest.count {
                say(
                    Grade::Remark,
                    format!(
                        "{} records are newer than the last epoch: nothing signed covers them yet",
                        records - newest.count
                    ),
                );
            }
        }
        Some(_) => {}
        None if records > 0 => say(Grade::Remark, "No epoch covers the chain yet".into()),
        None => {}
    }
    for (count, stamp) in stamps::bounds(&others.stamped, &signed) {
        if count <= records && prefixes.wrong.is_none_or(|wrong| wrong.count > count) {
            say(Grade::Shown, format!("The first {count} records existed {}", stamp.when()));
        }
    }
    if prefixes.wrong.is_none() && shrank.is_none() {
        let shown = &signed[..signed.partition_point(|signed| signed.count <= records)];
        others.cosigned.tell(name, shown, prefixes.found_head, report);
    }
    expected(request, name, records, prefixes.found_head, report);
    let is_as_signed = prefixes.wrong.is_none() && newest.is_none_or(|newest| newest.count <= records);
    Ok(Checked { places: prefixes.places, newest, is_as_signed, is_set_aside: false })
}

/// Tells of the generations before the last one, whose states are not those of the file, and leaves them out.
fn earlier_generations(name: &str, signed: &mut Vec<Signed>, report: &mut Report) {
    let Some(newest) = signed.last().map(|signed| signed.generation) else { return };
    if let Some(back) =
        signed.windows(2).find(|pair| pair[1].generation < pair[0].generation).map(|pair| pair[1])
    {
        let text = format!("Epoch {} signed an earlier generation than one before it", back.epoch);
        report.say(Grade::Finding, Some(name), text);
    }
    if let Some(last) = signed.iter().rev().find(|signed| signed.generation < newest) {
        let text = format!(
            "This is generation {} of the chain; the one before had {} records at epoch {}, at {}, and is not in this file",
            newest + 1,
            last.count,
            last.epoch,
            time(last.millis)
        );
        report.say(Grade::Remark, Some(name), text);
    }
    signed.retain(|signed| signed.generation == newest);
}

/// What the reader expects of the chain.
fn expected(request: &Request, name: &str, records: u64, found_head: Option<u64>, report: &mut Report) {
    let mut say = |is_so: bool, yes: String, no: String| {
        let (grade, text) = if is_so { (Grade::Shown, yes) } else { (Grade::Finding, no) };
        report.say(grade, Some(name), text);
    };
    match (request.expect_count, request.expect_head) {
        (None, None) => {}
        (Some(count), None) => say(
            records >= count,
            format!("The chain has the {count} records that you expect"),
            format!("You expect {count} records, and the chain has {records}"),
        ),
        (None, Some(head)) => say(
            found_head.is_some(),
            format!("Record {} has the hash that you expect", found_head.unwrap_or(0)),
            format!("No record has the hash that you expect, {}", hex_text(&head)),
        ),
        (Some(count), Some(head)) => say(
            found_head == Some(count),
            format!("Record {count} has the hash that you expect"),
            format!("Record {count} has not the hash that you expect, {}", hex_text(&head)),
        ),
    }
}
