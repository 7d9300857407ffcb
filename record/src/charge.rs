//! What reading makes a request hold, asked for before it is allocated.
//!
//! Work on bytes from outside runs under [`charged`], with an account that is asked for room in steps. The
//! readers of this workspace call [`take`] before each allocation that grows with what they read, so whoever
//! calls a reader, however deep, is charged for it. Without an account nothing is refused: so it is for
//! tools and tests.
//!
//! Once the account has refused, everything fails, and what the work came to is thrown away. So code that
//! has no way to fail may return anything then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Who pays for what a request makes halod hold.
pub trait Account {
    /// Raises what is paid for to at least `total` bytes, and says to how much; `None` when there is no room.
    fn raise_to(&mut self, total: usize) -> Option<usize>;
}

/// The account has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading this takes more memory than there is for it")]
pub struct Exhausted;

/// What an allocation takes beside its bytes.
const OVERHEAD: usize = 16;

/// What the work on this thread was given, in bytes.
struct Meter {
    /// What the account has paid for.
    paid: Cell<usize>,
    /// Of that, what nobody has taken.
    left: Cell<usize>,
    /// Of what was taken, what stays when a [`Passing`] ends.
    kept: Cell<usize>,
    refused: Cell<bool>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            paid: Cell::new(usize::MAX),
            left: Cell::new(usize::MAX),
            kept: Cell::new(0),
            refused: Cell::new(false),
        }
    };
    // Apart, because what has to be dropped makes each access dearer.
    static ACCOUNT: RefCell<Option<Rc<RefCell<dyn Account>>>> = const { RefCell::new(None) };
}

impl Meter {
    fn used(&self) -> usize {
        self.paid.get() - self.left.get()
    }

    fn give(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_add(bytes).min(self.paid.get()));
    }

    #[cold]
    fn more(&self, bytes: usize) -> Result<(), Exhausted> {
        if !self.refused.get() && self.make_room(bytes) {
            self.left.set(self.left.get() - bytes);
            return Ok(());
        }
        self.refused.set(true);
        self.left.set(0);
        Err(Exhausted)
    }

    /// Has the account pay for `bytes` more than what was taken, if it can.
    #[cold]
    fn make_room(&self, bytes: usize) -> bool {
        let used = self.used();
        let total = used.saturating_add(bytes);
        let paid = match ACCOUNT.with_borrow(Clone::clone) {
            None => Some(usize::MAX),
            Some(account) => account.borrow_mut().raise_to(total).filter(|paid| *paid >= total),
        };
        if let Some(paid) = paid {
            self.paid.set(paid);
            self.left.set(paid - used);
        }
        paid.is_some()
    }
}

/// Takes room for `bytes` until the [`Passing`] ends that this is in, else until the work does.
///
/// # Errors
/// There is no room: nothing may be allocated.
#[inline]
pub fn take(bytes: usize) -> Result<(), Exhausted> {
    METER.with(|meter| match meter.left.get().checked_sub(bytes) {
        Some(left) => {
            meter.left.set(left);
            Ok(())
        }
        None => meter.more(bytes),
    })
}

/// Takes room for `bytes` of what is held until the work ends, and after it.
///
/// # Errors
/// As [`take`].
pub fn keep(bytes: usize) -> Result<(), Exhausted> {
    take(bytes)?;
    METER.with(|meter| meter.kept.set(meter.kept.get().saturating_add(bytes)));
    Ok(())
}

/// Whether there is room for `bytes` more. Where there is none now, nothing fails by that.
#[must_use]
pub fn has_room(bytes: usize) -> bool {
    METER.with(|meter| meter.left.get() >= bytes || meter.make_room(bytes))
}

/// What was kept is somebody else's from now on, with what was paid for it.
pub fn part_with(bytes: usize) {
    METER.with(|meter| {
        // Without an account nobody pays.
        if meter.paid.get() < usize::MAX {
            meter.kept.set(meter.kept.get().saturating_sub(bytes));
            meter.paid.set(meter.paid.get().saturating_sub(bytes).max(meter.left.get()));
        }
    });
}

/// What was taken while this exists, and not kept, is given back when it is dropped.
#[derive(Debug)]
#[must_use = "what is taken is given back when this is dropped"]
pub struct Passing {
    before: usize,
}

/// Begins a piece of work that keeps nothing of what it takes.
pub fn passing() -> Passing {
    METER.with(|meter| Passing { before: meter.used().saturating_sub(meter.kept.get()) })
}

impl Drop for Passing {
    fn drop(&mut self) {
        METER.with(|meter| {
            let now = meter.used().saturating_sub(meter.kept.get());
            meter.give(now.saturating_sub(self.before));
        });
    }
}

/// Makes room for `more` items behind those of `list`, and for as many again as it holds, so that growing
/// it one by one is cheap.
///
/// # Errors
/// As [`take`].
#[inline]
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<(), Exhausted> {
    if list.capacity() - list.len() < more { grow(list, more) } else { Ok(()) }
}

#[cold]
fn grow<T>(list: &mut Vec<T>, more: usize) -> Result<(), Exhausted> {
    let old = list.capacity();
    let new = old.saturating_mul(2).max(list.len().saturating_add(more)).max(4);
    // While a list moves there are two of it.
    take(bytes_of::<T>(new))?;
    list.reserve_exact(new - list.len());
    if old > 0 {
        METER.with(|meter| meter.give(bytes_of::<T>(old)));
    }
    Ok(())
}

fn bytes_of<T>(items: usize) -> usize {
    items.saturating_mul(size_of::<T>()).saturating_add(OVERHEAD)
}

