//! Made-up tenants against `storage.max_tenants`.

use super::send;
use crate::support::chains::{files, of_tenant};
use crate::support::grpc::Grpc;
use crate::support::halod::Halod;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use std::time::Duration;

const LIMIT: usize = 20;

#[test]
fn made_up_tenants_stay_within_the_limit_and_shut_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("halod.yaml");
    std::fs::write(&file, format!("storage:\n  max_tenants: {LIMIT}\nreceivers:\n  gap_interval: 1s\n"))
        .unwrap();
    let start = || Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    let halod = start();
    for n in 0..5 {
        assert_eq!(send(&halod, Some(&format!("honest-{n}")), 1, 0..1).status, 200);
    }
    assert!(halod.terminate().success());
    for restart in 0..3 {
        let halod = start();
        let mut refused = 0;
        for n in 0..100 {
            let answer = send(&halod, Some(&format!("made-up-{restart}-{n}")), 2, 0..1);
            if answer.status == 503 {
                refused += 1;
                assert_eq!(answer.header("retry-after"), Some("60"));
            }
        }
        assert!(refused >= 85, "{refused}");
        let mut grpc = Grpc::connect(halod.grpc).unwrap();
        let answer = grpc.export(&request(Some("made-up"), vec![span(3, 0)])).unwrap();
        assert_eq!(answer.code, 14, "UNAVAILABLE, as it may be sent again: {}", answer.message);
        for n in 0..5 {
            assert_eq!(send(&halod, Some(&format!("honest-{n}")), 4 + restart, 0..1).status, 200);
        }
        // A request of several tenants: what can be sealed is, and the rest must come again.
        let lines = halod.log().lines().filter(|line| line.contains("max_tenants")).count();
        assert!(lines <= 2, "one line a minute: {lines}");
        wait_until("the refusals are told", Duration::from_secs(20), || {
            let gaps = of_tenant(dir.path(), None);
            gaps.iter().filter(|gap| gap["data"]["otlp.too_many_tenants"].as_u64() > Some(0)).count()
                > restart as usize
        });
        assert!(halod.terminate().success());
        let chains = files(dir.path()).len();
        assert!(chains <= LIMIT + 1, "{chains} chains, one of them nobody's");
    }
    let gap = of_tenant(dir.path(), None).remove(0);
    assert!(gap["outcome"]["summary"].as_str().unwrap().contains("no more chains may be begun"), "{gap}");
}

/// D8: what can be sealed is sealed, and a resend finds it.
#[test]
fn a_request_of_many_tenants_is_sealed_as_far_as_it_can_be() {
    use crate::support::spans::resource;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;
    let dir = tempfile::tempdir().unwrap();
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("halod.yaml");
    std::fs::write(&file, "storage:\n  max_tenants: 2\n").unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    let of = |n: u64| resource(Some(&format!("tenant-{n}")), vec![span(1, n)]);
    let body = ExportTraceServiceRequest { resource_spans: (0..4).map(of).collect() }.encode_to_vec();
    for round in 0..2 {
        let answer = halod.connect().export(&body).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")));
        assert_eq!((halod.sealed(), halod.duplicates()), (2, 2 * round));
    }
    assert!(halod.terminate().success());
}
