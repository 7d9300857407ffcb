//! Receipts that a sender kept, against the chains that are shown.
//!
//! A record of a receipt is looked for by its hash, at its place. One that is not there is looked for by its id: what was linked
//! again after power loss has another link and time, and the same content. What is nowhere, although an epoch covers its place,
//! was left out.

use super::chain::Signed;
use super::{CheckError, Grade, Report, Request, time};
use halod_evidence::Hash;
use halod_evidence::note::VerifierKey;
use halod_evidence::receipt::{Entry, MAX_BYTES, Place, Receipt, ReceiptError};
use halod_record::draft::Draft;
use halod_record::hash::{hex, hex_text};
use halod_record::ids::RecordId;
use halod_record::parse::scan_line;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Records of one chain that are told one by one.
const TOLD: usize = 20;

/// What a receipt that is signed says of one chain, or of several.
#[derive(Debug, Default)]
pub(super) struct Receipted(Vec<Entry>);

/// Where the records are that are looked for by their hashes.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Hash, Option<u64>>);

/// What a chain was found to be.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) places: Places,
    /// The newest of what was signed of it.
    pub(super) newest: Option<Signed>,
    /// Whether its records are those.
    pub(super) is_as_signed: bool,
    /// Whether acknowledged records of it wait beside it.
    pub(super) is_set_aside: bool,
}

impl Places {
    pub(super) fn record(&mut self, number: u64, hash: &Hash) {
        if let Some(found) = self.0.get_mut(hash) {
            found.get_or_insert(number);
        }
    }
}

/// Reads the receipt that the reader has, if any, and tells whether it is signed by a key that is trusted.
pub(super) fn read(
    request: &Request,
    found: &[VerifierKey],
    report: &mut Report,
) -> Result<Receipted, CheckError> {
    let Some(path) = &request.receipt else { return Ok(Receipted::default()) };
    let wrong = |source| CheckError::Receipt { path: path.clone(), source };
    if path.metadata().map_err(CheckError::read(path))?.len() > MAX_BYTES as u64 {
        return Err(wrong(ReceiptError::TooLarge));
    }
    let receipt =
        Receipt::parse(&std::fs::read_to_string(path).map_err(CheckError::read(path))?).map_err(wrong)?;
    let trusted = request.trusted();
    let keys = if trusted.is_empty() { found } else { &trusted };
    let verified: Vec<_> = keys.iter().map(|key| receipt.verify(key)).collect();
    if !verified.contains(&Ok(())) {
        let is_other = |one: &Result<(), _>| !matches!(one, Err(ReceiptError::Note(_)));
        let why = verified.into_iter().find(is_other).and_then(Result::err);
        let why =
            why.map_or_else(|| "no key that is trusted has signed it".to_owned(), |why| why.to_string());
        report.say(Grade::Finding, None, format!("The receipt shows nothing: {why}"));
        return Ok(Receipted::default());
    }
    let count = receipt.statement.count;
    let text = format!(
        "The receipt is signed by the log {}, at {}: it is of {count} records",
        receipt.statement.origin,
        time(receipt.statement.millis)
    );
    report.say(Grade::Shown, None, text);
    if receipt.entries.is_none() {
        let text =
            "The receipt has no list of its records: it says something of them only together with that list";
        report.say(Grade::Remark, None, text);
    }
    Ok(Receipted(receipt.entries.unwrap_or_default()))
}

impl Receipted {
    /// What it says of one tenant's chain, which is taken out.
    pub(super) fn of(&mut self, tenant: &Tenant) -> Self {
        let (own, others) = std::mem::take(&mut self.0).into_iter().partition(|one| one.tenant == *tenant);
        self.0 = others;
        Self(own)
    }

    /// Those that it says something of and that were not taken out.
    pub(super) fn tenants(&self) -> Vec<Tenant> {
        let mut tenants: Vec<Tenant> = Vec::new();
        for entry in &self.0 {
            if !tenants.contains(&entry.tenant) {
                tenants.push(entry.tenant.clone());
            }
        }
        tenants
    }

    /// Tells that its records are in chains that were not looked at.
    pub(super) fn left(&self, report: &mut Report) {
        if !self.0.is_empty() {
            let text = format!(
                "{} records of the receipt are in other chains, which were not looked at",
                self.0.len()
            );
            report.say(Grade::Remark, None, text);
        }
    }

    /// What is to be looked for in the chain.
    pub(super) fn places(&self) -> Places {
        Places(self.0.iter().map(|entry| (entry.hash, None)).collect())
    }

