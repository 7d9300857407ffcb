//! The daemon has its checkpoints time-stamped, and `halod check` says what that shows.

use super::service::{Manner, Service, forgery};
use crate::checkpoints::{Place, UNWITNESSED, await_covered, check, printed, run};
use crate::support::chains::records;
use crate::support::clients::openssl;
use crate::support::halod::Halod;
use crate::support::wait_until;
use halod_evidence::note::Checkpoint;
use halod_record::hash::sha256;
use halod_tlog::reader::LogReader;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn place(service: &Service, every: &str) -> Place {
    let place = Place::new();
    let roots = service.path("root");
    let config = format!(
        "checkpoint:\n  interval: 1s\n  origin: logs.example.com/agents\n  tsa: {{ url: '{}', roots: {}, every: {every}, \
         policies: [1.2.3.4] }}\n",
        service.url,
        roots.display()
    );
    fs::write(place.path("halod.yaml"), config).unwrap();
    place
}

/// The tokens that are stored, by size.
fn tokens(place: &Place) -> Vec<(u64, PathBuf)> {
    halod_tlog::stamps::all(&place.chains().join(".halod/log/tsa")).unwrap()
}

fn status(halod: &Halod) -> Value {
    let said: Value = serde_json::from_str(&halod.ask("/status").unwrap().1).unwrap();
    said["log"]["time_stamps"].clone()
}

/// What `halod check` says that has `words` in it, with roots or without.
fn sentences(path: &Path, roots: Option<&Path>, words: &str) -> Vec<String> {
    let mut arguments = vec!["check", path.to_str().unwrap()];
    arguments.extend(roots.iter().flat_map(|roots| ["--tsa-roots", roots.to_str().unwrap()]));
    let said = String::from_utf8(run(&arguments).stdout).unwrap();
    said.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}

fn checked(path: &Path, roots: &Path) -> (i32, Vec<String>) {
    check(path, &["--tsa-roots", roots.to_str().unwrap()])
}

#[test]
fn checkpoints_are_time_stamped_and_bound_their_records() {
    let service = Service::start(Manner::Honest);
    let mut place = place(&service, "1s");
    let halod = place.start();
    place.seal(&halod, "acme", 12);
    wait_until("a token", PATIENCE, || tokens(&place).len() == 1);
    place.seal(&halod, "acme", 3);
    place.seal(&halod, "globex", 1);
    await_covered(&halod, &place, 16);
    wait_until("a second token", PATIENCE, || tokens(&place).len() >= 2);
    wait_until("the metric", PATIENCE, || halod.metric("halod_log_timestamps_total", "") >= 2);
    wait_until("the status", PATIENCE, || {
        let newest = tokens(&place).last().unwrap().0;
        status(&halod)["newest"]["size"] == json!(newest)
    });
    let said = status(&halod);
    assert_eq!((&said["newest"]["authority"], &said["failure"]), (&json!("CN=Service"), &Value::Null));
    assert_eq!(halod.metric("halod_log_timestamp_failures_total", ""), 0);

    // Beside the running daemon.
    let (chains, roots) = (place.chains(), service.path("root"));
    assert_eq!(checked(&chains, &roots), (UNWITNESSED, vec![]));
    halod.terminate();
    let bounds_of = |path: &Path| {
        let mut said = sentences(path, Some(&roots), "acme: The first ");
        said.retain(|sentence| sentence.contains("existed"));
        said
    };
    let bounds = bounds_of(&chains);
    assert_eq!(bounds.len(), 2, "{bounds:?}");
    assert!(bounds[0].contains("The first 12 records existed before 20"), "{bounds:?}");
    assert!(bounds[1].contains("The first 15 records existed before 20"), "{bounds:?}");
    assert!(bounds[1].ends_with("Z (time-stamping authority CN=Service)"), "{bounds:?}");
    assert_eq!(sentences(&chains, Some(&roots), "The checkpoint with 1 entries existed before").len(), 1);
    // Whoever names no roots is told nothing of times.
    assert_eq!(sentences(&chains, None, "existed before"), [""; 0]);
    assert_eq!(sentences(&chains, None, "were not checked").len(), 1);

    let bundle = place.path("bundle");
    let export = ["export", chains.to_str().unwrap(), "--bundle", "acme", "-o", bundle.to_str().unwrap()];
    printed(&run(&export));
    assert_eq!(checked(&bundle, &roots), (UNWITNESSED, vec![]));
    assert_eq!(bounds_of(&bundle), bounds);
    assert_eq!(sentences(&bundle, None, "were not checked: name the file").len(), 1);
    openssl_verifies(&bundle, &roots);
    falsified(&bundle, &roots);
    proves(&place, &roots);
    changed(&chains, &roots);
}

