//! Between which times records came into the signed log, by the clocks of witnesses.
//!
//! ```text
//! state with 5 records ─ checkpoint that has it, cosigned at T1      records 6 to 9 are in no tree that was signed by T1,
//! state with 9 records ─ checkpoint that has it, cosigned at T2      and were in one by T2
//! ```
//!
//! Nobody has to believe halod's clock then. A bound is of signing: a record may have lain unsigned before, and what it tells
//! of may be older.

use super::chain::Signed;
use super::{Grade, Report, time};
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_evidence::policy::Policy;
use std::collections::BTreeMap;

/// A time that witnesses tell, in Unix seconds, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub at: u64,
    pub by: Vec<String>,
}

/// Records of a chain, from 1, and when they came into the signed log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub chain: String,
    pub from: u64,
    pub to: u64,
    /// By then the log had none of them.
    pub after: Option<Said>,
    /// By then it had them all.
    pub before: Option<Said>,
}

/// A checkpoint that a quorum saw: first, and last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    first: Said,
    last: Said,
}

/// The checkpoints of a log that a quorum saw, by their entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnessed {
    seen: BTreeMap<u64, Seen>,
    /// The numbers of the entries that are epochs, in order, as far as they are known.
    epochs: Vec<u64>,
    /// From this entry on every change of a chain is among its states.
    complete_from: Option<u64>,
}

