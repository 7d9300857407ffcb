//! Witnesses: parties outside of the operator's reach that remember what a log or a chain was, and say so.
//!
//! ```text
//! a log's daemon ─ client ─▶ POST /add-checkpoint ─▶ server ─▶ logs: one state a log, on disk before the answer
//! a vendor       ──────────▶ POST /anchor         ─▶   │    ─▶ anchors: one file that only grows
//! a reader       ──────────▶ GET  /v1/checkpoints ─▶   └─ contradictions: kept, and served
//! ```
//!
//! What is said on these ways, and which rule each step follows: `docs/witness.md`. The formats and the client's decisions are
//! in the crate `halod-evidence`, which sends nothing.

pub mod anchor;
mod anchors;
pub mod client;
mod contradictions;
pub mod cosigner;
mod keys;
mod logs;
pub mod pages;
pub mod server;

pub use self::keys::{KeyError, Keys};