/// One record, without its chain, has its time as well.
fn proves(place: &Place, roots: &Path) {
    let (proof, key, chains) = (place.path("one.halod-proof"), place.key(), place.chains());
    let prove = |number: usize, more: &[&str]| {
        let record = &records(&place.chain("acme"))[number];
        let id = record["record_id"].as_str().unwrap();
        let arguments = ["prove", chains.to_str().unwrap(), "--record", id, "-o", proof.to_str().unwrap()];
        printed(&run(&[&arguments[..], more].concat()));
    };
    let with = ["--key", &key, "--tsa-roots", roots.to_str().unwrap()];
    let said = |more: &[&str]| {
        let out = run(&[&["check", proof.to_str().unwrap()], more].concat());
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    prove(3, &[]);
    assert!(!said(&with).1.contains("existed before"));
    prove(3, &["--time-stamped"]);
    let (code, text) = said(&with);
    assert!(
        code == UNWITNESSED && text.contains("The checkpoint with 1 entries existed before 20"),
        "{text}"
    );
    assert!(text.contains("ok       The record existed before 20"), "{text}");
    let (code, text) = said(&["--key", &key]);
    assert!(code == UNWITNESSED && text.contains("They were not checked"), "{text}");
    let whole = fs::read_to_string(&proof).unwrap();
    let mut changed: Value = serde_json::from_str(&whole).unwrap();
    changed["stamp"]["size"] = json!(2);
    fs::write(&proof, changed.to_string()).unwrap();
    let (code, text) = said(&with);
    assert!(code == 1 && text.contains("no checkpoint that has the epoch of the proof"), "{text}");
    // A later record's is of a later checkpoint.
    prove(14, &["--time-stamped"]);
    let later: Value = serde_json::from_str(&fs::read_to_string(&proof).unwrap()).unwrap();
    assert!(later["stamp"]["size"].as_u64() >= Some(2), "{later}");
    assert_eq!(said(&with).0, UNWITNESSED);
}

/// What the bundle's README says, with OpenSSL.
fn openssl_verifies(bundle: &Path, roots: &Path) {
    let readme = fs::read_to_string(bundle.join("README")).unwrap();
    let line = readme.lines().find_map(|line| line.trim().strip_prefix("openssl ")).unwrap();
    let command = line.split("    ").next().unwrap().replace("ROOT", roots.to_str().unwrap());
    for size in [1, tokens_of(bundle).len()] {
        let size = tokens_of(bundle)[size - 1];
        let command = command.replace("N.", &format!("{size}."));
        let out = openssl().args(command.split(' ')).current_dir(bundle).output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

fn tokens_of(bundle: &Path) -> Vec<u64> {
    halod_tlog::stamps::all(&bundle.join("evidence/tsa")).unwrap().into_iter().map(|(size, _)| size).collect()
}

/// What is not the bundle's is found.
fn falsified(bundle: &Path, roots: &Path) {
    let dir = bundle.join("evidence/tsa");
    let file = |name: &str| dir.join(name);
    let found = |name: &str, change: &dyn Fn(&[u8]) -> Vec<u8>, words: &str| {
        let before = fs::read(file(name)).unwrap();
        fs::write(file(name), change(&before)).unwrap();
        let (code, findings) = checked(bundle, roots);
        assert!(code == 1 && findings.iter().any(|one| one.contains(words)), "{name}: {findings:?}");
        fs::write(file(name), before).unwrap();
    };
    found("1.body", &|body| [b"x", body].concat(), "of another log");
    found("1.body", &|_| b"none".to_vec(), "not the text of that checkpoint");
    found("1.body", &|_| fs::read(file(&format!("{}.body", tokens_of(bundle)[1]))).unwrap(), "not the text");
    let other = Checkpoint { origin: "logs.example.com/agents".into(), size: 1, root: [7; 32] }.text();
    found("1.body", &|_| other.clone().into_bytes(), "does not show that its log continues");
    found("consistency.jsonl", &|_| Vec::new(), "does not show that its log continues");
    found("1.tsr", &|_| vec![0; 70_000], "at most 65536 bytes");
    assert_eq!(checked(bundle, roots), (UNWITNESSED, vec![]));
    // A gap in a token's file name, or a file of another kind, is nothing.
    fs::write(file("01.tsr"), "").unwrap();
    assert_eq!(checked(bundle, roots), (UNWITNESSED, vec![]));
}

/// Other roots, other tokens, and a log that was put back.
fn changed(chains: &Path, roots: &Path) {
    let other = Service::start(Manner::Honest);
    let (code, findings) = checked(chains, &other.path("root"));
    assert!(code == 1 && findings[0].contains("no chain of certificates leads"), "{findings:?}");
    assert_eq!(sentences(chains, Some(&other.path("root")), "existed before"), [""; 0]);
    let (code, said) = checked(chains, &other.path("nothing"));
    assert!(code == 2 && said[0].contains("roots of time-stamps"), "{said:?}");

    let dir = chains.join(".halod/log/tsa");
    let (first, token) = (dir.join("1.tsr"), fs::read(dir.join("1.tsr")).unwrap());
    let log = LogReader::open(chains).unwrap().unwrap();
    let (origin, root) = (log.checkpoint.origin.clone(), log.entries().root_at(1).unwrap());
    let digest = sha256(Checkpoint { origin, size: 1, root }.text().as_bytes());
    // The digest and the signature; the crate's own tests flip every bit.
    let imprint = token.windows(32).position(|bytes| bytes == digest).unwrap();
    for at in [0, imprint, token.len() - 1] {
        let mut flipped = token.clone();
        flipped[at] ^= 0x10;
        fs::write(&first, &flipped).unwrap();
        let (code, findings) = checked(chains, roots);
        assert!(code == 1 && findings[0].contains("with 1 entries shows nothing"), "{at}: {findings:?}");
    }
    fs::write(&first, forgery(&digest)).unwrap();
    assert_eq!(checked(chains, roots).0, 1);
    assert_eq!(check(chains, &[]).0, 1, "without roots, too: it is no token");
    // The token of another checkpoint is told from its own word.
    fs::copy(dir.join(format!("{}.tsr", log.checkpoint.size)), &first)
        .or_else(|_| fs::copy(halod_tlog::stamps::all(&dir).unwrap().pop().unwrap().1, &first))
        .unwrap();
    assert_eq!(check(chains, &[]).0, 1);
    fs::write(&first, &token).unwrap();
    assert_eq!(checked(chains, roots), (UNWITNESSED, vec![]));
    fs::write(dir.join("999.tsr"), &token).unwrap();
    let (code, findings) = checked(chains, roots);
    assert!(code == 1 && findings[0].contains("put back to an older copy"), "{findings:?}");
    fs::remove_file(dir.join("999.tsr")).unwrap();
}

#[test]
fn the_rate_outlives_a_restart() {
    let service = Service::start(Manner::Honest);
    let mut place = place(&service, "1h");
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    wait_until("a token", PATIENCE, || tokens(&place).len() == 1);
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 2);
    // What no token covers has no time.
    let record = records(&place.chain("acme"))[1]["record_id"].as_str().unwrap().to_owned();
    let (chains, proof) = (place.chains(), place.path("none.halod-proof"));
    let arguments = ["prove", chains.to_str().unwrap(), "--record", &record, "-o", proof.to_str().unwrap()];
    let out = run(&[&arguments[..], &["--time-stamped"]].concat());
    assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    halod.terminate();
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 3);
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 4);
    halod.terminate();
    assert_eq!((tokens(&place).len(), service.requests.try_iter().count()), (1, 1));
    // When the hour is over, the checkpoint that is there is stamped at once.
    let old = std::time::SystemTime::now() - Duration::from_secs(3700);
    fs::File::open(&tokens(&place)[0].1).unwrap().set_modified(old).unwrap();
    let halod = place.start();
    wait_until("a second token", PATIENCE, || tokens(&place).len() == 2);
    halod.terminate();
    assert_eq!(checked(&place.chains(), &service.path("root")), (UNWITNESSED, vec![]));
}