impl Witnessed {
    /// Takes those that the policy takes. `holds` tells whether the log has a checkpoint's root at its size.
    pub(super) fn of<'n>(
        policy: Option<&Policy>,
        notes: impl IntoIterator<Item = &'n SignedNote>,
        holds: impl Fn(&Checkpoint) -> bool,
    ) -> Self {
        let mut own = Self::default();
        let Some(policy) = policy else { return own };
        for note in notes {
            let Ok(accepted) = policy.check(note) else { continue };
            let (Some(at), Some(until)) = (accepted.at, accepted.until) else { continue };
            if !holds(&accepted.checkpoint) {
                continue;
            }
            let by: Vec<String> = accepted.cosigned.iter().map(|(name, _)| name.to_string()).collect();
            let (first, last) = (Said { at, by: by.clone() }, Said { at: until, by });
            let seen = own.seen.entry(accepted.checkpoint.size);
            let seen = seen.or_insert_with(|| Seen { first: first.clone(), last: last.clone() });
            if first.at < seen.first.at {
                seen.first = first;
            }
            if last.at > seen.last.at {
                seen.last = last;
            }
        }
        own
    }

    /// The same where it is known which entries are epochs, and from which on every change of a chain is among its states.
    pub(super) fn knowing(self, epochs: Vec<u64>, complete_from: Option<u64>) -> Self {
        Self { epochs, complete_from, ..self }
    }

    /// The first time at which a quorum saw a checkpoint that has an entry.
    fn before(&self, index: u64) -> Option<&Said> {
        self.seen.range(index + 1..).map(|(_, seen)| &seen.first).min_by_key(|said| said.at)
    }

    /// Whether a chain's state at this entry is the one that a checkpoint with so many entries has.
    fn is_newest(&self, state: u64, size: u64) -> bool {
        let last = self.epochs[..self.epochs.partition_point(|index| *index < size)].last();
        state + 1 == size || last == Some(&state) || self.complete_from.is_some_and(|from| from <= state)
    }

    /// The bounds of what the states add each, where there are some; states are in order of counts.
    fn bounds(&self, chain: &str, states: &[Signed]) -> Vec<Bound> {
        let mut bounds = Vec::new();
        let mut sizes = self.seen.iter().peekable();
        let (mut known, mut after): (Option<&Signed>, Option<&Said>) = (None, None);
        for state in states {
            // Checkpoints that end before this state have the one before it.
            while let Some((size, seen)) = sizes.next_if(|(size, _)| **size <= state.index) {
                let is_known = known.is_some_and(|known| self.is_newest(known.index, *size));
                if is_known && after.is_none_or(|after| after.at < seen.last.at) {
                    after = Some(&seen.last);
                }
            }
            let from = known.map_or(0, |known| known.count) + 1;
            let before = self.before(state.index);
            if from <= state.count && (after.is_some() || before.is_some()) {
                let (after, before) = (after.cloned(), before.cloned());
                bounds.push(Bound { chain: chain.to_owned(), from, to: state.count, after, before });
            }
            known = Some(state);
        }
        bounds
    }

    /// Tells the bounds of a chain's first records, of its last ones, and of one that is asked for; all are in the report.
    pub(super) fn tell(&self, chain: &str, states: &[Signed], asked: Option<u64>, report: &mut Report) {
        let bounds = self.bounds(chain, states);
        let holds = |number: u64| move |bound: &&Bound| bound.from <= number && number <= bound.to;
        let asked = asked.and_then(|number| bounds.iter().find(holds(number)));
        let mut told: Vec<&Bound> = bounds.first().into_iter().chain(asked).chain(bounds.last()).collect();
        told.dedup();
        for bound in told {
            report.say(Grade::Shown, Some(chain), bound.to_string());
        }
        report.bounds.extend(bounds);
    }

    /// Tells by when one record was in the signed log, which has it in this state.
    pub(super) fn tell_one(&self, chain: &str, number: u64, state: &Signed, report: &mut Report) {
        let Some(before) = self.before(state.index) else { return };
        let (chain, before) = (chain.to_owned(), Some(before.clone()));
        let bound = Bound { chain, from: number, to: number, after: None, before };
        report.say(Grade::Shown, None, bound.to_string());
        report.bounds.push(bound);
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", time(self.at.saturating_mul(1000)), self.by.join(", "))
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from == self.to {
            write!(f, "Record {} came into the signed log ", self.from)?;
        } else {
            write!(f, "Records {} to {} came into the signed log ", self.from, self.to)?;
        }
        match (&self.after, &self.before) {
            (Some(after), Some(before)) => write!(f, "between {after} and {before}, by witnesses' clocks"),
            (Some(after), None) => write!(f, "after {after}, by witnesses' clocks"),
            (None, Some(before)) => write!(f, "before {before}, by witnesses' clocks"),
            (None, None) => write!(f, "at some time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witnessed(seen: &[(u64, u64, u64)]) -> Witnessed {
        let said = |at: u64| Said { at, by: vec!["w".into()] };
        let seen =
            seen.iter().map(|(size, first, last)| (*size, Seen { first: said(*first), last: said(*last) }));
        Witnessed { seen: seen.collect(), ..Witnessed::default() }
    }

    fn state(index: u64, count: u64) -> Signed {
        let (head, root) = ([0; 32], [0; 32]);
        Signed { generation: 0, count, head, root, epoch: index + 1, index, millis: 0, retired: false }
    }

    fn times(witnessed: &Witnessed, states: &[Signed]) -> Vec<(u64, u64, Option<u64>, Option<u64>)> {
        let at = |said: Option<Said>| said.map(|said| said.at);
        let bounds = witnessed.bounds("acme", states).into_iter();
        bounds.map(|bound| (bound.from, bound.to, at(bound.after), at(bound.before))).collect()
    }

    #[test]
    fn records_came_between_two_checkpoints() {
        let states = [state(0, 5), state(1, 9), state(4, 10)];
        let all = witnessed(&[(1, 100, 150), (2, 200, 250), (5, 500, 900)]);
        let expected =
            [(1, 5, None, Some(100)), (6, 9, Some(150), Some(200)), (10, 10, Some(250), Some(500))];
        assert_eq!(times(&all, &states), expected);
        // A later checkpoint tells an earlier time where that one's witnesses have another clock.
        assert_eq!(times(&witnessed(&[(1, 100, 100), (5, 50, 60)]), &states[..1]), [(1, 5, None, Some(50))]);
        assert_eq!(times(&witnessed(&[]), &states), []);
    }

    /// A checkpoint of which nobody knows that it has this state of the chain, and not a later one, shows nothing of what came later.
    #[test]
    fn a_state_that_may_not_be_the_newest_bounds_nothing_from_below() {
        let (states, seen) = ([state(0, 5), state(9, 6)], [(4, 400, 450), (10, 1000, 1000)]);
        let second = |own: &Witnessed| times(own, &states)[1];
        assert_eq!(second(&witnessed(&seen)), (6, 6, None, Some(1000)));
        assert_eq!(second(&witnessed(&seen).knowing(vec![0, 3, 9], None)), (6, 6, None, Some(1000)));
        assert_eq!(second(&witnessed(&seen).knowing(vec![0, 9], None)), (6, 6, Some(450), Some(1000)));
        assert_eq!(second(&witnessed(&seen).knowing(vec![], Some(0))), (6, 6, Some(450), Some(1000)));
        assert_eq!(second(&witnessed(&seen).knowing(vec![], Some(1))), (6, 6, None, Some(1000)));
    }
}
