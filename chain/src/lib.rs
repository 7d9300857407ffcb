//! Chains on disk: one JSONL file per tenant, and the commit that extends them.
//!
//! ```text
//! drafts ─▶ store::commit: per chain lock, notice foreign lines, drop what is sealed, seal
//!              ├─ journal: all chains' new bytes in one preallocated file, one write, ONE sync
//!              └─ files:   the same bytes appended to each chain (page cache), unlock
//! ```
//!
//! A commit's cost does not grow with the number of chains it touches, because only the journal is
//! synced before it is answered; chain files are synced when a journal segment is about to be used
//! again, and completed from the journal after a crash.
//!
//! Invariants: only [`store::Store`] writes below the data directory; a failed write or sync is
//! final (the caller stops and a restart recovers); chain files only ever grow. Deliberately
//! absent: rotation, repair, caching of content.

mod census;
pub mod checkpoint;
pub mod commit;
pub mod directory;
pub mod disk;
pub mod error;
pub mod index;
pub mod inventory;
mod joins;
pub mod journal;
mod names;
mod parents;
mod place;
pub mod placed;
pub mod rate;
pub mod reader;
mod replay;
pub mod scan;
mod sealed;
mod segment;
pub mod setaside;
pub mod store;
mod tail;
pub mod traces;

#[cfg(test)]
mod tests;
