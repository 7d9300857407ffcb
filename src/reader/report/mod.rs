//! `halod report`: a page that a reviewer's browser verifies a chain with.
//!
//! ```text
//! chain, .halod/log ─▶ given ─┬▶ file: the page, and behind it what is given and the records
//! web/ ─▶ page ───────────────┴▶ folder: the page beside the chain and its evidence
//! ```
//!
//! The page is the same in each dress, byte for byte, and takes nothing from halod's word that it can compute.

mod choice;
pub mod file;
pub mod given;
pub mod make;
pub mod page;
mod slots;
