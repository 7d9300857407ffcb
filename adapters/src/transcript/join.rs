//! Which lines of a transcript tell of one action.
//!
//! Lines of one action may be apart, come twice, and come in any order: a tool's result behind those of others, a model's
//! answer in as many lines as it has parts. So what belongs together is held until the transcript ends, or until
//! more is held than there is room for. Then the oldest action that is whole goes first: what comes of it later is an
//! account of its own, which says less.

use super::{Client, claude_code, codex};
use halod_record::canon::write_str;
use halod_record::charge;
use halod_record::json::parse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The kind of action that lines are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// A model's answer.
    Model,
    /// A model that did not answer.
    Failure,
    Tool,
}

impl Of {
    const ALL: [Self; 3] = [Self::Model, Self::Failure, Self::Tool];

    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Failure => "failure",
            Self::Tool => "tool",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }
}

/// The part that a line has in an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Tells,
    /// The line asks for a tool call: in this message, where one is told from another by it.
    Asks(Option<String>),
    /// The line has the result of a tool call.
    Answers,
    /// The line says more of a tool call that was asked for, if one was.
    Adds,
}

/// The line that a model's answer follows: the time when that was written is the time when the model was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum After {
    #[default]
    Unknown,
    /// The line of this name, wherever it stands.
    Line(u64),
    /// Something that was written then.
    Time(u64),
}

/// A line's part in an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) of: Of,
    pub(super) id: String,
    pub(super) role: Role,
}

/// A line's place in a model's answer, where only the order of lines tells which belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    #[default]
    None,
    /// A part of the next answer that ends.
    Item,
    /// The line ends the answer that is called so.
    End(String),
}

/// The part that a line has in all actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) parts: Vec<Part>,
    pub(super) answer: Answer,
    /// Of a part of a model's answer.
    pub(super) after: After,
    /// What the line is called, and when it was written, if an answer may follow it.
    pub(super) named: Option<(u64, u64)>,
}

/// The end that a line came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The line is a part of an action.
    Taken,
    /// The line tells of no action.
    Aside,
    /// The line is no JSON object, or one that takes more memory or tells of more tool calls than a line may.
    Unread,
}

/// The lines of one action, as the row that [`super::event`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined<P> {
    /// Of its first line.
    pub place: P,
    pub text: Vec<u8>,
}

/// The memory that a line may take while it is looked at.
const LINE: usize = 64 << 20;

/// The memory that a held line takes beside its bytes, and an action beside its lines, about.
const BESIDE: usize = 128;
const ACTION: usize = 512;

/// Tool calls and results that a line may tell of: each takes more memory than its text.
pub(super) const PARTS: usize = 1_000;

/// The oldest actions of which one is looked for that is whole.
const OLDEST: usize = 1024;

/// Lines that are known by their names at most.
const NAMED: usize = 1 << 18;

/// Puts the lines of actions together. `P` is where a line stands.
#[derive(Debug)]
pub struct Joiner<P> {
    client: Client,
    codex: codex::Session,
    /// Bytes that are held at most, about.
    room: usize,
    held: usize,
    groups: BTreeMap<u64, Group<P>>,
    known: HashMap<(Of, String), u64>,
    next: u64,
    /// Parts of an answer that has not ended.
    answer: Vec<(Arc<[u8]>, P, bool)>,
    after: After,
    /// When the lines were written that answers may follow, by their names.
    times: HashMap<u64, u64>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Group<P> {
    place: P,
    of: Of,
    id: String,
    context: Option<Arc<str>>,
    lines: Vec<Arc<[u8]>>,
    /// Of lines that are there already: some come twice.
    seen: HashSet<u64>,
    asked: bool,
    by: Option<String>,
    answered: bool,
    after: Vec<After>,
}

impl<P: Copy> Joiner<P> {
    #[must_use]
    pub fn new(client: Client, room: usize) -> Self {
        Self {
            client,
            codex: codex::Session::default(),
            room,
            held: 0,
            groups: BTreeMap::new(),
            known: HashMap::new(),
            next: 0,
            answer: Vec::new(),
            after: After::Unknown,
            times: HashMap::new(),
            hasher: RandomState::new(),
        }
    }

    /// Takes the next line.
    pub fn push(&mut self, line: &[u8], place: P) -> Line {
        let Ok(text) = std::str::from_utf8(line) else { return Line::Unread };
        let read = charge::within(LINE, || {
            let value = parse(text).ok()?;
            match self.client {
                Client::ClaudeCode => claude_code::read(&value),
                Client::Codex => self.codex.read(&value),
            }
        });
        let Ok(Some(Read { parts, answer, after, named })) = read else { return Line::Unread };
        if parts.len() > PARTS {
            return Line::Unread;
        }
        if let Some((name, time)) = named {
            if self.times.len() >= NAMED {
                self.times.clear();
            }
            self.times.insert(name, time);
        }
        if parts.is_empty() && answer == Answer::None {
            return Line::Aside;
        }
        let line: Arc<[u8]> = line.trim_ascii().into();
        let mut taken = false;
        for part in parts {
            taken |= self.put(part, &line, place, &after);
        }
        match answer {
            Answer::None => {}
            Answer::Item => {
                self.held += if taken { 0 } else { line.len() + BESIDE };
                if self.answer.is_empty() {
                    self.after = after;
                }
                self.answer.push((line, place, taken));
                taken = true;
            }
            Answer::End(id) => {
                let after = std::mem::take(&mut self.after);
                for (item, place, _) in std::mem::take(&mut self.answer) {
                    self.put(Part { of: Of::Model, id: id.clone(), role: Role::Tells }, &item, place, &after);
                }
                taken |= self.put(Part { of: Of::Model, id, role: Role::Tells }, &line, place, &after);
            }
        }
        if taken { Line::Taken } else { Line::Aside }
    }

