//! What a request makes halod hold, paid for by its permit.
//!
//! While a body is read, the readers take room for what they allocate ([`halod_record::charge`]), and the permit
//! pays for that as well. What is left afterwards are the drafts.

use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::Refusal;
use halod_record::charge::{self, Account, Exhausted};
use std::time::Duration;

/// The room that what grows is paid for in.
const STEP: usize = 64 << 10;

/// What is held beside a request's body, paid for in steps.
#[derive(Debug)]
pub(crate) struct MemoryCharge {
    body: usize,
    held: usize,
    paid: usize,
    /// The permit pays for the readers meanwhile.
    lent: bool,
}

impl MemoryCharge {
    pub(crate) fn new(body: usize) -> Self {
        Self { body, held: 0, paid: body, lent: false }
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Pays for `bytes` more that are held until the request is sealed.
    pub(crate) fn add(&mut self, bytes: usize, permit: &mut Permit) -> Result<(), Fault> {
        self.held = self.held.saturating_add(bytes);
        if self.lent {
            return Ok(charge::keep(bytes)?);
        }
        let due = self.body.saturating_add(self.held);
        if due > self.paid {
            self.paid = due.saturating_add(STEP);
            permit.grow_to(self.paid)?;
        }
        Ok(())
    }

    /// Lends the permit to whoever reads, until [`Self::settle`].
    pub(super) fn lend(&mut self, permit: Permit) -> Payer {
        self.lent = true;
        Payer { permit, beside: self.body.saturating_add(self.held), paid: self.paid, refusal: None }
    }

    /// Takes the permit back. What was read is gone, but for what was added meanwhile.
    pub(super) fn settle(&mut self, payer: Payer) -> Permit {
        self.lent = false;
        self.paid = payer.paid;
        payer.permit
    }
}

/// Stands for what the permit said, until its lender is told.
impl From<Exhausted> for Fault {
    fn from(Exhausted: Exhausted) -> Self {
        Self::Refused(Refusal::Full { limit: 0, retry_after: Duration::from_secs(1) })
    }
}

/// A permit that pays for what readers take, beside what it covers already.
#[derive(Debug)]
pub(super) struct Payer {
    permit: Permit,
    beside: usize,
    paid: usize,
    refusal: Option<Refusal>,
}

impl Payer {
    /// Why the permit could not be raised.
    pub(super) fn fault(&self) -> Fault {
        self.refusal.clone().map_or_else(|| Exhausted.into(), Fault::Refused)
    }
}

impl Account for Payer {
    fn raise_to(&mut self, total: usize) -> Option<usize> {
        let due = self.beside.saturating_add(total);
        if due > self.paid {
            let wanted = due.saturating_add(STEP);
            if let Err(refusal) = self.permit.grow_to(wanted) {
                self.refusal = Some(refusal);
                return None;
            }
            self.paid = wanted;
        }
        Some(self.paid - self.beside)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pipeline::intake::Intake;
    use std::sync::mpsc;

    #[test]
    fn readers_and_drafts_are_paid_for_by_one_permit() {
        let intake = Intake::with_writer(mpsc::channel().0, 1 << 20);
        let mut memory = MemoryCharge::new(1000);
        let mut own = intake.owed();
        let payer = memory.lend(intake.admit(1000).unwrap());
        let (payer, done) = charge::charged(payer, || {
            let _reading = charge::passing();
            charge::take(500_000).unwrap();
            memory.add(2000, &mut own)
        });
        assert_eq!(done, Ok(Ok(())));
        let mut permit = memory.settle(payer);
        assert_eq!((memory.held(), intake.in_flight()), (2000, 503_000 + STEP));
        memory.add(300_000, &mut permit).unwrap();
        assert_eq!(intake.in_flight(), 503_000 + STEP, "what the readers had is used again");
        permit.shrink_to(memory.held());
        assert_eq!(intake.in_flight(), 302_000);
    }

    #[test]
    fn what_could_never_be_in_flight_is_told_from_what_cannot_now() {
        let intake = Intake::with_writer(mpsc::channel().0, 1 << 20);
        let refused = |other: usize, taken: usize| {
            let other = intake.admit(other).unwrap();
            let payer = MemoryCharge::new(0).lend(intake.owed());
            let (payer, done) = charge::charged(payer, || charge::take(taken));
            drop(other);
            assert_eq!(done, Err(Exhausted));
            payer.fault()
        };
        assert!(matches!(refused(0, 2 << 20), Fault::Refused(Refusal::TooLarge { .. })));
        assert!(matches!(refused(900 << 10, 500 << 10), Fault::Refused(Refusal::Full { .. })));
        assert_eq!(intake.in_flight(), 0);
    }
}
