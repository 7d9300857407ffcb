#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::{Intake, Pending};
use crate::pipeline::rates::PerTenant;
use halod_chain::error::ChainUnusable;
use halod_record::ids::RecordId;
use halod_record::notice::{About, Notice};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

struct Bed {
    intake: Intake,
    jobs: Receiver<Job>,
    queue: FairQueue,
    now: Instant,
    made: u64,
}

impl Bed {
    fn new() -> Self {
        let (writer, jobs) = channel();
        let intake = Intake::with_writer(writer, usize::MAX);
        Self { intake, jobs, queue: FairQueue::default(), now: Instant::now(), made: 0 }
    }

    /// A draft that is like no other.
    fn draft(&mut self, tenant: &str) -> Draft {
        self.made += 1;
        let about = [("number", About::Number(self.made))];
        Notice::of_loss("gap", "a loss", &about).draft(&Tenant::stored(tenant))
    }

    fn drafts(&mut self, tenant: &str, count: usize) -> Vec<Draft> {
        (0..count).map(|_| self.draft(tenant)).collect()
    }

    fn send(&mut self, drafts: Vec<Draft>) -> Pending {
        let pending = self.intake.send(Batch::new(drafts, self.intake.owed()));
        self.queue.push(self.jobs.recv().unwrap(), self.now);
        pending
    }

    /// All shares of a commit are sealed.
    fn seal(&mut self) -> Vec<Share> {
        let mut shares = self.queue.take(self.now);
        for share in &mut shares {
            let work = std::mem::take(&mut share.work);
            self.queue.done(sealed(share, work), None);
        }
        shares
    }
}

/// The same share as a commit leaves it that sealed all of it.
fn sealed(share: &Share, mut work: Work) -> Share {
    work.sealed = u32::try_from(work.drafts.len()).unwrap();
    work.drafts.clear();
    with(share, work)
}

fn with(share: &Share, work: Work) -> Share {
    let Share { tenant, request, came, taken, blocked, asked, .. } = share;
    let (request, came, taken, blocked, asked) = (*request, *came, *taken, *blocked, *asked);
    Share { tenant: tenant.clone(), request, came, taken, blocked, asked, work }
}

fn answer(pending: Pending) -> Result<Receipt, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(1), pending).await.unwrap() })
}

const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn a_flood_waits_for_itself_and_a_quiet_tenant_for_one_commit() {
    let mut bed = Bed::new();
    let size = bed.draft("flood").len();
    let each = COMMIT / size;
    let flood: Vec<Pending> = (0..3)
        .map(|_| {
            let drafts = bed.drafts("flood", each);
            bed.send(drafts)
        })
        .collect();
    let drafts = bed.drafts("quiet", 1);
    let quiet = bed.send(drafts);
    let mut commits = Vec::new();
    while !bed.queue.is_empty() {
        let shares = bed.queue.take(bed.now);
        let bytes: usize = shares.iter().flat_map(|share| &share.work.drafts).map(Draft::len).sum();
        assert!(bytes < COMMIT + 2 * size, "{bytes}");
        commits.push(shares.iter().map(|share| share.tenant.clone()).collect::<Vec<_>>());
        for share in shares {
            let work = Work { drafts: share.work.drafts.clone(), ..Work::default() };
            bed.queue.done(sealed(&share, work), None);
        }
    }
    assert!(commits[0].contains(&Tenant::stored("quiet")), "{:?}", commits[0]);
    assert!((3..=5).contains(&commits.len()), "a commit is as large as it may be: {}", commits.len());
    assert_eq!(answer(quiet).unwrap().sealed, 1);
    for pending in flood {
        assert_eq!(answer(pending).unwrap().sealed as usize, each);
    }
}

#[test]
fn of_more_tenants_than_a_commit_takes_each_comes_before_any_comes_twice() {
    let mut bed = Bed::new();
    let each = 2 * LEAST / bed.draft("t").len();
    let tenants = COMMIT / LEAST + 7;
    for tenant in 0..tenants {
        let drafts = bed.drafts(&format!("t{tenant}"), each);
        drop(bed.send(drafts));
    }
    let mut turns: HashMap<Tenant, usize> = HashMap::new();
    while !bed.queue.is_empty() {
        for share in bed.seal() {
            *turns.entry(share.tenant).or_default() += 1;
        }
        let (least, most) = (turns.values().min().unwrap(), turns.values().max().unwrap());
        assert!(turns.len() == tenants || *most == 1, "nobody is passed over");
        assert!(most - least <= 1, "{least} to {most}");
    }
}