    /// Tells whether the line became a part of an action.
    fn put(&mut self, part: Part, line: &Arc<[u8]>, place: P, after: &After) -> bool {
        let Part { of, id, role } = part;
        let key = (of, id);
        let mut at = self.known.get(&key).copied();
        if let (Role::Asks(by), Some(group)) = (&role, at.and_then(|at| self.groups.get(&at)))
            && group.asked
            && group.by != *by
        {
            // Another call with an id that was used before.
            at = None;
        }
        if at.is_none() && role == Role::Adds {
            return false;
        }
        let at = at.unwrap_or_else(|| {
            self.next += 1;
            let context = self.codex.context();
            let group = Group {
                place,
                of,
                id: key.1.clone(),
                context,
                lines: Vec::new(),
                seen: HashSet::new(),
                asked: false,
                by: None,
                answered: false,
                after: Vec::new(),
            };
            self.held += ACTION + 2 * key.1.len();
            self.groups.insert(self.next, group);
            self.known.insert(key, self.next);
            self.next
        });
        let Some(group) = self.groups.get_mut(&at) else { return false };
        match role {
            Role::Tells | Role::Adds => {}
            Role::Asks(by) => (group.asked, group.by) = (true, by),
            Role::Answers => group.answered = true,
        }
        if group.seen.insert(self.hasher.hash_one(line)) {
            // In several actions it is held once.
            if Arc::strong_count(line) == 1 {
                self.held += line.len();
            }
            self.held += BESIDE;
            group.lines.push(Arc::clone(line));
            if of == Of::Model && *after != After::Unknown {
                group.after.push(after.clone());
            }
        }
        true
    }

    /// The next action that need not wait for more of its lines; `ended`: no line will come.
    pub fn due(&mut self, ended: bool) -> Option<Joined<P>> {
        if !ended && self.held <= self.room {
            return None;
        }
        let whole = |group: &Group<P>| group.of != Of::Tool || group.asked && group.answered;
        let oldest = self.groups.iter().take(OLDEST);
        let found = if ended { None } else { oldest.clone().find(|(_, group)| whole(group)) };
        let at = *found.or_else(|| self.groups.iter().next())?.0;
        let group = self.groups.remove(&at)?;
        let key = (group.of, group.id.clone());
        if self.known.get(&key) == Some(&at) {
            self.known.remove(&key);
        }
        let joined = Joined { place: group.place, text: self.text(&group) };
        self.held -= self.held.min(ACTION + 2 * group.id.len());
        for line in group.lines {
            self.held -= self.held.min(BESIDE);
            if Arc::strong_count(&line) == 1 {
                self.held -= self.held.min(line.len());
            }
        }
        Some(joined)
    }

    /// Lines of an answer of which the transcript does not have the end, and that are of no other action: they tell of none.
    pub fn left(&mut self) -> u64 {
        std::mem::take(&mut self.answer).iter().filter(|(.., taken)| !taken).count() as u64
    }

    /// Tells whether the joiner holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.known.is_empty() && self.answer.is_empty()
    }

    fn text(&self, group: &Group<P>) -> Vec<u8> {
        let size: usize = group.lines.iter().map(|line| line.len() + 1).sum();
        let mut text = Vec::with_capacity(size + group.id.len() + 256);
        text.extend_from_slice(b"{\"of\":\"");
        text.extend_from_slice(group.of.name().as_bytes());
        text.extend_from_slice(b"\",\"id\":");
        write_str(&group.id, &mut text);
        // What was said of the session later holds for what came before.
        if let Some(context) = group.context.clone().or_else(|| self.codex.context()) {
            text.extend_from_slice(b",\"context\":");
            text.extend_from_slice(context.as_bytes());
        }
        let known = group.after.iter().filter_map(|after| match after {
            After::Unknown => None,
            After::Line(name) => self.times.get(name).copied(),
            After::Time(time) => Some(*time),
        });
        if let Some(asked) = known.min() {
            text.extend_from_slice(b",\"asked\":");
            text.extend_from_slice(asked.to_string().as_bytes());
        }
        text.extend_from_slice(b",\"lines\":[");
        for (at, line) in group.lines.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            text.extend_from_slice(line);
        }
        text.extend_from_slice(b"]}");
        text
    }
}
