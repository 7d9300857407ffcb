//! What `halod report` makes and what it refuses.

use super::{refused, report, write_chain};
use crate::checkpoints::printed;
use crate::support::halod::BINARY;
use halod::reader::report::page;
use std::fs;
use std::path::Path;
use std::process::Command;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_report_begins_with_the_page_whose_hash_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write_chain(dir.path(), "hostile");
    let file = dir.path().join("evil.html");
    let said = printed(&report(&["evil", "--dir", text(dir.path()), "-o", text(&file)]));
    assert_eq!(said, format!("{}: 15 records\n", file.display()));
    let made = fs::read_to_string(&file).unwrap();
    assert!(made.starts_with(page::html()));
    let hash = printed(&report(&["--page-hash"]));
    assert_eq!(hash, format!("{}  {} bytes\n", page::hash(), page::html().len()));
    // Nothing that a record says stands in the file as it is.
    assert!(!made[page::html().len()..].contains("pwned"));
    assert_eq!(made[page::html().len()..].matches('<').count(), 4);
}

#[test]
fn a_bare_name_is_a_file_of_the_current_directory() {
    let dir = tempfile::tempdir().unwrap();
    write_chain(dir.path(), "hostile");
    // A file of the user's with a name like a temporary one.
    fs::write(dir.path().join("evil.new"), "mine").unwrap();
    let mut command = Command::new(BINARY);
    let out =
        command.current_dir(dir.path()).args(["report", "evil", "--dir", ".", "-o", "evil.html"]).output();
    assert_eq!(printed(&out.unwrap()), "evil.html: 15 records\n");
    assert_eq!(fs::read(dir.path().join("evil.new")).unwrap(), b"mine");
}

#[test]
fn what_cant_be_attested_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_chain(dir.path(), "first");
    let (chain, out) = (dir.path().join("acme.jsonl"), dir.path().join("out.html"));
    let whole = fs::read_to_string(&chain).unwrap();
    let ask = |more: &[&str]| refused(&report(&[&[text(&chain), "-o", text(&out)], more].concat()));

    assert_eq!(ask(&["--expect-subject", "acme"]), (0, String::new()));
    let (code, said) = ask(&["--expect-subject", "globex"]);
    assert!(code == 1 && said.contains("is of acme, and you expect globex"), "{said}");
    assert_eq!(ask(&["--happened", "someday"]).0, 2);
    assert_eq!(ask(&["--happened", "2031-01-01.."]).0, 3);
    assert_eq!(refused(&report(&["nobody", "--dir", text(dir.path()), "-o", text(&out)])).0, 2);

    // A witness of the reference's kind.
    let witness = dir.path().join("witness");
    assert_eq!(ask(&["--witness", text(&witness)]).0, 2);
    fs::write(&witness, "{}\n").unwrap();
    let (code, said) = ask(&["--witness", text(&witness)]);
    assert!(code == 2 && said.contains("damaged"), "{said}");
    let head = |count: usize| {
        let line: serde_json::Value = serde_json::from_str(whole.lines().nth(count - 1).unwrap()).unwrap();
        line["integrity"]["hash"].as_str().unwrap().to_owned()
    };
    let line = |subject: &str, count: usize, head: &str| {
        fs::write(&witness, format!("{{\"subject\":\"{subject}\",\"count\":{count},\"head\":\"{head}\"}}\n"))
            .unwrap();
    };
    line("globex", 5, &head(5));
    assert_eq!(ask(&["--witness", text(&witness)]).0, 3);
    line("acme", 5, &head(5));
    assert_eq!(ask(&["--witness", text(&witness)]).0, 0);
    line("acme", 5, &head(6));
    assert_eq!(ask(&["--witness", text(&witness)]).0, 1);
    line("acme", 500, &head(6));
    assert_eq!(ask(&["--witness", text(&witness)]).0, 1);

    // A torn line is named, and shown only on demand.
    let torn = whole.replacen('\n', "\n{\"torn\":\n", 1);
    fs::write(&chain, &torn).unwrap();
    let (code, said) = ask(&[]);
    assert!(code == 1 && said.contains("line 2 of") && said.contains("--complete-records"), "{said}");
    assert_eq!(ask(&["--complete-records"]).0, 0);
    // A changed one is refused whatever is asked for.
    fs::write(&chain, whole.replacen("question 5", "question 6", 1)).unwrap();
    let (code, said) = ask(&["--complete-records"]);
    assert!(code == 1 && said.contains("does not verify: line 5: hash"), "{said}");
    fs::write(&chain, whole.replacen("\"id\":\"acme\"", "\"id\":\"other\"", 1)).unwrap();
    assert_eq!(ask(&[]).0, 1);
    fs::write(&chain, "\n").unwrap();
    assert_eq!(ask(&[]).0, 3);
}

#[test]
fn what_is_too_much_for_a_file_is_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    write_chain(dir.path(), "long");
    let (chain, out) = (dir.path().join("long.jsonl"), dir.path().join("long.html"));
    printed(&report(&[text(&chain), "-o", text(&out)]));
    assert!(out.exists());
    let folder = dir.path().join("folder");
    printed(&report(&[text(&chain), "-o", text(&folder), "--folder"]));
    assert_eq!(fs::read(folder.join("long.jsonl")).unwrap(), fs::read(&chain).unwrap());
    assert_eq!(fs::read_to_string(folder.join("verify.html")).unwrap(), page::html());
    let again = refused(&report(&[text(&chain), "-o", text(&folder), "--folder"]));
    assert!(again.0 == 2 && again.1.contains("cannot make"), "{again:?}");
}
