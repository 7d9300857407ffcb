//! What shows one tenant's chain, or one record of it, under a checkpoint; and the text in which that is handed on.
//!
//! ```text
//! record's hash ─record_path─▶ State.root │ State, blind ─way─▶ Epoch.map │ entry ─path─▶ Checkpoint.root
//! ```
//!
//! Nothing here checks signatures: whose checkpoint it is, and who has seen it, is for [`crate::note`] and whoever asks.

use crate::Hash;
use crate::entry::Epoch;
use crate::map::{Shown, Step, Way};
use crate::note::{Checkpoint, NoteError, SignedNote};
use crate::state::{Blind, State, slot};
use crate::tree::{is_consistent, is_included, leaf};
use data_encoding::{BASE64, HEXLOWER};
use halod_record::hash::parse_hex;
use halod_record::json::Json;
use halod_record::parse::Stored;
use halod_record::tenant::Tenant;
use serde::{Deserialize, Serialize};

/// Bytes of a proof that is read; one with its record may have a long line.
pub const MAX_BYTES: usize = 32 << 20;

/// What the text of a record's proof begins with.
const FORMAT: &str = "halod-proof/v1";

/// What a plain proof of an entry begins with (C2SP tlog-proof, "Format").
const PLAIN: &str = "c2sp.org/tlog-proof@v1\n";

/// Why a proof shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("it is no proof: {0}")]
    Shape(String),
    #[error("the entry of the log is not that of an epoch")]
    Entry,
    #[error("the entry is not in the log of this checkpoint")]
    Log,
    #[error("the way through the map of tenants does not lead to the map of the epoch")]
    Map,
    #[error("the state is not the one that the map of tenants holds")]
    State,
    #[error("the tenant has no chain in this epoch")]
    Absent,
    #[error("the record is not in the tree of the tenant's chain at this place")]
    Record,
    #[error("the record that is shown is another one: {0}")]
    Other(&'static str),
    #[error("the time-stamp is of no checkpoint that has the epoch of the proof and that its log continues")]
    Stamp,
    #[error("the note of the checkpoint: {0}")]
    Note(#[from] NoteError),
}

/// A tenant's place in an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The epoch's entry, its number in the log from 0, and the hashes beside its way to the root.
    pub entry: Vec<u8>,
    pub index: u64,
    pub path: Vec<Hash>,
    pub way: Way,
    /// The chain's state and what it is hidden with; nothing where the tenant is shown to have no chain.
    pub state: Option<(State, Blind)>,
}

/// A record's place in its chain, and the chain's under a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    pub tenant: Tenant,
    /// From 1.
    pub number: u64,
    /// Its `integrity.hash`.
    pub hash: Hash,
    pub path: Vec<Hash>,
    pub slot: SlotProof,
    pub note: String,
    /// The record's line, where that is shown, too.
    pub record: Option<String>,
    pub stamp: Option<Stamp>,
}

/// What a time-stamping service answered for the text of a checkpoint that the proof's own continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    pub root: Hash,
    /// From that checkpoint to the proof's own (RFC 9162, section 2.1.4).
    pub path: Vec<Hash>,
    /// Nothing of it is verified here.
    pub answer: Vec<u8>,
}

impl SlotProof {
    /// What it shows of a tenant under a checkpoint: the epoch, and the state of its chain if it has one.
    ///
    /// # Errors
    /// It shows nothing.
    pub fn check(
        &self,
        tenant: &Tenant,
        checkpoint: &Checkpoint,
    ) -> Result<(Epoch, Option<State>), ProofError> {
        let epoch = Epoch::read(&self.entry).ok_or(ProofError::Entry)?;
        if !is_included(&leaf(&self.entry), (self.index, checkpoint.size), &self.path, &checkpoint.root) {
            return Err(ProofError::Log);
        }
        let slot = slot(&checkpoint.origin, tenant);
        match (self.way.shows(&slot, &epoch.map), &self.state) {
            (Shown::Nothing, _) => Err(ProofError::Map),
            (Shown::Absent, None) => Ok((epoch, None)),
            (Shown::There, Some((state, blind))) if state.hidden(blind) == self.way.hidden => {
                Ok((epoch, Some(state.clone())))
            }
            (Shown::Absent, Some(_)) => Err(ProofError::Absent),
            (Shown::There, _) => Err(ProofError::State),
        }
    }
}

impl RecordProof {
    /// What it shows: the epoch, and the state of the chain in which the record is. The checkpoint is that of [`Self::note`].
    ///
    /// # Errors
    /// It shows nothing.
    pub fn check(&self) -> Result<(Checkpoint, Epoch, State), ProofError> {
        let note = SignedNote::parse(&self.note)?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        let (epoch, state) = self.slot.check(&self.tenant, &checkpoint)?;
        let state = state.ok_or(ProofError::Absent)?;
        let place = (self.number.wrapping_sub(1), state.count);
        if !is_included(&leaf(&self.hash), place, &self.path, &state.root) {
            return Err(ProofError::Record);
        }
        if let Some(line) = &self.record {
            self.is_of(line)?;
        }
        Ok((checkpoint, epoch, state))
    }

