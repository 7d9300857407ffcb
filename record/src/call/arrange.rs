//! Which drafts of one batch tell of the same call, and in which order they are sealed: of each call the fullest
//! account first.

use super::agree::{is_apart, one_during_the_other, same_call};
use super::{Call, CallKey, Other, Reason};
use crate::draft::Draft;
use crate::ids::RecordId;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Accounts at one place that are compared with each other; of more, none is.
const MOST_BESIDE: usize = 64;
/// Accounts of one call; what is more is told by itself, unless it names no model or tool.
const MOST_ACCOUNTS: usize = 256;
/// Drafts on the way up from one account to the next that encloses it.
const MOST_ABOVE: usize = 32;

/// Puts the drafts of a batch in order, and tells each account of a call which one is to be sealed before it.
/// Drafts of one call keep the place of the first of them; all others stay as they are.
pub fn arrange(drafts: &mut Vec<Draft>) {
    if drafts.iter().filter(|draft| draft.call().is_some()).count() < 2 {
        return;
    }
    let mut groups = Groups::new(drafts);
    groups.by_key_and_place();
    groups.by_time();
    let firsts = groups.firsts();
    let Groups { group_of, members, reason, .. } = groups;
    if members.iter().all(|members| members.len() < 2) {
        return;
    }
    for (group, members) in members.iter().enumerate().filter(|(_, members)| members.len() > 1) {
        tell(drafts, firsts[group], members, &reason);
    }
    let mut order = Vec::with_capacity(drafts.len());
    let mut ordered = vec![false; drafts.len()];
    for (at, group) in group_of.into_iter().enumerate() {
        let first = group.map(|group| firsts[group]);
        for at in first.into_iter().chain([at]) {
            if !std::mem::replace(&mut ordered[at], true) {
                order.push(at);
            }
        }
    }
    let mut waiting: Vec<Option<Draft>> = std::mem::take(drafts).into_iter().map(Some).collect();
    drafts.extend(order.into_iter().filter_map(|at| waiting[at].take()));
}

/// Tells the accounts of one call of each other.
fn tell(drafts: &mut [Draft], first: usize, members: &[usize], reason: &[Option<Reason>]) {
    let mut others = Vec::new();
    // The account that came first joined none: what joined the next one to it holds both ways.
    let of_others = members.iter().find_map(|other| reason[*other]).unwrap_or(Reason::Encloses);
    for &at in members.iter().filter(|at| **at != first) {
        let id = drafts[first].id();
        if let Some(call) = drafts[at].call_mut() {
            let reason = reason[at].unwrap_or(of_others);
            call.first = Some((id, reason));
            others.push(Other { id: call.id, parent: call.parent, keys: call.keys.clone(), reason });
        }
    }
    // What encloses the call is above all its accounts.
    let ids: Vec<RecordId> = members.iter().map(|at| drafts[*at].id()).collect();
    let mut parent = drafts[first].parent();
    for _ in 0..members.len() {
        let Some(place) = parent.and_then(|parent| ids.iter().position(|id| *id == parent)) else { break };
        parent = drafts[members[place]].parent();
    }
    if parent != drafts[first].parent() {
        drafts[first].move_under(parent);
    }
    if let Some(call) = drafts[first].call_mut() {
        call.others = others;
    }
}

/// The accounts of a batch, by the call that they tell of.
struct Groups<'d> {
    drafts: &'d [Draft],
    /// By draft: the place of the one that encloses it.
    up: Vec<Option<usize>>,
    /// By draft.
    group_of: Vec<Option<usize>>,
    /// Why a draft is in a group that had others.
    reason: Vec<Option<Reason>>,
    /// By group.
    members: Vec<Vec<usize>>,
}

impl<'d> Groups<'d> {
    fn new(drafts: &'d [Draft]) -> Self {
        let place_of: HashMap<RecordId, usize> =
            drafts.iter().enumerate().map(|(at, draft)| (draft.id(), at)).collect();
        let up =
            |(at, draft): (usize, &Draft)| place_of.get(&draft.parent()?).copied().filter(|up| *up != at);
        let up = drafts.iter().enumerate().map(up).collect();
        let (group_of, reason) = (vec![None; drafts.len()], vec![None; drafts.len()]);
        Self { drafts, up, group_of, reason, members: Vec::new() }
    }

