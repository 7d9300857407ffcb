//! Witnesses: parties outside of the operator's reach that remember what a log or a chain was, and say so.
//!
//! What is said on these ways, and which rule each step follows: `docs/witness.md`. The formats and the client's decisions are
//! in the crate `halod-evidence`, which sends nothing.

pub mod client;
