//! More tenants than descriptors.

use crate::support::chains::{files, halo_verify, npm_verify, spans};
use crate::support::halod::{Halod, halod_verify};
use crate::support::spans::{resource, span};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::time::{Duration, Instant};

const TENANTS: u64 = 10_000;
const A_REQUEST: u64 = 100;

fn body(first: u64) -> Vec<u8> {
    let one = |n| resource(Some(&format!("tenant-{n:05}")), vec![span(0xF0, n)]);
    ExportTraceServiceRequest { resource_spans: (first..first + A_REQUEST).map(one).collect() }
        .encode_to_vec()
}

#[test]
fn ten_thousand_tenants_with_256_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start_limited(dir.path(), "ulimit -n 256", &[]);
    let mut connection = halod.connect();
    let mut pass = || {
        let start = Instant::now();
        for first in (0..TENANTS).step_by(A_REQUEST as usize) {
            let answer = connection.export(&body(first)).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        start.elapsed()
    };
    let first = pass();
    assert_eq!(halod.sealed(), TENANTS);
    let again = pass();
    println!("first pass {first:?}, second {again:?}, peak memory {} MiB", halod.peak_memory_mib());
    assert_eq!((halod.sealed(), halod.duplicates()), (TENANTS, TENANTS));
    let start = Instant::now();
    halod.export(&body(TENANTS));
    assert!(start.elapsed() < Duration::from_secs(5), "still answers at once: {:?}", start.elapsed());
    assert_eq!(halod.ready(), 200);
    assert!(halod.terminate().success());
    let files = files(dir.path());
    assert_eq!(files.len() as u64, TENANTS + A_REQUEST);
    assert!(spans(dir.path()).values().all(|n| *n == 1));
    halod_verify(dir.path());
    npm_verify(&files[..200]);
    files.iter().step_by(files.len() / 10).for_each(|file| drop(halo_verify(file)));
    // A restart, with as few descriptors, still knows every one of them.
    let halod = Halod::start_limited(dir.path(), "ulimit -n 256", &[]);
    halod.export(&body(5_000));
    assert_eq!((halod.sealed(), halod.duplicates()), (0, A_REQUEST));
    assert!(halod.terminate().success());
}
