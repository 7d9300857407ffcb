//! The log of a directory, on disk: epoch by epoch it signs one checkpoint over the chains of all tenants.
//!
//! ```text
//! chain file ─records─▶ tree of its hashes ─▶ State ┐
//! chain file ─records─▶ tree of its hashes ─▶ State ┤─▶ map of all slots ─▶ epoch entry ─▶ checkpoint, signed
//!                                    book: a State a slot
//! ```
//!
//! The formats that are signed: the crate `halod-evidence` and `docs/checkpoints.md`. The files here are this
//! directory's own (below `.halod/log` and `.halod/tree`): nobody else reads them, and a bundle or a proof is made from them.
//!
//! Invariants: nothing is signed that was not read back from disk, hashed and synced; what an epoch signs is on disk before it is
//! signed; one size of the log has one root, over kill -9 and a full disk. Chains are only read.

pub mod book;
mod chains;
pub mod entries;
pub mod error;
pub mod follow;
pub mod key;
pub mod log;
pub mod notes;
pub mod reader;
mod records;
pub mod stamps;
mod survey;
mod thin;
pub mod tree;

pub use chains::{Alarm, Taken};
pub use error::TlogError;

use halod_chain::disk::{Disk, replace_on};
use std::path::Path;

/// Replaces a small file so that a crash leaves the old or the new one, whole. The new one is on disk when this returns.
fn put(path: &Path, bytes: &[u8], disk: &dyn Disk) -> Result<(), TlogError> {
    replace_on(disk, path, bytes).map_err(TlogError::io("write", path))
}
