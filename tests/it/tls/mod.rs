//! Doors that speak TLS: which versions and certificates, clients that have to show one, files that change.

mod clients;
mod files;
mod handshakes;
mod probes;
mod reload;

use crate::support::halod::Halod;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A configuration file in `dir` whose doors have `tls`.
fn configured(dir: &Path, tls: &str) -> PathBuf {
    let file = dir.join("halod.yaml");
    let doors = format!("grpc: {{ tls: {tls} }}, http: {{ tls: {tls} }}");
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ {doors} }} }} }}\nstorage: {{ min_free_disk_mib: 0 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// A halod whose doors have `tls`; its records.
fn start(dir: &Path, tls: &str) -> (Halod, TempDir) {
    let records = tempfile::tempdir().unwrap();
    let file = configured(dir, tls);
    (Halod::start_with(records.path(), &["--config", file.to_str().unwrap()]), records)
}
