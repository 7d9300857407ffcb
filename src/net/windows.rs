//! HTTP/2 windows: what senders may send before halod has looked at it, over all connections.
//!
//! A window is memory that is promised to a peer. So there is a fixed amount of large ones; who connects when all
//! are taken gets the smallest that the protocol has, which costs a round trip for each 64 KiB and nothing else.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A large window, of a connection and of each of its streams.
pub(super) const LARGE: u32 = 1 << 20;

/// Every connection's window in HTTP/2, until it is told otherwise (RFC 9113, section 6.9.2).
pub(super) const SMALL: u32 = (1 << 16) - 1;

/// The large windows, shared by all doors. Cheap to clone. By default there are none.
#[derive(Clone, Debug)]
pub struct Windows {
    large: Arc<Semaphore>,
}

/// A large window, until it is dropped.
pub(super) type Window = OwnedSemaphorePermit;

impl Default for Windows {
    fn default() -> Self {
        Self::within(0)
    }
}

impl Windows {
    /// Large windows that take an eighth of `room` bytes together.
    #[must_use]
    pub fn within(room: usize) -> Self {
        let large = room / 8 / usize::try_from(LARGE).unwrap_or(usize::MAX);
        Self { large: Arc::new(Semaphore::new(large.min(Semaphore::MAX_PERMITS))) }
    }

    /// A large window for a connection, if there is one left.
    pub(super) fn take(&self) -> Option<Window> {
        Arc::clone(&self.large).try_acquire_owned().ok()
    }
}
