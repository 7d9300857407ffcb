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
    (
        RecordProof {
            tenant: acme,
            number,
            hash,
            path,
            slot: there,
            note,
            record: Some(record),
            stamp: None,
        },
        absent,
    )
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
    for text in [proof.text(), proof.plain()] {
        is_shown_by_nothing_else(&proof, &text);
    }
}

/// Changes each byte of a text of a proof.
fn is_shown_by_nothing_else(proof: &RecordProof, text: &str) {
    let key = SignedNote::parse(&proof.note).unwrap();
    let shown = |proof: &RecordProof| {
        proof.check().ok().map(|shown| (proof.tenant.clone(), proof.number, proof.hash, shown))
    };
    let right = shown(proof);
    let mut accepted = 0;
    for at in 0..text.len() {
        for bit in [1, 2, 32] {
            let mut bytes = text.to_owned().into_bytes();
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

/// The lines of C2SP tlog-proof, "Format"; what stands in them leads from the entry to the checkpoint.
#[test]
fn a_plain_proof_is_of_the_entry() {
    let (proof, _) = proofs(345, 5);
    let text = proof.plain();
    assert_eq!(RecordProof::parse(&text).unwrap(), proof);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2]), ("c2sp.org/tlog-proof@v1", "index 4"));
    let end = lines.iter().position(|line| line.is_empty()).unwrap();
    let hash = |line: &&str| BASE64.decode(line.as_bytes()).unwrap().try_into().unwrap();
    let path: Vec<Hash> = lines[3..end].iter().map(hash).collect();
    let note = SignedNote::parse(text.split_once("\n\n").unwrap().1).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert!(is_included(&leaf(&proof.slot.entry), (4, checkpoint.size), &path, &checkpoint.root));
    for wrong in [
        text.replacen("extra ", "extra  ", 1),
        text.replacen("\nindex 4\n", "\nindex 04\n", 1),
        text.replacen("\nindex 4\n", "\n", 1),
        text.replacen("@v1", "@v2", 1),
        text.replacen("extra ", "extra AAAA", 1),
        text.replacen("\n\n", "\n", 1),
    ] {
        let read = RecordProof::parse(&wrong).and_then(|proof| proof.check());
        assert!(read.is_err(), "{wrong}");
    }
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

#[test]
fn a_stamp_is_of_a_checkpoint_that_has_the_epoch() {
    let (mut proof, _) = proofs(345, 9);
    let log = Full((0..7_u8).map(|entry| leaf(&[entry])).collect());
    let first = |size: usize| Full(log.0[..size].to_vec()).root();
    let newest = Checkpoint { origin: ORIGIN.into(), size: 7, root: log.root() };
    let path =
        |old: u64| crate::tree::consistency(old, 7, |level, index| log.get(level, index)).unwrap().unwrap();
    assert_eq!(proof.slot.index, 4);
    for size in 1..=7_u64 {
        let stamp = Stamp { size, root: first(size as usize), path: path(size), answer: vec![1, 2] };
        let text = Checkpoint { origin: ORIGIN.into(), size, root: stamp.root }.text();
        let expected = if size > 4 { Ok(text) } else { Err(ProofError::Stamp) };
        assert_eq!(proof.stamped(&stamp, &newest), expected);
        let other = Stamp { root: [7; 32], ..stamp.clone() };
        assert_eq!(proof.stamped(&other, &newest), Err(ProofError::Stamp));
        let more = Stamp { path: [&stamp.path[..], &[[7; 32]]].concat(), ..stamp.clone() };
        assert_eq!(proof.stamped(&more, &newest), Err(ProofError::Stamp));
        proof.stamp = Some(stamp);
        assert_eq!(RecordProof::parse(&proof.text()).unwrap(), proof);
    }
    let beyond = Stamp { size: 8, root: log.root(), path: Vec::new(), answer: Vec::new() };
    assert_eq!(proof.stamped(&beyond, &newest), Err(ProofError::Stamp));
    let text = proof.text().replace("\"answer\":\"AQI=\"", "\"answer\":\"AQJ=\"");
    assert!(matches!(RecordProof::parse(&text), Err(ProofError::Shape(_))));
}
