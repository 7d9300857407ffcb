//! The fuzz targets on a stable compiler: every seed and golden file as it is, and a few thousand
//! mutations of them that are the same in every run.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../tests/fuzz/gateway.rs"]
mod gateway;
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

fn files(directory: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// xorshift64*: the same numbers in every run and on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let seed = &seeds[numbers.below(seeds.len())];
    // A window of a large capture, so that a mutation is likely to matter.
    let start = if seed.len() > 2048 && numbers.below(2) == 0 { numbers.below(seed.len() - 1024) } else { 0 };
    let mut bytes = seed[start..seed.len().min(start + 3072)].to_vec();
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = numbers.below(bytes.len());
        match numbers.below(6) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes.insert(at, numbers.below(128) as u8),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                bytes.splice(at.., other[from..other.len().min(from + 256)].iter().copied());
            }
        }
    }
    bytes
}

fn exercise(directories: &[&str], target: fn(&[u8])) {
    let seeds: Vec<_> = directories.iter().flat_map(|directory| files(directory)).collect();
    for seed in &seeds {
        target(seed);
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3_000 {
        target(&mutated(&seeds, &mut numbers));
    }
}

#[test]
fn otlp_protobuf() {
    exercise(
        &["../tests/fuzz/seeds/otlp_protobuf", "golden/otel", "golden/otel_logs"],
        targets::otlp_protobuf,
    );
}

#[test]
fn otlp_json() {
    exercise(&["../tests/fuzz/seeds/otlp_json", "golden/otel", "golden/otel_logs"], targets::otlp_json);
}

#[test]
fn otel_event() {
    let seeds =
        ["otel_event", "otlp_protobuf", "otlp_json"].map(|name| format!("../tests/fuzz/seeds/{name}"));
    exercise(&[&seeds[0], &seeds[1], &seeds[2], "golden/otel"], targets::otel_event);
}

#[test]
fn otel_log() {
    let seeds = ["otlp_protobuf", "otlp_json"].map(|name| format!("../tests/fuzz/seeds/{name}"));
    exercise(&[&seeds[0], &seeds[1], "golden/otel_logs"], targets::otel_log);
}

#[test]
fn json() {
    exercise(&["../tests/fuzz/seeds/json", "golden/otel"], targets::json_value);
}

#[test]
fn langfuse() {
    exercise(&["golden/langfuse"], targets::langfuse);
}

#[test]
fn litellm() {
    exercise(&["golden/litellm"], targets::litellm);
}

#[test]
fn openai_agents() {
    exercise(&["golden/openai_agents"], targets::openai_agents);
}

#[test]
fn langsmith() {
    exercise(&["../tests/fuzz/seeds/langsmith", "golden/langsmith"], targets::langsmith);
}

#[test]
fn gateway_text() {
    exercise(&["golden/gateway"], gateway::text);
}

#[test]
fn gateway_json() {
    exercise(&["golden/gateway"], gateway::json);
}
