//! Which ends of chains a witness does not know yet, and which of them is to be sent next.
//!
//! A chain waits once, with its newest end. Chains that the reference's witness has no name for come last, but for one, which
//! shows whether the witness takes such.

use super::anchor::Anchor;
use super::posted::{Taken, taken};
use crate::checkpointer::Anchoring;
use halod_evidence::Hash;
use halod_tlog::book::{Named, Row};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Tenants that are named of those whose chains can't be anchored.
const NAMES: usize = 20;

/// How long a chain that was refused is left alone, however it grows.
const PATIENCE: Duration = Duration::from_secs(3600);

/// As the chain of no subject is named where others have their tenant's id.
const LOCAL: &str = "(the chain without a subject)";

const NO_WORDS: &str = "the witness takes subjects of words of A-Z a-z 0-9 . _ -, with one blank between two, and of 200 \
                        characters at most";
const NO_NAME: &str =
    "no witness takes this subject: halod's takes 1 to 512 bytes without control characters";

/// The end of one chain.
#[derive(Clone, Copy, Debug)]
struct End {
    count: u64,
    head: Hash,
    first: Hash,
}

#[derive(Debug)]
struct Refused {
    why: String,
    at: Instant,
}

/// The ends that wait, and the chains that were refused.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Subjects by slot; empty for the chain of no subject.
    names: HashMap<Hash, Box<str>>,
    waiting: HashMap<Hash, End>,
    first: VecDeque<Hash>,
    later: VecDeque<Hash>,
    refused: BTreeMap<Box<str>, Refused>,
    /// One that the reference's witness would refuse is among the first.
    is_tried: bool,
    /// When the witness was found to refuse those.
    is_choosy: Option<Instant>,
}

impl Ends {
    pub(super) fn name(&mut self, named: Named) {
        let subject = named.tenant.subject().unwrap_or_default();
        self.names.insert(named.slot, subject.into());
    }

    fn subject(&self, slot: &Hash) -> Option<&str> {
        self.names.get(slot).map(|name| &**name).filter(|name| !name.is_empty())
    }

    /// Takes what became of a chain, of which the witness has `most` records.
    pub(super) fn state(&mut self, row: &Row, most: u64) {
        let Row { slot, state, .. } = row;
        let end = End { count: state.count, head: state.head, first: state.first };
        if end.count == most || end.count == 0 {
            return;
        }
        if end.count < most {
            let why = format!("the witness has {most} records of it, and {} are here", end.count);
            self.waiting.remove(slot);
            return self.refuse(slot, why);
        }
        if let Some(waiting) = self.waiting.get_mut(slot) {
            *waiting = end;
            return;
        }
        let name = self.names.get(slot).cloned().unwrap_or_default();
        if let Some(refused) = self.refused.get(&name) {
            if refused.at.elapsed() < PATIENCE {
                return;
            }
            self.refused.remove(&name);
        }
        let queue = match taken(self.subject(slot)) {
            Taken::Nowhere => return self.refuse(slot, NO_NAME.into()),
            Taken::ByHalod if self.is_choosy.is_some_and(|since| since.elapsed() < PATIENCE) => {
                return self.refuse(slot, NO_WORDS.into());
            }
            Taken::ByHalod if self.is_tried => &mut self.later,
            Taken::ByHalod => {
                self.is_tried = true;
                &mut self.first
            }
            Taken::Everywhere => &mut self.first,
        };
        queue.push_back(*slot);
        self.waiting.insert(*slot, end);
    }

    fn refuse(&mut self, slot: &Hash, why: String) {
        let name = self.names.get(slot).cloned().unwrap_or_default();
        self.refused.insert(name, Refused { why, at: Instant::now() });
    }

    /// What is to be sent next, in the turn of the caller, who tells what came of it.
    pub(super) fn next(&mut self) -> Option<(Hash, Anchor)> {
        while let Some(slot) = self.first.pop_front().or_else(|| self.later.pop_front()) {
            if let Some(end) = self.waiting.get(&slot) {
                return Some((slot, Anchor::of_chain(self.subject(&slot), end.count, end.head, end.first)));
            }
        }
        None
    }

    pub(super) fn kept(&mut self, slot: &Hash) {
        self.waiting.remove(slot);
        if taken(self.subject(slot)) == Taken::ByHalod {
            self.is_tried = false;
        }
    }

