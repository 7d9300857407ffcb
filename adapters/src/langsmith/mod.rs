//! LangSmith: runs, told by a post and a patch or whole, and feedback on them.
//!
//! ```text
//! post, patch of a run ─ fragment ─▶ Fragment ─┐ laid over each other when it ends
//! run of an export     ─ run ──────────────────┴▶ Event
//! feedback             ─ feedback ──────────────▶ Event, a child of the run that it judges
//! ```
//!
//! What the SDKs send is in their source (`langsmith` for Python 0.15, for JavaScript 0.12). Of
//! `extra.metadata` only the names that are listed here are read: the SDKs put settings of the
//! environment there, which are nobody's action and may be secrets. `extra.runtime` is not read at all.

mod error;
mod feedback;
pub mod form;
pub mod multipart;
mod read;
mod run;
#[cfg(test)]
mod tests;
mod time;
mod usage;

pub use feedback::feedback;
pub use run::{Op, decoded, fragment, run};

use crate::MAPPING;
use halod_record::event::Source;

/// Ids of LangSmith's.
pub const SPACE: &str = "langsmith";

/// Of what comes live.
const LIVE: Source = source("runs");

/// Of what an export says. It names the project by an id only, and the server has added to it; being
/// another form of it, it is compared by times and status only with what came live.
const EXPORT: Source = source("export");

const fn source(dialect: &'static str) -> Source {
    Source { adapter: "langsmith", via: "LangSmith runs", dialect, mapping: MAPPING }
}
