#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::*;
use crate::ingest::requests::Transport;
use crate::net::status::Fault;
use crate::pipeline::stats::HeadAge;
use crate::receivers::otlp::scopes::ScopeCounts;
use crate::receivers::stats::Counters;
use halo_adapters::otlp::Signal;

/// Series by name and labels; fails on anything the format does not allow.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut series, mut seen, mut family, mut kind) = (BTreeMap::new(), HashSet::new(), "", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split_once(' ').expect(line).0;
            assert!(seen.insert(family), "{family} twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').expect(line);
            assert_eq!(name, family);
            kind = of;
        } else {
            let (name, rest) = line.split_at(line.find(['{', ' ']).expect(line));
            let suffix = name.strip_prefix(family).expect(line);
            let allowed: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(allowed.contains(&suffix), "{line}");
            assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
            let (labels, value) = labels(rest);
            assert!(
                series.insert(format!("{name}{labels}"), value.trim().parse().expect(line)).is_none(),
                "{line}"
            );
        }
    }
    series
}

/// Splits `{a="b"} 1` at the end of the labels, checking names and escapes.
fn labels(rest: &str) -> (&str, &str) {
    if !rest.starts_with('{') {
        return ("", rest);
    }
    let (mut quoted, mut escaped, mut name) = (false, false, String::new());
    for (i, c) in rest.char_indices().skip(1) {
        match (quoted, escaped, c) {
            (true, true, '\\' | '"' | 'n') => escaped = false,
            (true, true, _) => panic!("{rest}"),
            (true, false, '\\') => escaped = true,
            (true, false, '"') => (quoted, name) = (false, String::new()),
            (true, false, _) => {}
            (false, _, '"') => {
                let label = name.trim_start_matches(',').strip_suffix('=').expect(rest);
                assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{rest}");
                quoted = true;
            }
            (false, _, '}') => return rest.split_at(i + 1),
            (false, _, c) => name.push(c),
        }
    }
    panic!("{rest}")
}

fn rendered(stats: &Arc<Stats>, counters: &Counters) -> BTreeMap<String, f64> {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let metrics =
        Metrics::new(stats, &counters.otlp.filtered, started).with(|registry| counters.register(registry));
    let open = metrics.render(false, Format::OpenMetrics).unwrap();
    assert!(open.ends_with("# EOF\n") && !open.contains("_total_total"));
    parse(&metrics.render(false, Format::Prometheus).unwrap())
}

#[test]
fn the_rendering_is_exact() {
    let stats = Arc::new(Stats::default());
    stats.sealed.inc_by(7);
    stats.refused[0].inc_by(3);
    stats.notice("gap");
    stats.sync.observe(Duration::from_micros(90));
    stats.sync.observe(Duration::from_micros(2_400));
    stats.sync.observe(Duration::from_secs(3));
    let now = SystemTime::now();
    for (chain, records, sealed_at) in
        [("we\"ird\\\nname", 12, now - Duration::from_secs(5)), ("future", 1, now + Duration::from_secs(50))]
    {
        stats.heads.lock().unwrap().push(HeadAge { chain: chain.into(), records, sealed_at });
    }
    let counters = Counters::default();
    counters.otlp.signals.traces.begin(Transport::Grpc).answer();
    let mut refused = counters.native.begin(Transport::Grpc);
    refused.refuse(&Fault::MediaType);
    refused.answer();
    drop(counters.import.begin(Transport::Http));
    let _open = counters.litellm.begin(Transport::Http);
    let mut scopes = ScopeCounts::default();
    scopes.add("acme.web", 3);
    counters.otlp.filtered.add(Signal::Traces, &scopes);
    let series = rendered(&stats, &counters);
    for (name, value) in [
        ("halod_up", 1.0),
        ("halod_ready", 0.0),
        ("process_start_time_seconds", 1000.0),
        ("halod_records_sealed_total", 7.0),
        ("halod_notices_total{kind=\"gap\"}", 1.0),
        ("halod_notices_total{kind=\"torn_tail\"}", 0.0),
        ("halod_pipeline_refusals_total{reason=\"full\"}", 3.0),
        ("halod_pipeline_refusals_total{reason=\"chain_unusable\"}", 0.0),
        ("halod_requests_received_total{receiver=\"otlp\",transport=\"grpc\"}", 1.0),
        ("halod_requests_total{receiver=\"otlp\",transport=\"grpc\",outcome=\"answered\"}", 1.0),
        ("halod_requests_total{receiver=\"otlp\",transport=\"http\",outcome=\"answered\"}", 0.0),
        (
            "halod_requests_total{receiver=\"native\",transport=\"grpc\",outcome=\"refused\",reason=\"media_type\"}",
            1.0,
        ),
        ("halod_requests_total{receiver=\"import\",transport=\"http\",outcome=\"abandoned\"}", 1.0),
        ("halod_requests_in_flight{receiver=\"litellm\",transport=\"http\"}", 1.0),
        ("halod_request_duration_seconds_count{receiver=\"otlp\"}", 1.0),
        ("halod_request_duration_seconds_count{receiver=\"litellm\"}", 0.0),
        ("halod_request_duration_seconds_bucket{receiver=\"litellm\",le=\"0.001\"}", 0.0),
        ("halod_request_duration_seconds_bucket{receiver=\"litellm\",le=\"60\"}", 0.0),
        ("halod_filtered_total{signal=\"traces\",scope=\"acme.web\"}", 3.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.0001\"}", 1.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.001\"}", 1.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.0025\"}", 2.0),
        ("halod_sync_duration_seconds_bucket{le=\"1\"}", 2.0),
        ("halod_sync_duration_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("halod_sync_duration_seconds_sum", 3.00249),
        ("halod_sync_duration_seconds_count", 3.0),
        ("halod_chain_head_age_seconds{chain=\"future\"}", 0.0),
        ("halod_chain_records{chain=\"we\\\"ird\\\\\\nname\"}", 12.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}");
    }
    let age = series["halod_chain_head_age_seconds{chain=\"we\\\"ird\\\\\\nname\"}"];
    assert!((5.0..60.0).contains(&age), "{age}");
    assert!(series["process_resident_memory_bytes"] > 0.0);
    let build =
        format!("halod_build_info{{version=\"{}\",revision=\"{REVISION}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(series.get(&build), Some(&1.0));
}

/// A receiver's figures are there before anything came to it: a rate over what appears later misses its first.
#[test]
fn every_receiver_is_there_from_the_start() {
    let series = rendered(&Arc::default(), &Counters::default());
    for receiver in [
        "otlp",
        "native",
        "litellm",
        "langfuse",
        "langsmith",
        "openai_agents",
        "file_log",
        "import",
        "captured",
    ] {
        for name in ["halod_items_total", "halod_items_in_flight", "halod_requests_total"] {
            let of = format!("{name}{{receiver=\"{receiver}\"");
            assert!(series.keys().any(|name| name.starts_with(&of)), "{of}");
        }
    }
}
