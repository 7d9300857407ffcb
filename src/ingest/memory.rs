//! What a request makes halod hold, paid for by its permit.
//!
//! While a body is read, the readers take room for what they allocate ([`halod_record::charge`]), and the permit
//! pays for that as well. What is left afterwards are the drafts.

use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::{Large, Refusal};
use halod_record::charge::{self, Account, Exhausted};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The room that what grows is paid for in.
const STEP: usize = 64 << 10;

/// What is held beside a request's body, paid for in steps.
#[derive(Debug)]
pub(crate) struct MemoryCharge {
    body: usize,
    held: usize,
    paid: usize,
    /// What pays meanwhile, while readers are charged.
    lent: Option<Arc<Mutex<Lent>>>,
}

/// A permit that pays for what readers take, beside what it covers already.
#[derive(Debug)]
struct Lent {
    permit: Permit,
    beside: usize,
    paid: usize,
    /// What may be held beside the body at most, drafts included.
    most: usize,
    refusal: Option<Refusal>,
}

/// The readers' way to the permit that was lent.
#[derive(Debug)]
pub(super) struct Payer(Arc<Mutex<Lent>>);

impl MemoryCharge {
    pub(crate) fn new(body: usize) -> Self {
        Self { body, held: 0, paid: body, lent: None }
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Pays for `bytes` more that are held until the request is sealed.
    pub(crate) fn add(&mut self, bytes: usize, permit: &mut Permit) -> Result<(), Fault> {
        if self.lent.is_some() {
            charge::keep(bytes)?;
        } else {
            self.pay(bytes, permit)?;
        }
        self.held = self.held.saturating_add(bytes);
        Ok(())
    }

    /// Whether `bytes` more could be paid for now.
    pub(super) fn has_room(&mut self, bytes: usize, permit: &mut Permit) -> bool {
        if self.lent.is_some() { charge::has_room(bytes) } else { self.pay(bytes, permit).is_ok() }
    }

    fn pay(&mut self, bytes: usize, permit: &mut Permit) -> Result<(), Refusal> {
        let due = self.body.saturating_add(self.held).saturating_add(bytes);
        if due > self.paid {
            let wanted = due.saturating_add(STEP);
            permit.grow_to(wanted)?;
            self.paid = wanted;
        }
        Ok(())
    }

    /// What covers `bytes` of what is held, and is somebody else's from now on.
    pub(super) fn take_out(&mut self, bytes: usize, permit: &mut Permit) -> Permit {
        self.held = self.held.saturating_sub(bytes);
        match &self.lent {
            Some(lent) => {
                charge::part_with(bytes);
                let mut lent = lock(lent);
                lent.paid = lent.paid.saturating_sub(bytes);
                lent.permit.split(bytes)
            }
            None => {
                self.paid = self.paid.saturating_sub(bytes);
                permit.split(bytes)
            }
        }
    }

    /// Lends the permit to whoever reads, who may hold `most`, until [`Self::settle`].
    pub(super) fn lend(&mut self, permit: Permit, most: usize) -> Payer {
        let beside = self.body.saturating_add(self.held);
        let lent = Arc::new(Mutex::new(Lent { permit, beside, paid: self.paid, most, refusal: None }));
        self.lent = Some(Arc::clone(&lent));
        Payer(lent)
    }

    /// All that is paid for, once what was read is gone.
    pub(super) fn owing(&mut self) -> usize {
        self.paid = self.body.saturating_add(self.held);
        self.paid
    }

    /// Takes the permit back, in the place of `none`. What was read is gone, but for what was added meanwhile.
    pub(super) fn settle(&mut self, payer: &Payer, none: Permit) -> Permit {
        self.lent = None;
        let mut lent = lock(&payer.0);
        self.paid = lent.paid;
        std::mem::replace(&mut lent.permit, none)
    }
}

fn lock(lent: &Mutex<Lent>) -> MutexGuard<'_, Lent> {
    lent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands for what the permit said, until its lender is told.
impl From<Exhausted> for Fault {
    fn from(Exhausted: Exhausted) -> Self {
        Self::Refused(Refusal::Full { limit: 0, retry_after: Duration::from_secs(1) })
    }
}

impl Payer {
    /// Why the permit could not be raised.
    pub(super) fn fault(&self) -> Fault {
        lock(&self.0).refusal.clone().map_or_else(|| Exhausted.into(), Fault::Refused)
    }
}

impl Account for Payer {
    fn raise_to(&mut self, total: usize) -> Option<usize> {
        let mut lent = lock(&self.0);
        if total > lent.most {
            lent.refusal = Some(Refusal::TooLarge { what: Large::Held, limit: lent.most });
            return None;
        }
        let due = lent.beside.saturating_add(total);
        if due > lent.paid {
            let wanted = due.saturating_add(STEP);
            if let Err(refusal) = lent.permit.grow_to(wanted) {
                lent.refusal = Some(refusal);
                return None;
            }
            lent.paid = wanted;
        }
        Some((lent.paid - lent.beside).min(lent.most))
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
        let payer = memory.lend(intake.admit(1000).unwrap(), usize::MAX);
        let (payer, done) = charge::charged(payer, || {
            let _reading = charge::passing();
            charge::take(500_000).unwrap();
            memory.add(2000, &mut own)
        });
        assert_eq!(done, Ok(Ok(())));
        let mut permit = memory.settle(&payer, intake.owed());
        assert_eq!((memory.held(), intake.in_flight()), (2000, 501_000 + STEP));
        memory.add(300_000, &mut permit).unwrap();
        assert_eq!(intake.in_flight(), 501_000 + STEP, "what the readers had is used again");
        permit.shrink_to(memory.held());
        assert_eq!(intake.in_flight(), 302_000);
    }

    #[test]
    fn what_files_hold_is_bounded_whatever_others_hold() {
        let intake = Intake::with_writer(mpsc::channel().0, 1 << 20);
        let payer = MemoryCharge::new(0).lend(intake.owed(), 1000);
        let (payer, done) = charge::charged(payer, || (charge::take(1000), charge::take(1)));
        assert_eq!(done, Err(Exhausted));
        assert!(matches!(payer.fault(), Fault::Refused(Refusal::TooLarge { limit: 1000, .. })));
    }

    #[test]
    fn what_could_never_be_in_flight_is_told_from_what_cannot_now() {
        let intake = Intake::with_writer(mpsc::channel().0, 1 << 20);
        let refused = |other: usize, taken: usize| {
            let other = intake.admit(other).unwrap();
            let payer = MemoryCharge::new(0).lend(intake.owed(), usize::MAX);
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