    pub(super) fn refused(&mut self, slot: &Hash, status: u16, why: String) {
        self.waiting.remove(slot);
        self.refuse(slot, why);
        if status == 400 && taken(self.subject(slot)) == Taken::ByHalod {
            (self.is_choosy, self.is_tried) = (Some(Instant::now()), false);
            for slot in std::mem::take(&mut self.later) {
                self.waiting.remove(&slot);
                self.refuse(&slot, NO_WORDS.into());
            }
        }
    }

    /// It could not be sent: it is the next one again.
    pub(super) fn failed(&mut self, slot: Hash) {
        self.first.push_front(slot);
    }

    /// What is told of them.
    pub(super) fn told(&self) -> Anchoring {
        let name = |name: &str| if name.is_empty() { LOCAL.to_owned() } else { name.to_owned() };
        let first = self.refused.iter().take(NAMES);
        Anchoring {
            waiting: self.waiting.len() as u64,
            unanchorable: self.refused.len() as u64,
            first: first.map(|(tenant, refused)| (name(tenant), refused.why.clone())).collect(),
            ..Anchoring::default()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_evidence::state::State;
    use halod_record::tenant::Tenant;

    fn row(slot: u8, count: u64) -> Row {
        let state =
            State { generation: 0, before: [0; 32], count, head: [slot; 32], first: [9; 32], root: [8; 32] };
        Row { slot: [slot; 32], state, len: 0 }
    }

    fn ends(names: &[&str]) -> Ends {
        let mut ends = Ends::default();
        for (slot, name) in names.iter().enumerate() {
            let slot = [u8::try_from(slot).unwrap(); 32];
            ends.name(Named { slot, stem: "".into(), tenant: Tenant::stored(name) });
        }
        ends
    }

    fn sent(anchor: &Anchor) -> (Option<&str>, u64) {
        (anchor.subject.as_deref(), anchor.count)
    }

    #[test]
    fn the_newest_end_waits_once_and_never_a_shorter_one() {
        let mut ends = ends(&["a", "b", "c"]);
        for (slot, count) in [(0, 3), (1, 1), (0, 5), (2, 0)] {
            ends.state(&row(slot, count), 0);
        }
        let (slot, anchor) = ends.next().unwrap();
        assert_eq!(sent(&anchor), (Some("a"), 5));
        ends.failed(slot);
        ends.state(&row(0, 6), 0);
        let (slot, anchor) = ends.next().unwrap();
        assert_eq!(sent(&anchor), (Some("a"), 6));
        ends.kept(&slot);
        ends.state(&row(0, 6), 6);
        let (slot, anchor) = ends.next().unwrap();
        assert_eq!(sent(&anchor), (Some("b"), 1));
        ends.kept(&slot);
        assert!(ends.next().is_none() && ends.told() == Anchoring::default());
        ends.state(&row(0, 4), 6);
        assert!(ends.next().is_none());
        let told = ends.told();
        assert!(told.unanchorable == 1 && told.first[0].1.contains("has 6 records of it, and 4 are here"));
    }

    #[test]
    fn one_strange_name_shows_what_becomes_of_the_others() {
        let names = ["a/1", "a/2", "plain", "a/3", "", "a\tb"];
        for is_halod in [false, true] {
            let mut ends = ends(&names);
            (0..6).for_each(|slot| ends.state(&row(slot, 1), 0));
            let mut order = Vec::new();
            while let Some((slot, anchor)) = ends.next() {
                order.push(anchor.subject.clone());
                match anchor.subject.as_deref() {
                    Some("a/1" | "a/2" | "a/3") if !is_halod => ends.refused(&slot, 400, "no".into()),
                    _ => ends.kept(&slot),
                }
            }
            let order: Vec<_> = order.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
            let told = ends.told();
            assert_eq!(told.waiting, 0);
            if is_halod {
                assert_eq!((order, told.unanchorable), (vec!["a/1", "plain", "-", "a/2", "a/3"], 1));
                assert_eq!(told.first[0].1, NO_NAME);
                continue;
            }
            assert_eq!((order, told.unanchorable), (vec!["a/1", "plain", "-"], 4));
            // What was refused is left alone for a while, and so are its likes.
            ends.state(&row(0, 2), 0);
            ends.state(&row(1, 2), 0);
            assert!(ends.next().is_none());
        }
    }

    #[test]
    fn the_chain_of_no_subject_has_a_name_to_be_told_by() {
        let mut ends = ends(&[""]);
        ends.state(&row(0, 1), 0);
        let (slot, anchor) = ends.next().unwrap();
        assert_eq!(sent(&anchor), (None, 1));
        ends.refused(&slot, 403, "no".into());
        assert_eq!(ends.told().first, [(LOCAL.to_owned(), "no".to_owned())]);
    }
}
