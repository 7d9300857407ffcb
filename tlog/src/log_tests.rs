#![allow(clippy::unwrap_used)]

use super::*;
use crate::book;
use crate::entries::EntriesReader;
use halod_chain::disk::OsDisk;
use halod_evidence::Hash;
use halod_evidence::map::Shown;
use halod_evidence::state::{State, slot};
use halod_evidence::tree::{Edge, consistency, empty, inclusion, is_consistent, is_included, leaf};
use halod_record::hash::{hex_text, sha256};
use halod_record::tenant::Tenant;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// A directory in which somebody seals.
struct World {
    dir: tempfile::TempDir,
    heads: HashMap<String, Vec<Hash>>,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), heads: HashMap::new() }
    }

    fn chain(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("{id}.jsonl"))
    }

    /// Appends records to a tenant's chain, each other one not in canonical form.
    fn seal(&mut self, id: &str, records: u64) {
        let hashes = self.heads.entry(id.to_owned()).or_default();
        let mut text = Vec::new();
        for _ in 0..records {
            let number = hashes.len();
            let prev = hex_text(hashes.last().unwrap_or(&[0; 32]));
            let (before, after) = (
                format!(
                    "{{\"data\":{{\"n\":{number}}},\"integrity\":{{\"alg\":\"sha-256\",\"canon\":\"rfc8785\","
                ),
                format!("\"prev_hash\":\"{prev}\"}},\"subject\":{{\"id\":\"{id}\"}}}}"),
            );
            let hash = sha256(format!("{before}{after}").as_bytes());
            let blank = if number % 2 == 1 { " " } else { "" };
            writeln!(text, "{blank}{before}\"hash\":\"{}\",{after}", hex_text(&hash)).unwrap();
            hashes.push(hash);
        }
        let mut file =
            File::options().append(true).create(true).open(self.dir.path().join(format!("{id}.jsonl")));
        file.as_mut().unwrap().write_all(&text).unwrap();
    }

    fn open(&self) -> Log {
        self.open_on(Arc::new(OsDisk)).unwrap()
    }

    fn open_on(&self, disk: Arc<dyn Disk>) -> Result<Log, TlogError> {
        let settings = KeySettings { origin: Some("log.example/1".into()), key_file: None };
        let notes = Arc::new(Notes::new(&place(self.dir.path()), Arc::clone(&disk)));
        Log::open(self.dir.path(), &settings, disk, notes)
    }

    /// The state that a tenant's slot has to have.
    fn state(&self, id: &str) -> State {
        let hashes = &self.heads[id];
        let mut edge = Edge::default();
        hashes.iter().for_each(|hash| edge.push(leaf(hash), |_, _, _| {}));
        let (count, root) = (hashes.len() as u64, edge.root());
        State {
            generation: 0,
            before: [0; 32],
            count,
            head: hashes[hashes.len() - 1],
            first: hashes[0],
            root,
        }
    }

    /// Follows the way from a tenant's state to the newest note.
    fn check(&self, log: &Log, id: &str, state: &State) {
        let own = place(self.dir.path());
        let note = SignedNote::parse(&fs::read_to_string(own.join("checkpoint")).unwrap()).unwrap();
        note.verify(log.keys().signer.key()).unwrap();
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        let reader = EntriesReader::open(&own, checkpoint.size).unwrap();
        let last = checkpoint.size - 1;
        let bytes = reader.entry(last).unwrap();
        let path = inclusion(last, checkpoint.size, |level, index| reader.get(level, index).ok_or(()))
            .unwrap()
            .unwrap();
        assert!(is_included(&leaf(&bytes), (last, checkpoint.size), &path, &checkpoint.root));
        let entry = Epoch::read(&bytes).unwrap();
        let rows = book::at_epoch(&own, entry.epoch).unwrap().unwrap();
        let blind = |slot: &Hash| blind(&log.keys().blind, entry.epoch, slot);
        let map = Map::new(rows.values().map(|row| (row.slot, row.state.hidden(&blind(&row.slot)))));
        let slot = slot("log.example/1", &Tenant::stored(id));
        let way = map.way(&slot).unwrap();
        assert_eq!(way.shows(&slot, &entry.map), Shown::There);
        assert_eq!(way.hidden, state.hidden(&blind(&slot)));
        assert_eq!(rows[&slot].state, *state);
    }
}

/// Looks, takes in and signs.
fn epoch(log: &mut Log, millis: u64) -> Result<Option<Signed>, TlogError> {
    for stem in log.look(|_| false)? {
        log.take_in(&stem)?;
    }
    log.sign(millis)
}

