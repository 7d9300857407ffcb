//! A record that lacks only its place in a chain.
//!
//! A draft is the finished line of a record with blanks for what only the writer knows: the
//! previous hash, its own hash and the time of sealing. In canonical form (RFC 8785) `hash` sorts
//! between `canon` and `prev_hash`, so the stored line is itself canonical and nothing is ever
//! serialised twice; and all that precedes the blanks never changes, so its SHA-256 state is
//! computed by the receiver, in parallel. The writer hashes from `"prev_hash"` on.

mod amended;
pub mod kept;
mod origin;
mod scratch;

pub use self::origin::OriginKey;
pub use self::scratch::Scratch;

use super::call::Call;
use super::call::role::Role;
use super::clock;
use super::compare;
use super::ids::{Origin, RecordId};
use super::parts::Mark;
use super::sameness;
use super::stored::{self, Relation};
use super::tenant::Tenant;
use super::time::LEN as TS_LEN;
use super::trace::InTrace;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A SHA-256 in lower-case hex.
pub type HexHash = [u8; 64];

/// The first half of the hash of a content, in lower-case hex.
pub type ContentHash = [u8; 32];

/// `prev_hash` of a chain's first record.
pub const GENESIS: HexHash = [b'0'; 64];

/// The blanks, as they stand in an unsealed line.
const HOLE: &str = concat!(
    r#""hash":""#,
    "0000000000000000000000000000000000000000000000000000000000000000",
    r#"","prev_hash":""#,
    "0000000000000000000000000000000000000000000000000000000000000000",
    r#"""#
);
const HASH_AT: usize = 8;
const PREV_KEY_AT: usize = HASH_AT + 64 + 2;
const PREV_AT: usize = PREV_KEY_AT + 13;

/// A canonical line with blanks, and whose chain it belongs to.
#[derive(Clone, Debug)]
pub struct Draft {
    tenant: Tenant,
    id: RecordId,
    /// Shares one allocation with the other drafts of its request.
    line: Bytes,
    marks: Marks,
    /// SHA-256 state after everything before the hole.
    head: Sha256,
    /// Drafts of the content that was joined to this one, which are sealed if its record turns out to be sealed
    /// without it.
    apart: Vec<Self>,
    /// The record of the action whose content this draft tells by itself.
    content_of: Option<RecordId>,
    /// A draft for each message that the action was told in, sealed if its record turns out not to know it.
    parts: Vec<(Mark, Self)>,
    /// The kind of a notice of halod's own, whose id is made of all that it tells.
    notice: Option<&'static str>,
    /// The account that it gives of a call.
    call: Option<Box<Call>>,
    origin: OriginKey,
    /// The trace that may have placed it elsewhere.
    in_trace: Option<Box<InTrace>>,
}

/// What comparing a draft with the line that is sealed under its origin comes to.
#[derive(Debug)]
pub enum Comparison<'a> {
    /// It says nothing that the line does not say.
    Same,
    /// It is the same but for content that was joined to it: these say that content by itself.
    ///
    /// Or it was told in several messages, and these tell those that the line does not know.
    Apart(Vec<&'a Draft>),
    /// It says more, or how the action ended: see [`Draft::amending`].
    More,
    Conflict,
}

/// Where the variable parts of a line lie, as byte offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Where `conflicts_with` sorts among the record's own keys: just before `data`.
    conflict: usize,
    hole: usize,
    /// Where [`PARENT`] begins, if there is one, and whom it names.
    parent: Option<(usize, RecordId)>,
    id: usize,
    ts: usize,
}

/// What stands before the id of a parent. No string can hold it: its quotes would be escaped.
const PARENT: &str = r#","parent_id":""#;
/// With the id and its closing quote.
const PARENT_LEN: usize = PARENT.len() + 36 + 1;

/// Collects a line's canonical bytes in order; `build` is its one user.
#[derive(Debug)]
pub(super) struct DraftWriter {
    pub(super) line: Vec<u8>,
    marks: Marks,
}

impl DraftWriter {
    pub(super) fn new(scratch: &mut Scratch) -> Self {
        let mut line = std::mem::take(&mut scratch.line);
        line.clear();
        Self { line, marks: Marks::default() }
    }

