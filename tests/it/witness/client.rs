//! halod's client at witnesses that others wrote, and at halod's own.

use super::stage::{Log, ORIGIN, Witness};
use halod::tee::settings::Target;
use halod::witness::client::Client;
use halod_evidence::Hash;
use halod_evidence::contradiction::Contradiction;
use halod_evidence::cosigning::{Cosigned, Cosigning, Next, Why};
use halod_evidence::note::SignedNote;
use halod_evidence::policy::Policy;
use std::convert::Infallible;

pub fn client(url: &str) -> Client {
    Client::new(url.parse::<Target>().unwrap(), None).unwrap()
}

/// Has a size of a log cosigned by a witness of which a size is known.
fn cosign(client: &mut Client, witness: &Witness, log: &Log, known: u64, size: u64) -> Next {
    let mut cosigning = Cosigning::new(log.note(size), witness.key.clone(), known).unwrap();
    let prove = |from, to| Ok::<Vec<Hash>, Infallible>(log.proof(from, to));
    client.cosign(&mut cosigning, prove).unwrap().0
}

fn done(next: Next) -> Cosigned {
    match next {
        Next::Done(cosigned) => cosigned,
        other => panic!("{other:?}"),
    }
}

/// The whole life of a log at one witness.
fn a_log_is_witnessed_by(start: fn(&Log) -> Witness) {
    let (log, fork) = Log::pair(5);
    let witness = start(&log);
    let mut client = client(&witness.url());
    for (known, size) in [
        (0, 3),
        (3, 7),
        // Nothing is new.
        (7, 7),
        // What is known of the witness is old, or wrong: it says what it knows.
        (0, 12),
        (7, 100),
        (90, 101),
    ] {
        let cosigned = done(cosign(&mut client, &witness, &log, known, size));
        let mut note = log.note(size);
        note.signatures.push(cosigned.line);
        assert_eq!(note.cosigned(&witness.key), Ok(cosigned.time));
    }
    // Other histories: of the same size, and longer.
    for size in [101, 130] {
        assert_eq!(cosign(&mut client, &witness, &fork, 101, size), Next::Forked, "{size}");
    }
    // An older state of the log's disk.
    assert_eq!(cosign(&mut client, &witness, &log, 50, 60), Next::RolledBack(101));
    // Another key, and another log.
    assert_eq!(cosign(&mut client, &witness, &Log::new(), 101, 110), Next::Operator(Why::Unsigned));
    let other = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let other = halod_evidence::note::Signer::new("halod.invalid/other", other.as_ref()).unwrap();
    let text = log.note(101).text.replace(ORIGIN, "halod.invalid/other");
    let note = SignedNote::parse(&other.sign(&text).unwrap()).unwrap();
    let mut cosigning = Cosigning::new(note, witness.key.clone(), 101).unwrap();
    let next = client.cosign(&mut cosigning, |_, _| Ok::<_, Infallible>(Vec::new())).unwrap().0;
    assert_eq!(next, Next::Operator(Why::Unknown));
    // None of that has changed what it knows.
    done(cosign(&mut client, &witness, &log, 101, 256));
}

#[test]
fn a_log_is_witnessed_by_a_stranger() {
    a_log_is_witnessed_by(Witness::stranger);
}

#[test]
fn a_log_is_witnessed_by_one_that_was_written_from_the_specification() {
    a_log_is_witnessed_by(Witness::python);
}

#[test]
fn a_log_is_witnessed_by_halod() {
    a_log_is_witnessed_by(Witness::of);
}

/// A note that three programs have cosigned, and a policy that wants two of them.
#[test]
fn three_witnesses_make_a_quorum() {
    let log = Log::new();
    let witnesses = [Witness::stranger(&log), Witness::python(&log), Witness::of(&log)];
    let mut note = log.note(9);
    let mut times = Vec::new();
    for witness in &witnesses {
        let cosigned = done(cosign(&mut client(&witness.url()), witness, &log, 0, 9));
        times.push(cosigned.time);
        note.signatures.push(cosigned.line);
    }
    let lines: String = witnesses
        .iter()
        .enumerate()
        .map(|(at, own)| format!("witness w{at} {} {}\n", own.key, own.url()))
        .collect();
    let policy = format!("log {}\n{lines}group all-of-them 2 w0 w1 w2\nquorum all-of-them\n", log.key());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    assert_eq!(policy.warnings(), Vec::<String>::new());
    let accepted = policy.check(&SignedNote::parse(&note.to_string()).unwrap()).unwrap();
    times.sort_unstable();
    assert_eq!((accepted.at, accepted.cosigned.len()), (Some(times[1]), 3));
}

/// A log whose key signs two histories learns from the witness which one it has told before.
#[test]
fn a_fork_is_shown_by_what_the_witness_serves() {
    let (log, fork) = Log::pair(5);
    let witness = Witness::of(&log);
    let mut client = client(&witness.url());
    let missing = client.checkpoint(ORIGIN).unwrap();
    assert_eq!(missing.status, 404);
    done(cosign(&mut client, &witness, &log, 0, 7));
    assert_eq!(cosign(&mut client, &witness, &fork, 7, 12), Next::Forked);
    let known = client.checkpoint(ORIGIN).unwrap();
    let known = SignedNote::parse(std::str::from_utf8(&known.body).unwrap()).unwrap();
    assert_eq!((known.verify(log.key()), known.text == log.note(7).text), (Ok(()), true));
    let found = Contradiction::of(&known, &fork.note(12), &fork.proof(7, 12)).unwrap();
    assert!(found.check(std::slice::from_ref(log.key())).is_ok());
}
