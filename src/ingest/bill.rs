//! Paying for what a request grows to while it is decoded.

use crate::net::status::Fault;
use crate::pipeline::intake::Permit;

/// The room that a growing set of drafts is paid for in.
const STEP: usize = 64 << 10;

/// What is held beside a request's body, paid for in steps.
#[derive(Debug)]
pub(crate) struct Bill {
    body: usize,
    held: usize,
    paid: usize,
}

impl Bill {
    pub(crate) fn new(body: usize) -> Self {
        Self { body, held: 0, paid: body }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.held = self.held.saturating_add(bytes);
    }

    /// What is held no longer stays paid until the next larger sum, or the end of the body.
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// What somebody else pays for from now on: how much of what was paid goes with it.
    pub(crate) fn take_out(&mut self, bytes: usize) -> usize {
        self.held = self.held.saturating_sub(bytes);
        let gone = bytes.min(self.paid);
        self.paid -= gone;
        gone
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn pay(&mut self, permit: &mut Permit) -> Result<(), Fault> {
        let due = self.body.saturating_add(self.held);
        if due > self.paid {
            let paid = due.saturating_add(STEP);
            permit.grow_to(paid)?;
            self.paid = paid;
        }
        Ok(())
    }
}
