//! The Model Context Protocol, seen from between a client and a server: the messages of both in, actions out.
//!
//! ```text
//! message ─ outline, where it is too large to be held ─┐
//!         ─ else parsed, batches taken apart ──────────┴▶ Observer: calls that wait ─ answer ─▶ event::Event
//! ```
//!
//! An observer sees one session and changes nothing in it. `docs/mcp.md` has the table of what each message becomes. The
//! versions of the protocol are those from 2024-11-05 to 2026-07-28; of a method that is not known nothing is told.

mod answer;
mod call;
mod observer;
mod outline;
mod pending;
pub mod sse;
mod tell;
#[cfg(test)]
mod tests;

pub use call::Side;
pub use observer::{Observer, Session};
pub use outline::Outline;
pub use pending::Budget;

/// Bytes of a message that are held while it comes: of a longer one only its outline is known.
pub const MOST: usize = 4 << 20;

/// A message that was too large to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Large {
    pub outline: Outline,
    pub bytes: u64,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

/// One message, as it was sent.
#[derive(Clone, Copy, Debug)]
pub enum Message<'m> {
    Whole(&'m [u8]),
    Large(&'m Large),
}

/// A message and what is known of it beside what it says.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'m> {
    pub from: Side,
    /// The exchange that it is a part of: what comes to nothing does so together.
    pub scope: u64,
    /// When it passed, in Unix nanoseconds.
    pub at: u64,
    pub message: Message<'m>,
}
