//! Who comes into the next commit: every tenant that waits, before a second share of anybody's.
//!
//! Each tenant has a lane, in the order of its batches. A commit takes shares of the lanes in turn (deficit round
//! robin, in bytes), and what has not come to its turn when the commit is large enough begins the next one. So a
//! tenant that floods waits for itself, and all others for about one commit. A batch of several tenants is divided
//! among their lanes and answered when all of it is done.

use super::batch::Receipt;
use super::intake::{Job, Permit, Reply};
use super::rates::{Quota, Rates};
use super::refusal::Refusal;
use halod_chain::commit::{Detail, Work};
use halod_record::draft::Draft;
use halod_record::tenant::Tenant;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Bytes of drafts of one commit, but for the last draft: bounds how long one takes, which is what a quiet tenant waits
/// beside a flood. Measured at 512 KiB to 4 MiB, the median wait goes with it and the throughput does not.
const COMMIT: usize = 1 << 20;
/// The least that one tenant's turn brings, so that a commit of many tenants takes more than a draft of each.
const LEAST: usize = 16 << 10;

/// How long a lane whose chain was asked for is left alone, unless it is told before what came of it.
const PROBE: Duration = Duration::from_millis(1);

/// All that waits for the writer.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    lanes: HashMap<Tenant, Lane>,
    /// The lanes, in the order of their turns.
    turns: VecDeque<Tenant>,
    requests: HashMap<u64, Request>,
    last: u64,
    rates: Rates,
}

/// What waits of one tenant.
#[derive(Debug)]
struct Lane {
    parts: VecDeque<Part>,
    /// Bytes that its turns have brought and it did not use; below zero what it used beyond them.
    credit: isize,
    blocked: Option<Blocked>,
    /// What may still come of it into the commit that is being taken, where that is known.
    quota: Option<Quota>,
}

/// A tenant whose chain can't be had.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    since: Instant,
    /// When it is tried again.
    until: Instant,
}

/// One tenant's drafts of one batch.
#[derive(Debug)]
struct Part {
    request: u64,
    came: Instant,
    /// Whether its tenant's rate holds.
    limited: bool,
    drafts: VecDeque<Draft>,
}

/// A batch, until all of it is done.
#[derive(Debug)]
struct Request {
    /// Drafts that nothing became of yet.
    open: usize,
    receipt: Receipt,
    refusal: Option<Refusal>,
    reply: Reply,
    /// Given back before the answer: who waits for that may need the room.
    permit: Permit,
}

/// Some drafts of one lane, for one commit.
#[derive(Debug)]
pub(super) struct Share {
    tenant: Tenant,
    request: u64,
    came: Instant,
    /// When it was taken.
    taken: Instant,
    /// Since when the chain can't be had, if it could not at the last try.
    blocked: Option<Instant>,
    asked: usize,
    pub(super) work: Work,
}