    /// The text of the checkpoint that a stamp has to be of, which has the epoch of the proof. `checkpoint` is the proof's own.
    ///
    /// # Errors
    /// The stamp is of something else.
    pub fn stamped(&self, stamp: &Stamp, checkpoint: &Checkpoint) -> Result<String, ProofError> {
        let new = (checkpoint.size, &checkpoint.root);
        if self.slot.index >= stamp.size || !is_consistent((stamp.size, &stamp.root), new, &stamp.path) {
            return Err(ProofError::Stamp);
        }
        Ok(Checkpoint { origin: checkpoint.origin.clone(), size: stamp.size, root: stamp.root }.text())
    }

    /// Whether a record's line is what this is the proof of.
    ///
    /// # Errors
    /// It is another one.
    pub fn is_of(&self, line: &str) -> Result<(), ProofError> {
        let stored = Stored::parse(line.trim_end()).map_err(|_| ProofError::Other("it is no JSON"))?;
        let said = match stored.field("integrity").and_then(|integrity| integrity.get("hash")) {
            Some(Json::Str(text)) => parse_hex::<32>(text.as_bytes()),
            _ => None,
        };
        if said != Some(self.hash) {
            return Err(ProofError::Other("its integrity.hash is not the one that is proved"));
        }
        match stored.compute_hash(&mut Vec::new()) {
            Ok(hash) if hash == self.hash => Ok(()),
            _ => Err(ProofError::Other("its content does not have the hash that it says")),
        }
    }

    /// As it is handed on: one JSON object.
    #[must_use]
    pub fn text(&self) -> String {
        let text = RecordText {
            format: FORMAT.to_owned(),
            tenant: self.tenant.subject().map(str::to_owned),
            number: self.number,
            hash: HEXLOWER.encode(&self.hash),
            record_path: joined(&self.path),
            slot: SlotText::of(&self.slot),
            note: self.note.clone(),
            record: self.record.clone(),
            stamp: self.stamp.as_ref().map(StampText::of),
        };
        // Strings and numbers always have a JSON text.
        serde_json::to_string(&text).unwrap_or_default() + "\n"
    }

    /// As a plain proof of the epoch's entry (C2SP tlog-proof), which generic tools check; the way from the record to the entry is its
    /// extra data.
    #[must_use]
    pub fn plain(&self) -> String {
        let (mut slot, note) = (self.slot.clone(), String::new());
        (slot.index, slot.path) = (0, Vec::new());
        let extra = Self { slot, note, ..self.clone() }.text();
        let path: String = self.slot.path.iter().map(|hash| BASE64.encode(hash) + "\n").collect();
        let extra = BASE64.encode(extra.trim_end().as_bytes());
        format!("{PLAIN}extra {extra}\nindex {}\n{path}\n{}", self.slot.index, self.note)
    }

    fn parse_plain(text: &str) -> Result<Self, ProofError> {
        let wrong = |what: &str| shape(format!("of a tlog-proof, {what}"));
        // The first empty line is behind the hashes.
        let (head, note) = text.split_once("\n\n").ok_or_else(|| wrong("no checkpoint follows"))?;
        let mut lines = head.split('\n');
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra
            .ok_or_else(|| wrong("the line `extra` is not there: halod puts the way to the record there"))?;
        let extra = String::from_utf8(decoded(extra, "extra")?).map_err(|_| wrong("extra is not UTF-8"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|index| index.parse().ok().filter(|n: &u64| n.to_string() == index));
        let mut own = Self::parse_json(&extra)?;
        own.slot.index = index.ok_or_else(|| wrong("the line `index` has no number"))?;
        own.slot.path = lines.map(|line| sized(line, "a hash")).collect::<Result<_, _>>()?;
        note.clone_into(&mut own.note);
        Ok(own)
    }

    /// Reads what [`Self::text`] or [`Self::plain`] writes. Members that are not known are passed over.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_BYTES {
            return Err(shape(format!("it has more than {MAX_BYTES} bytes")));
        }
        match text.strip_prefix(PLAIN) {
            Some(plain) => Self::parse_plain(plain),
            None => Self::parse_json(text),
        }
    }

    fn parse_json(text: &str) -> Result<Self, ProofError> {
        let text: RecordText = serde_json::from_str(text).map_err(|error| shape(error.to_string()))?;
        if text.format != FORMAT {
            return Err(shape(format!("its format is {:?}; this halod reads {FORMAT}", text.format)));
        }
        Ok(Self {
            tenant: text.tenant.as_deref().map_or(Tenant::Local, Tenant::stored),
            number: text.number,
            hash: parse_hex(text.hash.as_bytes())
                .ok_or_else(|| shape("hash is not 64 hexadecimal digits".into()))?,
            path: parted(&text.record_path, "record_path")?,
            slot: text.slot.read()?,
            note: text.note,
            record: text.record,
            stamp: text.stamp.map(StampText::read).transpose()?,
        })
    }
}

