//! `halod report`: what the page says, in a real browser and under Node, against `halod verify`, `halod check` and the reference.

mod page;
mod types;
mod verb;
mod verifier;

use crate::checkpoints::run;
use crate::support::clients::python;
use crate::support::root;
use std::path::Path;
use std::process::Output;

/// Writes one of the chains of `tests/clients/report_chain.py`.
fn write_chain(dir: &Path, which: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let script = root().join("tests/clients/report_chain.py");
    let out = python().script(&script, &[dir.to_str().unwrap(), which]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// `halod report` with arguments.
fn report(arguments: &[&str]) -> Output {
    run(&[&["report"], arguments].concat())
}

/// What went wrong, and its exit code.
fn refused(out: &Output) -> (i32, String) {
    (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
}