#[test]
fn an_epoch_has_every_chain_and_comes_when_something_changed() {
    let mut world = World::new();
    let mut log = world.open();
    assert_eq!(epoch(&mut log, 1).unwrap(), None, "nothing is there");
    world.seal("acme", 700);
    world.seal("globex", 3);
    fs::write(world.chain("empty"), "").unwrap();
    fs::write(world.dir.path().join("notes.txt"), "no chain").unwrap();
    let first = epoch(&mut log, 1_000).unwrap().unwrap();
    assert_eq!((first.epoch, first.chains, first.checkpoint.size), (1, 2, 1));
    assert_eq!(epoch(&mut log, 2_000).unwrap(), None, "nothing changed");
    for id in ["acme", "globex"] {
        world.check(&log, id, &world.state(id));
    }
    let before = world.state("globex");
    world.seal("acme", 1);
    // A line without its end is no record yet.
    File::options().append(true).open(world.chain("globex")).unwrap().write_all(b"{\"torn").unwrap();
    let second = epoch(&mut log, 3_000).unwrap().unwrap();
    assert_eq!((second.epoch, second.chains, second.checkpoint.size), (2, 2, 2));
    world.check(&log, "acme", &world.state("acme"));
    world.check(&log, "globex", &before);

    // A later start goes on, on another day, without what it can make again.
    drop(log);
    fs::remove_dir_all(world.dir.path().join(".halod/tree")).unwrap();
    for name in ["tree", "checkpoint"] {
        fs::remove_file(place(world.dir.path()).join(name)).unwrap();
    }
    let mut log = world.open();
    let again = log.sign(4_000).unwrap().unwrap();
    assert_eq!(again.note, second.note, "what is lost is signed again, and the same");
    world.seal("acme", 300);
    assert_eq!(epoch(&mut log, 90_000_000).unwrap().unwrap().epoch, 3);
    world.check(&log, "acme", &world.state("acme"));
    world.check(&log, "globex", &before);
}

#[test]
fn a_chain_that_is_not_what_was_signed_keeps_its_slot_and_others_go_on() {
    let mut world = World::new();
    let ids = ["cut", "edited", "gone", "garbled", "remade", "good"];
    ids.iter().for_each(|id| world.seal(id, 5));
    let mut log = world.open();
    epoch(&mut log, 1_000).unwrap().unwrap();
    let states: Vec<State> = ids.iter().map(|id| world.state(id)).collect();
    let originals: Vec<Vec<u8>> = ids.iter().map(|id| fs::read(world.chain(id)).unwrap()).collect();

    let text = fs::read_to_string(world.chain("cut")).unwrap();
    fs::write(world.chain("cut"), text.split_inclusive('\n').take(4).collect::<String>()).unwrap();
    // The same length, in place.
    let edited = fs::read_to_string(world.chain("edited")).unwrap().replacen("\"n\":2", "\"n\":7", 1);
    fs::write(world.chain("edited"), edited).unwrap();
    fs::remove_file(world.chain("gone")).unwrap();
    let mut file = File::options().append(true).open(world.chain("garbled")).unwrap();
    writeln!(file, "{{\"integrity\":{{\"hash\":\"{}\"}}}}", hex_text(&[7; 32])).unwrap();
    world.heads.remove("remade");
    fs::remove_file(world.chain("remade")).unwrap();
    let mut other = World { dir: tempfile::tempdir().unwrap(), heads: HashMap::new() };
    other.seal("remade", 1);
    let text = fs::read_to_string(other.chain("remade")).unwrap().replace("\"n\":0", "\"n\":9");
    fs::write(world.chain("remade"), text).unwrap();
    world.seal("good", 1);

    for restart in [false, true] {
        if restart {
            drop(log);
            log = world.open();
        }
        let signed = epoch(&mut log, 2_000).unwrap();
        assert_eq!(signed.is_some(), !restart);
        let alarms: HashMap<String, Alarm> =
            log.alarms().map(|(stem, alarm)| (stem.to_owned(), *alarm)).collect();
        assert_eq!(alarms["cut"], Alarm::Shorter);
        assert_eq!(alarms["gone"], Alarm::Shorter);
        let is_broken = |id: &str| matches!(alarms.get(id), Some(Alarm::Broken { .. }));
        // After a start the length alone tells what changed.
        assert!(is_broken("edited") || restart, "{alarms:?}");
        assert!(is_broken("garbled") && is_broken("remade"), "{alarms:?}");
        assert!(!alarms.contains_key("good"));
        for (id, state) in ids.iter().zip(&states).filter(|(id, _)| **id != "good") {
            world.check(&log, id, state);
        }
        world.check(&log, "good", &world.state("good"));
    }

    // What was signed is put back: the chains go on.
    for (id, original) in ids.iter().zip(originals).filter(|(id, _)| **id != "good") {
        fs::write(world.chain(id), original).unwrap();
    }
    world.heads.insert("remade".into(), Vec::new());
    world.heads.remove("remade");
    assert_eq!(epoch(&mut log, 3_000).unwrap(), None);
    assert_eq!(log.alarms().count(), 0);
    world.seal("cut", 2);
    epoch(&mut log, 4_000).unwrap().unwrap();
    world.check(&log, "cut", &world.state("cut"));
}

