//! The one reader of log lines: for logs that are followed, for logs that are imported, and for the check
//! that shows what either would do.
//!
//! ```text
//! bytes ─ unpack: undo gzip, zstd, bzip2 ─▶ split: lines, each with its place, its chain and its flags ─ join: parts of one
//!       ─▶ read: by the log's manner ─▶ an event and its tenant, no agent's request, no request, or why not
//! ```
//!
//! A line's identity is the path of its log ([`names`]), its chain and its offset ([`split`]). What becomes of it
//! depends on nothing else but the log's [`manner`] and on the format that the lines before it have told. So
//! a log comes to the same records in whatever way it is read, and the second way finds them sealed.

pub mod format;
mod join;
pub mod manner;
pub mod names;
pub mod read;
pub mod split;
pub mod unpack;
pub mod wide;
mod zstd;
