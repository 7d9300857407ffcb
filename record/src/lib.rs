//! Halo Runtime Records: what one is, made from a neutral event, and checked.
//!
//! ```text
//! event::Event ─▶ build: hash, redact, write ─▶ draft::Draft ─ seal: previous hash, time ─▶ a line of a chain
//!                                                           verify ◀─ parse ◀──────────────┘
//! ```
//!
//! Facts about the format are those of the reference implementation `halo-record` 0.2.46, schema version
//! 0.1, of which this crate is an independent, unofficial one. All is pure but [`verify`], which reads files.

pub mod build;
pub mod call;
pub mod canon;
pub mod charge;
mod clock;
mod compare;
mod content;
mod data;
pub mod draft;
pub mod event;
pub mod field;
pub mod fold;
pub mod fragment;
pub mod hash;
pub mod hash_only;
pub mod ids;
pub mod json;
pub mod keyed;
pub mod lines;
mod members;
mod names;
pub mod native;
pub mod notice;
pub mod ordered;
pub mod own;
pub mod parse;
pub mod parts;
pub mod redact;
mod sameness;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod spelling;
mod stored;
pub mod tenant;
pub mod time;
pub mod trace;
pub mod unusable;
pub mod verdict;
pub mod verify;
pub mod vocabulary;
pub mod wildcard;
