//! The dialects, and the index over all of their names.
//!
//! To add one: a file with its table here, its line in `DIALECTS`, its marker's in `MARKERS`, and a
//! golden file. Sources of the names: semantic-conventions-genai and semantic-conventions 1.26 to
//! 1.36, each project's own constants, and the captures in `golden/otel`.

mod agents;
pub(super) mod claude_code;
mod codex;
pub(super) mod frameworks;
mod gen_ai;
mod genkit;
mod haystack;
mod laminar;
mod langfuse;
mod langsmith;
pub(super) mod langwatch;
mod legacy;
mod livekit;
mod llamaindex;
mod logfire;
mod mcp;
mod mlflow;
mod openinference;
mod spring_ai;
mod traceloop;
mod vercel;

use super::read::Found;
use super::table::{Adjust, Family, Field, Kind, Marker, Row, Table, matches};
use crate::otlp::model::Span;

/// Where several names say the same thing, the first in the order of tables and rows wins. First are the
/// dialects whose senders document that their own names have precedence over what an instrumentation
/// within wrote. After the conventions come those that describe a span fully, then those that only add to it.
pub(super) const DIALECTS: &[&Table] = &[
    &langfuse::TABLE,
    &langwatch::TABLE,
    &gen_ai::TABLE,
    &legacy::TABLE,
    &mcp::TABLE,
    &openinference::TABLE,
    &vercel::TABLE,
    &mlflow::TABLE,
    &langsmith::TABLE,
    &traceloop::TABLE,
    &frameworks::GOOGLE_ADK,
    &frameworks::STRANDS,
    &frameworks::AUTOGEN,
    &frameworks::MS_AGENT_FRAMEWORK,
    &frameworks::CREWAI,
    &frameworks::OPENAI_AGENTS,
    &haystack::TABLE,
    &genkit::TABLE,
    &laminar::TABLE,
    &livekit::TABLE,
    &spring_ai::TABLE,
    &frameworks::LITELLM,
    &logfire::TABLE,
    &claude_code::TABLE,
    &llamaindex::TABLE,
    &agents::BEEAI,
    &agents::AG2,
    &agents::MASTRA,
    &agents::GEMINI_CLI,
    &codex::TABLE,
];

/// So many dialects have precedence over the conventions, which come next: any other dialect that a span
/// is told in is named before those.
pub(super) const OUTRIGHT: usize = 2;
const CONVENTIONS: usize = 3;

/// The bits of the conventions.
pub(super) const CONVENTIONAL: u32 = ((1 << CONVENTIONS) - 1) << OUTRIGHT;

/// The bit of the conventions that are left behind.
pub(super) const LEGACY: u32 = 1 << (OUTRIGHT + 1);

/// The bit of a dialect.
pub(super) fn bit(name: &str) -> u32 {
    DIALECTS.iter().position(|table| table.name == name).map_or(0, |at| 1 << at)
}

/// Whether a dialect is one of the conventions.
pub(super) fn is_convention(name: &str) -> bool {
    DIALECTS.iter().skip(OUTRIGHT).take(CONVENTIONS).any(|table| table.name == name)
}

/// In the order in which they are asked: what the sender states outright, then the conventions,
/// then what is only the framework's.
pub(super) const MARKERS: &[(&Marker, &Table)] = &[
    (&logfire::MARKER, &logfire::TABLE),
    (&langfuse::MARKER, &langfuse::TABLE),
    (&langwatch::MARKER, &langwatch::TABLE),
    (&langsmith::MARKER, &langsmith::TABLE),
    (&openinference::MARKER, &openinference::TABLE),
    (&mcp::MARKER, &mcp::TABLE),
    (&gen_ai::MARKER, &gen_ai::TABLE),
    (&gen_ai::EVALUATION, &gen_ai::TABLE),
    (&vercel::MARKER, &vercel::TABLE),
    (&traceloop::MARKER, &traceloop::TABLE),
    (&mlflow::MARKER, &mlflow::TABLE),
    (&agents::MASTRA_MARKER, &agents::MASTRA),
    (&agents::AG2_MARKER, &agents::AG2),
    (&haystack::MARKER, &haystack::TABLE),
    (&genkit::MARKER, &genkit::TABLE),
    (&laminar::MARKER, &laminar::TABLE),
    (&spring_ai::MARKER, &spring_ai::TABLE),
    (&legacy::MARKER, &legacy::TABLE),
    (&claude_code::MARKER, &claude_code::TABLE),
];

/// One row among those of all dialects; the lower its place the more its word counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) field: Field,
    pub(super) place: u16,
    /// The bit of its dialect where it tells of one, else 0.
    pub(super) tells: u32,
    pub(super) encoded: bool,
    /// It is of a dialect that has precedence over the conventions.
    pub(super) outright: bool,
    /// It is of a dialect that is read, or of `gen_ai.*` at large.
    pub(super) known: bool,
}

