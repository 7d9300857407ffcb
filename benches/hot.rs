//! The cost of one span on its way from the wire to a sealed line, step by step: spans of a real agent,
//! and those that the load generator sends.
//!
//! `cargo bench --bench hot`; nanoseconds a span, least of several rounds. Instructions, which do not
//! depend on what else the machine does, are counted by `cargo test --test it guard`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spans;

use bytes::Bytes;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::protobuf;
use halod_record::build::Builder;
use halod_record::canon;
use halod_record::draft::{Draft, GENESIS, Scratch};
use halod_record::event::Event;
use halod_record::json;
use halod_record::tenant::Tenant;
use sha2::{Digest, Sha256};
use spans::Door;
use std::hint::black_box;
use std::time::Instant;

const CAPTURE: &[u8] = include_bytes!("../examples/captures/openai-agent.pb");
const ROUNDS: usize = 30;
/// Spans in a round, about.
const SPANS: usize = 2_000;

/// Runs `step` on all of `spans` spans again and again; the least time for one of them.
fn measure(name: &str, spans: usize, mut step: impl FnMut()) {
    let repeats = (SPANS / spans).max(1);
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..repeats {
            step();
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e9 / (repeats * spans) as f64);
    }
    println!("  {name:<48} {least:>8.0} ns");
}

/// Decodes a request and maps its spans.
fn events(body: &[u8], mut each: impl FnMut(&Event<'_>)) {
    let traces = protobuf::traces(body).unwrap();
    for group in &traces.resource_spans {
        let resource = Resource::new(&group.resource);
        for scope in &group.scopes {
            let events =
                scope.spans.iter().filter_map(|span| otel::event(&resource, &scope.scope_name, span));
            events.for_each(|event| each(&event));
        }
    }
}

fn drafts(builder: &Builder, tenant: &Tenant, bodies: &[Bytes]) -> Vec<Draft> {
    let mut scratch = Scratch::default();
    let mut drafts = Vec::new();
    for body in bodies {
        events(body, |event| drafts.push(builder.draft(event, tenant, &mut scratch)));
    }
    drafts
}

fn steps(whose: &str, bodies: &[Bytes]) {
    let tenant = Tenant::claimed("acme-corp").unwrap();
    let builder = Builder::new(false);
    let all = drafts(&builder, &tenant, bodies);
    let spans = all.len();
    println!(
        "{spans} spans of {whose}, {} bytes each, {} bytes a line",
        bodies.iter().map(Bytes::len).sum::<usize>() / spans,
        all.iter().map(Draft::len).sum::<usize>() / spans
    );
    measure("decode protobuf", spans, || {
        bodies.iter().for_each(|body| drop(black_box(protobuf::traces(body).unwrap())));
    });
    measure("decode, map", spans, || {
        bodies.iter().for_each(|body| events(body, |event| _ = black_box(event)));
    });
    measure("decode, map, hash contents, redact, write the line", spans, || {
        black_box(drafts(&builder, &tenant, bodies));
    });
    let door = Door::new();
    measure("the same at a door: tenants, parents, permits", spans, || {
        bodies.iter().for_each(|body| drop(black_box(door.drafts(body.clone()))));
    });
    let mut out = Vec::with_capacity(1 << 20);
    let ts = b"2026-01-01T00:00:00.000000Z";
    measure("seal (the writer's part)", spans, || {
        out.clear();
        all.iter().fold(GENESIS, |prev, draft| draft.seal(&prev, ts, &mut out));
        black_box(&out);
    });
    measure("SHA-256 of the sealed lines, by itself", spans, || {
        out.split_inclusive(|byte| *byte == b'\n').for_each(|line| _ = black_box(Sha256::digest(line)));
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

fn main() {
    steps("a real agent", &[Bytes::from_static(CAPTURE)]);
    steps("the load generator", &spans::requests());
}
