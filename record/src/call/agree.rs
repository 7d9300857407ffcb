//! The table of what makes two accounts one call, strongest first.

use super::{Call, CallKey, KeyKind, Kind};

/// Why two accounts are one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Call,
    Request,
    Response,
    ToolCall,
    /// One encloses the other, with nothing of another kind between them.
    Encloses,
    /// Both are enclosed by the same thing, and one lasted while the other did.
    During,
}

/// What must hold beside the same id or place. The kind of call, and the tool or model where both name one,
/// must always be the same; and ids of a stronger kind, where both have them, must not differ.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// As metrics and `data.joined_by` spell it.
    name: &'static str,
    /// Their times must be known, and overlap or touch within [`TOUCH`].
    at_one_time: bool,
    /// Two accounts of one voice are two calls, unless one encloses the other.
    of_two_voices: bool,
}

static TABLE: [Row; 6] = [
    Row { name: "call_id", at_one_time: false, of_two_voices: false },
    Row { name: "request_id", at_one_time: false, of_two_voices: false },
    Row { name: "response_id", at_one_time: true, of_two_voices: true },
    Row { name: "tool_call_id", at_one_time: true, of_two_voices: true },
    Row { name: "encloses", at_one_time: false, of_two_voices: false },
    Row { name: "during", at_one_time: true, of_two_voices: true },
];

/// Nanoseconds that may lie between two accounts of one call: clocks differ.
const TOUCH: u64 = 1_000_000_000;

impl Reason {
    pub const ALL: [Self; 6] =
        [Self::Call, Self::Request, Self::Response, Self::ToolCall, Self::Encloses, Self::During];

    /// A reason's row stands at its number.
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// As metrics and `data.joined_by` spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// Nanoseconds by which times are imprecise: most senders write milliseconds.
const PRECISION: u64 = 5_000_000;

/// Whether two accounts that have the same id, or the place to each other, that `reason` says, tell of one
/// call. `lineage` says whether one is known to enclose the other.
#[must_use]
pub fn same_call(ours: &Call, theirs: &Call, reason: Reason, lineage: bool) -> bool {
    let row = reason.row();
    ours.kind == theirs.kind
        && same_thing(ours, theirs)
        && !differ_in_a_stronger_id(ours, theirs, reason)
        && (!row.at_one_time || at_one_time(ours, theirs))
        && (!row.of_two_voices || lineage || ours.voice != theirs.voice)
}

/// Whether an account of a call shows that `ours`, which `reason` would join to it, is of another one: one voice
/// tells each call once, or more than once only where one account encloses the other. What names no model or tool
/// is no call by itself, as the chunks of a stream are not.
#[must_use]
pub fn is_apart(ours: &Call, theirs: &Call, reason: Reason, lineage: bool) -> bool {
    !matches!(reason, Reason::Call | Reason::Request)
        && !lineage
        && ours.id != theirs.id
        && ours.voice == theirs.voice
        && ours.thing.is_some()
        && theirs.thing.is_some()
}

/// Whether two accounts without a common id, at one place, are likely one call: one of them lasted while the other
/// did, both name the same tool or model, and they do not differ in the tokens that came out. Beside each other, as
/// two spans, they must also have come off alike; a span and a log record of one session need not.
#[must_use]
pub fn one_during_the_other(ours: &Call, theirs: &Call) -> bool {
    let within = |(from, to): (u64, u64), (start, end): (u64, u64)| {
        start <= from.saturating_add(PRECISION) && to <= end.saturating_add(PRECISION)
    };
    let place = if ours.form == theirs.form {
        ours.parent.is_some() && ours.parent == theirs.parent && ours.failed == theirs.failed
    } else {
        ours.session.is_some() && ours.session == theirs.session
    };
    place
        && ours.thing.is_some()
        && theirs.thing.is_some()
        && ours.output_tokens.zip(theirs.output_tokens).is_none_or(|(ours, theirs)| ours == theirs)
        && ours.lasted.zip(theirs.lasted).is_some_and(|(a, b)| within(a, b) || within(b, a))
        && same_call(ours, theirs, Reason::During, false)
}

fn at_one_time(ours: &Call, theirs: &Call) -> bool {
    let touch = |(from, to): (u64, u64), (start, end): (u64, u64)| {
        from <= end.saturating_add(TOUCH) && start <= to.saturating_add(TOUCH)
    };
    ours.lasted.zip(theirs.lasted).is_some_and(|(a, b)| touch(a, b))
}

fn differ_in_a_stronger_id(ours: &Call, theirs: &Call, reason: Reason) -> bool {
    let of_gateway = |call: &Call| call.keys.iter().any(|key| key.kind == KeyKind::Call);
    // A gateway gives the answer of a provider, below its own span, an id of its own.
    let renamed = reason == Reason::Encloses && (of_gateway(ours) || of_gateway(theirs));
    let is_stronger =
        |other: Reason| (other as usize) < reason as usize && !(renamed && other == Reason::Response);
    ours.keys.iter().map(|key| key.kind.reason()).filter(|other| is_stronger(*other)).any(|other| {
        let of_it = |call: &'_ Call| -> Vec<CallKey> {
            call.keys.iter().copied().filter(|key| key.kind.reason() == other).collect()
        };
        let (ours, theirs) = (of_it(ours), of_it(theirs));
        let comparable = ours.iter().any(|our| theirs.iter().any(|their| their.kind == our.kind));
        comparable && !ours.iter().any(|our| theirs.contains(our))
    })
}

fn same_thing(ours: &Call, theirs: &Call) -> bool {
    match (&ours.thing, &theirs.thing) {
        (Some(a), Some(b)) => {
            let models = matches!(ours.kind, Kind::Generate | Kind::Embed);
            a == b || models && (is_version_of(a, b) || is_version_of(b, a))
        }
        _ => true,
    }
}

/// Whether a model's name is that of another with a date or a version behind it.
fn is_version_of(long: &str, short: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| {
        let dated = rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        dated || rest.starts_with(['@', ':', '[']) || matches!(rest, "-latest" | "-preview")
    })
}
