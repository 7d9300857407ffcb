//! Builds the drafts of the measured spans once, for `tests/it/guard` to count the instructions of.
//!
//! An example and no bench, because Cargo builds the daemon's binary before any bench.
#![allow(clippy::unwrap_used)]

mod spans;

use bytes::Bytes;
use halod::ingest::RequestBuilder;
use spans::Door;
use std::hint::black_box;

/// The counter starts where this begins and stops where it ends; it is found by its name.
#[inline(never)]
fn counted_drafts(door: &Door, bodies: Vec<Bytes>) -> Vec<RequestBuilder> {
    bodies.into_iter().map(|body| door.drafts(body)).collect()
}

fn main() {
    let bodies = spans::requests();
    let door = Door::new();
    // A first run does the work that a process does once: tables, functions that the linker looks up.
    let before: Vec<RequestBuilder> = bodies.iter().map(|body| door.drafts(body.clone())).collect();
    let counted = black_box(counted_drafts(&door, bodies));
    drop(before);
    println!("{}", counted.iter().map(|request| request.counted().usable).sum::<u64>());
}