impl FairQueue {
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, ..Self::default() }
    }

    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether anybody's turn may come at `now`.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.lanes.values().any(|lane| lane.may_go(now))
    }

    pub(super) fn push(&mut self, job: Job, now: Instant) {
        let Job { batch, detailed, reply } = job;
        if batch.drafts.is_empty() {
            return reply.send(Ok(Receipt::default()));
        }
        self.last += 1;
        let detail = detailed.then(|| Box::new(Detail::asking(batch.placed)));
        let request = Request {
            open: batch.drafts.len(),
            receipt: Receipt { detail, ..Receipt::default() },
            refusal: None,
            reply,
            permit: batch.permit,
        };
        self.requests.insert(self.last, request);
        let limited = batch.limited;
        for drafts in by_tenant(batch.drafts) {
            let Some(tenant) = drafts.first().map(|draft| draft.tenant().clone()) else { continue };
            let part = Part { request: self.last, came: now, limited, drafts: drafts.into() };
            if let Some(lane) = self.lanes.get_mut(&tenant) {
                lane.parts.push_back(part);
            } else {
                self.turns.push_back(tenant.clone());
                self.lanes.insert(tenant, Lane::of([part].into(), None));
            }
        }
    }

    /// What the next commit is of.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Share> {
        let mut shares = Vec::new();
        let mut room = COMMIT;
        let turn = LEAST.max(COMMIT / self.turns.len().max(1));
        while room > 0 && self.is_ready(now) {
            for _ in 0..self.turns.len() {
                let Some(tenant) = self.turns.pop_front() else { break };
                let Some(lane) = self.lanes.get_mut(&tenant) else { continue };
                if lane.may_go(now) {
                    let turn = turn.cast_signed();
                    lane.credit = (lane.credit + turn).min(turn);
                    if self.rates.are_limited() {
                        lane.quota.get_or_insert_with(|| self.rates.quota(&tenant, now));
                    }
                    lane.take(&tenant, now, &mut room, &self.requests, &mut shares);
                    if let Some(blocked) = &mut lane.blocked {
                        // Not again in this commit.
                        blocked.until = now + PROBE;
                    }
                }
                if lane.parts.is_empty() {
                    self.lanes.remove(&tenant);
                } else {
                    self.turns.push_back(tenant);
                }
                if room == 0 {
                    break;
                }
            }
        }
        if self.rates.are_limited() {
            self.lanes.values_mut().for_each(|lane| lane.quota = None);
        }
        shares
    }

    /// Why a share was not sealed whole of which nothing new might be.
    pub(super) fn over_rate(&self, share: &Share) -> Refusal {
        Refusal::TenantRate { retry_after: self.rates.wait(&share.tenant, share.taken) }
    }

    /// Takes note of what became of a share: its drafts are linked and on disk, or refused. All of a refused batch
    /// that waits in the same lane is refused with them.
    pub(super) fn done(&mut self, mut share: Share, refusal: Option<Refusal>) {
        self.note(&mut share);
        let (number, mut refused) = (share.request, share.asked);
        if let Some(lane) = self.lanes.get_mut(&share.tenant) {
            match refusal {
                None => lane.blocked = None,
                Some(_) => refused += lane.drop_request(number),
            }
        }
        let Some(request) = self.requests.get_mut(&number) else { return };
        request.refusal = request.refusal.take().or(refusal);
        request.open = request.open.saturating_sub(refused);
        if request.open == 0
            && let Some(Request { receipt, refusal, reply, permit, .. }) = self.requests.remove(&number)
        {
            drop((share, permit));
            reply.send(refusal.map_or(Ok(receipt), Err));
        }
    }

    /// Adds to the receipt what a commit did of a share.
    fn note(&mut self, share: &mut Share) {
        let Some(request) = self.requests.get_mut(&share.request) else { return };
        let gone = share.work.failed.is_some() || share.work.dropped;
        let left = if gone { share.asked } else { share.work.drafts.len() };
        request.open = request.open.saturating_sub(share.asked - left);
        share.asked = left;
        let (receipt, work) = (&mut request.receipt, &mut share.work);
        if work.limited {
            let bytes = std::mem::take(&mut work.bytes);
            self.rates.charge(&share.tenant, work.sealed.into(), bytes, share.taken);
        }
        receipt.seal_for(&share.tenant, work.sealed);
        receipt.elsewhere += std::mem::take(&mut work.elsewhere);
        receipt.sealed += std::mem::take(&mut work.sealed);
        receipt.duplicate += std::mem::take(&mut work.duplicate);
        receipt.conflict += std::mem::take(&mut work.conflict);
        if let (Some(all), Some(detail)) = (&mut receipt.detail, work.detail.take()) {
            all.add(*detail);
        }
    }

    /// Puts what is left of shares back to the front of their lanes, which are tried again after `pause`: their
    /// chains can't be had. Returns what has waited for `patience`, to be refused.
    pub(super) fn put_back(
        &mut self,
        shares: Vec<Share>,
        now: Instant,
        pause: Duration,
        patience: Duration,
    ) -> Vec<Share> {
        let mut refused = Vec::new();
        for mut share in shares.into_iter().rev() {
            self.note(&mut share);
            let since = share.blocked.unwrap_or(now);
            let late = |came: Instant| now.duration_since(since.max(came)) >= patience;
            let blocked = Some(Blocked { since, until: now + pause });
            if late(share.came) {
                if let Some(lane) = self.lanes.get_mut(&share.tenant) {
                    lane.blocked = blocked;
                    lane.give_up(&share.tenant, late, &mut refused);
                }
                refused.push(share);
                continue;
            }
            let Share { tenant, request, came, work, .. } = share;
            let limited = work.limited;
            let lane = self.lanes.entry(tenant).or_insert_with_key(|tenant| {
                self.turns.push_back(tenant.clone());
                Lane::of(VecDeque::new(), blocked)
            });
            lane.blocked = blocked;
            if lane.parts.front().is_none_or(|part| part.request != request) {
                lane.parts.push_front(Part { request, came, limited, drafts: VecDeque::new() });
            }
            if let Some(part) = lane.parts.front_mut() {
                work.drafts.into_iter().rev().for_each(|draft| part.drafts.push_front(draft));
            }
        }
        refused
    }

    /// Refuses everything.
    pub(super) fn refuse_all(&mut self, refusal: &Refusal) {
        self.lanes.clear();
        self.turns.clear();
        for (_, request) in self.requests.drain() {
            request.reply.send(Err(refusal.clone()));
        }
    }
}