const ROWS: usize = {
    let (mut total, mut at) = (0, 0);
    while at < DIALECTS.len() {
        total += DIALECTS[at].rows.len();
        at += 1;
    }
    total
};

static ENTRIES: [Entry; ROWS] = {
    const NONE: Entry = Entry {
        key: "",
        field: Field::Operation,
        place: 0,
        tells: 0,
        encoded: false,
        outright: false,
        known: false,
    };
    let mut entries = [NONE; ROWS];
    let (mut dialect, mut place) = (0, 0);
    while dialect < DIALECTS.len() {
        let rows = DIALECTS[dialect].rows;
        let mut at = 0;
        while at < rows.len() {
            let Row { key, field, tells, encoded } = rows[at];
            let bit = if tells { 1 << dialect } else { 0 };
            let known = tells || is_gen_ai(key.as_bytes());
            let outright = dialect < OUTRIGHT;
            entries[place] = Entry { key, field, place: place as u16, tells: bit, encoded, outright, known };
            place += 1;
            at += 1;
        }
        dialect += 1;
    }
    entries
};

const fn is_gen_ai(key: &[u8]) -> bool {
    matches!(key, [b'g', b'e', b'n', b'_', b'a', b'i', b'.', ..])
}

/// The row of an attribute's name, in constant time: every attribute of every span is asked for.
pub(super) fn find(key: &str) -> Option<&'static Entry> {
    let mut slot = hash(key.as_bytes());
    while let Some(place) = INDEX[slot].checked_sub(1) {
        let entry = ENTRIES.get(usize::from(place))?;
        if entry.key == key {
            return Some(entry);
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

/// The row at a place.
pub(super) fn at(place: u16) -> Option<&'static Entry> {
    ENTRIES.get(usize::from(place))
}

/// A power of two.
const SLOTS: usize = 2048;
/// Open addressing with linear probing, filled at compile time: a row's place plus one, or 0.
static INDEX: [u16; SLOTS] = {
    assert!(ROWS * 3 < SLOTS, "a fuller table probes long");
    let mut index = [0; SLOTS];
    let mut at = 0;
    while at < ROWS {
        let mut slot = hash(ENTRIES[at].key.as_bytes());
        while index[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = at as u16 + 1;
        at += 1;
    }
    index
};

/// Mixes the length with eight bytes from the middle and the last eight: names differ there.
const fn hash(key: &[u8]) -> usize {
    let len = key.len();
    let (_, tail) = key.split_at(len / 2);
    let (_, middle) = key.split_at(len / 4);
    let (middle, tail) = match (middle.first_chunk::<8>(), tail.last_chunk::<8>()) {
        (Some(middle), Some(tail)) => (u64::from_le_bytes(*middle), u64::from_le_bytes(*tail)),
        _ => (short(key), 0),
    };
    let mixed = (middle ^ (len as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ tail).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed >> 32) as usize % SLOTS
}

/// The last bytes of a name that is too short for more.
const fn short(key: &[u8]) -> u64 {
    let (mut value, mut at) = (0, 0);
    while at < key.len() {
        value = value << 8 | key[at] as u64;
        at += 1;
    }
    value
}

/// Those of the dialects whose tables have the last word, with the bit of each.
pub(super) static ADJUSTED: [(u32, Adjust); ADJUSTED_COUNT] = {
    const fn keep(kind: Kind, _: &Found<'_>, _: &Span<'_>) -> Kind {
        kind
    }
    let mut adjusted: [(u32, Adjust); ADJUSTED_COUNT] = [(0, keep); ADJUSTED_COUNT];
    let (mut dialect, mut place) = (0, 0);
    while dialect < DIALECTS.len() {
        if let Some(adjust) = DIALECTS[dialect].adjust {
            adjusted[place] = (1 << dialect, adjust);
            place += 1;
        }
        dialect += 1;
    }
    adjusted
};

const ADJUSTED_COUNT: usize = {
    let (mut total, mut at) = (0, 0);
    while at < DIALECTS.len() {
        total += DIALECTS[at].adjust.is_some() as usize;
        at += 1;
    }
    total
};

/// The bits of the dialects in `ADJUSTED`.
pub(super) const ADJUSTED_BITS: u32 = {
    let (mut bits, mut at) = (0, 0);
    while at < DIALECTS.len() {
        bits |= (DIALECTS[at].adjust.is_some() as u32) << at;
        at += 1;
    }
    bits
};

/// The bit of the dialect of a framework whose name stands where that of the provider belongs.
pub(super) fn framework(provider: &str) -> Option<u32> {
    FRAMEWORKS.iter().find(|(name, _)| *name == provider).map(|(_, bit)| *bit)
}

static FRAMEWORKS: [(&str, u32); FRAMEWORK_COUNT] = {
    let mut frameworks = [("", 0); FRAMEWORK_COUNT];
    let (mut dialect, mut place) = (0, 0);
    while dialect < DIALECTS.len() {
        let names = DIALECTS[dialect].frameworks;
        let mut at = 0;
        while at < names.len() {
            frameworks[place] = (names[at], 1 << dialect);
            place += 1;
            at += 1;
        }
        dialect += 1;
    }
    frameworks
};

const FRAMEWORK_COUNT: usize = {
    let (mut total, mut at) = (0, 0);
    while at < DIALECTS.len() {
        total += DIALECTS[at].frameworks.len();
        at += 1;
    }
    total
};

/// The bits of the dialects that a scope writes.
pub(super) fn scope(name: &str) -> u32 {
    let Some(first) = name.as_bytes().first() else { return 0 };
    // Every span is asked for: most scopes are told from these by their first letter.
    let like = |pattern: &str| pattern.as_bytes().first() == Some(first) && matches(pattern, name);
    SCOPES.iter().filter(|(pattern, _)| like(pattern)).fold(0, |bits, (_, bit)| bits | bit)
}

static SCOPES: [(&str, u32); SCOPE_COUNT] = {
    let mut scopes = [("", 0); SCOPE_COUNT];
    let (mut dialect, mut place) = (0, 0);
    while dialect < DIALECTS.len() {
        let names = DIALECTS[dialect].scopes;
        let mut at = 0;
        while at < names.len() {
            scopes[place] = (names[at], 1 << dialect);
            place += 1;
            at += 1;
        }
        dialect += 1;
    }
    scopes
};

const SCOPE_COUNT: usize = {
    let (mut total, mut at) = (0, 0);
    while at < DIALECTS.len() {
        total += DIALECTS[at].scopes.len();
        at += 1;
    }
    total
};

const FAMILY_COUNT: usize = {
    let (mut total, mut at) = (0, 0);
    while at < DIALECTS.len() {
        total += DIALECTS[at].families.len();
        at += 1;
    }
    total
};

/// Every family, the bit of its dialect, and the first eight bytes of its prefix.
static FAMILIES: [(&Family, u32, u64); FAMILY_COUNT] = {
    const NONE: Family = Family { prefix: "", item: "", skip: "", side: super::table::Side::Input };
    let mut families = [(&NONE, 0, 0); FAMILY_COUNT];
    let (mut dialect, mut place) = (0, 0);
    while dialect < DIALECTS.len() {
        let own = DIALECTS[dialect].families;
        let mut at = 0;
        while at < own.len() {
            families[place] = (&own[at], 1 << dialect, head(own[at].prefix.as_bytes()));
            place += 1;
            at += 1;
        }
        dialect += 1;
    }
    families
};

static HEADS: [u64; FAMILY_COUNT] = {
    let mut heads = [0; FAMILY_COUNT];
    let mut at = 0;
    while at < FAMILY_COUNT {
        heads[at] = FAMILIES[at].2;
        at += 1;
    }
    heads
};

const fn head(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

/// The family that an attribute belongs to, its place among them all, the bit of its dialect, and
/// the rest of the name.
pub(super) fn family(key: &str) -> Option<(&'static Family, u8, u32, &str)> {
    let head = head(key.as_bytes());
    if !HEADS.contains(&head) {
        return None;
    }
    FAMILIES.iter().enumerate().find_map(|(place, (family, bit, _))| {
        Some((*family, place as u8, *bit, key.strip_prefix(family.prefix)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_row_and_no_other() {
        for entry in &ENTRIES {
            assert_eq!(find(entry.key).map(|found| found.place), Some(entry.place), "{} twice", entry.key);
            assert!(find(&format!("{}x", entry.key)).is_none());
        }
        for key in ["", "a", "gen_ai", "gen_ai.prompt.0.role", "http.route"] {
            assert!(find(key).is_none(), "{key}");
        }
    }

    #[test]
    fn probes_are_short() {
        let longest = INDEX.split(|slot| *slot == 0).map(<[_]>::len).max();
        assert!(longest <= Some(8), "{longest:?}");
    }

    #[test]
    fn families_are_found_by_their_prefix() {
        for (family, ..) in &FAMILIES {
            assert!(family.prefix.len() >= 8 && family.prefix.ends_with('.'), "{}", family.prefix);
            let key = format!("{}0.{}role", family.prefix, family.item);
            let found = super::family(&key).map(|(found, _, _, rest)| (found.prefix, rest.to_owned()));
            assert_eq!(found, Some((family.prefix, format!("0.{}role", family.item))));
        }
        for key in ["", "gen_ai.p", "gen_ai.request.top_p", "llm.input_message.0.role"] {
            assert!(super::family(key).is_none(), "{key}");
        }
    }

    #[test]
    fn markers_are_read_from_their_own_dialect() {
        for (marker, table) in MARKERS {
            assert!(table.rows.iter().any(|row| row.field == marker.field), "{}", table.name);
        }
    }
}
