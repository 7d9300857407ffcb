//! The guard: how many instructions the draft of a span takes, held against a committed figure.
//!
//! Times swing by half on machines that are shared; instructions don't. `benches/counted.rs` is built nearly as what
//! ships is (`[profile.guard]`), and callgrind counts what it does between a request's bytes and its drafts: decoding,
//! the adapter, tenants and parents, redaction, canonical forms, the line. valgrind knows no SHA-NI, so that the
//! compression function of SHA-256 runs in software there; it is told apart by its name and has a figure of its own,
//! which says how much is hashed.

mod callgrind;
mod figure;

use crate::support::clients::{Valgrind, text_of, valgrind};
use crate::support::root;
use callgrind::{HASHING, Profile};
use figure::Figure;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIGURE: &str = "benches/instructions.txt";

/// The function of `benches/counted.rs` within which instructions count.
const COUNTED: &str = "--toggle-collect=*counted_drafts*";

#[test]
fn a_spans_draft_takes_no_more_instructions_than_the_committed_figure() {
    let now = count(&build(), valgrind());
    println!("{}", now.write());
    let file = root().join(FIGURE);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, now.write()).unwrap();
        return;
    }
    let committed = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{FIGURE}: {e}; {}", figure::RENEW));
    let committed = Figure::parse(&committed);
    // Other processors have other instructions, so that there is nothing to compare.
    let arch = format!(" on {}", std::env::consts::ARCH);
    if !committed.with.iter().any(|with| with.ends_with(&arch)) {
        let with = committed.with.join(", ");
        assert!(std::env::var_os("CI").is_none(), "{FIGURE} was counted with {with}, and this is{arch}");
        println!("NOT COMPARED: {FIGURE} was counted with {with}, and this is{arch}");
        return;
    }
    if let Some(said) = committed.against(&now) {
        panic!("\n{said}");
    }
}

/// Builds the counted program; returns where it is.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked", "--quiet", "--profile", "guard", "--example", "counted"]);
    command.arg("--target-dir").arg(target).current_dir(root());
    // Flags and settings of whoever runs the tests would make other instructions of the same source.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    command.env("CARGO_INCREMENTAL", "0");
    // Some build scripts run again when these differ.
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    std::env::vars().map(|(name, _)| name).filter(|name| own(name)).for_each(|name| {
        command.env_remove(name);
    });
    text_of(command.output().expect("run cargo"), "building the counted program");
    target.join("guard/examples/counted")
}

fn count(program: &Path, valgrind: &Valgrind) -> Figure {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("callgrind");
    let mut command = valgrind.command();
    command.args(["--tool=callgrind", COUNTED]).arg(format!("--callgrind-out-file={}", out.display()));
    let spans: u64 =
        text_of(command.arg(program).output().expect("run valgrind"), "valgrind").trim().parse().unwrap();
    let profile = Profile::read(&fs::read_to_string(out).unwrap(), program.to_str().unwrap());
    let a_span = |counts: callgrind::Counts| -> callgrind::Counts {
        counts.into_iter().map(|(name, count)| (name, count / spans)).collect()
    };
    let all = profile.functions().values().sum::<u64>() / spans;
    let functions = a_span(profile.functions());
    let mut stages = a_span(profile.stages());
    let hashing = stages.remove(HASHING).unwrap_or(0);
    assert!(hashing > 0, "the compression function of SHA-256 can't be told apart:\n{functions:#?}");
    Figure { with: tools(valgrind), drafts: all - hashing, hashing, stages, functions }
}

/// What decides on the instructions besides the source.
fn tools(valgrind: &Valgrind) -> Vec<String> {
    let first = |command: &mut Command| {
        let said = text_of(command.output().unwrap(), &format!("{command:?}"));
        said.lines().next().unwrap_or_default().to_owned()
    };
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libc = first(Command::new("getconf").arg("GNU_LIBC_VERSION"));
    vec![
        first(Command::new(rustc).arg("--version").current_dir(root())),
        format!("{libc} on {}", std::env::consts::ARCH),
        first(valgrind.command().arg("--version")),
    ]
}