#[test]
fn a_batch_of_many_tenants_is_answered_once_and_whole() {
    let mut bed = Bed::new();
    let mixed: Vec<Draft> = (0..9).map(|n| bed.draft(["a", "b", "c"][n % 3])).collect();
    let all = bed.send(mixed);
    assert_eq!(bed.seal().len(), 3);
    assert_eq!(answer(all).unwrap().sealed, 9);
    // One of them fails: the others are sealed, and it is to come again.
    let mixed: Vec<Draft> = (0..4).map(|n| bed.draft(["a", "b"][n % 2])).collect();
    let part = bed.send(mixed);
    let shares = bed.queue.take(bed.now);
    for mut share in shares {
        let mut work = std::mem::take(&mut share.work);
        if share.tenant == Tenant::stored("a") {
            bed.queue.done(sealed(&share, work), None);
        } else {
            let why = Arc::new(ChainUnusable::TooMany(1));
            (work.failed, work.drafts) = (Some(why), Vec::new());
            bed.queue.done(with(&share, work), Some(Refusal::TooManyTenants));
        }
    }
    assert_eq!(answer(part).unwrap_err(), Refusal::TooManyTenants);
    assert!(bed.queue.requests.is_empty() && bed.queue.is_empty());
}

#[test]
fn who_waits_for_a_chain_holds_up_nobody_and_is_refused_in_the_end() {
    let mut bed = Bed::new();
    let begun = bed.now;
    let drafts = bed.drafts("locked", 3);
    let first = bed.send(drafts);
    let mut later = None;
    let mut refused = 0;
    while refused == 0 {
        let drafts = bed.drafts("free", 1);
        let free = bed.send(drafts);
        let (mut waits, mut tried) = (Vec::new(), 0);
        for mut share in bed.queue.take(bed.now) {
            if share.tenant == Tenant::stored("free") {
                let work = std::mem::take(&mut share.work);
                bed.queue.done(sealed(&share, work), None);
            } else {
                tried += 1;
                waits.push(share);
            }
        }
        assert!(tried <= 1, "what is behind it is not tried");
        assert_eq!(answer(free).unwrap().sealed, 1);
        for share in bed.queue.put_back(waits, bed.now, PAUSE, PATIENCE) {
            refused += share.work.drafts.len();
            bed.queue.done(share, Some(Refusal::ChainUnusable));
        }
        assert!(!bed.queue.is_ready(bed.now), "it is not tried again at once");
        bed.now += Duration::from_secs(1);
        if later.is_none() {
            let drafts = bed.drafts("locked", 2);
            later = Some(bed.send(drafts));
        }
    }
    assert_eq!((refused, bed.now - begun), (3, Duration::from_secs(6)));
    assert_eq!(answer(first).unwrap_err(), Refusal::ChainUnusable);
    // It has its chain again: who came later is sealed.
    bed.now += PAUSE;
    assert_eq!(bed.seal().len(), 1, "one draft finds that out");
    bed.seal();
    assert_eq!(answer(later.unwrap()).unwrap().sealed, 2);
    assert!(bed.queue.requests.is_empty() && bed.queue.is_empty());
}

impl Bed {
    fn send_limited(&mut self, drafts: Vec<Draft>) -> Pending {
        let pending = self.intake.send(Batch::new(drafts, self.intake.owed()).limited(true));
        self.queue.push(self.jobs.recv().unwrap(), self.now);
        pending
    }

    /// Commits until nothing waits, as the store does that knows what is sealed. Returns what is new by tenant.
    fn drain(&mut self, known: &mut HashSet<RecordId>) -> HashMap<Tenant, usize> {
        let mut new: HashMap<Tenant, usize> = HashMap::new();
        while !self.queue.is_empty() {
            assert!(self.queue.is_ready(self.now));
            for mut share in self.queue.take(self.now) {
                for draft in std::mem::take(&mut share.work.drafts) {
                    if share.work.dropped {
                    } else if known.contains(&draft.id()) {
                        share.work.duplicate += 1;
                    } else if share.work.nothing_new {
                        share.work.dropped = true;
                    } else {
                        known.insert(draft.id());
                        share.work.sealed += 1;
                        share.work.bytes += draft.len() as u64;
                        *new.entry(share.tenant.clone()).or_default() += 1;
                    }
                }
                let over = share.work.dropped.then(|| self.queue.over_rate(&share));
                self.queue.done(share, over);
            }
        }
        new
    }
}

