#![allow(clippy::unwrap_used)]

use super::*;
use crate::map::Map;
use crate::note::Signer;
use crate::state::blind;
use crate::tree::{Edge, inclusion, node};
use halod_record::hash::{hex_text, sha256};
use ring::signature::Ed25519KeyPair;

const ORIGIN: &str = "log.example/1";

/// All complete subtrees of some leaves.
struct Full(Vec<Hash>);

impl Full {
    fn get(&self, level: u32, index: u64) -> Result<Hash, ()> {
        let mut hashes: Vec<Hash> =
            self.0[(index << level) as usize..((index + 1) << level) as usize].to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
        }
        Ok(hashes[0])
    }

    fn root(&self) -> Hash {
        let mut edge = Edge::default();
        self.0.iter().for_each(|leaf| edge.push(*leaf, |_, _, _| {}));
        edge.root()
    }

    fn path(&self, index: u64) -> Vec<Hash> {
        inclusion(index, self.0.len() as u64, |level, index| self.get(level, index)).unwrap().unwrap()
    }
}

fn line(number: u64) -> (String, Hash) {
    let before = format!("{{\"data\":{{\"n\":{number}}},\"integrity\":{{");
    let after = "\"prev_hash\":\"\"}}";
    let hash = sha256(format!("{before}{after}").as_bytes());
    (format!("{before}\"hash\":\"{}\",{after}", hex_text(&hash)), hash)
}

/// The proof of record `number` of 700 of a tenant, one of `tenants`, in the 5th of 7 epochs; and that another has no chain.
fn proofs(number: u64, tenants: usize) -> (RecordProof, SlotProof) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let signer = Signer::new(ORIGIN, pkcs8.as_ref()).unwrap();
    let hashes: Vec<Hash> = (1..=700).map(|number| line(number).1).collect();
    let records = Full(hashes.iter().map(|hash| leaf(hash)).collect());
    let state = State {
        generation: 0,
        before: [0; 32],
        count: 700,
        head: hashes[699],
        first: hashes[0],
        root: records.root(),
    };
    let acme = Tenant::stored("acme");
    let slots = (0..tenants).map(|at| if at == 3 { acme.clone() } else { Tenant::stored(&format!("t{at}")) });
    let slots: Vec<Hash> = slots.map(|tenant| slot(ORIGIN, &tenant)).collect();
    let map = Map::new(slots.iter().map(|slot| (*slot, state.hidden(&blind(b"secret", 5, slot)))));
    let entry = |epoch| Epoch { epoch, millis: 1_760_000_000_000, map: map.root() }.bytes();
    let log = Full((1..=7).map(|epoch| leaf(&entry(epoch))).collect());
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 7, root: log.root() };
    let own = slot(ORIGIN, &acme);
    let of = |slot: &Hash, state| SlotProof {
        entry: entry(5),
        index: 4,
        path: log.path(4),
        way: map.way(slot).unwrap(),
        state,
    };
    let absent = of(&slot(ORIGIN, &Tenant::Local), None);
    let there = of(&own, Some((state, blind(b"secret", 5, &own))));
    let (record, hash) = line(number);
    let note = signer.sign(&checkpoint.text()).unwrap();
    let path = records.path(number - 1);
    (RecordProof { tenant: acme, number, hash, path, slot: there, note, record: Some(record) }, absent)
}

#[test]
fn a_record_is_shown_in_its_chain_and_an_absent_tenant_absent() {
    let (proof, absent) = proofs(345, 22);
    let (checkpoint, epoch, state) = proof.check().unwrap();
    assert_eq!((checkpoint.size, epoch.epoch, state.count), (7, 5, 700));
    assert_eq!(RecordProof::parse(&proof.text()).unwrap(), proof);
    assert_eq!(absent.check(&Tenant::Local, &checkpoint).unwrap().1, None);
    assert_eq!(SlotProof::parse(&absent.text()).unwrap(), absent);
    let bare = RecordProof { record: None, ..proof.clone() };
    assert!(bare.text().len() < 2048, "{} bytes", bare.text().len());

    let fails = |change: &dyn Fn(&mut RecordProof)| {
        let mut proof = proof.clone();
        change(&mut proof);
        proof.check().unwrap_err()
    };
    assert_eq!(fails(&|proof| proof.number = 346), ProofError::Record);
    assert_eq!(fails(&|proof| proof.number = 0), ProofError::Record);
    assert_eq!(fails(&|proof| proof.tenant = Tenant::stored("t4")), ProofError::Map);
    assert_eq!(fails(&|proof| proof.slot.index = 5), ProofError::Log);
    assert_eq!(fails(&|proof| proof.slot.entry[20] ^= 1), ProofError::Log);
    assert_eq!(fails(&|proof| proof.slot.state.as_mut().unwrap().0.count = 701), ProofError::State);
    assert!(matches!(fails(&|proof| proof.record = Some(line(344).0)), ProofError::Other(_)));
    assert!(matches!(fails(&|proof| proof.note = "no note".into()), ProofError::Note(_)));
    assert_eq!(absent.check(&Tenant::stored("acme"), &checkpoint).unwrap_err(), ProofError::Map);
}

/// Whatever byte of a proof is changed, nothing else is shown by it than before.
#[test]
fn no_changed_byte_shows_anything_else() {
    let (proof, _) = proofs(345, 5);
    let proof = RecordProof { record: None, ..proof };
    let text = proof.text();
    let key = SignedNote::parse(&proof.note).unwrap();
    let shown = |proof: &RecordProof| {
        proof.check().ok().map(|shown| (proof.tenant.clone(), proof.number, proof.hash, shown))
    };
    let right = shown(&proof);
    let mut accepted = 0;
    for at in 0..text.len() {
        for bit in [1, 2, 32] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let Ok(changed) = RecordProof::parse(&changed) else { continue };
            let Some(now) = shown(&changed) else { continue };
            // Signatures are not looked at here; the text that they are of is.
            let note = SignedNote::parse(&changed.note).unwrap();
            assert_eq!((Some(now), &note.text), (right.clone(), &key.text), "byte {at}");
            accepted += 1;
        }
    }
    assert!(accepted > 0, "the signature's bytes can be changed");
}

#[test]
fn what_is_no_proof_is_told() {
    for text in ["", "{}", "[]", "{\"format\":\"halod-proof/v1\"}", "7"] {
        assert!(matches!(RecordProof::parse(text), Err(ProofError::Shape(_))), "{text}");
    }
    let (proof, _) = proofs(1, 4);
    let other = proof.text().replace("halod-proof/v1", "halod-proof/v9");
    assert!(RecordProof::parse(&other).unwrap_err().to_string().contains("halod-proof/v9"));
    let torn = proof.text().replacen("\"way\":\"", "\"way\":\"AAAA", 1);
    assert!(RecordProof::parse(&torn).unwrap_err().to_string().contains("33 bytes"));
}
