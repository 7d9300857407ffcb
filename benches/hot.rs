//! What one span costs on its way from the wire to a sealed line, step by step.
//!
//! `cargo bench --bench hot`; nanoseconds a span, least of several rounds. For instruction counts,
//! which do not depend on what else the machine does:
//! `valgrind --tool=callgrind --toggle-collect='*::seal*' target/release/deps/hot-*`
#![allow(clippy::unwrap_used, clippy::expect_used)]

use halo_adapters::json;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::protobuf;
use halod::record::build::Builder;
use halod::record::canon;
use halod::record::draft::{Draft, GENESIS, Scratch};
use halod::record::tenant::Tenant;
use std::hint::black_box;
use std::time::Instant;

const CAPTURE: &[u8] = include_bytes!("../examples/captures/openai-agent.pb");
const ROUNDS: usize = 30;
const REPEATS: usize = 200;

/// Runs `step` on all of `spans` spans again and again; the least time for one of them.
fn measure(name: &str, spans: usize, mut step: impl FnMut()) {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPEATS {
            step();
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e9 / (REPEATS * spans) as f64);
    }
    println!("{name:<44} {least:>8.0} ns");
}

fn drafts(builder: &Builder, tenant: &Tenant) -> Vec<Draft> {
    let traces = protobuf::traces(CAPTURE).unwrap();
    let mut scratch = Scratch::default();
    let mut drafts = Vec::new();
    for group in &traces.resource_spans {
        let resource = Resource::new(&group.resource);
        for span in group.scopes.iter().flat_map(|scope| &scope.spans) {
            drafts.extend(
                otel::event(&resource, span).map(|event| builder.draft(&event, tenant, &mut scratch)),
            );
        }
    }
    drafts
}

fn main() {
    let tenant = Tenant::claimed("acme-corp").unwrap();
    let builder = Builder::new(false);
    let all = drafts(&builder, &tenant);
    let spans = all.len();
    println!(
        "{spans} spans of a real agent, {} bytes each, {} bytes a line",
        CAPTURE.len() / spans,
        all[0].len()
    );
    measure("decode protobuf", spans, || {
        black_box(protobuf::traces(CAPTURE).unwrap());
    });
    measure("decode, map, hash contents, write the line", spans, || {
        black_box(drafts(&builder, &tenant));
    });
    let mut out = Vec::with_capacity(1 << 16);
    let ts = b"2026-01-01T00:00:00.000000Z";
    measure("seal (the writer's part)", spans, || {
        out.clear();
        all.iter().fold(GENESIS, |prev, draft| draft.seal(&prev, ts, &mut out));
        black_box(&out);
    });
    let line = String::from_utf8(out).unwrap();
    let value = json::parse(line.lines().next().unwrap()).unwrap();
    let mut canonical = Vec::with_capacity(1 << 12);
    measure("canonical form of a record, from a tree", 1, || {
        canonical.clear();
        canon::write(&value, &mut canonical).unwrap();
        black_box(&canonical);
    });
}
