//! Several threads work on the parts of one source; what they come to is taken in the order of the parts.
//!
//! A thread whose part is done before its turn leaves it in line and goes on with another part, so nobody waits for
//! anybody, up to a bound. Whoever brings the part whose turn it is takes all that follow it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Parts that a thread may be ahead of the one whose turn it is.
const AHEAD: u64 = 8;

/// What parts that wait for their turn may weigh together, for each thread.
const ROOM: u64 = 4 << 20;

/// Threads that work beside each other here.
#[must_use]
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Works on the parts that `next` hands out, with a function that each of `threads` threads makes by `worker`, and gives
/// each part with its result to `take`, in order. `next` is handed parts that were taken, to be used again; `take` says whether to
/// go on. What waits is bounded in number, and by what `weigh` says.
///
/// # Errors
/// The first error of `next` or `take`; parts that came before it may not have been taken.
pub fn in_order<P, R, E, W>(
    threads: usize,
    weigh: impl Fn(&P) -> u64 + Sync,
    next: impl FnMut(Option<P>) -> Result<Option<P>, E> + Send,
    worker: impl Fn() -> W + Sync,
    take: impl FnMut(&P, R) -> Result<bool, E> + Send,
) -> Result<(), E>
where
    P: Send,
    R: Send,
    E: Send,
    W: FnMut(&P) -> R,
{
    let line =
        Line { waiting: BTreeMap::new(), held: 0, turn: 0, taking: false, spare: Vec::new(), stop: None };
    let threads = threads.max(1);
    let (ahead, room) = (AHEAD * threads as u64, ROOM * threads as u64);
    let shared = Shared {
        source: Mutex::new((next, 0)),
        line: Mutex::new(line),
        taker: Mutex::new(take),
        moved: Condvar::new(),
        weigh,
        ahead,
        room,
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work(worker()));
        }
        shared.work(worker());
    });
    match shared.line.into_inner().unwrap_or_else(PoisonError::into_inner).stop {
        Some(Stop::Failed(error)) => Err(error),
        // The scope has passed a panic on already.
        None | Some(Stop::Enough | Stop::Panicked) => Ok(()),
    }
}

struct Shared<P, R, E, N, T, G> {
    /// What hands parts out, and the number of the next one.
    source: Mutex<(N, u64)>,
    line: Mutex<Line<P, R, E>>,
    /// Locked by who has `taking` alone.
    taker: Mutex<T>,
    /// Signalled when `turn` or `stop` changes.
    moved: Condvar,
    weigh: G,
    ahead: u64,
    room: u64,
}

/// What is done and not taken yet.
struct Line<P, R, E> {
    waiting: BTreeMap<u64, (P, R)>,
    /// What these weigh.
    held: u64,
    /// The number of the part to be taken next.
    turn: u64,
    taking: bool,
    spare: Vec<P>,
    stop: Option<Stop<E>>,
}

enum Stop<E> {
    Enough,
    Failed(E),
    /// A worker panicked: its part will not come, and nobody must wait for it.
    Panicked,
}

