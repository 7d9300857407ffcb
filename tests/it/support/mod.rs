//! What every scenario needs: a real halod, real clients, and a reader of the chains they leave.

pub mod api;
pub mod backend;
pub mod certificates;
pub mod chains;
pub mod clients;
pub mod flaky;
pub mod grpc;
pub mod halod;
pub mod http;
pub mod random;
pub mod reference;
pub mod room;
pub mod small;
pub mod spans;
pub mod terminal;
pub mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asks until the answer is yes. Panics, saying what was waited for, when it isn't within `limit`.
pub fn wait_until(what: &str, limit: Duration, mut yes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !yes() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
