#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::*;
use crate::pipeline::stats::HeadAge;

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

#[test]
fn the_rendering_is_exact() {
    let stats = Stats::default();
    stats.sealed.store(7, Relaxed);
    stats.refused[0].store(3, Relaxed);
    stats.observe_sync(Duration::from_micros(90));
    stats.observe_sync(Duration::from_micros(2_400));
    stats.observe_sync(Duration::from_secs(3));
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let now = started + Duration::from_secs(60);
    stats.heads.lock().unwrap().push(HeadAge {
        chain: "we\"ird\\\nname".into(),
        records: 12,
        sealed_at: now - Duration::from_secs(5),
    });
    stats.heads.lock().unwrap().push(HeadAge {
        chain: "future".into(),
        records: 1,
        sealed_at: now + Duration::from_secs(5),
    });
    let accepted = |receiver: &str, value| Sample {
        name: "halod_receiver_accepted_spans_total",
        labels: vec![("receiver", "otlp".into()), ("transport", receiver.to_owned())],
        value,
    };
    let stray = Sample { name: "not_a_family", labels: vec![], value: 1 };
    let series =
        parse(&render(&stats, &[accepted("grpc", 5), accepted("http", 2), stray], false, started, now));
    for (name, value) in [
        ("halod_up", 1.0),
        ("halod_ready", 0.0),
        ("process_start_time_seconds", 1000.0),
        ("halod_records_sealed_total", 7.0),
        ("halod_requests_refused_total{reason=\"full\"}", 3.0),
        ("halod_requests_refused_total{reason=\"chain_unusable\"}", 0.0),
        ("halod_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"grpc\"}", 5.0),
        ("halod_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"http\"}", 2.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.0001\"}", 1.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.001\"}", 1.0),
        ("halod_sync_duration_seconds_bucket{le=\"0.0025\"}", 2.0),
        ("halod_sync_duration_seconds_bucket{le=\"1\"}", 2.0),
        ("halod_sync_duration_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("halod_sync_duration_seconds_sum", 3.00249),
        ("halod_sync_duration_seconds_count", 3.0),
        ("halod_chain_head_age_seconds{chain=\"we\\\"ird\\\\\\nname\"}", 5.0),
        ("halod_chain_head_age_seconds{chain=\"future\"}", 0.0),
        ("halod_chain_records{chain=\"we\\\"ird\\\\\\nname\"}", 12.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}");
    }
    assert!(!series.keys().any(|name| name.contains("not_a_family")));
    assert!(series["process_resident_memory_bytes"] > 0.0);
}