/// A service that does this has nothing stored, and nothing else waits for it.
fn is_told(manner: Manner, words: &str) {
    let service = Service::start(manner);
    let mut place = place(&service, "1s");
    let halod = place.start();
    place.seal(&halod, "acme", 2);
    if manner == Manner::Repeats {
        // The first answer is right.
        wait_until("a token", PATIENCE, || tokens(&place).len() == 1);
        place.seal(&halod, "acme", 1);
    }
    let stored = tokens(&place);
    wait_until("a failure", PATIENCE, || {
        status(&halod)["failure"].as_str().is_some_and(|why| why.contains(words))
    });
    place.seal(&halod, "acme", 2);
    await_covered(&halod, &place, 4);
    assert!(halod.metric("halod_log_timestamp_failures_total", "") >= 1);
    assert!(halod.log().contains("the newest checkpoint has no time-stamp"), "{}", halod.log());
    halod.terminate();
    // Nobody is asked again and again.
    assert!(service.requests.try_iter().count() <= 4);
    assert_eq!(tokens(&place), stored);
}

#[test]
fn a_service_that_hangs_is_told() {
    is_told(Manner::Hangs, "did not answer within 10 s");
}

#[test]
fn a_service_without_a_token_is_told() {
    is_told(Manner::Garbage, "is no DER of RFC 3161");
    is_told(Manner::Endless, "more than 65536 bytes");
    is_told(Manner::Rejects, "status 2 (rejection), failures [badRequest]");
    is_told(Manner::Fails, "answers 503");
}

#[test]
fn a_service_that_forges_is_told() {
    is_told(Manner::Forges, "is no DER of RFC 3161");
    is_told(Manner::Repeats, "the token is of another digest");
}

#[test]
fn roots_that_do_not_fit_are_told() {
    let (service, other) = (Service::start(Manner::Honest), Service::start(Manner::Honest));
    let mut place = place(&service, "1s");
    fs::copy(other.path("root"), service.path("root")).unwrap();
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    let failed = |words: &str| {
        wait_until(words, PATIENCE, || {
            status(&halod)["failure"].as_str().is_some_and(|why| why.contains(words))
        });
    };
    failed("no chain of certificates leads");
    // The file is read anew each time.
    fs::remove_file(service.path("root")).unwrap();
    failed("cannot read the roots");
    assert_eq!(tokens(&place), []);
}