#[test]
fn one_tenant_has_one_slot_whatever_its_file_is_called() {
    let mut world = World::new();
    world.seal("acme", 2);
    let mut log = world.open();
    epoch(&mut log, 1_000).unwrap().unwrap();
    let digested = world.dir.path().join(format!("{}.jsonl", Tenant::stored("acme").digest_stem()));
    fs::copy(world.chain("acme"), &digested).unwrap();
    assert_eq!(epoch(&mut log, 2_000).unwrap(), None);
    assert_eq!(log.alarms().map(|(_, alarm)| *alarm).collect::<Vec<_>>(), [Alarm::Second]);
    world.seal("acme", 1);
    fs::rename(world.chain("acme"), &digested).unwrap();
    let signed = epoch(&mut log, 3_000).unwrap().unwrap();
    assert_eq!((signed.chains, log.alarms().count()), (1, 0));
    world.check(&log, "acme", &world.state("acme"));
    drop(log);
    let mut log = world.open();
    assert_eq!(epoch(&mut log, 4_000).unwrap(), None);
    world.check(&log, "acme", &world.state("acme"));
}

#[test]
fn a_log_that_was_put_back_is_not_signed_again() {
    let mut world = World::new();
    let own = place(world.dir.path());
    let mut log = world.open();
    let mut copies = Vec::new();
    for millis in 1..4 {
        world.seal("acme", 1);
        epoch(&mut log, millis).unwrap().unwrap();
        copies.push(["entries", "state"].map(|name| fs::read(own.join(name)).unwrap()));
    }
    drop(log);
    let put_back = |copy: usize, names: &[usize]| {
        for &name in names {
            fs::write(own.join(["entries", "state"][name]), &copies[copy][name]).unwrap();
        }
    };
    put_back(0, &[0]);
    let said = world.open_on(Arc::new(OsDisk)).unwrap_err().to_string();
    assert!(said.contains("the 3 entries that were signed are not in it"), "{said}");
    put_back(0, &[0, 1]);
    let said = world.open_on(Arc::new(OsDisk)).unwrap_err().to_string();
    assert!(said.contains("it knows epoch 3, and the entries of the log end with epoch 1"), "{said}");
    put_back(2, &[0, 1]);
    world.open();
}

/// Fails at one of the next operations, with half of what is written, as a full disk or a power cut does.
#[derive(Debug)]
struct Failing(AtomicI64);

impl Failing {
    fn fails(&self) -> bool {
        self.0.fetch_sub(1, Relaxed) <= 0
    }
}

impl Disk for Failing {
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.fails() {
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.fails() { Err(io::ErrorKind::StorageFull.into()) } else { file.sync_data() }
    }
}

const HOUR: u64 = 60 * 60 * 1000;

/// Six epochs a day, two of them in one hour, for so many days before a time.
fn days_of(world: &mut World, days: u64, now: u64) -> Vec<(u64, HashMap<Hash, State>)> {
    let mut log = world.open();
    let mut states = Vec::new();
    for day in (0..days).rev() {
        let begin = now / (24 * HOUR) * 24 * HOUR - day * 24 * HOUR;
        for (at, id) in [(0, "a"), (1, "b"), (2, "a"), (90, "c"), (91, "b"), (200, "a")] {
            world.seal(id, 1);
            epoch(&mut log, begin + at * HOUR / 30).unwrap().unwrap();
            let rows = book::at_epoch(&place(world.dir.path()), log.epoch).unwrap().unwrap();
            states.push((log.epoch, rows.into_iter().map(|(slot, row)| (slot, row.state)).collect()));
        }
    }
    states
}

/// The epochs of which the states are kept; those are what they were.
fn kept(world: &World, states: &[(u64, HashMap<Hash, State>)]) -> Vec<u64> {
    let own = place(world.dir.path());
    let mut kept = Vec::new();
    for (epoch, states) in states {
        if let Some(rows) = book::at_epoch(&own, *epoch).unwrap() {
            let rows: HashMap<Hash, State> = rows.into_iter().map(|(slot, row)| (slot, row.state)).collect();
            assert_eq!(rows, *states, "epoch {epoch}");
            kept.push(*epoch);
        }
    }
    let mut all = Vec::new();
    book::each_epoch(&own, |block| all.push(block.epoch)).unwrap();
    // Later epochs are not asked for.
    all.retain(|epoch| states.last().is_some_and(|(last, _)| epoch <= last));
    assert_eq!(all, kept);
    kept
}