impl<P, R, E, N, T, G> Shared<P, R, E, N, T, G>
where
    G: Fn(&P) -> u64,
    N: FnMut(Option<P>) -> Result<Option<P>, E>,
    T: FnMut(&P, R) -> Result<bool, E>,
{
    fn work(&self, mut worker: impl FnMut(&P) -> R) {
        let _guard = Unwinding(self);
        let mut spare = None;
        while let Some((number, part)) = self.next(spare) {
            let result = worker(&part);
            let weight = (self.weigh)(&part);
            let mut line = lock(&self.line);
            while line.stop.is_none() && self.is_full(&line, number, weight) {
                line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
            }
            if line.stop.is_some() {
                return;
            }
            line.waiting.insert(number, (part, result));
            line.held += weight;
            if !line.taking {
                line = self.take_all(line);
            }
            spare = line.spare.pop();
        }
    }

    /// Whether a part has to wait with its thread. The one whose turn it is never has.
    fn is_full(&self, line: &Line<P, R, E>, number: u64, weight: u64) -> bool {
        number != line.turn && (number >= line.turn + self.ahead || line.held + weight > self.room)
    }

    fn next(&self, spare: Option<P>) -> Option<(u64, P)> {
        let mut source = lock(&self.source);
        let number = source.1;
        source.1 += 1;
        match (source.0)(spare) {
            Ok(part) => Some((number, part?)),
            Err(error) => {
                drop(source);
                self.stop(Stop::Failed(error));
                None
            }
        }
    }

    /// Takes the parts whose turn it is, as long as there are some.
    fn take_all<'l>(&'l self, mut line: MutexGuard<'l, Line<P, R, E>>) -> MutexGuard<'l, Line<P, R, E>> {
        line.taking = true;
        let mut turn = line.turn;
        while let Some((part, result)) = line.waiting.remove(&turn) {
            line.held = line.held.saturating_sub((self.weigh)(&part));
            drop(line);
            let taken = (lock(&self.taker))(&part, result);
            line = lock(&self.line);
            let stop = match taken {
                Ok(true) => None,
                Ok(false) => Some(Stop::Enough),
                Err(error) => Some(Stop::Failed(error)),
            };
            if let Some(stop) = stop {
                line.stop.get_or_insert(stop);
            }
            if line.stop.is_some() {
                break;
            }
            turn += 1;
            line.turn = turn;
            line.spare.push(part);
            self.moved.notify_all();
        }
        line.taking = false;
        if line.stop.is_some() {
            self.moved.notify_all();
        }
        line
    }
}

impl<P, R, E, N, T, G> Shared<P, R, E, N, T, G> {
    fn stop(&self, why: Stop<E>) {
        lock(&self.line).stop.get_or_insert(why);
        self.moved.notify_all();
    }
}

/// Lets the other threads go when this one unwinds.
struct Unwinding<'s, P, R, E, N, T, G>(&'s Shared<P, R, E, N, T, G>);

impl<P, R, E, N, T, G> Drop for Unwinding<'_, P, R, E, N, T, G> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop(Stop::Panicked);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use std::time::Duration;

    fn numbers(
        threads: usize,
        count: u64,
        mut take: impl FnMut(u64) -> Result<bool, String> + Send,
    ) -> Result<(), String> {
        let mut at = 0;
        in_order(
            threads,
            |_| 100 << 10,
            |_| {
                at += 1;
                Ok((at <= count).then_some(at))
            },
            || {
                |part: &u64| {
                    // The first of every ten takes longer than the rest.
                    if *part % 10 == 1 {
                        thread::sleep(Duration::from_micros(300));
                    }
                    part.wrapping_mul(2)
                }
            },
            |part, result| {
                assert_eq!(part.wrapping_mul(2), result);
                take(*part)
            },
        )
    }

    #[test]
    fn parts_are_taken_in_order_whoever_is_done_first() {
        for threads in [1, 2, 5] {
            let mut taken = Vec::new();
            numbers(threads, 400, |part| {
                taken.push(part);
                Ok(true)
            })
            .unwrap();
            assert!(taken.iter().copied().eq(1..=400), "{threads}: {taken:?}");
        }
    }

    #[test]
    fn who_has_enough_or_fails_ends_all() {
        for threads in [1, 4] {
            let mut last = 0;
            let ended = numbers(threads, u64::MAX, |part| {
                last = part;
                Ok(part < 77)
            });
            assert_eq!((ended, last), (Ok(()), 77));
            let failed =
                numbers(threads, u64::MAX, |part| if part < 9 { Ok(true) } else { Err("nine".to_owned()) });
            assert_eq!(failed, Err("nine".to_owned()));
        }
    }

    #[test]
    fn a_source_that_fails_is_told() {
        let failed: Result<(), &str> =
            in_order(3, |_: &u8| 0, |_: Option<u8>| Err("gone"), || |_: &u8| (), |_, ()| Ok(true));
        assert_eq!(failed, Err("gone"));
    }

    #[test]
    fn a_panic_ends_all_and_is_passed_on() {
        let run = || numbers(3, u64::MAX, |part| if part < 30 { Ok(true) } else { panic!("thirty") });
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
