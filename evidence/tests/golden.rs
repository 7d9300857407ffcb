#![allow(clippy::unwrap_used)]

//! What is signed is for ever: the bytes of `golden/epoch.json` and `golden/receipt.json`, which another implementation made
//! (`golden/make.py` and `golden/make_receipt.py`).

use data_encoding::HEXLOWER;
use halod_evidence::Hash;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::map::{Map, Shown};
use halod_evidence::note::{Checkpoint, SignedNote, Signer, VerifierKey};
use halod_evidence::receipt::{Entry, Listing, Place, Receipt};
use halod_evidence::state::{State, blind, slot};
use halod_evidence::tree::{Edge, is_included, leaf};
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/epoch.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn hash(value: &Value) -> Hash {
    bytes(value).try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn edge(leaves: &[Vec<u8>]) -> Edge {
    let mut edge = Edge::default();
    leaves.iter().for_each(|data| edge.push(leaf(data), |_, _, _| {}));
    edge
}

#[test]
fn an_epoch_is_what_it_always_was() {
    let golden = golden();
    let origin = golden["origin"].as_str().unwrap();
    let (epoch, secret) = (golden["epoch"].as_u64().unwrap(), bytes(&golden["secret"]));
    let mut leaves = Vec::new();
    for one in golden["tenants"].as_array().unwrap() {
        let tenant = one["tenant"].as_str().map_or(Tenant::Local, |id| Tenant::claimed(id).unwrap());
        let own = slot(origin, &tenant);
        assert_eq!(own, hash(&one["slot"]), "{tenant:?}");
        let records = hashes(&one["hashes"]);
        let data: Vec<Vec<u8>> = records.iter().map(|hash| hash.to_vec()).collect();
        let tree = edge(&data);
        assert_eq!(tree.root(), hash(&one["root"]));
        let place = (tree.size() - 1, tree.size());
        let last = leaf(&data[data.len() - 1]);
        assert!(is_included(&last, place, &hashes(&one["last_path"]), &tree.root()));
        let said = State::read(&bytes(&one["state"]).try_into().unwrap());
        assert_eq!(
            (said.count, said.head, said.root),
            (tree.size(), records[records.len() - 1], tree.root())
        );
        assert_eq!((said.first, said.bytes().to_vec()), (records[0], bytes(&one["state"])));
        let under = blind(&secret, epoch, &own);
        assert_eq!(under.to_vec(), bytes(&one["blind"]));
        assert_eq!(said.hidden(&under), hash(&one["hidden"]));
        leaves.push((own, said.hidden(&under)));
    }
    let map = Map::new(leaves.clone());
    assert_eq!(map.root(), hash(&golden["map"]));
    for ((own, hidden), one) in leaves.iter().zip(golden["tenants"].as_array().unwrap()) {
        let way = map.way(own).unwrap();
        assert_eq!((way.hidden, way.shows(own, &map.root())), (*hidden, Shown::There));
        let steps: Vec<(u8, Hash)> = way.steps.iter().map(|step| (step.bit, step.beside)).collect();
        let theirs = one["way"].as_array().unwrap().iter();
        let theirs: Vec<(u8, Hash)> =
            theirs.map(|step| (step[0].as_u64().unwrap() as u8, hash(&step[1]))).collect();
        assert_eq!(steps, theirs);
    }
    let entry = Epoch { epoch, millis: golden["millis"].as_u64().unwrap(), map: map.root() };
    let entries: Vec<Vec<u8>> = golden["entries"].as_array().unwrap().iter().map(bytes).collect();
    assert_eq!(Some(&entry.bytes()), entries.last());
    assert_eq!(Epoch::read(&entry.bytes()), Some(entry));
    let log = edge(&entries);
    assert!(is_included(&leaf(&entry.bytes()), (3, 4), &hashes(&golden["entry_path"]), &log.root()));
    let checkpoint = Checkpoint { origin: origin.into(), size: log.size(), root: log.root() };
    let signer = Signer::new(origin, &bytes(&golden["pkcs8"])).unwrap();
    assert_eq!(signer.sign(&checkpoint.text()).unwrap(), golden["note"].as_str().unwrap());
    assert_eq!(signer.key().to_string(), golden["vkey"].as_str().unwrap());
    let key: VerifierKey = golden["vkey"].as_str().unwrap().parse().unwrap();
    let note = SignedNote::parse(golden["note"].as_str().unwrap()).unwrap();
    assert_eq!((note.verify(&key), Checkpoint::parse(&note.text)), (Ok(()), Ok(checkpoint)));
}

#[test]
fn other_bytes_are_no_entry() {
    let entry = Epoch { epoch: 1, millis: 2, map: [3; 32] }.bytes();
    for end in 0..entry.len() {
        assert_eq!(Epoch::read(&entry[..end]), None);
    }
    assert_eq!(Epoch::read(&[&entry[..], b"x"].concat()), None);
    assert_eq!(Epoch::read(&[b"h", &entry[1..]].concat()).map(|epoch| epoch.epoch), Some(1));
    assert_eq!(Epoch::read(&[b"H", &entry[1..]].concat()), None);
}

#[test]
fn a_receipt_is_what_it_always_was() {
    let golden: Value = serde_json::from_str(include_str!("../golden/receipt.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut listing = Listing::keeping(4);
    let mut entries = Vec::new();
    for one in golden["entries"].as_array().unwrap() {
        let number = one["number"].as_u64().unwrap();
        let entry = Entry {
            tenant: one["tenant"].as_str().map_or(Tenant::Local, |id| Tenant::claimed(id).unwrap()),
            record: RecordId::parse(one["record"].as_str().unwrap()).unwrap(),
            hash: hash(&one["hash"]),
            prev: hash(&one["prev"]),
            place: if one["place"] == "at" { Place::At(number) } else { Place::Within(number) },
            micros: one["micros"].as_u64().unwrap(),
        };
        listing.push(&entry);
        entries.push(entry);
    }
    let signer = Signer::new(&text(&golden["origin"]), &bytes(&golden["pkcs8"])).unwrap();
    let signed = listing.sign(&signer, None, golden["millis"].as_u64().unwrap()).unwrap();
    assert_eq!((&signed.note, &signed.to_string()), (&text(&golden["note"]), &text(&golden["file"])));
    let key: VerifierKey = text(&golden["vkey"]).parse().unwrap();
    let receipt = Receipt::parse(&text(&golden["file"])).unwrap();
    assert_eq!((receipt.verify(&key), &receipt.entries), (Ok(()), &Some(entries)));
    assert_eq!((receipt.statement.root, receipt.statement.count), (hash(&golden["root"]), 4));
    let alone = Receipt::parse(&text(&golden["note"])).unwrap();
    assert_eq!((alone.verify(&key), alone.entries), (Ok(()), None));
}

#[test]
fn what_operators_declare_is_what_it_always_was() {
    let golden: Value = serde_json::from_str(include_str!("../golden/entries.json")).unwrap();
    let key = |name: &str| golden[name].as_str().unwrap().parse::<VerifierKey>().unwrap();
    let at = |name: &str| hash(&golden[name]);
    let reason = Sha256::digest(golden["reason"].as_str().unwrap()).into();
    let declared = [
        ("rotate", Declared::Rotated { old: key("old"), new: key("new") }),
        ("continues", Declared::Continued { note: golden["note"].as_str().unwrap().to_owned() }),
        ("break", Declared::Broken { slot: at("slot"), old: at("before"), new: at("after"), reason }),
        ("retire", Declared::Retired { slot: at("slot"), last: at("before") }),
    ];
    for (name, declared) in declared {
        assert_eq!(declared.bytes(), bytes(&golden[name]), "{name}");
        assert_eq!(Declared::read(&declared.bytes()), Some(declared.clone()));
        assert_eq!(Epoch::read(&declared.bytes()), None);
        if name != "continues" {
            assert_eq!(Declared::read(&[&declared.bytes()[..], b"x"].concat()), None);
        }
    }
}
