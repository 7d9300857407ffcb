//! The 28 attacks of the design, each with who notices: halod's check, the reference's two verifiers, and both checks of a witness
//! file. What the design calls caught is caught; what it says nobody can see passes, and is here so that it is known.

mod acts;
mod scene;
mod table;

use self::scene::Scene;
pub use self::scene::copy;
use self::table::{ATTACKS, Attack};
use super::run;
use crate::support::chains::records;
use crate::support::clients::{npm, python};
use crate::support::halod::BINARY;
use crate::support::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Caught,
    /// Nothing is wrong, and a sentence tells the reader what to judge.
    Told,
    Passes,
}

use Verdict::{Caught, Passes, Told};

/// Where a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Every cell is run, with what an attacker would do.
    Run,
    /// The cells are run, and this part of the attack is made by the test.
    Simulated(&'static str),
    /// What would have to notice is the reader's own copy of a page, which the tests of that page show; the cells are run.
    Page(&'static str),
}

fn verdict(is_well: bool) -> Verdict {
    if is_well { Passes } else { Caught }
}

fn npm_verdict(chain: &Path) -> Verdict {
    let script = root().join("tests/clients/verify.mjs");
    verdict(npm().output(&script, &[chain.to_owned()], &[]).status.success())
}

/// What halod's check says: caught by these words, or told with them.
fn check(arguments: &[String], words: &str) -> Result<Verdict, String> {
    let all: Vec<&str> =
        ["check"].into_iter().chain(arguments.iter().map(String::as_str)).chain(["--json"]).collect();
    let out = run(&all);
    let said = || {
        format!(
            "halod {all:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        )
    };
    let report: Value = serde_json::from_slice(&out.stdout).map_err(|_| said())?;
    let sentences = report["sentences"].as_array().unwrap();
    let has = |finding: bool| {
        sentences.iter().any(|one| {
            (one["grade"] == "finding") == finding && one["text"].as_str().unwrap().contains(words)
        })
    };
    match out.status.code() {
        Some(1) if has(true) => Ok(Caught),
        Some(0 | 3) if words.is_empty() => Ok(Passes),
        Some(0 | 3) if has(false) => Ok(Told),
        _ => Err(said()),
    }
}

/// What everybody says of an attack.
fn said(scene: &Scene, attack: &Attack) -> Result<(), String> {
    let target = tempfile::tempdir().unwrap();
    let (dir, witness) = (target.path().join("records"), target.path().join("witness.jsonl"));
    copy(&scene.place.chains(), &dir);
    copy(&scene.witness, &witness);
    (attack.act)(scene, &dir, &witness);
    let arguments = (attack.check)(scene, &dir);
    let halod = check(&arguments, attack.halod.1)?;
    let chain = dir.join("acme.jsonl");
    let anchor = |mut command: Command, more: &[PathBuf]| {
        command.arg("anchor").arg(&chain).arg(&witness).arg("--check").args(more);
        verdict(command.output().unwrap().status.success())
    };
    let mut verify = python().command("halo");
    verify.arg("verify").arg(&chain);
    let got = [
        halod,
        verdict(verify.output().unwrap().status.success()),
        npm_verdict(&chain),
        anchor(python().command("halo"), &[]),
        anchor(Command::new(BINARY), &["--tsa-roots".into(), scene.tsa.path("root")]),
    ];
    let [verify, npm, halo_anchor, halod_anchor] = attack.others;
    let expected = [attack.halod.0, verify, npm, halo_anchor, halod_anchor];
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}")) }
}

#[test]
fn every_attack_has_the_verdict_that_the_table_says() {
    let scene = Scene::new();
    assert_eq!(records(&scene.place.chain("acme")).len(), 12);
    let numbers: BTreeSet<u32> = ATTACKS.iter().map(|attack| attack.number).collect();
    assert_eq!(numbers, (0..=28).collect(), "0 is no attack at all");
    let wrong: Vec<String> = ATTACKS
        .iter()
        .filter_map(|attack| {
            let why = said(&scene, attack).err()?;
            Some(format!("{} {} ({:?}): {why}", attack.number, attack.what, attack.how))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
