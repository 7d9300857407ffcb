//! Receipts: what a sender is given, and what it shows when the chains that are shown later lack a record of it.

use super::{Place, UNWITNESSED, await_covered, check, printed, run};
use crate::support::chains::{assert_verified, of_tenant, records};
use crate::support::clients::{python, text_of};
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::Halod;
use crate::support::root;
use crate::support::spans::{request, request_json, span};
use crate::support::wait_until;
use data_encoding::BASE64;
use halod_client::Client;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::receipt::{Entry, Listing, Place as InChain, Receipt};
use halod_proto::ingest::v1;
use halod_record::hash::parse_hex;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use halod_record::time::instant;
use prost::Message;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const RECEIPTS: &str = "checkpoint: { interval: 1s, origin: logs.example.com/agents, receipts: true }\n";

fn record(key: &str, subject: Option<&str>) -> Value {
    let mut record =
        json!({"key": key, "action": {"type": "tool_call", "category": "safety", "tool": "refund"}});
    record["subject"] = subject.into();
    record
}

/// Writes records over the native door; returns the answer.
fn write(halod: &Halod, records: &Value) -> Value {
    let headers = [("content-type", "application/json")];
    let answer = halod.connect().post("/v1/records", &headers, records.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn decoded(header: &str) -> String {
    String::from_utf8(BASE64.decode(header.as_bytes()).unwrap()).unwrap()
}

/// Keeps a receipt, and reads it.
fn kept(place: &Place, name: &str, file: &str) -> (PathBuf, Receipt) {
    let path = place.path(name);
    fs::write(&path, file).unwrap();
    let receipt = Receipt::parse(file).unwrap_or_else(|error| panic!("{error}: {file}"));
    let key: VerifierKey = place.key().parse().unwrap();
    assert_eq!(receipt.verify(&key), Ok(()), "{file}");
    (path, receipt)
}

/// What `halod check` says of a receipt: its exit code, findings, and all it says.
fn checked(path: &Path, receipt: &Path, more: &[&str]) -> (i32, Vec<String>, String) {
    let arguments = [&["--receipt", receipt.to_str().unwrap()], more].concat();
    let (code, findings) = check(path, &arguments);
    let said = run(&[&["check", path.to_str().unwrap()], &arguments[..]].concat());
    (code, findings, String::from_utf8(said.stdout).unwrap())
}

/// What a receipt has to say of a record that is sealed in a chain as this one of it.
fn entry(record: &Value, number: u64) -> Entry {
    let hash = |key: &str| parse_hex(record["integrity"][key].as_str().unwrap().as_bytes()).unwrap();
    Entry {
        tenant: record["subject"]["id"].as_str().map_or(Tenant::Local, Tenant::stored),
        record: RecordId::parse(record["record_id"].as_str().unwrap()).unwrap(),
        hash: hash("hash"),
        prev: hash("prev_hash"),
        place: InChain::At(number),
        micros: instant(record["ts"].as_str().unwrap()).unwrap().unix_nanos() / 1000,
    }
}

/// What a receipt has to say of all records of chains, one chain after the other.
fn entries(dir: &Path, tenants: &[Option<&str>]) -> Vec<Entry> {
    let of =
        |tenant: &Option<&str>| (1..).zip(of_tenant(dir, *tenant)).map(|(n, one)| entry(&one, n)).collect();
    tenants.iter().flat_map(|tenant| -> Vec<Entry> { of(tenant) }).collect()
}

fn openssl(place: &Place, file: &Path) -> bool {
    let script = root().join("tests/clients/openssl_note.sh");
    let mut command = Command::new("sh");
    command.arg(&script).arg(file).arg(place.key()).current_dir(place.dir.path());
    command.output().unwrap().status.success()
}

#[test]
fn the_native_door_answers_with_a_receipt() {
    let place = Place::configured(RECEIPTS);
    let halod = place.start();
    let odd = "Zoë's \"shop\"\n株式会社";
    let mine = json!([
        record("1", Some("acme")),
        record("2", Some("acme")),
        record("1", Some(odd)),
        record("1", None)
    ]);
    let answer = write(&halod, &mine);
    let (path, receipt) = kept(&place, "one", answer["receipt"].as_str().unwrap());
    let said = receipt.entries.unwrap();
    assert_eq!(said, entries(&place.chains(), &[Some("acme"), Some(odd), None]));
    // Record by record it names what the results do.
    let ids = |answer: &Value| -> Vec<String> {
        let results = answer["results"].as_array().unwrap();
        results.iter().map(|result| result["record_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(said.iter().map(|one| one.record.to_string()).collect::<Vec<_>>(), ids(&answer));
    assert!(openssl(&place, &path), "the signature needs no tool of halod's");
    let forged = place.path("forged");
    fs::write(&forged, fs::read_to_string(&path).unwrap().replacen("\n4\n", "\n5\n", 1)).unwrap();
    assert!(!openssl(&place, &forged));
    let note = SignedNote::parse(answer["receipt"].as_str().unwrap().split("\n\nat ").next().unwrap());
    assert!(note.is_err() || Checkpoint::parse(&note.unwrap().text).is_err());

    // Sent again, it is there: not as a new record, and with the same hash.
    write(&halod, &json!([record("3", Some("acme"))]));
    let again = write(&halod, &json!([record("1", Some("acme")), record("4", Some("acme"))]));
    let (within, receipt) = kept(&place, "again", again["receipt"].as_str().unwrap());
    let [first, new] = &receipt.entries.unwrap()[..] else { panic!("{again}") };
    assert_eq!(*first, Entry { place: InChain::Within(3), ..said[0].clone() });
    assert_eq!(*new, entries(&place.chains(), &[Some("acme")])[3]);
    // What is rejected is in none, and a request of nothing else has none.
    let headers = [("content-type", "application/json")];
    let wrong = json!([{"key": "x"}]).to_string();
    let refused = halod.connect().post("/v1/records", &headers, wrong.as_bytes()).unwrap();
    assert!(refused.status == 400 && !refused.text().contains("receipt"), "{}", refused.text());
    let client = Client::new(&format!("http://{}", halod.http)).unwrap();
    let by_client = client.record(&[record("5", Some("acme"))]).unwrap().receipt.unwrap();
    assert_eq!(kept(&place, "client", &by_client).1.statement.count, 1);

    // The same over gRPC.
    let action = v1::Action { r#type: "write".into(), category: "safety".into(), ..v1::Action::default() };
    let subject = Some(v1::Subject { id: "acme".into(), ..v1::Subject::default() });
    let message = v1::Record { key: "grpc".into(), subject, action: Some(action), ..v1::Record::default() };
    let message = v1::WriteRequest { records: vec![message] }.encode_to_vec();
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let answer = grpc.send("/halo.ingest.v1.RecordService/Write", &[], &frame(0, &message)).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.message);
    let answer = v1::WriteResponse::decode(&*answer.body).unwrap();
    let (by_grpc, receipt) = kept(&place, "grpc", &answer.receipt);
    assert_eq!(receipt.entries.unwrap(), entries(&place.chains(), &[Some("acme")])[5..]);

    await_covered(&halod, &place, 8);
    halod.terminate();
    let key = place.key();
    for receipt in [&path, &within, &by_grpc] {
        let (code, findings, said) = checked(&place.chains(), receipt, &["--key", &key]);
        assert_eq!((code, findings), (UNWITNESSED, vec![]), "{said}");
        assert!(said.contains("of the receipt are in the chain, in their places"), "{said}");
        assert!(!said.contains("No epoch covers"), "{said}");
    }
    // Of a bundle of one tenant the others are told.
    let bundle = place.export("acme");
    let (code, findings, said) = checked(&bundle, &path, &["--key", &key]);
    assert_eq!((code, findings), (UNWITNESSED, vec![]), "{said}");
    assert!(
        said.contains("2 records of the receipt are in the chain")
            && said.contains("2 records of the receipt are in other chains"),
        "{said}"
    );
    let (code, said) = check(&path, &["--receipt", path.to_str().unwrap(), "--key", &key]);
    assert!(code == 2 && said[0].contains("against a directory or a bundle"), "{said:?}");
}

#[test]
fn otlp_answers_with_a_header() {
    let place = Place::configured(RECEIPTS);
    let halod = place.start();
    let spans = |from: u64, count: u64| (from..from + count).map(|n| span(7, n)).collect::<Vec<_>>();
    let listed = |name: &str, header: Option<&str>| kept(&place, name, &decoded(header.expect("a receipt")));
    let all = |from: usize, to: usize| entries(&place.chains(), &[Some("acme")])[from..to].to_vec();

    let protobuf = halod.connect().export(&request(Some("acme"), spans(0, 16))).unwrap();
    let (first, receipt) = listed("protobuf", protobuf.header("halod-receipt"));
    assert_eq!(receipt.entries.unwrap(), all(0, 16));
    assert!(protobuf.header("halod-receipt").unwrap().len() < 4096);
    let headers = [("content-type", "application/json")];
    let json =
        halod.connect().post("/v1/traces", &headers, &request_json(Some("acme"), spans(16, 2))).unwrap();
    assert_eq!(listed("json", json.header("halod-receipt")).1.entries.unwrap(), all(16, 18));
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let answer = grpc.export(&request(Some("acme"), spans(18, 3))).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.message);
    let header = answer.headers.get("halod-receipt").map(|value| value.to_str().unwrap());
    assert_eq!(listed("grpc", header).1.entries.unwrap(), all(18, 21));

    // Of more than 16 records there is the root, and who has the list can put it there.
    let many = halod.connect().export(&request(Some("acme"), spans(21, 40))).unwrap();
    let (note, receipt) = listed("many", many.header("halod-receipt"));
    assert_eq!((receipt.statement.count, receipt.entries), (40, None));
    let mut listing = Listing::keeping(40);
    all(21, 61).iter().for_each(|entry| listing.push(entry));

    let key = fs::read(place.chains().join(".halod/log/key.p8")).unwrap();
    let signer = halod_evidence::note::Signer::new("logs.example.com/agents", &key).unwrap();
    let lines = listing.sign(&signer, None, 1).unwrap().lines.unwrap();
    let whole = place.path("whole");
    fs::write(&whole, format!("{}\n{lines}", fs::read_to_string(&note).unwrap())).unwrap();
    // What comes to nothing has none, whatever it is.
    let nothing = halod.connect().export(&request(Some("acme"), Vec::new())).unwrap();
    assert_eq!((nothing.status, nothing.header("halod-receipt")), (200, None));

    // Before an epoch covers it, after it, and without a list.
    await_covered(&halod, &place, 61);
    let more = halod.connect().export(&request(Some("acme"), spans(61, 1))).unwrap();
    let (newest, _) = listed("newest", more.header("halod-receipt"));
    halod.kill9();
    let key = place.key();
    for (receipt, says) in [
        (&first, "16 records of the receipt are in the chain"),
        (&whole, "40 records of the receipt are in the chain"),
        (&note, "The receipt has no list"),
        (&newest, "No epoch covers 1 of these yet"),
    ] {
        let (code, findings, said) = checked(&place.chains(), receipt, &["--key", &key]);
        assert_eq!((code, findings), (UNWITNESSED, vec![]), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_request_in_slices_has_one_receipt() {
    let limits = "grpc: { max_recv_msg_size_mib: 4 }, http: { max_request_body_size: 8388608 }";
    let small = format!(
        "pipeline: {{ max_in_flight_mib: 32 }}\nreceivers: {{ otlp: {{ protocols: {{ {limits} }} }} }}\n"
    );
    let place = Place::configured(&(RECEIPTS.to_owned() + &small));
    let halod = place.start();
    let body = request(Some("acme"), (0..6000).map(|n| span(9, n)).collect());
    assert!(body.len() > 1 << 20, "smaller ones are sealed whole");
    let answer = halod.connect().export(&body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (_, receipt) = kept(&place, "slices", &decoded(answer.header("halod-receipt").unwrap()));
    let mut listing = Listing::keeping(0);
    entries(&place.chains(), &[Some("acme")]).iter().for_each(|entry| listing.push(entry));
    let key = fs::read(place.chains().join(".halod/log/key.p8")).unwrap();
    let signer = halod_evidence::note::Signer::new("logs.example.com/agents", &key).unwrap();
    let again = listing.sign(&signer, None, receipt.statement.millis).unwrap();
    assert_eq!(receipt.statement.count, 6000);
    assert_eq!(again.note, receipt.note.to_string());
}

#[test]
fn nobody_gets_a_receipt_unasked() {
    let mut place = Place::new();
    let halod = place.start();
    assert_eq!(place.seal(&halod, "acme", 1), None);
    assert_eq!(write(&halod, &json!(record("1", Some("acme")))).get("receipt"), None);
    halod.terminate();
    let wrong = Place::configured("checkpoint: { interval: 0s, receipts: true }\n");
    let said = run(&["validate", "--config", wrong.path("halod.yaml").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.contains("checkpoint.receipts") && said.contains("needs an interval"), "{said}");
}

/// Senders of one tenant learn nothing of each other's records but the hash that theirs are linked to.
#[test]
fn a_receipt_tells_of_nobody_elses_records() {
    let place = Place::configured(RECEIPTS);
    let halod = place.start();
    let halod = &halod;
    let of_sender = |sender: u64| {
        let sent = |request: u64| {
            let key = format!("{sender}-{request}");
            let other = format!("only-{sender}");
            let mine = json!([record(&key, Some("acme")), record(&key, Some(&other)), record(&key, None)]);
            let answer = write(halod, &mine);
            let results = answer["results"].as_array().unwrap();
            let mut ids: Vec<_> =
                results.iter().map(|one| one["record_id"].as_str().unwrap().to_owned()).collect();
            let receipt = Receipt::parse(answer["receipt"].as_str().unwrap()).unwrap();
            let entries = receipt.entries.unwrap();
            let mut named: Vec<_> = entries.iter().map(|entry| entry.record.to_string()).collect();
            ids.sort();
            named.sort();
            assert_eq!(ids, named);
            let mine = [Tenant::stored("acme"), Tenant::stored(&other), Tenant::Local];
            assert!(entries.iter().all(|entry| mine.contains(&entry.tenant)));
            entries
        };
        (0..15).flat_map(sent).collect::<Vec<_>>()
    };
    let of_all: Vec<Entry> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|sender| scope.spawn(move || of_sender(sender))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    // All of them together tell each record once.
    let mut tenants = vec![Some("acme"), None];
    let own: Vec<String> = (0..4).map(|sender| format!("only-{sender}")).collect();
    tenants.extend(own.iter().map(|tenant| Some(tenant.as_str())));
    let mut there = entries(&place.chains(), &tenants);
    let by_hash = |entries: &mut Vec<Entry>| entries.sort_by_key(|entry| entry.hash);
    let mut of_all = of_all;
    by_hash(&mut there);
    by_hash(&mut of_all);
    assert_eq!(of_all, there);
}

/// A directory with the same key in which acme's chain ends early, as its operator can make one.
fn cut(place: &Place, records: usize) -> Place {
    let other = Place::configured(RECEIPTS);
    fs::create_dir_all(other.chains().join(".halod/log")).unwrap();
    for secret in ["key.p8", "blind", "vkeys"] {
        let secret = Path::new(".halod/log").join(secret);
        fs::copy(place.chains().join(&secret), other.chains().join(&secret)).unwrap();
    }
    let text = fs::read_to_string(place.chain("acme")).unwrap();
    let lines: String = text.split_inclusive('\n').take(records).collect();
    fs::write(other.chain("acme"), lines).unwrap();
    other
}

#[test]
fn what_was_left_out_is_proved() {
    let mut place = Place::configured(RECEIPTS);
    let halod = place.start();
    place.seal(&halod, "acme", 3);
    let [mine, hers] = [("acme", 2), ("globex", 1)]
        .map(|(tenant, records)| decoded(&place.seal(&halod, tenant, records).unwrap()));
    let [path, hers] = [("mine", mine), ("hers", hers)].map(|(name, file)| kept(&place, name, &file).0);
    await_covered(&halod, &place, 6);
    halod.terminate();
    let key = place.key();

    // The chain goes on without the last record: all is signed, and all verifies.
    let mut gone_on = cut(&place, 4);
    gone_on.sent = 500;
    let halod = gone_on.start();
    gone_on.seal(&halod, "acme", 2);
    await_covered(&halod, &gone_on, 6);
    halod.terminate();
    assert_verified(&gone_on.chains());
    assert_eq!(gone_on.key(), key);
    assert_eq!(check(&gone_on.chains(), &["--key", &key]), (UNWITNESSED, vec![]));
    let (code, findings, said) = checked(&gone_on.chains(), &path, &["--key", &key]);
    assert_eq!((code, findings.len()), (1, 1), "{said}");
    assert!(findings[0].contains("PROOF OF OMISSION") && findings[0].contains("anybody can check"), "{said}");
    assert!(said.contains("1 records of the receipt are in the chain"), "{said}");
    // Who has nothing but a bundle and the receipt sees it, too.
    let bundle = gone_on.path("bundle");
    printed(&run(&[
        "export",
        gone_on.chains().to_str().unwrap(),
        "--bundle",
        "acme",
        "-o",
        bundle.to_str().unwrap(),
    ]));
    assert_eq!(check(&bundle, &["--key", &key]), (UNWITNESSED, vec![]));
    let (code, findings, said) = checked(&bundle, &path, &["--key", &key]);
    assert!(code == 1 && findings[0].contains("PROOF OF OMISSION"), "{said}");

    // The chain does not go on: the log does, and never has the record.
    let mut ended = cut(&place, 4);
    ended.sent = 600;
    let halod = ended.start();
    for round in 1..=2 {
        ended.seal(&halod, "initech", 1);
        await_covered(&halod, &ended, 4 + round);
    }
    halod.terminate();
    let (code, findings, said) = checked(&ended.chains(), &path, &["--key", &key]);
    assert!(code == 1 && findings[0].contains("was left out"), "{said}");
    // A whole chain that is not there.
    let (code, findings, said) = checked(&ended.chains(), &hers, &["--key", &key]);
    assert!(code == 1 && findings[0].contains("globex") && findings[0].contains("was left out"), "{said}");
    let waiting = ended.chains().join(".halod/setaside");
    fs::create_dir_all(&waiting).unwrap();
    fs::write(waiting.join("acme.jsonl"), "").unwrap();
    let (code, _, said) = checked(&ended.chains(), &path, &["--key", &key]);
    assert!(code == UNWITNESSED && said.contains("are set aside"), "{said}");

    // A cut without any new signature is what it was: the end is missing.
    let text = fs::read_to_string(place.chain("acme")).unwrap();
    fs::write(place.chain("acme"), text.split_inclusive('\n').take(4).collect::<String>()).unwrap();
    let (code, findings, said) = checked(&place.chains(), &path, &["--key", &key]);
    assert!(code == 1 && findings.iter().any(|one| one.contains("is not what was signed")), "{said}");
    assert!(!said.contains("PROOF"), "{said}");
}

#[test]
fn another_content_under_the_same_id_is_no_move() {
    let place = Place::configured(RECEIPTS);
    let halod = place.start();
    let answer = write(&halod, &json!([record("1", Some("acme")), record("2", Some("acme"))]));
    let (path, _) = kept(&place, "kept", answer["receipt"].as_str().unwrap());
    halod.terminate();
    let key = place.key();
    let other = cut(&place, 1);
    let halod = other.start();
    let mut changed = record("2", Some("acme"));
    changed["action"]["tool"] = "another".into();
    let again = write(&halod, &json!([changed]));
    assert_eq!(again["results"][0]["record_id"], answer["results"][1]["record_id"]);
    await_covered(&halod, &other, 2);
    halod.terminate();
    let (code, findings, said) = checked(&other.chains(), &path, &["--key", &key]);
    assert!(code == 1 && findings[0].contains("says something else"), "{said}");
}

#[test]
fn what_was_linked_again_is_moved() {
    // The first epoch is signed while there is nothing to sign, and the next one never comes.
    let place =
        Place::configured("checkpoint: { interval: 1h, origin: logs.example.com/agents, receipts: true }\n");
    let halod = place.start();
    wait_until("the log is open", Duration::from_secs(20), || {
        place.chains().join(".halod/log/vkeys").exists()
    });
    std::thread::sleep(Duration::from_secs(2));
    let answer = write(&halod, &json!([record("1", Some("shared")), record("2", Some("shared"))]));
    let (path, before) = kept(&place, "kept", answer["receipt"].as_str().unwrap());
    halod.kill9();
    // As if power had failed; and another recorder went on before halod came back.
    fs::remove_file(place.chain("shared")).unwrap();
    let script = root().join("tests/clients/co_append.py");
    let chains = place.chains();
    let append = ["append", chains.to_str().unwrap(), "shared", "1"];
    text_of(python().script(&script, &append).output().unwrap(), "co_append.py");
    let halod = place.start();
    wait_until("the records are linked again", Duration::from_secs(20), || {
        records(&place.chain("shared")).len() == 3
    });
    await_covered(&halod, &place, 3);
    halod.terminate();
    assert_verified(&place.chains());
    let key = place.key();
    let (code, findings, said) = checked(&place.chains(), &path, &["--key", &key]);
    assert_eq!((code, findings), (UNWITNESSED, vec![]), "{said}");
    assert_eq!(said.matches("was moved: it is record").count(), 2, "{said}");
    let after = entries(&place.chains(), &[Some("shared")]);
    let before = before.entries.unwrap();
    assert_eq!(after[1].record, before[0].record);
    assert!(after[1].hash != before[0].hash && after[1].place == InChain::At(2));
}

#[test]
fn forged_receipts_are_refused() {
    let place = Place::configured(RECEIPTS);
    let halod = place.start();
    let answer = write(&halod, &json!([record("1", Some("acme")), record("2", Some("acme"))]));
    let file = answer["receipt"].as_str().unwrap().to_owned();
    let (path, _) = kept(&place, "kept", &file);
    await_covered(&halod, &place, 2);
    halod.terminate();
    let key = place.key();
    let forged = place.path("forged");
    for (from, to) in [
        ("\nat 2 ", "\nat 7 "),
        ("\nat 1 ", "\nwithin 1 "),
        ("\"acme\"\nat 2", "\"initech\"\nat 2"),
        ("halod-receipt/v1\nlogs.example.com/agents\n2\n", "halod-receipt/v1\nlogs.example.com/agents\n1\n"),
    ] {
        let other = file.replacen(from, to, 1);
        assert_ne!(other, file);
        fs::write(&forged, other).unwrap();
        let (code, findings, said) = checked(&place.chains(), &forged, &["--key", &key]);
        assert!(
            code == 1 && findings.len() == 1 && findings[0].contains("The receipt shows nothing"),
            "{said}"
        );
    }
    // A record that was never sealed, signed by another key under the log's name.
    let mallory = Place::configured(RECEIPTS);
    let halod = mallory.start();
    let other = write(&halod, &json!([record("never", Some("acme"))]));
    halod.terminate();
    fs::write(&forged, other["receipt"].as_str().unwrap()).unwrap();
    for more in [&["--key", &key][..], &[]] {
        let (code, findings, said) = checked(&place.chains(), &forged, more);
        assert!(code == 1 && findings[0].contains("no key that is trusted has signed it"), "{said}");
    }
    // What is no receipt at all; a checkpoint is none.
    for text in ["", "at 1", &place.note(), &file.replace("^", "~"), &file[..file.len() - 1]] {
        fs::write(&forged, text).unwrap();
        let (code, said) = check(&place.chains(), &["--receipt", forged.to_str().unwrap(), "--key", &key]);
        assert!(code == 2 && said[0].contains("forged: "), "{said:?}");
    }
    // Without a pinned key, by the one that is beside the chains.
    let (code, findings, said) = checked(&place.chains(), &path, &[]);
    assert_eq!((code, findings), (UNWITNESSED, vec![]), "{said}");
}