    /// Opens `data`, the first key after where `conflicts_with` sorts.
    pub(super) fn data(&mut self) {
        self.marks.conflict = self.line.len();
        self.line.extend_from_slice(b"\"data\":{");
    }

    /// Writes the inside of `integrity`, with its blanks.
    pub(super) fn integrity(&mut self) {
        self.line.extend_from_slice(br#""alg":"sha-256","canon":"rfc8785","#);
        self.marks.hole = self.line.len();
        self.line.extend_from_slice(HOLE.as_bytes());
    }

    pub(super) fn parent(&mut self, parent: RecordId) {
        self.marks.parent = Some((self.line.len(), parent));
        self.line.extend_from_slice(PARENT.as_bytes());
        self.line.extend_from_slice(&parent.text());
        self.line.push(b'"');
    }

    pub(super) fn id(&mut self, id: RecordId) {
        self.marks.id = self.line.len();
        self.line.extend_from_slice(&id.text());
    }

    pub(super) fn ts(&mut self) {
        self.marks.ts = self.line.len();
        self.line.extend_from_slice(&[b' '; TS_LEN]);
    }

    pub(super) fn finish(
        mut self,
        tenant: Tenant,
        id: RecordId,
        call: Option<Box<Call>>,
        scratch: &mut Scratch,
    ) -> Draft {
        self.line.push(b'\n');
        let head = Sha256::new_with_prefix(&self.line[..self.marks.hole]);
        Draft {
            tenant,
            id,
            line: scratch.keep(self.line),
            marks: self.marks,
            head,
            apart: Vec::new(),
            content_of: None,
            parts: Vec::new(),
            notice: None,
            call,
            origin: OriginKey::Other,
            in_trace: None,
        }
    }
}

/// Whether these are the hashes of a sealed line: blanks elsewhere would take something else's place.
fn is_hole(bytes: &[u8]) -> bool {
    let same = |(byte, blank): (&u8, &u8)| byte == blank || *blank == b'0' && byte.is_ascii_hexdigit();
    bytes.len() == HOLE.len() && bytes.iter().zip(HOLE.as_bytes()).all(same)
}

impl Draft {
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What `action.tool` says, as it is escaped in the line.
    #[must_use]
    pub fn tool(&self) -> &str {
        // Nothing before it can hold this key: its quotes would be escaped inside a string.
        let key = br#""tool":""#;
        let start = memchr::memmem::find(&self.line, key).map_or(self.line.len(), |at| at + key.len());
        let rest = self.line.get(start..).unwrap_or_default();
        let mut end = 0;
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest.get(end..).unwrap_or_default()) {
            end += at;
            if rest.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        rest.get(..end).and_then(|tool| std::str::from_utf8(tool).ok()).unwrap_or_default()
    }

    /// The account that it gives of a call, if it tells of one.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        self.call.as_deref()
    }

    pub(super) fn call_mut(&mut self) -> Option<&mut Call> {
        self.call.as_deref_mut()
    }

