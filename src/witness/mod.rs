//! Witnesses: parties outside of the operator's reach that remember what a log or a chain was, and say so.
//!
//! ```text
//! a log's daemon ─ client ─▶ POST /add-checkpoint ─▶ server ─▶ logs: one state a log, on disk before the answer
//! a vendor       ──────────▶ POST /anchor         ─▶   │    ─▶ anchors: one file that only grows
//! a daemon's outbox ─ client ─▶ the same, of every chain that grew
//! a reader       ──────────▶ GET  /v1/checkpoints ─▶   └─ contradictions: kept, and served
//! ```
//!
//! What is said on these ways, and which rule each step follows: `docs/witness.md`. The formats and the client's decisions are
//! in the crate `halod-evidence`, which sends nothing.

pub mod anchor;
mod anchored;
mod anchors;
pub mod client;
pub mod completeness;
mod contradictions;
pub mod cosigner;
mod ends;
mod keys;
mod logs;
pub mod outbox;
pub mod pages;
pub mod posted;
pub mod server;
pub mod stamped;

pub use self::keys::{KeyError, Keys};
