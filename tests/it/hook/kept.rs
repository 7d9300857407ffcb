//! What hooks say while no daemon runs waits, masked by its rules, and is sealed once.

use super::calls;
use super::{
    SECRET, called, command, drained, golden, golden_calls, hook, known, said, spooled, start, strict,
};
use crate::clients::assert_nowhere;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::{Halod, halod_verify};
use std::path::Path;

#[test]
fn what_is_kept_comes_to_what_would_have_been_sent() {
    let (sent, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let halod = Halod::start(sent.path());
    golden().iter().for_each(|event| hook(sent.path(), event));
    assert!(halod.terminate().success());
    known(kept.path(), &[]);
    golden().iter().for_each(|event| hook(kept.path(), event));
    assert_eq!(spooled(kept.path()).lines().count(), golden().len());
    assert_nowhere(kept.path(), SECRET);
    assert!(!spooled(kept.path()).contains("zoe.mueller"));
    drained(kept.path(), &[]);
    drained(kept.path(), &[]);
    let [sent_, kept_] = [&sent, &kept].map(|dir| of_tenant(dir.path(), None));
    assert_eq!(calls(&kept_), golden_calls());
    assert_eq!(said(&kept_), said(&sent_));
    halod_verify(kept.path());
    assert_verified(kept.path());
}

/// `hash_only`, patterns and the key hold for what waits, and whoever waited, its records are the same.
#[test]
fn the_daemons_rules_hold_in_the_spool() {
    let place = tempfile::tempdir().unwrap();
    let key = place.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = place.path().join("halod.yaml");
    // A dollar sign in an expression is its own.
    let text = format!(
        "redaction:\n  key_file: {}\n  patterns:\n    - {{ name: order, regex: 'A-[0-9]+\\b|nowhere$' }}\n  \
         hash_only_for: [{{ tool: Edit }}]\n",
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let (sent, kept) = (place.path().join("sent"), place.path().join("kept"));
    let halod = Halod::start_with(&sent, &arguments);
    golden().iter().for_each(|event| hook(&sent, event));
    assert!(halod.terminate().success());
    known(&kept, &arguments);
    golden().iter().for_each(|event| hook(&kept, event));
    let waiting = spooled(&kept);
    assert!(waiting.contains("hmac-sha256:") && !waiting.contains("\"sha256:"), "{waiting}");
    assert!(!waiting.contains("A-1042") && waiting.contains(r#""type":"order""#), "{waiting}");
    let of_edit =
        waiting.lines().filter(|line| line.contains(r#""tool":"Edit""#) || line.contains("decide:Edit"));
    assert_eq!(of_edit.filter(|line| !line.contains(r#""summary":"#)).count(), 2, "{waiting}");
    drained(&kept, &arguments);
    assert_eq!(said(&of_tenant(&kept, None)), said(&of_tenant(&sent, None)));

    let hashes = place.path().join("hashes");
    std::fs::write(&config, "records:\n  hash_only: true\n").unwrap();
    known(&hashes, &arguments);
    golden().iter().for_each(|event| hook(&hashes, event));
    assert!(!spooled(&hashes).contains(r#""summary":"#));
    drained(&hashes, &arguments);
    assert_eq!(calls(&of_tenant(&hashes, None)), golden_calls());
}

#[test]
fn without_a_daemon_ever_the_event_is_told_to_have_no_record() {
    let place = tempfile::tempdir().unwrap();
    for dir in [place.path().to_owned(), place.path().join("nothing")] {
        let out = strict(&dir, called("1").as_bytes());
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0));
        assert!(told.starts_with("halod: no halod has run in "), "{told}");
        let out = start(command(&dir, &[]), called("1").as_bytes()).wait_with_output().unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(0), 0));
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing is made");
}

/// A line that was cut, and others that are none: told in the chain, and the rest is sealed.
#[test]
fn damage_of_the_spool_is_told() {
    let dir = tempfile::tempdir().unwrap();
    known(dir.path(), &[]);
    hook(dir.path(), &called("1"));
    let spool = dir.path().join(".halod/spool/spool.jsonl");
    let line = std::fs::read(&spool).unwrap();
    append(&spool, &line[..line.len() / 2]);
    hook(dir.path(), &called("2"));
    let other = String::from_utf8(line.clone()).unwrap().replace("toolu_1", "toolu_9");
    append(&spool, other.as_bytes());
    append(&spool, b"\n\nnot a record\n{\"schema_version\":\"0.1\"}\n\xff\xfe\n");
    hook(dir.path(), &called("3"));
    append(&spool, &line[..10]);
    drained(dir.path(), &[]);
    let records = of_tenant(dir.path(), None);
    assert_eq!(calls(&records).values().sum::<usize>(), 3);
    let told: Vec<_> = records.iter().filter(|r| r["action"]["tool"] == "halod.spool_damaged").collect();
    assert_eq!(told.len(), 1, "{records:?}");
    assert_eq!(told[0]["data"]["lines"], 6);
    assert_eq!(told[0]["outcome"]["status"], "error");
    assert_verified(dir.path());
}

fn append(file: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(file).unwrap().write_all(bytes).unwrap();
}