    /// Bytes of memory that the draft takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let in_trace = self.in_trace.as_ref().map_or(0, |_| size_of::<InTrace>() + self.origin.weight());
        size_of::<Self>() + self.len() + in_trace + self.call.as_ref().map_or(0, |call| call.weight())
    }

    /// Bytes of the lines this draft may become, their newlines included.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        let parts = self.parts.iter().map(|(_, draft)| draft.len()).sum::<usize>();
        self.line.len() + self.apart.iter().map(Self::len).sum::<usize>() + parts
    }

    /// Tells that this is a notice, so that no line under its id says anything else.
    pub(super) fn said_by_halod(self, kind: &'static str) -> Self {
        Self { notice: Some(kind), ..self }
    }

    /// The kind of the notice that this is, if it is one of halod's own.
    #[must_use]
    pub fn notice(&self) -> Option<&'static str> {
        self.notice
    }

    /// Says which messages this draft was made of, and what to seal of each if the origin turns out to
    /// be sealed without it.
    pub(super) fn made_of(&mut self, messages: Vec<(Mark, Self)>) {
        self.parts = messages;
    }

    /// Tells that content was joined to this draft, and what to seal if the origin turns out to be
    /// sealed without it.
    pub fn joined_from(&mut self, apart: Vec<Self>) {
        self.apart = apart;
    }

    /// Tells that this draft only says the content of an action: nothing, if that action's record does.
    pub fn tells_content_of(&mut self, action: RecordId) {
        self.content_of = Some(action);
    }

    /// The action whose content this draft tells by itself.
    #[must_use]
    pub fn content_of(&self) -> Option<RecordId> {
        self.content_of
    }

    /// Whether `line`, the record of that action, says the same content.
    #[must_use]
    pub fn is_told_in(&self, line: &[u8]) -> bool {
        compare::has_content_of(&self.line, line)
    }

    /// The hashes of the action's input and of its outcome, as the line states them.
    #[must_use]
    pub fn content(&self) -> [Option<ContentHash>; 2] {
        compare::content(&self.line)
    }

    /// The record that the line names as its parent.
    #[must_use]
    pub fn parent(&self) -> Option<RecordId> {
        self.marks.parent.map(|(_, parent)| parent)
    }

    /// Appends the finished line to `out` and returns its hash.
    pub fn seal(&self, prev: &HexHash, ts: &[u8; TS_LEN], out: &mut Vec<u8>) -> HexHash {
        let start = out.len();
        out.extend_from_slice(&self.line);
        self.fill(self.marks.ts, prev, ts, &mut out[start..])
    }

    /// As [`Self::seal`], of a record whose parent is not in the chain: the line names none. What is hashed
    /// beforehand stands before the parent.
    pub fn seal_without_parent(&self, prev: &HexHash, ts: &[u8; TS_LEN], out: &mut Vec<u8>) -> HexHash {
        let Some((at, _)) = self.marks.parent else { return self.seal(prev, ts, out) };
        let start = out.len();
        out.extend_from_slice(&self.line[..at]);
        out.extend_from_slice(&self.line[at + PARENT_LEN..]);
        self.fill(self.marks.ts - PARENT_LEN, prev, ts, &mut out[start..])
    }

    /// Fills the blanks of a line of which nothing was changed before them; the time goes to `ts_at`.
    fn fill(&self, ts_at: usize, prev: &HexHash, ts: &[u8; TS_LEN], line: &mut [u8]) -> HexHash {
        line[ts_at..ts_at + TS_LEN].copy_from_slice(ts);
        let hole = self.marks.hole;
        line[hole + PREV_AT..hole + PREV_AT + 64].copy_from_slice(prev);
        let mut state = self.head.clone();
        state.update(&line[hole + PREV_KEY_AT..line.len() - 1]);
        let hash = super::hash::hex(&state.finalize().into());
        line[hole + HASH_AT..hole + HASH_AT + 64].copy_from_slice(&hash);
        hash
    }

    /// Names another parent, or none, where there is one: the span that was named is not recorded.
    pub fn move_under(&mut self, parent: Option<RecordId>) {
        let Some((at, _)) = self.marks.parent else { return };
        let line = match parent {
            Some(parent) => {
                let mut line = self.line.to_vec();
                line[at + PARENT.len()..at + PARENT_LEN - 1].copy_from_slice(&parent.text());
                self.marks.parent = Some((at, parent));
                line
            }
            None => {
                let (marks, line) = self.without_parent();
                self.marks = marks;
                line
            }
        };
        self.line = line.into();
    }

    fn without_parent(&self) -> (Marks, Vec<u8>) {
        let Some((at, _)) = self.marks.parent else { return (self.marks, self.line.to_vec()) };
        let line = [&self.line[..at], &self.line[at + PARENT_LEN..]].concat();
        let Marks { conflict, hole, id, ts, .. } = self.marks;
        (Marks { conflict, hole, parent: None, id: id - PARENT_LEN, ts: ts - PARENT_LEN }, line)
    }

    /// What a resend is compared by: the line without what is on the list of [`sameness`].
    fn compared(&self) -> (Marks, Vec<u8>) {
        let (marks, line) = self.without_parent();
        let Marks { conflict, hole, parent, id, ts } = marks;
        let (line, account) = sameness::without_account(line, hole);
        let bare = sameness::without(&line, conflict).into_owned();
        let cut = line.len() - bare.len();
        let (id, ts) = (id - account - cut, ts - account - cut);
        (Marks { conflict, hole: hole - cut, parent, id, ts }, bare)
    }

    /// The same account as a corroboration of a call that has its action.
    #[must_use]
    pub fn in_role(&self, role: &Role) -> Self {
        let line = role.apply(&self.line).and_then(|line| Self::reopen(self.tenant.clone(), &line));
        match line {
            Some(Self { line, marks, head, .. }) => Self { line, marks, head, ..self.clone() },
            None => self.clone(),
        }
    }

    /// Compares this draft with `line`, which is sealed under the same origin, in whatever role.
    #[must_use]
    pub fn compare_with(&self, line: &[u8]) -> Comparison<'_> {
        match self.compare(line) {
            Comparison::Conflict => match stored::version(&self.line, line) {
                Some(Relation::More) => Comparison::More,
                Some(Relation::Same) => Comparison::Same,
                Some(Relation::Contradiction) | None => Comparison::Conflict,
            },
            comparison => comparison,
        }
    }

    fn compare(&self, line: &[u8]) -> Comparison<'_> {
        if self.notice.is_some() {
            return Comparison::Same;
        }
        let may_have_role = self.call.is_some() || self.asked() != self.id;
        let in_role = may_have_role.then(|| Some(self.in_role(&Role::of_line(line)?))).flatten();
        let ours = in_role.as_ref().unwrap_or(self);
        if self.parts.is_empty()
            && self.apart.is_empty()
            && let Some(relation) = stored::relation(&ours.line, line)
        {
            return match relation {
                Relation::Same => Comparison::Same,
                Relation::More => Comparison::More,
                Relation::Contradiction => Comparison::Conflict,
            };
        }
        if compare::are_keyed_apart(&ours.line, line) {
            return self.compare_under_other_key(&ours.line, line);
        }
        if !self.parts.is_empty() {
            return self.compare_messages_with(&ours.line, line);
        }
        let same = ours.same_content(line);
        let more = !compare::has_content_of(&ours.line, line);
        if same && (!more || self.apart.is_empty()) {
            Comparison::Same
        } else if !same && !compare::same_but_content(&ours.line, line) {
            Comparison::Conflict
        } else if !more {
            Comparison::Same
        } else if self.apart.is_empty() {
            Comparison::Conflict
        } else {
            Comparison::Apart(self.apart.iter().collect())
        }
    }

    /// Whether `line`, stored under the same origin, says the same thing: equal in everything but what is
    /// on the list of [`sameness`].
    ///
    /// A line sealed by another version of the mapping, or read from another form of the same telemetry
    /// (an export of what came live), may say the same in other words; then only its length of life
    /// decides (`started_at` and `ended_at`; of another form also how it ended), so that an upgrade of halod or an
    /// import does not turn everything into a conflict.
    #[must_use]
    pub fn same_content(&self, line: &[u8]) -> bool {
        let whole = [line.strip_suffix(b"\n").unwrap_or(line), b"\n"].concat();
        if Self::reopen(self.tenant.clone(), &whole).is_some_and(|other| self.compared() == other.compared())
        {
            return true;
        }
        compare::same_life_in_other_words(&self.line, line) || compare::same_but_inherited(&self.line, line)
    }

    /// The same record, sealed while the clock, at `now`, is behind the chain's last record: `data.clock`
    /// says so.
    #[must_use]
    pub fn with_clock(&self, now: &[u8; TS_LEN]) -> Self {
        let Some((at, member)) = clock::member(&self.line, self.marks.conflict, now) else {
            return self.clone();
        };
        let line = [&self.line[..at], &member, &self.line[at..]].concat();
        let Marks { conflict, hole, parent, id, ts } = self.marks;
        let shift = member.len();
        let parent = parent.map(|(at, id)| (at + shift, id));
        let marks = Marks { conflict, hole: hole + shift, parent, id: id + shift, ts: ts + shift };
        Self { head: Sha256::new_with_prefix(&line[..marks.hole]), line: line.into(), marks, ..self.clone() }
    }

    /// The same record under the id that it has where its origin's id is that of another call: providers repeat
    /// their ids. `None` where that is not known.
    #[must_use]
    pub fn of_another_call(&self, sealed: &Call) -> Option<Self> {
        let key = self.call.as_ref()?.is_another_than(sealed)?;
        let id = RecordId::derive(Origin::Call, &self.tenant, &[self.id.bytes(), key.digest()]);
        let mut line = self.line.to_vec();
        line.get_mut(self.marks.id..self.marks.id + 36)?.copy_from_slice(&id.text());
        let mut call = self.call.clone();
        if let Some(call) = &mut call {
            call.rename(id);
        }
        // What is hashed beforehand stands before the id.
        Some(Self { id, line: line.into(), call, ..self.clone() })
    }

    /// The record that is sealed instead when another content is already sealed under this
    /// origin: the same line under an id of its own, with `conflicts_with` naming the first.
    #[must_use]
    pub fn conflicting_with(&self, first: RecordId) -> Self {
        let content = Sha256::digest(self.compared().1);
        let id = RecordId::derive(Origin::Conflict, &self.tenant, &[first.bytes(), &content]);
        let note = [&br#""conflicts_with":""#[..], &first.text(), b"\","].concat();
        let Marks { conflict, hole, parent, id: id_at, ts } = self.marks;
        let mut line = Vec::with_capacity(self.line.len() + note.len());
        line.extend_from_slice(&self.line[..conflict]);
        line.extend_from_slice(&note);
        line.extend_from_slice(&self.line[conflict..]);
        let shift = note.len();
        let parent = parent.map(|(at, id)| (at + shift, id));
        let marks = Marks { conflict, hole: hole + shift, parent, id: id_at + shift, ts: ts + shift };
        line[marks.id..marks.id + 36].copy_from_slice(&id.text());
        let head = Sha256::new_with_prefix(&line[..marks.hole]);
        Self {
            tenant: self.tenant.clone(),
            id,
            line: line.into(),
            marks,
            head,
            apart: Vec::new(),
            content_of: None,
            parts: Vec::new(),
            notice: None,
            call: None,
            origin: OriginKey::Other,
            in_trace: None,
        }
    }

    /// Makes a draft again of a line that this module sealed, so that it can be linked elsewhere.
    /// `None` when the line is not one of ours. When the clock was behind as it was sealed is left out.
    #[must_use]
    pub fn reopen(tenant: Tenant, line: &[u8]) -> Option<Self> {
        let line = &*clock::without(line);
        let find = |needle: &[u8], from: usize| Some(memchr::memmem::find(line.get(from..)?, needle)? + from);
        line.strip_suffix(b"\n")?;
        let opening = br#""integrity":{"alg":"sha-256","canon":"rfc8785","#;
        // The last one: nothing of a sender's choice that could look like it comes after it.
        let hole = memchr::memmem::rfind(line, opening)? + opening.len();
        let parent = find(PARENT.as_bytes(), hole);
        let id_key = br#""record_id":""#;
        let id_at = find(id_key, hole)? + id_key.len();
        let ts_key = br#""ts":""#;
        let ts_at = find(ts_key, id_at)? + ts_key.len();
        // Before the hole, in canonical order: behind it are other people's lines that look like ours.
        let conflict = memchr::memmem::find(line.get(..hole)?, br#""data":{"#)?;
        let parent_end = parent.map_or(0, |at| at + PARENT_LEN);
        let text = |at: usize, length: usize| {
            line.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) == Some(length)
        };
        let whole = line.get(hole..hole + HOLE.len()).is_some_and(is_hole)
            && parent_end <= id_at
            && text(id_at, 36)
            && text(ts_at, TS_LEN);
        if !whole {
            return None;
        }
        let id_of = |at: usize| RecordId::parse(std::str::from_utf8(line.get(at..at + 36)?).ok()?);
        let id = id_of(id_at)?;
        let parent = match parent {
            Some(at) if text(at + PARENT.len(), 36) => Some((at, id_of(at + PARENT.len())?)),
            Some(_) => return None,
            None => None,
        };
        let mut line = line.to_vec();
        line[ts_at..ts_at + TS_LEN].fill(b' ');
        line[hole..hole + HOLE.len()].copy_from_slice(HOLE.as_bytes());
        let head = Sha256::new_with_prefix(&line[..hole]);
        let marks = Marks { conflict, hole, parent, id: id_at, ts: ts_at };
        let (apart, parts) = (Vec::new(), Vec::new());
        Some(Self {
            tenant,
            id,
            line: line.into(),
            marks,
            head,
            apart,
            content_of: None,
            parts,
            notice: None,
            call: None,
            origin: OriginKey::Other,
            in_trace: None,
        })
    }
}
