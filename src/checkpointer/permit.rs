//! Whether the log may be signed: witnesses have a say in that.
//!
//! A log that was put back to an older copy would sign other entries at places that it signed before. Witnesses remember the
//! size that the log had, so one of them is asked before the first signature of a run; and one that knows more, or
//! something else, ends all signing until an operator decided. Sealing goes on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the first signature of a run waits for a witness: one that is gone for good does not end the log.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why nothing is signed any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    #[error(
        "the witness {witness} knows {theirs} entries of the log, and {ours} are here: the directory was put back to an older \
         copy, or another halod has the same key"
    )]
    RolledBack { witness: String, theirs: u64, ours: u64 },
    #[error(
        "the witness {witness} says that the log contradicts what it saw of it before: another halod may have the same key"
    )]
    Forked { witness: String },
}

/// Shared by who signs and by those who ask witnesses.
#[derive(Debug)]
pub struct Permit {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Until when the first signature waits for a witness, if one is still to be asked.
    waits_until: Option<Instant>,
    halt: Option<Halt>,
    /// How often something was signed.
    signed: u64,
    is_over: bool,
}

impl Permit {
    /// With witnesses, the first signature waits for one of them.
    #[must_use]
    pub fn new(has_witnesses: bool) -> Self {
        let waits_until = has_witnesses.then(|| Instant::now() + PATIENCE);
        let state = State { waits_until, halt: None, signed: 0, is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may be signed now.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let state = self.lock();
        state.halt.is_none() && state.waits_until.is_none_or(|until| Instant::now() >= until)
    }

    /// A witness knows the log as it is here.
    pub fn give(&self) {
        self.lock().waits_until = None;
    }

    /// Ends all signing. The first reason stays.
    pub fn halt(&self, why: Halt) {
        self.lock().halt.get_or_insert(why);
    }

    /// Why nothing is signed any more.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        self.lock().halt.clone()
    }

    /// Something was signed: whoever waits for that goes on.
    pub(super) fn signed(&self) {
        self.lock().signed += 1;
        self.changed.notify_all();
    }

    /// The run is over: nobody waits any longer.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Waits until something was signed that the caller has not `seen`, at most so long. Tells how often something was signed
    /// by now; `None` at the end of the run.
    pub fn wait(&self, seen: u64, at_most: Duration) -> Option<u64> {
        let state = self.lock();
        let waits = |state: &mut State| state.signed == seen && !state.is_over;
        let (state, _) =
            self.changed.wait_timeout_while(state, at_most, waits).unwrap_or_else(PoisonError::into_inner);
        (!state.is_over).then_some(state.signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_asked_first_and_may_end_it() {
        assert!(Permit::new(false).is_given());
        let permit = Permit::new(true);
        assert!(!permit.is_given());
        permit.give();
        assert!(permit.is_given());
        permit.signed();
        assert_eq!(permit.wait(0, Duration::from_secs(60)), Some(1));
        assert_eq!(permit.wait(1, Duration::ZERO), Some(1));
        let forked = Halt::Forked { witness: "w".into() };
        permit.halt(forked.clone());
        permit.halt(Halt::RolledBack { witness: "v".into(), theirs: 2, ours: 1 });
        permit.give();
        assert!(!permit.is_given());
        assert_eq!(permit.halted(), Some(forked));
        permit.end();
        assert_eq!(permit.wait(1, Duration::from_secs(60)), None);
    }
}
