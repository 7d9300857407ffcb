//! The page in a real browser, as a reviewer opens it: one browser for all of it, and what it showed.

use super::{report, write_chain};
use crate::checkpoints::{Place, await_covered, check, printed, run};
use crate::support::clients::{chromium, driver, web_tools};
use crate::support::reference::ask_python;
use crate::support::{root, wait_until};
use crate::witness::stage::Witness;
use halod::reader::report::{given, page};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A signed and witnessed directory with the chain of a customer, and what was made of it in June and later.
struct Stage {
    place: Place,
    key: String,
    policy: String,
    _witness: Witness,
}

fn path(place: &Place, name: &str) -> String {
    place.path(name).to_str().unwrap().to_owned()
}

fn stage() -> Stage {
    let place = Place::new();
    write_chain(&place.chains(), "first");
    write_chain(&place.chains(), "hostile");
    let halod = place.start();
    await_covered(&halod, &place, 314);
    halod.terminate();
    let key = place.key();
    let chains = path(&place, "records");
    fs::write(place.path("june.note"), place.note()).unwrap();
    printed(&report(&["acme", "--dir", &chains, "-o", &path(&place, "june.html")]));
    let witness = Witness::halod_for(&key.parse().unwrap());
    place.configure(&format!(", witnesses: [{{ vkey: '{}', url: '{}' }}]", witness.key, witness.url()));
    write_chain(&place.chains(), "more");
    let halod = place.start();
    await_covered(&halod, &place, 374);
    wait_until("the witness has cosigned", Duration::from_secs(60), || place.note().lines().count() >= 6);
    halod.terminate();
    let policy = format!("log {key}\nwitness w {}\nquorum w\n", witness.key);
    Stage { place, key, policy, _witness: witness }
}

/// Changes a file of a copy of a bundle.
fn attacked(bundle: &Path, name: &str, file: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let copy = bundle.with_file_name(format!("attack-{name}"));
    crate::checkpoints::attacks::copy(bundle, &copy);
    let path = copy.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{name}");
    fs::write(path, changed).unwrap();
    copy
}

/// Bundles as they are and as somebody could have changed them.
fn bundles(bundle: &Path) -> Vec<(String, PathBuf)> {
    let lines = |text: &str, keep: fn(usize, usize) -> bool| -> String {
        let count = text.lines().count();
        text.lines()
            .enumerate()
            .filter(|(at, _)| keep(*at, count))
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    };
    let chain = "acme.jsonl";
    let mut all = vec![("bundle".to_owned(), bundle.to_owned())];
    let mut add = |name: &str, file: &str, change: &dyn Fn(&str) -> String| {
        all.push((name.to_owned(), attacked(bundle, name, file, change)));
    };
    add("end cut off", chain, &|text| lines(text, |at, count| at + 3 < count));
    add("record left out", chain, &|text| lines(text, |at, _| at != 40));
    add("record changed", chain, &|text| text.replacen("question 50\"", "question 51\"", 1));
    add("torn line", chain, &|text| text.replacen('\n', "\n{\"half\":\n", 1));
    add("other customer", "bundle.json", &|text| text.replace("\"tenant\":\"acme\"", "\"tenant\":\"evil\""));
    add("state changed", "evidence/slots.jsonl", &|text| {
        text.replacen("\"state\":\"AAAA", "\"state\":\"AAAB", 1)
    });
    add("entry changed", "evidence/slots.jsonl", &|text| text.replacen("\"index\":0", "\"index\":1", 1));
    add("newest place left out", "evidence/slots.jsonl", &|text| lines(text, |at, _| at == 0));
    add("forged checkpoint", "evidence/checkpoint", &|text| text.replacen("agents\n", "agents\n1", 1));
    add("other log", "evidence/checkpoint", &|text| text.replacen("logs.example.com", "logs.example.org", 1));
    all
}

/// What the browser says of all that a plan names.
fn look(plan: &Value, place: &Place) -> Value {
    let file = place.path("plan.json");
    fs::write(&file, plan.to_string()).unwrap();
    let script = root().join("tests/clients/report_page.py");
    let mut python = driver().script(&script, &[file.to_str().unwrap()]);
    let browser = chromium();
    python.env("HALOD_CHROMIUM", which(browser.get_program().to_str().unwrap()));
    let library =
        browser.get_envs().find(|(name, _)| *name == "LD_LIBRARY_PATH").and_then(|(_, value)| value);
    python.env("HALOD_LIBRARIES", library.unwrap_or_default()).env("PYTHONUTF8", "1");
    let out = python.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Where a program is, for those who don't look for it.
fn which(program: &str) -> PathBuf {
    if program.contains('/') {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file()).unwrap()
}

/// The chains of the corpus, each with the exit code that is right for it.
fn corpus(dir: &Path) -> BTreeMap<String, (PathBuf, i64)> {
    let cases = ask_python("chains.py", &[dir], "");
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case[0].as_str().unwrap().to_owned();
        (name.clone(), (dir.join(name), case[1].as_i64().unwrap()))
    };
    cases.lines().map(case).collect()
}

