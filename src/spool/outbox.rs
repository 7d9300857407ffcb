//! For those who capture: sends drafts to the daemon of a directory, or keeps them until it is there.

use super::place::{Place, SpoolError};
use super::post::{Answer, post};
use halod_record::draft::Draft;
use std::path::Path;
use std::time::Duration;

/// How long the daemon has for its answer. An agent waits meanwhile, and what is kept is sealed a moment later.
const PATIENCE: Duration = Duration::from_millis(300);

/// What became of drafts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// They are sealed and on disk.
    Sealed,
    /// They are on disk, and sealed when the daemon gets to them.
    Kept,
}

/// The way to the daemon of a directory. It is this user's, or there is none.
#[derive(Debug)]
pub struct Outbox {
    place: Place,
}

impl Outbox {
    /// # Errors
    /// No daemon has run there, or the directory's `.halod` is not this user's alone.
    pub fn open(directory: &Path) -> Result<Self, SpoolError> {
        Ok(Self { place: Place::open(directory)? })
    }

    /// Sends drafts, each with the time when it was made (Unix nanoseconds), or keeps them. Blocks for a third of a
    /// second where the daemon does not answer.
    ///
    /// # Errors
    /// They are neither sealed nor kept.
    pub fn send(&self, drafts: &[(u64, Draft)]) -> Result<Sent, SpoolError> {
        let mut lines = Vec::new();
        for (made, draft) in drafts {
            draft.keep(*made, &mut lines);
        }
        match post(&self.place.ours().join("halod.sock"), &lines, PATIENCE) {
            Answer::Sealed => Ok(Sent::Sealed),
            Answer::Refused(why) => Err(SpoolError::Refused(why)),
            Answer::None => self.place.append(&lines).map(|()| Sent::Kept),
        }
    }
}
