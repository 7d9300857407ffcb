//! What comes in as a dependency: licences, sources, duplicates. Asks `cargo metadata`, so that it
//! needs no tool that a fresh machine would have to build first. Advisories are not looked up here:
//! their database is not in the repository.

use crate::support::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// NCSA is libFuzzer's, which does not ship; bzip2's own asks for as little as BSD's. CDLA's is that of the list of certificates in
/// webpki-roots, which asks for its text to be handed on.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
    "bzip2-1.0.6",
];

/// Crates that are there in two versions today, because others lag behind. No further ones.
const TWICE: &[&str] = &[
    "cpufeatures",
    "getrandom",
    "r-efi",
    "rand",
    "rand_core",
    "syn",
    "windows-sys",
    // argon2 0.5 is behind sha2 0.11.
    "block-buffer",
    "crypto-common",
    "digest",
    // Of the tests alone, which compile `proto/`.
    "foldhash",
    "hashbrown",
    "prettyplease",
    "unicode-width",
];

/// Crates that must not ship, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "the release binary needs nothing installed"),
    ("aws-lc-sys", "it needs a C toolchain, and minutes to build"),
    ("tonic-prost-build", "what is generated from proto/ is checked in"),
    ("serde_yaml", "it is archived"),
];

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let out = Command::new(cargo).args(arguments).current_dir(root()).output().expect("run cargo");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words)
}

type Words<'a, 'b> = &'a mut std::iter::Peekable<std::str::SplitWhitespace<'b>>;

fn any(words: Words<'_, '_>) -> bool {
    let mut met = all(words);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words);
    }
    met
}

fn all(words: Words<'_, '_>) -> bool {
    let mut met = term(words);
    while words.next_if_eq(&"AND").is_some() {
        met &= term(words);
    }
    met
}

fn term(words: Words<'_, '_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words);
        words.next();
        return met;
    }
    let met = words.next().is_some_and(|licence| LICENCES.contains(&licence));
    // An exception only adds permissions.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    met
}

#[test]
fn licence_expressions_are_understood() {
    for yes in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-2.0) AND Zlib",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(allowed(yes), "{yes}");
    }
    for no in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND MPL-2.0"] {
        assert!(!allowed(no), "{no}");
    }
}

#[test]
fn every_crate_is_licensed_for_use_and_from_the_registry() {
    let mut broken = Vec::new();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        if !allowed(licence) {
            broken.push(format!("{}: licence {licence:?}", name(&package)));
        }
        match package["source"].as_str() {
            // The workspace's own.
            None => {}
            Some(source) if source.starts_with("registry+") => {}
            Some(source) => broken.push(format!("{}: from {source}", name(&package))),
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn no_crate_is_there_twice_without_need() {
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for package in packages() {
        versions.entry(name(&package).to_owned()).or_default().push(package["version"].to_string());
    }
    let twice =
        |(name, versions): &(&String, &Vec<String>)| versions.len() > 1 && !TWICE.contains(&name.as_str());
    let broken: Vec<_> = versions.iter().filter(twice).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn nothing_banned_ships() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--edges", "normal,build", "--prefix", "none", "--locked"];
    let out = Command::new(cargo).args(arguments).current_dir(root()).output().expect("run cargo");
    let tree = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && tree.starts_with("halod "), "{}", String::from_utf8_lossy(&out.stderr));
    for (banned, why) in BANNED {
        assert!(!tree.lines().any(|line| line.split(' ').next() == Some(banned)), "{banned}: {why}");
    }
}
