//! What the chains say, and what outside verifiers say about them.

use super::clients::{npm, python};
use super::root;
use super::spans::SpanKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The chain files of a directory, in order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    files.sort();
    files
}

/// A chain's records. Panics on a line that is no JSON.
pub fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parse = |(i, line)| {
        serde_json::from_str(line).unwrap_or_else(|e| panic!("{}:{}: {e}", file.display(), i + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// The records of a tenant's chain, found by the subject rather than by the file's name.
pub fn of_tenant(dir: &Path, tenant: Option<&str>) -> Vec<Value> {
    let theirs = |r: &Value| r.pointer("/subject/id").and_then(Value::as_str) == tenant;
    let mut found: Vec<Vec<Value>> =
        files(dir).iter().map(|f| records(f)).filter(|rs| rs.first().is_some_and(theirs)).collect();
    assert!(found.len() <= 1, "{tenant:?} has {} chains", found.len());
    let records = found.pop().unwrap_or_default();
    assert!(records.iter().all(theirs), "the chain of {tenant:?} holds another's records");
    records
}

/// What the one `halod.gap` in a tenant's chain says.
pub fn gap(dir: &Path, tenant: Option<&str>) -> Value {
    let all = of_tenant(dir, tenant);
    let gaps: Vec<&Value> = all.iter().filter(|record| record["action"]["tool"] == "halod.gap").collect();
    assert_eq!(gaps.len(), 1, "gaps in the chain of {tenant:?}: {all:?}");
    gaps[0]["data"].clone()
}

/// Which span a record came from; `None` for records that are not about a span.
pub fn span_key(record: &Value) -> Option<SpanKey> {
    let text = |path| record.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Some((text("/data/trace_id")?, text("/data/span_id")?))
}

/// How often each span stands in a directory's chains.
pub fn spans(dir: &Path) -> BTreeMap<SpanKey, usize> {
    let mut seen = BTreeMap::new();
    for file in files(dir) {
        for key in records(&file).iter().filter_map(span_key) {
            *seen.entry(key).or_insert(0) += 1;
        }
    }
    seen
}

/// Every expected span is in the chains, once, and nothing else is.
pub fn assert_exactly(dir: &Path, expected: impl IntoIterator<Item = SpanKey>) {
    let seen = spans(dir);
    let expected: BTreeSet<SpanKey> = expected.into_iter().collect();
    let lost: Vec<_> = expected.iter().filter(|key| !seen.contains_key(*key)).collect();
    let twice: Vec<_> = seen.iter().filter(|(_, n)| **n != 1).collect();
    let foreign: Vec<_> = seen.keys().filter(|key| !expected.contains(*key)).collect();
    assert!(
        lost.is_empty() && twice.is_empty() && foreign.is_empty(),
        "of {} spans: {} lost {:?}, {} more than once {:?}, {} never sent {:?}",
        expected.len(),
        lost.len(),
        lost.iter().take(3).collect::<Vec<_>>(),
        twice.len(),
        twice.iter().take(3).collect::<Vec<_>>(),
        foreign.len(),
        foreign.iter().take(3).collect::<Vec<_>>(),
    );
}

/// Every chain of a directory, by `halo verify`, which notes no parent that is not there, and by the npm package.
pub fn assert_verified(dir: &Path) {
    let files = files(dir);
    assert!(!files.is_empty(), "{}: no chains", dir.display());
    for file in &files {
        let verdict = halo_verify(file);
        assert!(!verdict.contains("not found earlier in this chain"), "{}: {verdict}", file.display());
    }
    npm_verify(&files);
}

/// `halo verify FILE`: exit status 0. Returns what it says.
pub fn halo_verify(file: &Path) -> String {
    let out = python().command("halo").arg("verify").arg(file).output().expect("run halo");
    assert!(
        out.status.success(),
        "halo verify {}: {}\n{}{}",
        file.display(),
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// The npm package's `verifyLog` on each file: ok.
pub fn npm_verify(files: &[PathBuf]) {
    let out = npm().run(&root().join("tests/clients/verify.mjs"), files, &[]);
    assert_eq!(out.lines().count(), files.len(), "{out}");
}
