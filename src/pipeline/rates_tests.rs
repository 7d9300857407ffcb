#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn rates(records: Option<u64>, bytes: Option<u64>) -> Rates {
    let of = PerTenant { records_per_second: records, bytes_per_second: bytes, new_chains_per_minute: None };
    Rates::new(of)
}

const EVERYTHING: Quota = Quota { records: u64::MAX, bytes: u64::MAX, nothing_new: false };

#[test]
fn nothing_is_limited_or_remembered_by_default() {
    let (mut rates, now) = (Rates::new(PerTenant::default()), Instant::now());
    assert!(!rates.are_limited());
    let tenant = Tenant::stored("a");
    rates.charge(&tenant, 1 << 40, 1 << 60, now);
    assert_eq!((rates.quota(&tenant, now), rates.tenants()), (EVERYTHING, 0));
}

#[test]
fn what_is_used_up_first_limits_and_only_its_own_tenant() {
    let now = Instant::now();
    let (a, b) = (Tenant::stored("a"), Tenant::stored("b"));
    let mut rates = rates(Some(100), Some(10_000));
    let full = Quota { records: 1000, bytes: 100_000, nothing_new: false };
    assert_eq!(rates.quota(&a, now), full);
    rates.charge(&a, 950, 1, now);
    // At least what comes in a second.
    assert_eq!(rates.quota(&a, now), Quota { records: 100, bytes: 99_999, ..full });
    rates.charge(&a, 100, 1, now);
    assert!(rates.quota(&a, now).nothing_new);
    assert_eq!(rates.quota(&b, now), full);
    // Of the debt, and of what comes in a second after it.
    assert_eq!(rates.wait(&a, now), 3 * SECOND / 2);
    assert_eq!(rates.quota(&a, now + 3 * SECOND / 2).records, 100);
    rates.charge(&b, 1, 100_000, now);
    assert!(rates.quota(&b, now).nothing_new);
    assert_eq!(rates.wait(&b, now), SECOND);
    assert_eq!((rates.quota(&b, now + SECOND).bytes, rates.quota(&a, now + 60 * SECOND)), (10_000, full));
}

#[test]
fn tenants_are_forgotten_when_their_buckets_are_full() {
    let begun = Instant::now();
    let mut rates = rates(Some(1), None);
    let made_up = |n: usize| Tenant::stored(&format!("made up {n}"));
    for n in 0..100 * MANY {
        // The buckets of MANY / 2 are not full.
        let now = begun + SECOND * u32::try_from(n).unwrap() * 2 / u32::try_from(MANY).unwrap();
        rates.charge(&made_up(n), 1, 1, now);
        assert!(rates.tenants() <= MANY, "{}", rates.tenants());
    }
    assert!(rates.tenants() > 0);
}

proptest! {
    /// Whatever is asked for and sealed, and however much of it was there already: a tenant gets its burst and what
    /// came in since, but for a second's more. It is told when to come back, and then gets something.
    #[test]
    fn a_tenant_gets_its_rate(
        records in 1..2_000u64,
        bytes in 1024..2_000_000u64,
        commits in prop::collection::vec((0..5_000u64, 0..5_000u64, 1..2_000u64, 0..4u64), 1..100),
    ) {
        let mut rates = rates(Some(records), Some(bytes));
        let tenant = Tenant::stored("a");
        let begun = Instant::now();
        let (mut now, mut sealed, mut written) = (begun, 0u64, 0u64);
        for (pause, asked, size, known) in commits {
            now += Duration::from_millis(pause);
            let mut quota = rates.quota(&tenant, now);
            if quota.nothing_new {
                let wait = rates.wait(&tenant, now);
                prop_assert!(wait >= SECOND);
                prop_assert!(!rates.quota(&tenant, now + wait + Duration::from_nanos(1)).nothing_new);
                continue;
            }
            let mut new = 0;
            for n in 0..asked {
                if quota.is_used() {
                    break;
                }
                quota.take(1, usize::try_from(size).unwrap());
                new += u64::from(n % 4 >= known);
            }
            rates.charge(&tenant, new, new * size, now);
            (sealed, written) = (sealed + new, written + new * size);
            let millis = u64::try_from((now - begun).as_millis()).unwrap();
            let came_in = |rate: u64| rate * 11 + rate * millis / 1000;
            prop_assert!(sealed <= came_in(records) + 1, "{sealed} of {}", came_in(records));
            prop_assert!(written <= came_in(bytes) + size, "{written} of {}", came_in(bytes));
        }
    }
}