impl Lane {
    fn of(parts: VecDeque<Part>, blocked: Option<Blocked>) -> Self {
        Self { parts, credit: 0, blocked, quota: None }
    }

    fn may_go(&self, now: Instant) -> bool {
        let has_quota = self.parts.front().is_none_or(|part| !part.limited || !is_used(self.quota));
        has_quota && self.blocked.is_none_or(|blocked| blocked.until <= now)
    }

    /// Takes what the credit and the room allow.
    fn take(
        &mut self,
        tenant: &Tenant,
        taken: Instant,
        room: &mut usize,
        requests: &HashMap<u64, Request>,
        shares: &mut Vec<Share>,
    ) {
        while self.credit > 0
            && *room > 0
            && let Some(part) = self.parts.front_mut()
            && !(part.limited && is_used(self.quota))
        {
            let mut quota = self.quota.as_mut().filter(|_| part.limited);
            let (mut count, mut bytes) = (0, 0);
            // Whether its chain can be had is found out by one.
            let most = if self.blocked.is_some() { 1 } else { usize::MAX };
            for draft in part.drafts.iter().take(most) {
                if bytes >= self.credit.unsigned_abs() || bytes >= *room {
                    break;
                }
                if quota.as_ref().is_some_and(|quota| quota.covers(count, bytes)) {
                    break;
                }
                bytes += draft.len();
                count += 1;
            }
            let detail = requests.get(&part.request).and_then(|request| request.receipt.detail.as_ref());
            let detail = detail.map(|detail| Box::new(detail.alike()));
            let nothing_new = quota.as_ref().is_some_and(|quota| quota.nothing_new);
            if let Some(quota) = &mut quota {
                quota.take(count, bytes);
            }
            let drafts: Vec<Draft> = part.drafts.drain(..count).collect();
            let limited = part.limited;
            shares.push(Share {
                tenant: tenant.clone(),
                request: part.request,
                came: part.came,
                taken,
                blocked: self.blocked.map(|blocked| blocked.since),
                asked: drafts.len(),
                work: Work { drafts, detail, limited, nothing_new, ..Work::default() },
            });
            self.credit -= bytes.cast_signed();
            *room = room.saturating_sub(bytes);
            if part.drafts.is_empty() {
                self.parts.pop_front();
            }
            if self.blocked.is_some() {
                break;
            }
        }
    }

    /// Takes out the parts that are `late`.
    fn give_up(&mut self, tenant: &Tenant, late: impl Fn(Instant) -> bool, refused: &mut Vec<Share>) {
        for part in std::mem::take(&mut self.parts) {
            if !late(part.came) {
                self.parts.push_back(part);
                continue;
            }
            let Part { request, came, drafts, .. } = part;
            let work = Work { drafts: drafts.into(), ..Work::default() };
            let (tenant, asked) = (tenant.clone(), work.drafts.len());
            refused.push(Share { tenant, request, came, taken: came, blocked: None, asked, work });
        }
    }

    /// Drops what waits of a request. Returns how many drafts these were.
    fn drop_request(&mut self, request: u64) -> usize {
        let of = |part: &&Part| part.request == request;
        let dropped = self.parts.iter().filter(of).map(|part| part.drafts.len()).sum();
        self.parts.retain(|part| part.request != request);
        dropped
    }
}

fn is_used(quota: Option<Quota>) -> bool {
    quota.is_some_and(|quota| quota.is_used())
}

/// The drafts of a batch, tenant by tenant, each in the order of the batch.
fn by_tenant(drafts: Vec<Draft>) -> Vec<Vec<Draft>> {
    if drafts.windows(2).all(|two| two[0].tenant() == two[1].tenant()) {
        return vec![drafts];
    }
    let mut places: HashMap<Tenant, usize> = HashMap::new();
    let mut divided: Vec<Vec<Draft>> = Vec::new();
    for draft in drafts {
        let at = *places.entry(draft.tenant().clone()).or_insert_with(|| {
            divided.push(Vec::new());
            divided.len() - 1
        });
        divided[at].push(draft);
    }
    divided
}

#[cfg(test)]
#[path = "fair_tests.rs"]
mod tests;
