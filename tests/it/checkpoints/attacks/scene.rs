//! What attacks begin with: a log with two tenants, what a reader kept of it, and other histories by the same key.

use super::super::receipts::RECEIPTS;
use super::super::{Place, await_covered};
use crate::timestamps::service::{Manner, Service};
use data_encoding::BASE64;
use halod_evidence::note::{Kind, Signer};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What everybody starts from: two tenants, three epochs, what a customer kept after the second.
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) kept: PathBuf,
    /// The reference's checkpoints of acme's chain, as of the second epoch.
    pub(super) witness: PathBuf,
    /// A second history with the same key: other records of the same tenants.
    pub(super) fork: Place,
    /// A receipt for what acme was sealed last.
    pub(super) receipt: PathBuf,
    /// The same log, which goes on after the second epoch with other records than those of the receipt.
    pub(super) dropped: Place,
    /// The same log, with a hundred tenants more.
    pub(super) flooded: Place,
    /// Keys of three witnesses, whose cosignatures the test makes.
    pub(super) witnesses: [Signer; 3],
    /// A time-stamping service, for its root.
    pub(super) tsa: Service,
}

impl Scene {
    pub(super) fn new() -> Self {
        let place = sealed(None);
        let fork = sealed(Some(&place.chains()));
        let (key, kept) = (place.key(), place.path("kept.note"));
        assert_eq!(fork.key(), key);
        let witness = place.path("bundle/evidence/witness.jsonl");
        let receipt = place.path("last.receipt");
        let (dropped, flooded) = (without_the_last(&place), with_many_tenants(&place));
        let witness_key = |name: &str| {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            Signer::of(Kind::Cosignature, name, pkcs8.as_ref()).unwrap()
        };
        let witnesses = ["w.example/0", "w.example/1", "w.example/2"].map(witness_key);
        let tsa = Service::start(Manner::Honest);
        let own = Self { place, key, kept, witness, fork, receipt, dropped, flooded, witnesses, tsa };
        for quorum in 1..=3 {
            fs::write(own.policy(quorum), own.policy_text(quorum)).unwrap();
        }
        own
    }

    /// The file of a policy that demands so many of the three witnesses.
    pub(super) fn policy(&self, quorum: usize) -> PathBuf {
        self.place.path(&format!("{quorum}.policy"))
    }

    fn policy_text(&self, quorum: usize) -> String {
        let witness = |(at, one): (usize, &Signer)| format!("witness w{at} {}\n", one.key());
        let lines: String = self.witnesses.iter().enumerate().map(witness).collect();
        format!("log {}\n{lines}group all {quorum} w0 w1 w2\nquorum all\n", self.key)
    }
}

/// A directory with two tenants and three epochs; with the key of another one where that is given.
pub(super) fn sealed(key_of: Option<&Path>) -> Place {
    let mut place = Place::configured(RECEIPTS);
    if let Some(other) = key_of {
        let own = place.chains().join(".halod/log");
        fs::create_dir_all(&own).unwrap();
        for secret in ["key.p8", "blind", "vkeys"] {
            fs::copy(other.join(".halod/log").join(secret), own.join(secret)).unwrap();
        }
        // The other history has other records.
        place.sent = 1000;
    }
    let halod = place.start();
    let mut covered = 0;
    for epoch in 0..3 {
        let receipt = place.seal(&halod, "acme", 4).unwrap();
        fs::write(place.path("last.receipt"), BASE64.decode(receipt.as_bytes()).unwrap()).unwrap();
        place.seal(&halod, "globex", 1);
        covered += 5;
        await_covered(&halod, &place, covered);
        if epoch == 0 {
            copy(&place.chains(), &place.path("snapshot"));
        }
        if epoch == 1 {
            fs::write(place.path("kept.note"), place.note()).unwrap();
            copy(&place.chains(), &place.path("second"));
            place.export("acme");
        }
    }
    halod.terminate();
    place
}

/// Goes on from the second epoch of another place, as if what was sealed there since had never come.
fn without_the_last(other: &Place) -> Place {
    let mut place = Place::configured(RECEIPTS);
    copy(&other.path("second"), &place.chains());
    place.sent = 2000;
    let halod = place.start();
    place.seal(&halod, "acme", 4);
    await_covered(&halod, &place, 14);
    halod.terminate();
    place
}

/// The same with a hundred tenants that somebody made up.
fn with_many_tenants(other: &Place) -> Place {
    let mut place = Place::configured(RECEIPTS);
    copy(&other.chains(), &place.chains());
    place.sent = 3000;
    let halod = place.start();
    for number in 0..100 {
        place.seal(&halod, &format!("flood-{number}"), 1);
    }
    await_covered(&halod, &place, 115);
    halod.terminate();
    place
}

pub fn copy(from: &Path, to: &Path) {
    let out = Command::new("cp").arg("-a").arg(from).arg(to).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