/// The page with all that it is shown, in one browser: starting one takes longer than most looks.
#[test]
fn a_reviewer_sees_what_halod_check_says() {
    let stage = stage();
    let place = &stage.place;
    let [chains, june, note] = ["records", "june.html", "june.note"].map(|name| path(place, name));
    let made = |name: &str, arguments: &[&str]| {
        let file = path(place, name);
        printed(&report(&[arguments, &["--dir", &chains, "-o", &file]].concat()));
        file
    };
    let acme = made("acme.html", &["acme", "--since", &note]);
    let window = made("window.html", &["acme", "--happened", "2026-11-24T10:00..2026-11-24T10:30"]);
    let span = made("span", &["acme", "--happened", "..2026-11-24T10:30", "--folder"]);
    let (evil, folder) = (made("evil.html", &["evil"]), made("acme.report", &["acme", "--folder"]));
    let bundle = place.path("bundle");
    printed(&run(&["export", &chains, "--bundle", "acme", "-o", bundle.to_str().unwrap()]));
    let bundles = bundles(&bundle);
    let (cases, corpus_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let corpus = corpus(corpus_dir.path());
    write_chain(cases.path(), "long");
    let long = cases.path().join("long.html");
    let long_chain = cases.path().join("long.jsonl");
    printed(&report(&[long_chain.to_str().unwrap(), "-o", long.to_str().unwrap()]));
    fs::write(place.path("page.html"), page::html()).unwrap();
    let axe = web_tools().dir().join("node_modules/axe-core/axe.min.js");

    let chain = place.chain("acme");
    let changed = cases.path().join("changed.jsonl");
    let text = fs::read_to_string(&chain).unwrap();
    fs::write(&changed, text.replacen("مرحبا", "وداعا", 1)).unwrap();
    let given = given::given(&place.chains(), &chain, &given::survey(&chain).unwrap()).unwrap();
    let proof = path(place, "one.halod-proof");
    let mut chosen: Vec<(String, PathBuf)> = bundles.clone();
    chosen.extend([("folder".into(), folder.into()), ("proof".into(), proof.clone().into())]);
    chosen.extend([
        ("span".into(), span.into()),
        ("window".into(), window.into()),
        ("report".into(), acme.clone().into()),
    ]);
    chosen.extend(corpus.iter().map(|(name, (path, _))| (name.clone(), path.clone())));
    let picture = root().join("docs/pictures/report.png");
    let renews = std::env::var_os("UPDATE_EXPECT").is_some();
    let plan = json!({
        "acme": acme, "june": june, "kept_note": note, "other": evil, "proof": proof, "hostile": evil, "long": long,
        "page": path(place, "page.html"), "policy": page::content_security_policy("'self'"), "key": stage.key,
        "policy_of_witness": stage.policy, "given": given.json(), "served_chain": chain, "changed_chain": changed,
        "chosen": chosen, "scratch": cases.path(), "axe": axe, "picture": renews.then_some(picture),
    });
    let said = look(&plan, place);

    assert_eq!(said["noise"], Value::Null, "the page asked or said something");
    questions(&said);
    views(&said["views"]);
    hostile(&said["hostile"]);
    assert_eq!(said["damaged"], json!([]), "reports with changed records that are green");
    served(&said["served"]);
    let long = &said["long"];
    assert_eq!((&long["state"], &long["unchanged"]["grade"]), (&json!("done"), &json!("good")));
    println!("5,000 records in a file: {} s", long["seconds"]);
    assert!(long["seconds"].as_f64().unwrap() < 30.0, "{long}");
    let chosen = &said["chosen"];
    let mut wrong = Vec::new();
    for (name, path) in &bundles {
        let (code, findings) = check(path, &["--key", &stage.key]);
        if chosen[name]["code"] != json!(code) {
            wrong.push(format!("{name}: halod check {code} {findings:?}, the page {}", chosen[name]));
        }
    }
    for (name, (_, right)) in &corpus {
        let grade = chosen[name]["unchanged"]["grade"].as_str().unwrap_or("failed");
        let expected = ["good", "bad", "failed", "note"][usize::try_from(*right).unwrap()];
        if grade != expected {
            wrong.push(format!("{name}: it should be {expected}, and the page says {}", chosen[name]));
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
    let of = |name: &str| chosen[name]["shown"].as_str().unwrap().to_owned();
    assert_eq!(of("window"), "All 6 of 6 records, in the order in which they were sealed.");
    assert!(
        of("span").starts_with("17 of 359 records: what happened from the begin to 2026-11-24T10:30"),
        "{}",
        of("span")
    );
    for name in ["folder", "span", "proof", "window", "report"] {
        let one = &chosen[name];
        assert_eq!((&one["code"], &one["unchanged"]["grade"]), (&json!(3), &json!("good")), "{name}: {one}");
    }
    assert_eq!(check(Path::new(&proof), &["--key", &stage.key]), (3, vec![]));
}

/// Seven questions, each answered by at most three clicks.
fn questions(said: &Value) {
    let answers = said["questions"].as_object().unwrap();
    assert_eq!(answers.len(), 10);
    for (question, answer) in answers {
        assert!(answer[0].as_u64().unwrap() <= 3 && answer[1] == json!(true), "{question}: {answer}");
    }
    assert_eq!(said["held"], json!({ "it": "good", "another": "bad", "json": "good" }));
    assert!(said["proof_members"].as_array().unwrap().contains(&json!("record_path")));
}

fn views(said: &Value) {
    let has = |view: &str, words: &[&str]| {
        let text = said[view].to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "{view} has no {word}: {text}"));
    };
    assert_eq!(said["verdict"]["code"], json!(3));
    has("who", &["acme", "It is the id that you expect", "logs.example.com/agents"]);
    has(
        "weak",
        &[
            "1 record of the recorder's own says that something was never captured",
            "sealed more than 5 minutes",
        ],
    );
    has(
        "answer",
        &["1 agent did", "for 1 person or account", "1 action failed and 1 was refused", "1 write"],
    );
    has("linked", &["Record 12: Called mail.send"]);
    has("late", &["3 days after"]);
    has("other id", &["You expect globex", "1"]);
    has("pinned", &["good", "the key that you named"]);
    assert_eq!(said["witnessed"]["code"], json!(0));
    has("witnessed", &["Witnesses that you trust: w"]);
    has("bad policy", &["is defined on no line before this one"]);
    assert_eq!(said["bad policy"][1], json!("1"));
    assert_eq!(said["tree"], json!(8));
    assert_eq!(said["found"][0], json!(1));
    has("csv", &["株式会社サンプル", "\\r\\n"]);
    has("by keyboard", &["Record 2:"]);
    assert!(said["width"].as_i64().unwrap() <= 0, "the page is wider than its window");
    assert_eq!(said["second page"], json!(["201 to 359 of 359", 159]));
    assert_eq!((&said["on paper"][0], &said["on paper"][1]), (&json!(false), &json!(true)));
    assert_eq!(said["axe"], json!([]), "what axe-core finds");
    assert_eq!(said["motion"], json!("auto"));
}

fn hostile(said: &Value) {
    assert_eq!(said["verdict"]["unchanged"]["grade"], json!("good"), "{said}");
    // The three scripts of the page, and the two texts behind it; one style.
    assert_eq!(said["elements"], json!([5, 0, 1]));
    assert_eq!(said["pwned"], json!(["undefined", "undefined"]));
    let shown = said["shown"].to_string();
    for text in
        ["</script><script>window.pwned=1</script>", "U+202Etxt.exe", "U+200B", "{{library}}", "$& $1"]
    {
        assert!(shown.contains(text), "{text} is not shown: {shown}");
    }
}

fn served(said: &Value) {
    assert_eq!(said["asked"], json!(["/r/token", "/r/token/chain", "/r/token/meta", "/r/token/records"]));
    for (host, is_secure) in [("127.0.0.1", true), ("halod.test", false)] {
        let one = &said[host];
        assert_eq!((&one["code"], &one["unchanged"]["grade"]), (&json!(3), &json!("good")), "{one}");
        assert_eq!((&one["secure"], &one["record"]), (&json!(is_secure), &json!("good")), "{one}");
        assert_eq!(one["changed"], json!("bad"), "another line is shown as the verified one");
        let not_checked = one["removed"]["text"].as_str().unwrap().contains("Not checked here");
        assert_eq!(not_checked, !is_secure, "{one}");
    }
}