#[test]
fn old_states_are_thinned_out_and_those_that_stay_are_what_they_were() {
    let mut world = World::new();
    let now = 1_790_000_000_000;
    let states = days_of(&mut world, 94, now);
    let bytes = |world: &World| -> u64 {
        let files = fs::read_dir(place(world.dir.path()).join("epochs")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let before = bytes(&world);
    assert_eq!(kept(&world, &states).len(), 94 * 6);
    let mut log = world.open();
    for _ in 0..100 {
        log.thin(now).unwrap();
    }
    // Three days beyond 90, 83 beyond a week (the first epoch, and the last of the hours 0, 3 and 6), eight whole ones.
    let left = kept(&world, &states);
    assert_eq!(left.len(), 3 + 83 * 4 + 8 * 6);
    assert_eq!(&left[..5], [1, 7, 13, 19, 21]);
    assert!(bytes(&world) < before);
    // What goes on goes on, and is opened again; a day later one more day is thinned out.
    world.seal("a", 1);
    epoch(&mut log, now + 1).unwrap().unwrap();
    world.check(&log, "a", &world.state("a"));
    drop(log);
    let mut log = world.open();
    world.check(&log, "b", &world.state("b"));
    for _ in 0..3 {
        log.thin(now + 24 * HOUR).unwrap();
    }
    assert_eq!(kept(&world, &states).len(), 4 + 83 * 4 + 7 * 6);
}

#[test]
fn a_damaged_day_is_left_as_it_is() {
    let mut world = World::new();
    let now = 1_790_000_000_000;
    days_of(&mut world, 9, now);
    let path = book::days(&place(world.dir.path())).unwrap().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    world.open().thin(now).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever fails while states are thinned out: no state that is kept is another one, and the next try does the rest.
    #[test]
    fn no_fault_while_thinning_changes_a_state(faults in prop::collection::vec(0_i64..12, 1..6)) {
        let mut world = World::new();
        let now = 1_790_000_000_000;
        let states = days_of(&mut world, 11, now);
        for fails_after in faults {
            let Ok(mut log) = world.open_on(Arc::new(Failing(AtomicI64::new(fails_after)))) else { continue };
            let _ = log.thin(now);
            prop_assert!(kept(&world, &states).len() >= 3 * 4 + 8 * 6);
        }
        let mut log = world.open();
        for _ in 0..4 {
            log.thin(now).unwrap();
        }
        prop_assert_eq!(kept(&world, &states).len(), 3 * 4 + 8 * 6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever fails at whatever step: one size of the log has one root, each note continues the one before, and what was signed
    /// is on disk.
    #[test]
    fn no_fault_makes_two_roots(steps in prop::collection::vec((0_usize..3, 0_u64..40, 0_i64..14), 1..14)) {
        let mut world = World::new();
        let mut notes: Vec<Checkpoint> = Vec::new();
        let mut millis = 1_700_000_000_000;
        for (tenant, records, fails_after) in steps {
            let id = ["a", "b", "c"][tenant];
            world.seal(id, records);
            // From 12 on nothing fails.
            let faults = if fails_after >= 12 { i64::MAX } else { fails_after };
            let Ok(mut log) = world.open_on(Arc::new(Failing(AtomicI64::new(faults)))) else { continue };
            millis += 40_000_000;
            let signed = epoch(&mut log, millis);
            let newest = fs::read_to_string(place(world.dir.path()).join("checkpoint"));
            let newest = newest.ok().map(|note| SignedNote::parse(&note).unwrap());
            if let Some(note) = newest {
                note.verify(log.keys().signer.key()).unwrap();
                notes.push(Checkpoint::parse(&note.text).unwrap());
            }
            if let Ok(Some(signed)) = signed {
                prop_assert_eq!(&signed.checkpoint, notes.last().unwrap());
            }
            drop(log);
        }
        let mut log = world.open();
        world.seal("a", 1);
        let last = epoch(&mut log, millis + 1).unwrap().unwrap();
        notes.push(last.checkpoint);
        let reader = EntriesReader::open(&place(world.dir.path()), u64::MAX).unwrap();
        let get = |level, index| reader.get(level, index).ok_or(());
        for pair in notes.windows(2) {
            let (old, new) = (&pair[0], &pair[1]);
            let proof = consistency(old.size, new.size, get).unwrap().unwrap();
            prop_assert!(is_consistent((old.size, &old.root), (new.size, &new.root), &proof), "{:?}", notes);
        }
        for id in world.heads.iter().filter(|(_, hashes)| !hashes.is_empty()).map(|(id, _)| id) {
            world.check(&log, id, &world.state(id));
        }
        prop_assert_ne!(notes.last().unwrap().root, empty());
    }
}
