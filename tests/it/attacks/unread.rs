//! An index that is gone, beside a long chain: its tenant waits until it is read, nobody else does.

use super::send;
use crate::support::chains::assert_verified;
use crate::support::halod::{Halod, halod_verify};
use crate::support::wait_until;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Requests of the long chain, of 1,000 spans each, unless `HALOD_LONG_CHAIN` says how many.
const REQUESTS: u64 = 24;

#[test]
fn a_long_chain_without_an_index_holds_up_nobody_else() {
    let requests = std::env::var("HALOD_LONG_CHAIN").map_or(REQUESTS, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for n in 0..requests {
        assert_eq!(send(&halod, Some("long"), 1, n * 1000..(n + 1) * 1000).status, 200);
    }
    assert_eq!(send(&halod, Some("other"), 2, 0..1).status, 200);
    assert!(halod.terminate().success());
    std::fs::remove_dir_all(dir.path().join(".halod/index")).unwrap();

    let begun = Instant::now();
    let halod = Halod::start(dir.path());
    println!("ready after {:?}", begun.elapsed());
    let unread = |halod: &Halod| -> Value {
        let (status, said) = halod.ask("/readyz").unwrap();
        assert_eq!(status, 200);
        serde_json::from_str::<Value>(&said).unwrap()["unread"].clone()
    };
    let first = unread(&halod);
    assert_eq!(first["names"], serde_json::json!(["long"]), "{first}");
    let (others, own) = std::thread::scope(|scope| {
        let own = scope.spawn(|| {
            let begun = Instant::now();
            wait_until("the tenant of the long chain is served", Duration::from_secs(60), || {
                let answer = send(&halod, Some("long"), 1, 0..1000);
                assert!(answer.status == 200 || answer.header("retry-after").is_some(), "{}", answer.status);
                answer.status == 200
            });
            begun.elapsed()
        });
        let mut others = Vec::new();
        while !unread(&halod).is_null() || others.is_empty() {
            let begun = Instant::now();
            let tenant = format!("new-{}", others.len() % 8);
            assert_eq!(
                send(&halod, Some(&tenant), 3, others.len() as u64..others.len() as u64 + 1).status,
                200
            );
            others.push(begun.elapsed());
        }
        (others, own.join().unwrap())
    });
    let longest = others.iter().max().unwrap();
    println!("the long chain's tenant: {own:?}; {} requests of others, at most {longest:?}", others.len());
    assert!(others.len() > 1, "others were served meanwhile");
    assert!(*longest < Duration::from_secs(5), "{longest:?}");
    assert_eq!(halod.duplicates(), 1000);
    halod.await_log("every chain is read");
    assert!(halod.log().contains("chains are being read"));
    assert!(halod.terminate().success());
    if requests == REQUESTS {
        assert_verified(dir.path());
    } else {
        halod_verify(dir.path());
    }
}