    /// Tells of each record whether the chain has it. `epochs` are the times of the epochs that are known.
    pub(super) fn tell(
        &self,
        chain: &str,
        path: &Path,
        (checked, epochs): (&Checked, &[u64]),
        report: &mut Report,
    ) -> Result<(), CheckError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let place_of = |entry: &Entry| checked.places.0.get(&entry.hash).copied().flatten();
        let is_in_place = |entry: &Entry| {
            place_of(entry).is_some_and(|number| match entry.place {
                Place::At(place) => number == place,
                Place::Within(records) => number <= records,
            })
        };
        let (there, missing): (Vec<&Entry>, Vec<&Entry>) =
            self.0.iter().partition(|entry| is_in_place(entry));
        let covered = checked.newest.map_or(0, |signed| signed.count);
        if !there.is_empty() {
            let text = format!("{} records of the receipt are in the chain, in their places", there.len());
            report.say(Grade::Shown, Some(chain), text);
        }
        let open = there.iter().filter(|entry| place_of(entry) > Some(covered)).count();
        if open > 0 {
            let text = format!("No epoch covers {open} of these yet: check again after the next one");
            report.say(Grade::Remark, Some(chain), text);
        }
        let others = if missing.is_empty() { HashMap::new() } else { by_id(path, &missing)? };
        for entry in missing.iter().take(TOLD) {
            let found = match place_of(entry) {
                Some(number) => Found::Moved(number),
                None => others.get(&entry.record).copied().unwrap_or(Found::Nowhere),
            };
            let (grade, text) = verdict(entry, found, (checked, covered), epochs);
            report.say(grade, Some(chain), text);
        }
        if missing.len() > TOLD {
            let text =
                format!("{} further records of the receipt are not in their places", missing.len() - TOLD);
            report.say(Grade::Finding, Some(chain), text);
        }
        Ok(())
    }
}

/// What of a record that is not in its place is in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nowhere,
    /// The record, at this place.
    Moved(u64),
    /// A record with its id, at this place, that says something else.
    Other(u64),
}

fn verdict(
    entry: &Entry,
    found: Found,
    (checked, covered): (&Checked, u64),
    epochs: &[u64],
) -> (Grade, String) {
    let (id, number, hash) = (entry.record, entry.place.number(), hex_text(&entry.hash));
    let sealed = time(entry.micros / 1000);
    match found {
        Found::Moved(at) => {
            let text = format!(
                "Record {id} of the receipt, number {number} there, was moved: it is record {at} now, with the same content; so it is after \
                 power loss, when records are linked again"
            );
            return (Grade::Remark, text);
        }
        Found::Other(at) => {
            let text = format!(
                "Record {id} is not the one of the receipt: record {at} has its id and says something else than what was sealed at \
                 {sealed} with the hash {hash}. {EVIDENCE}"
            );
            return (Grade::Finding, text);
        }
        Found::Nowhere => {}
    }
    if number <= covered {
        let signed = checked.newest.map_or_else(String::new, |signed| {
            format!(
                "epoch {} signed {} records of the chain, at {}",
                signed.epoch,
                signed.count,
                time(signed.millis)
            )
        });
        let text = if checked.is_as_signed {
            format!(
                "PROOF OF OMISSION: the log's key signed that record {id}, with the hash {hash}, was sealed at {sealed} as number {number} \
                 of the chain; {signed}, and the record is not among them. {EVIDENCE}"
            )
        } else {
            format!(
                "Record {id} of the receipt, number {number}, is missing: {signed}, and the chain that is shown is not what was signed"
            )
        };
        return (Grade::Finding, text);
    }
    let later = epochs.iter().filter(|millis| **millis > entry.micros / 1000).count();
    if later >= 2 && !checked.is_set_aside {
        let text = format!(
            "Record {id} of the receipt, sealed at {sealed} as number {number}, was left out: {later} epochs were signed after that, with \
             {covered} records of the chain. Unless the chain was set aside for all that time, the record was dropped. {EVIDENCE}"
        );
        return (Grade::Finding, text);
    }
    let why = if checked.is_set_aside {
        "; records of the chain are set aside and wait to be linked again"
    } else {
        ""
    };
    let text = format!(
        "Record {id} of the receipt is not in the chain, and no epoch covers its place, {number}, yet{why}"
    );
    (Grade::Remark, text)
}

const EVIDENCE: &str = "Keep the receipt and the checkpoint with this chain (`halod export --bundle`): together they are evidence that \
                        anybody can check";

/// Looks for records by their ids.
fn by_id(path: &Path, missing: &[&Entry]) -> Result<HashMap<RecordId, Found>, CheckError> {
    let wanted: HashMap<RecordId, &Entry> = missing.iter().map(|entry| (entry.record, *entry)).collect();
    let (mut found, mut number, mut line) = (HashMap::new(), 0, Vec::new());
    if !path.exists() {
        return Ok(found);
    }
    let mut reader = BufReader::new(File::open(path).map_err(CheckError::read(path))?);
    // Lines are bounded: the chain was verified before.
    while reader.read_until(b'\n', &mut line).map_err(CheckError::read(path))? > 0 {
        if let Some(facts) = scan_line(&line) {
            number += 1;
            let id = facts.record_id.as_deref().and_then(RecordId::parse);
            if let Some((id, entry)) = id.and_then(|id| Some((id, wanted.get(&id)?))) {
                let is_same = has_content_of(&line, entry);
                let this = if is_same { Found::Moved(number) } else { Found::Other(number) };
                // A second record with the id is a finding of its own; the right one counts.
                let known = found.entry(id).or_insert(this);
                if is_same {
                    *known = this;
                }
            }
        }
        line.clear();
    }
    Ok(found)
}

/// Whether a line would have the hash of the receipt if it were linked and sealed as that says.
fn has_content_of(line: &[u8], entry: &Entry) -> bool {
    let Some(draft) = Draft::reopen(entry.tenant.clone(), line) else { return false };
    let (prev, ts) = (hex(&entry.prev), rfc3339(entry.micros.saturating_mul(1000)));
    draft.seal(&prev, &ts, &mut Vec::new()) == hex(&entry.hash)
}
