//! `halod export` and `halod policy` say what the reference says, and leave as it leaves.

use crate::support::reference::ask_python;
use halod::reader::policy::{Policy, judge};
use halod::reader::window::Window;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn halod(verb: &str, paths: &[&Path], options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halod")).arg(verb).args(paths).args(options).output().unwrap()
}

fn options(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().map(|option| option.as_str().unwrap()).collect()
}

/// What `halod policy --json` exits with and prints; `None` where it refuses.
fn verdict(chain: &Path, policy: &Policy, options: &[&str]) -> Option<(u8, String)> {
    let of = |name| options.iter().position(|option| *option == name).map(|at| options[at + 1]);
    let window = Window::parse(of("--from"), of("--to")).unwrap();
    let verdict = judge(chain, policy, window, of("--expect-subject").map(str::to_owned)).ok()?;
    Some((verdict.code(), verdict.json()))
}

/// A manifest without what says when and by whom it was made.
fn unsigned(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.contains("generated_at") && !line.contains("producer_version")).collect()
}

#[test]
fn tables_and_manifests_are_the_references() {
    let place = tempfile::tempdir().unwrap();
    let (mut exported, mut refused) = (0, 0);
    for line in ask_python("exports.py", &[place.path()], "").lines() {
        let [chain, given, code, out] = &serde_json::from_str::<Vec<Value>>(line).unwrap()[..] else {
            panic!("{line}")
        };
        let theirs = place.path().join(out.as_str().unwrap());
        let ours = place.path().join(format!("ours.{}", out.as_str().unwrap()));
        let chain = place.path().join(chain.as_str().unwrap());
        let mut all = options(given);
        all.extend(["-o", ours.to_str().unwrap()]);
        let done = halod("export", &[&chain], &all);
        assert_eq!(done.status.code().map(i64::from), code.as_i64(), "{line}: {done:?}");
        if *code != 0 {
            assert!(!ours.exists() && !done.stderr.is_empty(), "{line}");
            refused += 1;
            continue;
        }
        let [theirs_text, ours_text] = [&theirs, &ours].map(|path| fs::read_to_string(path).unwrap());
        let differs =
            theirs_text.split("\r\n").zip(ours_text.split("\r\n")).find(|(theirs, ours)| theirs != ours);
        assert!(differs.is_none() && theirs_text == ours_text, "{line}: {differs:?}");
        let manifest = |csv: &Path| PathBuf::from(format!("{}.manifest.json", csv.display()));
        assert_eq!(unsigned(&manifest(&theirs)), unsigned(&manifest(&ours)), "{line}");
        exported += 1;
    }
    assert!(exported >= 30 && refused >= 40, "{exported} exported, {refused} refused");
    let left = fs::read_dir(place.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}

#[test]
fn policies_have_the_references_verdicts() {
    let place = tempfile::tempdir().unwrap();
    ask_python("exports.py", &[place.path()], "");
    let seed = std::env::var("HALOD_TEST_SEED").unwrap_or_else(|_| "1".into());
    let number = std::env::var("HALOD_POLICIES").unwrap_or_else(|_| "2000".into());
    println!("policies: HALOD_TEST_SEED={seed}");
    let said = ask_python("policies.py", &[place.path(), Path::new(&seed), Path::new(&number)], "");
    let (mut verdicts, mut refusals) = (0, 0);
    for line in said.lines() {
        let [text, given, asked] = &serde_json::from_str::<Vec<Value>>(line).unwrap()[..] else {
            panic!("{line}")
        };
        let policy = Policy::parse(text.as_str().unwrap().as_bytes());
        for case in asked.as_array().unwrap() {
            let chain = place.path().join(case[0].as_str().unwrap());
            let ours = policy.as_ref().ok().and_then(|policy| verdict(&chain, policy, &options(given)));
            let (code, said) = ours.map_or((2, None), |(code, said)| (code, Some(said + "\n")));
            assert_eq!(
                (Some(i64::from(code)), said.as_deref()),
                (case[1].as_i64(), case[2].as_str()),
                "{line}"
            );
            if said.is_some() { verdicts += 1 } else { refusals += 1 }
        }
    }
    assert!(verdicts > 0 && refusals > 0, "{verdicts} verdicts, {refusals} refusals");
}

#[test]
fn refusals_name_the_line_and_write_nothing() {
    let place = tempfile::tempdir().unwrap();
    ask_python("exports.py", &[place.path()], "");
    let chain = place.path().join("torn.jsonl");
    let out = place.path().join("out.csv");
    let done = halod("export", &[&chain], &["-o", out.to_str().unwrap()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("line 3"), "{said}");
    assert!(!out.exists());
    // The reference writes over the chain itself.
    let whole = place.path().join("odd.jsonl");
    let before = fs::read(&whole).unwrap();
    assert_eq!(halod("export", &[&whole], &["-o", whole.to_str().unwrap()]).status.code(), Some(2));
    assert_eq!(fs::read(&whole).unwrap(), before);
}

#[test]
fn own_columns_are_behind_the_others() {
    let place = tempfile::tempdir().unwrap();
    ask_python("exports.py", &[place.path()], "");
    let [chain, out] = ["marked.jsonl", "out.csv"].map(|name| place.path().join(name));
    assert_eq!(halod("export", &[&chain], &["--all", "-o", out.to_str().unwrap()]).status.code(), Some(0));
    let text = fs::read_to_string(&out).unwrap();
    let header = text.lines().next().unwrap();
    assert!(header.ends_with(",hash,source_via,outcome_hash,trace_id,data"), "{header}");
    assert!(text.lines().nth(1).unwrap().contains(r#""{""cross_region"":0,""#), "{text}");
}

#[test]
fn packs_are_policies_that_can_be_met() {
    let place = tempfile::tempdir().unwrap();
    ask_python("exports.py", &[place.path()], "");
    let [full, odd] = ["marked.jsonl", "odd.jsonl"].map(|name| place.path().join(name));
    let code = |chain: &Path, pack: &str| halod("policy", &[chain, Path::new(pack)], &[]).status.code();
    for pack in ["halod-baseline", "halod-strict"] {
        assert_eq!((code(&full, pack), code(&odd, pack)), (Some(0), Some(1)), "{pack}");
    }
    assert_eq!(code(&full, "no-such-pack"), Some(2));
}
