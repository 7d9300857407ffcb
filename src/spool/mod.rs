//! Captured records between the process that made them and the daemon of a directory.
//!
//! ```text
//! hook, proxy ─ drafts, masked by the daemon's rules ─▶ Outbox ─ POST on .halod/halod.sock ─▶ door ─▶ taker: sealed
//!                                                          │ nobody answers in time                  ▲
//!                                                          └─▶ .halod/spool/spool.jsonl ─▶ drain ────┘
//! ```
//!
//! A line of the spool is a draft as [`halod_record::draft::kept`] writes it: masked, whole by its own hash, under the id
//! that its record will have. So what was sent and kept as well is sealed once, and what was cut short is told from the
//! rest. Nothing here needs a runtime but the daemon's side.

pub mod drain;
pub mod outbox;
pub mod place;
mod post;
pub mod taker;

/// Where drafts are posted. The number is that of their form: another halod's may differ.
pub const PATH: &str = "/spool/1";

/// The daemon's rules of redaction, below the directory.
pub const RULES: &str = ".halod/spool/rules.yaml";

/// The environment variable with the directory of the daemon.
pub const DIRECTORY: &str = "HALOD_DIR";

/// The daemon's own default.
pub const DEFAULT_DIRECTORY: &str = "records";
