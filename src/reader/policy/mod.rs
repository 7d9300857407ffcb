//! `halod policy`: a chain held against rules, in the reference's language and with its verdicts (halo-record 0.2.46).
//!
//! ```text
//! policy file ─ rule: what rules may say ─▶ rules ─ matcher ─▶ verdict over the records of a chain, one after another
//! ```

mod matcher;
mod rule;
mod verdict;

pub use rule::{Policy, PolicyError};
pub use verdict::{Verdict, judge};

/// Packs of halod's own, by name.
pub const PACKS: [(&str, &str); 2] = [
    ("halod-baseline", include_str!("packs/halod-baseline.json")),
    ("halod-strict", include_str!("packs/halod-strict.json")),
];