/// A list with room for `items`.
///
/// # Errors
/// As [`take`].
pub fn list<T>(items: usize) -> Result<Vec<T>, Exhausted> {
    if items > 0 {
        take(bytes_of::<T>(items))?;
    }
    Ok(Vec::with_capacity(items))
}

/// Adds `item` to `list`.
///
/// # Errors
/// As [`take`].
#[inline]
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Exhausted> {
    reserve(list, 1)?;
    list.push(item);
    Ok(())
}

/// Runs `work`, whose takings `account` pays for, and gives the account back.
///
/// # Errors
/// The account had no room, whatever the work made of that.
pub fn charged<A: Account + 'static, T>(account: A, work: impl FnOnce() -> T) -> (A, Result<T, Exhausted>) {
    let shared = Rc::new(RefCell::new(account));
    let outer = Outer::enter(Rc::clone(&shared) as Rc<RefCell<dyn Account>>);
    let done = work();
    let refused = METER.with(|meter| meter.refused.get());
    drop(outer);
    // Nobody else has it any more.
    let account = Rc::into_inner(shared).map(RefCell::into_inner);
    let Some(account) = account else { unreachable!("the account is lent to the meter only") };
    (account, if refused { Err(Exhausted) } else { Ok(done) })
}

/// Runs `work`, which may take so many bytes at a time and whose takings nobody pays for: a glance at something
/// that is read with an account later.
///
/// # Errors
/// It would have taken more.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> Result<T, Exhausted> {
    charged(Capped(bytes), work).1
}

struct Capped(usize);

impl Account for Capped {
    fn raise_to(&mut self, total: usize) -> Option<usize> {
        (total <= self.0).then_some(self.0)
    }
}

/// What the meter was before, which it is again when this is dropped, even by a panic.
struct Outer {
    meter: [usize; 3],
    refused: bool,
    account: Option<Rc<RefCell<dyn Account>>>,
}

impl Outer {
    fn enter(account: Rc<RefCell<dyn Account>>) -> Self {
        METER.with(|meter| Self {
            meter: [meter.paid.replace(0), meter.left.replace(0), meter.kept.replace(0)],
            refused: meter.refused.replace(false),
            account: ACCOUNT.replace(Some(account)),
        })
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        METER.with(|meter| {
            let [paid, left, kept] = self.meter;
            meter.paid.set(paid);
            meter.left.set(left);
            meter.kept.set(kept);
            meter.refused.set(self.refused);
        });
        ACCOUNT.set(self.account.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pays in steps, up to a limit.
    struct Purse {
        paid: usize,
        limit: usize,
    }

    impl Account for Purse {
        fn raise_to(&mut self, total: usize) -> Option<usize> {
            self.paid = total.next_multiple_of(100);
            (self.paid <= self.limit).then_some(self.paid)
        }
    }

    fn paid<T>(limit: usize, work: impl FnOnce() -> T) -> (usize, Result<T, Exhausted>) {
        let (purse, done) = charged(Purse { paid: 0, limit }, work);
        (purse.paid, done)
    }

    #[test]
    fn what_passes_is_given_back_and_what_is_kept_is_not() {
        let (bill, done) = paid(400, || {
            for _ in 0..10 {
                let _item = passing();
                take(250)?;
                keep(10)?;
            }
            take(300)
        });
        assert_eq!((bill, done), (400, Ok(Ok(()))));
    }

    #[test]
    fn room_that_is_looked_for_in_vain_fails_nothing() {
        let (_, done) = paid(100, || (has_room(101), take(40), has_room(60), has_room(61), take(60)));
        assert_eq!(done, Ok((false, Ok(()), true, false, Ok(()))));
    }

    #[test]
    fn what_somebody_else_pays_for_makes_no_room_here() {
        let (_, done) = paid(100, || {
            keep(60)?;
            part_with(60);
            // The account has to pay for what is taken from now on, as for the first.
            take(40)?;
            Ok::<_, Exhausted>((has_room(60), has_room(61)))
        });
        assert_eq!(done, Ok(Ok((true, false))));
    }

    #[test]
    fn who_swallows_a_refusal_is_refused_all_the_same() {
        let (_, done) = paid(100, || {
            let refused = take(101).is_err();
            (refused, take(1))
        });
        assert_eq!(done, Err(Exhausted));
        assert!(take(usize::MAX / 2).is_ok(), "nothing is refused without an account");
    }

    #[test]
    fn a_glance_is_bounded_by_itself() {
        let look = || within(100, || (take(100).is_ok(), take(1).is_ok()));
        assert_eq!(look(), Err(Exhausted));
        assert_eq!(within(100, || take(100)), Ok(Ok(())));
        let (bill, done) = paid(10, || (within(100, || take(100)), take(10)));
        assert_eq!((bill, done), (100, Err(Exhausted)), "purses pay in steps of a hundred");
    }

    #[test]
    fn lists_are_paid_for_before_they_grow() {
        let (bill, done) = paid(10_000, || {
            let mut list = Vec::new();
            for number in 0..500_u64 {
                push(&mut list, number)?;
            }
            Ok::<_, Exhausted>(list.capacity())
        });
        // 512 of 8 bytes, and half of them while they moved.
        assert_eq!((bill, done), (6200, Ok(Ok(512))));
        let (_, done) = paid(10_000, || list::<u64>(2000).is_err());
        assert_eq!(done, Err(Exhausted));
    }

    #[test]
    fn accounts_within_accounts_are_apart_and_a_panic_leaves_none_behind() {
        let (outer, done) = paid(100, || {
            let (inner, _) = paid(1000, || take(900));
            (inner, take(10))
        });
        assert_eq!((outer, done), (100, Ok((900, Ok(())))));
        let panicked = std::panic::catch_unwind(|| paid(1, || std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err() && take(1000).is_ok());
    }
}