#[test]
fn a_request_over_its_tenants_rate_gets_on_with_each_time_it_comes() {
    let mut bed = Bed::new();
    let rates = PerTenant { records_per_second: Some(10), ..PerTenant::default() };
    bed.queue = FairQueue::new(Rates::new(rates));
    let (a, b) = (Tenant::stored("a"), Tenant::stored("b"));
    let (mut known, begun, mut sealed, mut tries) = (HashSet::new(), bed.now, 0, 0);
    let drafts: Vec<Draft> = [bed.drafts("a", 250), bed.drafts("b", 50)].concat();
    loop {
        let pending = bed.send_limited(drafts.clone());
        let new = bed.drain(&mut known);
        tries += 1;
        assert_eq!(new.get(&b).copied(), (tries == 1).then_some(50), "the other tenant's is sealed at once");
        sealed += new.get(&a).copied().unwrap_or(0);
        let since = usize::try_from((bed.now - begun).as_secs()).unwrap();
        assert!(sealed <= 100 + 10 * since + 10, "{sealed} after {since} s");
        match answer(pending) {
            Ok(receipt) => {
                assert_eq!(receipt.sealed + receipt.duplicate, 300);
                break;
            }
            Err(Refusal::TenantRate { retry_after }) => bed.now += retry_after,
            Err(other) => panic!("{other}"),
        }
        // What is sealed may come again, also while nothing new may, and what is not limited may come.
        let again = bed.send_limited(drafts[..100].to_vec());
        let import = bed.drafts("a", 500);
        let import = bed.send(import);
        bed.now -= Duration::from_millis(100);
        assert_eq!(bed.drain(&mut known).get(&a), Some(&500));
        bed.now += Duration::from_millis(100);
        assert_eq!((answer(again).unwrap().duplicate, answer(import).unwrap().sealed), (100, 500));
    }
    assert_eq!((sealed, known.len()), (250, 300 + 500 * (tries - 1)));
    assert!(tries <= 17, "{tries}");
}

proptest! {
    /// Whatever is sealed, held up or refused: the drafts of a tenant go in the order of their batches, none goes
    /// twice, and every batch is answered once, with what became of it.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        batches in prop::collection::vec(prop::collection::vec(0..4usize, 1..12), 1..20),
        fates in prop::collection::vec(0..4u8, 1..400),
    ) {
        let mut bed = Bed::new();
        let mut sent: HashMap<Tenant, Vec<RecordId>> = HashMap::new();
        let mut went: HashMap<Tenant, Vec<RecordId>> = HashMap::new();
        let mut pending = Vec::new();
        let (mut batches, mut fates) = (batches.into_iter(), fates.into_iter().chain([0]).cycle());
        loop {
            for batch in batches.by_ref().take(3) {
                let drafts: Vec<Draft> = batch.iter().map(|n| bed.draft(&format!("t{n}"))).collect();
                for draft in &drafts {
                    sent.entry(draft.tenant().clone()).or_default().push(draft.id());
                }
                pending.push((drafts.len(), bed.send(drafts)));
            }
            if bed.queue.is_empty() {
                break;
            }
            let mut held: HashMap<Tenant, bool> = HashMap::new();
            let mut waits = Vec::new();
            for mut share in bed.queue.take(bed.now) {
                let fate = fates.next().unwrap();
                let mut work = std::mem::take(&mut share.work);
                if *held.entry(share.tenant.clone()).or_insert(fate == 3) {
                    // Of the first share of a lane a part may go, before the lock is gone.
                    let first = waits.iter().all(|other: &Share| other.tenant != share.tenant);
                    if first && work.drafts.len() > 1 {
                        let gone = work.drafts.remove(0);
                        work.sealed = 1;
                        went.entry(share.tenant.clone()).or_default().push(gone.id());
                    }
                    waits.push(with(&share, work));
                } else {
                    went.entry(share.tenant.clone()).or_default().extend(work.drafts.iter().map(Draft::id));
                    bed.queue.done(sealed(&share, work), None);
                }
            }
            let none = bed.queue.put_back(waits, bed.now, PAUSE, Duration::from_secs(3600));
            prop_assert!(none.is_empty());
            bed.now += PAUSE;
        }
        prop_assert_eq!(sent, went);
        for (count, pending) in pending {
            prop_assert_eq!(answer(pending).unwrap().sealed as usize, count);
        }
        prop_assert!(bed.queue.requests.is_empty());
    }
}