impl SlotProof {
    /// As a bundle has it: one JSON object.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(&SlotText::of(self)).unwrap_or_default()
    }

    /// Reads what [`Self::text`] writes.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let text: SlotText = serde_json::from_str(text).map_err(|error| shape(error.to_string()))?;
        text.read()
    }
}

#[derive(Serialize, Deserialize)]
struct RecordText {
    format: String,
    tenant: Option<String>,
    number: u64,
    hash: String,
    record_path: String,
    #[serde(flatten)]
    slot: SlotText,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<StampText>,
}

/// The same for a stamp.
#[derive(Serialize, Deserialize)]
struct StampText {
    size: u64,
    root: String,
    path: String,
    answer: String,
}

impl StampText {
    fn of(stamp: &Stamp) -> Self {
        let Stamp { size, root, path, answer } = stamp;
        Self { size: *size, root: BASE64.encode(root), path: joined(path), answer: BASE64.encode(answer) }
    }

    fn read(self) -> Result<Stamp, ProofError> {
        Ok(Stamp {
            size: self.size,
            root: sized(&self.root, "stamp.root")?,
            path: parted(&self.path, "stamp.path")?,
            answer: decoded(&self.answer, "stamp.answer")?,
        })
    }
}

/// Binary members are in base64; hashes of a path stand one behind another.
#[derive(Serialize, Deserialize)]
struct SlotText {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blind: Option<String>,
    /// The leaf at which the way of an absent tenant ends: slot and hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbour: Option<String>,
    /// Of a tenant that is there: its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    way: String,
    entry: String,
    index: u64,
    path: String,
}

impl SlotText {
    fn of(proof: &SlotProof) -> Self {
        let SlotProof { entry, index, path, way, state } = proof;
        let steps: Vec<u8> =
            way.steps.iter().flat_map(|step| [&[step.bit][..], &step.beside].concat()).collect();
        let encoded = |bytes: &[u8]| BASE64.encode(bytes);
        let (state, blind) =
            state.as_ref().map(|(state, blind)| (encoded(&state.bytes()), encoded(blind))).unzip();
        let (neighbour, place) = match state {
            Some(_) => (None, Some(encoded(&way.slot))),
            None => (Some(encoded(&[way.slot, way.hidden].concat())), None),
        };
        Self {
            state,
            blind,
            neighbour,
            place,
            way: encoded(&steps),
            entry: encoded(entry),
            index: *index,
            path: joined(path),
        }
    }

    fn read(self) -> Result<SlotProof, ProofError> {
        let step = |bytes: &[u8]| {
            let (&bit, beside) = bytes.split_first()?;
            Some(Step { bit, beside: beside.try_into().ok()? })
        };
        let way = decoded(&self.way, "way")?;
        let steps: Option<Vec<Step>> = way.chunks(33).map(step).collect();
        let steps = steps.ok_or_else(|| shape("way is not of steps of 33 bytes".into()))?;
        let (way, state) = match (&self.state, &self.blind, &self.place, &self.neighbour) {
            (Some(state), Some(blind), Some(place), None) => {
                let (state, blind, slot) =
                    (sized(state, "state")?, sized(blind, "blind")?, sized(place, "place")?);
                let state = State::read(&state);
                (Way { slot, hidden: state.hidden(&blind), steps }, Some((state, blind)))
            }
            (None, None, None, Some(neighbour)) => {
                let leaf: [u8; 64] = sized(neighbour, "neighbour")?;
                let (mut slot, mut hidden) = ([0; 32], [0; 32]);
                slot.copy_from_slice(&leaf[..32]);
                hidden.copy_from_slice(&leaf[32..]);
                (Way { slot, hidden, steps }, None)
            }
            _ => return Err(shape("it has neither state, blind and place, nor neighbour alone".into())),
        };
        let entry = decoded(&self.entry, "entry")?;
        Ok(SlotProof { entry, index: self.index, path: parted(&self.path, "path")?, way, state })
    }
}

fn shape(what: String) -> ProofError {
    ProofError::Shape(what)
}

fn joined(path: &[Hash]) -> String {
    BASE64.encode(&path.concat())
}

/// Bytes in base64, in their one spelling.
fn decoded(text: &str, name: &str) -> Result<Vec<u8>, ProofError> {
    let bytes = BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text);
    bytes.ok_or_else(|| shape(format!("{name} is not base64")))
}

fn sized<const N: usize>(text: &str, name: &str) -> Result<[u8; N], ProofError> {
    decoded(text, name)?.try_into().map_err(|_| shape(format!("{name} has not {N} bytes")))
}

fn parted(text: &str, name: &str) -> Result<Vec<Hash>, ProofError> {
    let bytes = decoded(text, name)?;
    let hashes = bytes.chunks(32).map(|hash| hash.try_into().ok()).collect::<Option<Vec<Hash>>>();
    hashes.ok_or_else(|| shape(format!("{name} is not of hashes of 32 bytes")))
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