    fn call(&self, at: usize) -> Option<&'d Call> {
        self.drafts[at].call()
    }

    fn by_key_and_place(&mut self) {
        let mut by_key: HashMap<CallKey, Vec<usize>> = HashMap::new();
        for at in self.outermost_first() {
            let Some(call) = self.call(at) else { continue };
            let joined = self.found_by_key(at, call, &by_key).or_else(|| self.enclosing(at, call));
            match joined {
                Some((other, reason)) => self.join(at, other, reason),
                None => {
                    self.group_of[at] = Some(self.members.len());
                    self.members.push(vec![at]);
                }
            }
            for key in &call.keys {
                by_key.entry(*key).or_default().push(at);
            }
        }
    }

    /// The places of all drafts, each after what encloses it.
    fn outermost_first(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.drafts.len());
        let mut ordered = vec![false; self.drafts.len()];
        for at in 0..self.drafts.len() {
            let mut line: Vec<usize> =
                std::iter::once(at).chain(self.above(at)).take_while(|at| !ordered[*at]).collect();
            while let Some(at) = line.pop() {
                if !std::mem::replace(&mut ordered[at], true) {
                    order.push(at);
                }
            }
        }
        order
    }

    fn found_by_key(
        &self,
        at: usize,
        call: &Call,
        by_key: &HashMap<CallKey, Vec<usize>>,
    ) -> Option<(usize, Reason)> {
        let lineage = |other: usize| self.is_above(other, at) || self.is_above(at, other);
        call.keys.iter().find_map(|key| {
            let reason = key.kind.reason();
            let known = by_key.get(key).filter(|known| known.len() <= MOST_BESIDE)?;
            let fits = |other: &usize| {
                let group = self.group_of[*other];
                self.call(*other).is_some_and(|theirs| same_call(call, theirs, reason, lineage(*other)))
                    && group.is_some_and(|group| self.has_place_for(at, group, reason))
            };
            known.iter().copied().find(fits).map(|other| (other, reason))
        })
    }

    /// The nearest account that encloses this one, if it tells of the same call.
    fn enclosing(&self, at: usize, call: &Call) -> Option<(usize, Reason)> {
        let above = self.above(at).find(|other| self.call(*other).is_some())?;
        let theirs = self.call(above)?;
        let group = self.group_of[above]?;
        let alike = same_call(call, theirs, Reason::Encloses, true);
        (alike && self.has_place_for(at, group, Reason::Encloses)).then_some((above, Reason::Encloses))
    }

    /// Whether no account of a group shows that the draft at a place is of another call.
    fn has_place_for(&self, at: usize, group: usize, reason: Reason) -> bool {
        let Some(call) = self.call(at) else { return false };
        let members = &self.members[group];
        let apart = |member: &usize| {
            let lineage = || self.is_above(*member, at) || self.is_above(at, *member);
            self.call(*member).is_some_and(|theirs| is_apart(call, theirs, reason, false) && !lineage())
        };
        call.thing.is_none() || members.len() < MOST_ACCOUNTS && !members.iter().any(apart)
    }

    /// The drafts above one, nearest first.
    fn above(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.up[at], |at| self.up[*at]).take(MOST_ABOVE)
    }

    fn is_above(&self, upper: usize, lower: usize) -> bool {
        self.above(lower).any(|above| above == upper)
    }

    fn join(&mut self, at: usize, other: usize, reason: Reason) {
        let Some(group) = self.group_of[other] else { return };
        self.group_of[at] = Some(group);
        self.reason[at] = Some(reason);
        self.members[group].push(at);
    }

    /// Joins calls that have one account each, by different voices, at the same place and time, where it is
    /// clear which belongs to which.
    fn by_time(&mut self) {
        let mut by_place: HashMap<RecordId, Vec<usize>> = HashMap::new();
        for at in 0..self.drafts.len() {
            let alone = self.group_of[at].is_some_and(|group| self.members[group].len() == 1);
            if let Some(parent) = self.call(at).filter(|_| alone).and_then(Call::parent) {
                by_place.entry(parent).or_default().push(at);
            }
        }
        let mut pairs = Vec::new();
        for places in by_place.into_values().filter(|places| (2..=MOST_BESIDE).contains(&places.len())) {
            let fit = |one: usize, other: usize| {
                self.call(one)
                    .zip(self.call(other))
                    .is_some_and(|(ours, theirs)| one_during_the_other(ours, theirs))
            };
            let partner = |at: usize| {
                let mut fitting = places.iter().copied().filter(|other| *other != at && fit(at, *other));
                fitting.next().filter(|_| fitting.next().is_none())
            };
            pairs.extend(places.iter().filter_map(|&at| {
                let other = partner(at).filter(|other| *other > at && partner(*other) == Some(at))?;
                Some((at, other))
            }));
        }
        for (at, other) in pairs {
            if let Some(group) = self.group_of[other] {
                self.members[group].clear();
            }
            self.join(other, at, Reason::During);
        }
    }

    /// Of each group the account that is sealed first: the fullest, then the outermost, then the one with the
    /// smallest id.
    fn firsts(&self) -> Vec<usize> {
        let rank = |members: &[usize], at: usize| {
            let many = members.len() > MOST_ACCOUNTS;
            let depth =
                if many { at } else { members.iter().filter(|other| self.is_above(**other, at)).count() };
            let call = self.call(at);
            (Reverse(call.map_or(0, |call| call.fullness)), depth, call.map_or([0; 8], |call| call.order))
        };
        self.members
            .iter()
            .map(|members| {
                let best = members
                    .iter()
                    .copied()
                    .min_by_key(|at| if members.len() < 2 { Default::default() } else { rank(members, *at) });
                best.unwrap_or_default()
            })
            .collect()
    }
}
