//! What is done with a content, and why.

use super::probe::Probe;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Why the rest of a content has to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// The file became shorter than what was read of it.
    Truncated,
    /// Other bytes stand where read ones stood.
    Rewritten,
    /// No file of that inode is there any more, and it was not open.
    Gone,
    /// The same, found at a start.
    GoneWhileDown,
}

/// What is done with a content now.
#[derive(Debug)]
pub(super) enum Life {
    /// Its beginning is compared with what is known.
    Probing(Box<Probe>),
    Followed,
    /// Not in its file any more; since when, and how many looks ago.
    Sought {
        why: Why,
        since: Instant,
        looks: u32,
    },
    /// Read to its end.
    Finished(Before),
}

/// What a finished content was. Until the last of it is sealed, and what is said of it, it is that still:
/// after a kill there is no other chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Followed,
    Sought(Why),
}

/// What a turn of reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing new.
    Idle,
    /// Bytes were read; there may be more.
    Read,
    /// The content is not in this file any more.
    Replaced(Why),
    /// A packed file was read to its end.
    End,
}
