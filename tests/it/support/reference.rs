//! The reference implementation, asked what it thinks.

use super::clients::{npm, python};
use super::root;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// Runs a script of `tests/clients` in the reference's Python, feeds it `input` and returns what it
/// prints.
pub fn ask_python(script: &str, args: &[&Path], input: &str) -> String {
    let mut command = python().script(&root().join("tests/clients").join(script), &[]);
    command.args(args).env("PYTHONUTF8", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "the reference's Python failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A directory whose `node_modules` has the npm package.
pub fn node() -> &'static Path {
    npm().dir()
}
