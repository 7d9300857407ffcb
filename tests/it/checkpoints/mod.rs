//! What halod signs of its chains, and what a reader who has nothing else can check.

mod anchored;
pub mod attacks;
mod compared;
mod crash;
mod declared;
mod receipts;
mod refused;
mod witnessed;

use crate::support::chains::{files, records};
use crate::support::clients::python;
use crate::support::halod::{BINARY, Halod, halod_verify};
use crate::support::root;
use crate::support::spans::{request, span};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A directory, its configuration, and what was sent so far.
pub struct Place {
    dir: tempfile::TempDir,
    sent: u64,
}

impl Place {
    pub fn new() -> Self {
        Self::configured("checkpoint: { interval: 1s, origin: logs.example.com/agents }\n")
    }

    pub fn configured(config: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), sent: 0 };
        fs::write(place.path("halod.yaml"), config).unwrap();
        place
    }

    /// Settings of `checkpoint` beside an epoch a second and a name.
    pub fn configure(&self, more: &str) {
        let config = format!("checkpoint: {{ interval: 1s, origin: logs.example.com/agents{more} }}\n");
        fs::write(self.path("halod.yaml"), config).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn chains(&self) -> PathBuf {
        self.path("records")
    }

    pub fn chain(&self, tenant: &str) -> PathBuf {
        self.chains().join(format!("{tenant}.jsonl"))
    }

    pub fn start(&self) -> Halod {
        self.start_on(&self.chains())
    }

    pub fn start_on(&self, chains: &Path) -> Halod {
        Halod::start_with(chains, &["--config", self.path("halod.yaml").to_str().unwrap()])
    }

    /// Seals records for a tenant. Returns the header with the receipt, if it is answered with one.
    pub fn seal(&mut self, halod: &Halod, tenant: &str, records: u64) -> Option<String> {
        let spans = (0..records).map(|n| span(7, self.sent + n)).collect();
        self.sent += records;
        let answer = halod.connect().export(&request(Some(tenant), spans)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("halod-receipt").map(str::to_owned)
    }

    /// Makes a tenant's bundle.
    pub fn export(&self, tenant: &str) -> PathBuf {
        let (chains, bundle) = (self.chains(), self.path("bundle"));
        printed(&run(&[
            "export",
            chains.to_str().unwrap(),
            "--bundle",
            tenant,
            "-o",
            bundle.to_str().unwrap(),
        ]));
        bundle
    }

    pub fn note(&self) -> String {
        fs::read_to_string(self.chains().join(".halod/log/checkpoint")).unwrap()
    }

    pub fn key(&self) -> String {
        let said = printed(&run(&["log", "key", self.chains().to_str().unwrap()]));
        said.lines().next().unwrap().to_owned()
    }
}

/// Waits until an epoch covers so many records.
pub fn await_covered(halod: &Halod, place: &Place, records: u64) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let out = run(&["log", "status", place.chains().to_str().unwrap(), "--json"]);
        if out.status.success() {
            let said: Value = serde_json::from_slice(&out.stdout).unwrap();
            if said["records"].as_u64() >= Some(records) {
                return said;
            }
        }
        assert!(Instant::now() < deadline, "no epoch in time: {}", halod.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

pub fn printed(out: &Output) -> String {
    assert!(out.status.success(), "{}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout.clone()).unwrap()
}

/// What `halod check` says: its exit code and findings.
pub fn check(path: &Path, more: &[&str]) -> (i32, Vec<String>) {
    let mut arguments = vec!["check", path.to_str().unwrap(), "--json"];
    arguments.extend(more);
    let out = run(&arguments);
    let code = out.status.code().unwrap();
    if code == 2 {
        return (code, vec![String::from_utf8(out.stderr).unwrap()]);
    }
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    let sentences = said["sentences"].as_array().unwrap();
    let findings = sentences.iter().filter(|one| one["grade"] == "finding");
    let findings: Vec<String> = findings.map(|one| format!("{} {}", one["chain"], one["text"])).collect();
    assert_eq!(code == 1, !findings.is_empty());
    (code, findings)
}

/// Nothing is wrong, and nobody outside has seen it.
pub const UNWITNESSED: i32 = 3;

#[test]
fn what_is_sealed_is_signed_and_checked_by_anybody() {
    let mut place = Place::new();
    let halod = place.start();
    place.seal(&halod, "acme", 300);
    place.seal(&halod, "globex", 2);
    let status = await_covered(&halod, &place, 302);
    assert_eq!((&status["origin"], &status["chains"]), (&json!("logs.example.com/agents"), &json!(2)));
    let kept = place.path("kept.note");
    fs::write(&kept, place.note()).unwrap();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 303);
    let key = place.key();

    // Beside the running daemon.
    let chains = place.chains();
    let (code, findings) = check(&chains, &["--key", &key, "--since", kept.to_str().unwrap()]);
    assert_eq!((code, findings), (UNWITNESSED, vec![]));
    let (_, shown) = halod.ask("/status").unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["log"]["key"], json!(key));
    assert!(shown["log"]["newest"]["size"].as_u64() >= Some(2) && shown["log"]["alarms"] == json!([]));
    assert!(halod.metric("halod_log_size", "") >= 2 && halod.metric("halod_log_records_total", "") >= 303);

    // One record, without its chain.
    let record = &records(&place.chain("acme"))[144];
    let (id, proof) = (record["record_id"].as_str().unwrap(), place.path("one.halod-proof"));
    printed(&run(&["prove", chains.to_str().unwrap(), "--record", id, "-o", proof.to_str().unwrap()]));
    assert!(fs::metadata(&proof).unwrap().len() < 2048);
    let alone = place.path("record.json");
    fs::write(&alone, record.to_string()).unwrap();
    assert_eq!(check(&proof, &["--key", &key, "--record", alone.to_str().unwrap()]), (UNWITNESSED, vec![]));
    assert_eq!(check(&proof, &["--key", &key, "--subject", "acme"]).0, UNWITNESSED);
    assert_eq!(check(&proof, &["--key", &key, "--subject", "globex"]).0, 1);
    let (code, said) = check(&proof, &[]);
    assert!(code == 2 && said[0].contains("--key"), "{said:?}");
    fs::write(&alone, records(&place.chain("acme"))[143].to_string()).unwrap();
    assert_eq!(check(&proof, &["--key", &key, "--record", alone.to_str().unwrap()]).0, 1);
    let other = "logs.example.com/agents+00000000+AAAA";
    assert_eq!(check(&proof, &["--key", other]).0, 2, "a key that is none");

    // A whole chain, for somebody who has nothing else.
    let bundle = place.path("bundle");
    let arguments =
        ["export", chains.to_str().unwrap(), "--bundle", "acme", "--since", kept.to_str().unwrap()];
    printed(&run(&[&arguments[..], &["-o", bundle.to_str().unwrap()]].concat()));
    let more =
        ["--key", &key, "--since", kept.to_str().unwrap(), "--expect-count", "301", "--subject", "acme"];
    assert_eq!(check(&bundle, &more), (UNWITNESSED, vec![]));
    let head = record["integrity"]["hash"].as_str().unwrap();
    assert_eq!(check(&bundle, &["--expect-count", "145", "--expect-head", head]).0, UNWITNESSED);
    assert_eq!(check(&bundle, &["--expect-count", "146", "--expect-head", head]).0, 1);
    assert_eq!(check(&bundle, &["--expect-count", "302"]).0, 1);
    halod_verify(&bundle);
    reference_accepts(&bundle.join("acme.jsonl"), &bundle.join("evidence/witness.jsonl"), "acme");

    // The end of a run is signed, too.
    place.seal(&halod, "globex", 1);
    halod.terminate();
    assert_eq!(check(&chains, &["--key", &key]), (UNWITNESSED, vec![]));
    let status: Value =
        serde_json::from_str(&printed(&run(&["log", "status", chains.to_str().unwrap(), "--json"]))).unwrap();
    assert_eq!(status["records"], json!(304));
    assert_eq!(files(&chains).len(), 2);
    openssl_verifies(&place);
}

/// The reference's own completeness check.
fn reference_accepts(chain: &Path, witness: &Path, subject: &str) {
    let out =
        python().command("halo").args(["anchor"]).arg(chain).arg(witness).arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && said.contains("COMPLETE") && !said.contains("INCOMPLETE"),
        "{subject}: {said}"
    );
}

/// The signature needs no tool of halod's.
fn openssl_verifies(place: &Place) {
    let script = root().join("tests/clients/openssl_note.sh");
    let run = |note: &str| {
        let path = place.path("openssl.note");
        fs::write(&path, note).unwrap();
        let mut command = Command::new("sh");
        command.arg(&script).arg(&path).arg(place.key()).current_dir(place.dir.path());
        command.output().unwrap()
    };
    printed(&run(&place.note()));
    let size = place.note().lines().nth(1).unwrap().to_owned();
    let changed = place.note().replacen(&format!("\n{size}\n"), "\n999\n", 1);
    assert!(!run(&changed).status.success());
}
