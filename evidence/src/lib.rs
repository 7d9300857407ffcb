//! The formats in which halod signs its chains, and their checks. The crate is pure: bytes go in, and bytes come out.
//!
//! ```text
//! record k ─hash─▶ leaf k-1 of its chain's tree ──root─▶ state of the tenant ─blind─▶ its one slot in the map ──root─▶ epoch entry
//!                                                                                     leaf of the log ──root─▶ checkpoint, signed
//! ```
//!
//! The formats, with the source of each rule: `docs/checkpoints.md`. What is signed is for ever, so `golden/` holds bytes that
//! never change.

pub mod contradiction;
pub mod cosignature;
pub mod cosigning;
pub mod entry;
pub mod map;
pub mod note;
pub mod policy;
pub mod proof;
pub mod state;
pub mod tree;
pub mod witness;

/// A SHA-256.
pub type Hash = [u8; 32];
