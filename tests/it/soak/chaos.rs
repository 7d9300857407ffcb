//! Who kills halod, fills its disk, lets its files fail, floods it and sends it bombs.

use super::bodies::{BOMBER, Bomb};
use super::faults::{Faults, KINDS};
use super::stage::Doors;
use super::{Notes, Soak};
use crate::attacks::flood::Template;
use crate::ledger::Scrape;
use crate::support::chains::files;
use crate::support::halod::Halod;
use crate::support::http::Http;
use crate::support::random::Random;
use crate::support::small::Small;
use crate::support::spans::{key, span};
use crate::support::wait_until;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
const RECOVERY: Duration = Duration::from_secs(120);

const IN_FLIGHT: &str = "halod_items_in_flight";

/// Of every start, at an address that nobody else uses. With ports of the system's choice a sender could come late to a
/// door that has gone, and find another door of the next start there, or of another test's halod.
const DOORS: [&str; 3] = ["127.77.0.1:4317", "127.77.0.1:4318", "127.77.0.1:13133"];

/// Longer than an action that is whole waits for its trace. The end of an action that was sent again after a kill may
/// wait for a beginning that is sealed already: that is nobody's loss, and takes as long as the hold waits.
const WHOLE: Duration = Duration::from_secs(12);

/// Whose spans flood.
const FLOOD: &str = "flood";
const FLOODERS: usize = 4;
const FLOOD_SPANS: u64 = 100;

const MAX_IN_FLIGHT_MIB: u64 = 128;

/// As many attack at once, at most, when a bomb goes off.
const ATTACKS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Kill,
    Terminate,
    Fill,
    Fail,
    Flood,
    Bomb,
}

/// Each of these happens before any happens again.
const DECK: [Act; 10] = [
    Act::Kill,
    Act::Kill,
    Act::Terminate,
    Act::Fill,
    Act::Fail,
    Act::Fail,
    Act::Flood,
    Act::Bomb,
    Act::Bomb,
    Act::Bomb,
];

pub struct Chaos<'t> {
    soak: &'t Arc<Soak>,
    disk: &'t Small,
    faults: &'t Faults,
    notes: &'t Notes<'t>,
    random: Random,
    config: tempfile::TempDir,
    starts: usize,
    run: Run,
    /// Until when the disk is full, and files fail.
    full: Option<Instant>,
    failing: Option<Instant>,
    /// Floods and bombs that go on.
    attacks: Vec<JoinHandle<()>>,
    acts: BTreeMap<Act, usize>,
    /// How often halod ended by itself, for want of room, and how often it said that a file fails.
    ended: usize,
    told: usize,
    /// The most memory that any run took.
    peak_mib: u64,
}

/// One start of halod's, to its end.
#[derive(Default)]
struct Run {
    max_in_flight_mib: u64,
    peak_mib: u64,
    /// Whether the disk was full, and files failed, at any time in it.
    was_full: bool,
    failed: bool,
}

impl<'t> Chaos<'t> {
    pub fn new(
        soak: &'t Arc<Soak>,
        disk: &'t Small,
        faults: &'t Faults,
        notes: &'t Notes<'t>,
        random: Random,
    ) -> Self {
        Self {
            soak,
            disk,
            faults,
            notes,
            random,
            config: tempfile::tempdir().unwrap(),
            starts: 0,
            run: Run::default(),
            full: None,
            failing: None,
            attacks: Vec::new(),
            acts: BTreeMap::new(),
            ended: 0,
            told: 0,
            peak_mib: 0,
        }
    }

    /// Does one thing after the other until it is `over`; then nothing fails any more.
    pub fn reign(&mut self, over: impl Fn() -> bool) -> Halod {
        let mut halod = self.start();
        let mut deck = Vec::new();
        while !over() {
            if deck.is_empty() {
                deck = DECK.to_vec();
            }
            let at = self.random.between(0, deck.len() as u64) as usize;
            halod = self.act(deck.swap_remove(at), halod);
            let pause = Instant::now() + Duration::from_millis(self.random.between(50, 1_500));
            self.watch(&mut halod, || Instant::now() >= pause || over());
        }
        self.make_room();
        self.mend();
        self.watch_until(&mut halod, "halod is ready", |halod| halod.ready() == 200);
        halod
    }

    fn act(&mut self, act: Act, halod: Halod) -> Halod {
        *self.acts.entry(act).or_default() += 1;
        self.notes.act(&format!("{act:?}"));
        match act {
            Act::Kill => {
                self.measure(&halod);
                self.gone(&halod);
                halod.kill9();
                return self.start();
            }
            Act::Terminate => {
                self.terminate(halod);
                return self.start();
            }
            Act::Fill => self.fill(),
            Act::Fail => self.fail(),
            Act::Flood => self.flood(),
            Act::Bomb => self.bomb(),
        }
        halod
    }

    fn start(&mut self) -> Halod {
        let floor = [0, 8][self.random.between(0, 2) as usize];
        let journal = [1, 2, 16][self.random.between(0, 3) as usize];
        let max_in_flight_mib = MAX_IN_FLIGHT_MIB;
        let config = self.config.path().join("halod.yaml");
        let text = format!(
            "receivers:\n  litellm: {{ wait: 2s }}\n\
             storage: {{ min_free_disk_mib: {floor}, journal_size_mib: {journal} }}\n\
             pipeline: {{ max_in_flight_mib: {max_in_flight_mib} }}\n"
        );
        std::fs::write(&config, &text).unwrap();
        self.starts += 1;
        self.notes.act(&format!("start {}: {text}", self.starts));
        self.run = Run {
            max_in_flight_mib,
            was_full: self.full.is_some(),
            failed: self.failing.is_some(),
            ..Run::default()
        };
        let [grpc, http, admin] = DOORS;
        let config = config.to_str().unwrap();
        let arguments = ["--config", config, "--grpc", grpc, "--http", http, "--admin", admin];
        let halod = Halod::open_limited(self.disk.path(), &self.faults.shell(), &arguments);
        let halod = halod.unwrap_or_else(|ended| panic!("{ended}"));
        let doors = Doors { grpc: halod.grpc, http: halod.http, start: self.starts };
        *self.soak.stage.doors.lock().unwrap() = Some(doors);
        halod
    }

    /// SIGTERM, at which it ends well unless something is wrong with its disk.
    fn terminate(&mut self, mut halod: Halod) {
        self.soak.stage.storms();
        halod.signal(Signal::TERM);
        let begun = Instant::now();
        while halod.alive() {
            self.measure(&halod);
            assert!(begun.elapsed() < RECOVERY, "it does not end:\n{}", halod.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = halod.wait_within(TICK);
        let well = status.success() || self.run.was_full && status.code().is_some();
        assert!(well, "{status}:\n{}", halod.log());
        self.gone(&halod);
    }

    /// Its run is over.
    fn gone(&mut self, halod: &Halod) {
        self.soak.stage.storms();
        *self.soak.stage.doors.lock().unwrap() = None;
        let (peak, log) = (self.run.peak_mib, halod.log());
        self.notes.act(&format!("end {}, at most {peak} MiB", self.starts));
        self.notes.append(&format!("start-{}.log", self.starts), &log);
        // A half of what may be in flight for what is not counted, and as much as halod takes when it is idle.
        let most = self.run.max_in_flight_mib * 3 / 2 + 64;
        self.peak_mib = self.peak_mib.max(peak);
        assert!(peak <= most, "{peak} MiB of at most {most}:\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.told += log.lines().filter(|line| line.contains("Input/output error")).count();
    }

    /// Looks after halod until `done`, which takes no longer than what is waited for may take.
    pub fn watch(&mut self, halod: &mut Halod, done: impl Fn() -> bool) {
        self.watch_until(halod, "what is waited for", |_| done());
    }

    fn watch_until(&mut self, halod: &mut Halod, what: &str, done: impl Fn(&Halod) -> bool) {
        let begun = Instant::now();
        while !done(halod) {
            assert!(begun.elapsed() < RECOVERY, "{what}: not within {RECOVERY:?}\n{}", halod.log());
            if !halod.alive() {
                let (status, log) = (halod.wait_within(TICK), halod.log());
                // A commit for which there is no room ends it, so that the next start makes sure of everything.
                let full = self.run.was_full && status.code().is_some() && log.contains("No space left");
                assert!(full, "{status}:\n{log}");
                self.ended += 1;
                self.gone(halod);
                *halod = self.start();
            }
            self.measure(halod);
            let now = Instant::now();
            if self.full.is_some_and(|until| now >= until) {
                self.make_room();
            }
            if self.failing.is_some_and(|until| now >= until) {
                self.mend();
            }
            if self.full.is_none() && self.failing.is_none() && halod.ready() == 200 {
                self.soak.stage.calms_down();
            }
            std::thread::sleep(TICK);
        }
    }

    fn measure(&mut self, halod: &Halod) {
        self.run.peak_mib = self.run.peak_mib.max(halod.peak_memory().unwrap_or(0));
    }

    fn fill(&mut self) {
        if self.full.is_none() {
            self.soak.stage.storms();
            self.run.was_full = true;
            self.disk.fill_up_to([0, 1, 4][self.random.between(0, 3) as usize]);
            self.full = Some(Instant::now() + Duration::from_millis(self.random.between(200, 3_000)));
        }
    }

    fn make_room(&mut self) {
        if self.full.take().is_some() {
            self.notes.act("room");
            self.disk.make_room();
        }
    }

    /// Of one chain or of several, as many as may fail without halod's taking the disk for broken.
    fn fail(&mut self) {
        let chains = files(self.disk.path());
        if chains.is_empty() {
            return;
        }
        self.soak.stage.storms();
        self.run.failed = true;
        let number = if self.random.next().is_multiple_of(2) { 1 } else { self.random.between(2, 7) };
        let faults: Vec<_> = (0..number)
            .map(|_| {
                let kind = KINDS[self.random.between(0, KINDS.len() as u64) as usize];
                (kind, chains[self.random.between(0, chains.len() as u64) as usize].canonicalize().unwrap())
            })
            .collect();
        self.notes.act(&format!("these fail: {faults:?}"));
        self.faults.set(&faults);
        self.failing = Some(Instant::now() + Duration::from_millis(self.random.between(200, 5_000)));
    }

    fn mend(&mut self) {
        if self.failing.take().is_some() {
            self.notes.act("nothing fails");
            self.faults.set(&[]);
        }
    }

    fn attack(&mut self, attack: impl FnOnce(&Soak) + Send + 'static) {
        let soak = Arc::clone(self.soak);
        self.attacks.push(std::thread::spawn(move || attack(&soak)));
    }

    fn flood(&mut self) {
        let until = Instant::now() + Duration::from_millis(self.random.between(300, 1_500));
        for _ in 0..FLOODERS {
            self.attack(move |soak| flood(soak, until));
        }
    }

    fn bomb(&mut self) {
        self.attacks.retain(|attack| !attack.is_finished());
        for _ in 0..self.random.between(1, 4) {
            if self.attacks.len() < ATTACKS {
                let at = self.random.between(0, self.soak.bombs.len() as u64) as usize;
                let Bomb { name, path, .. } = self.soak.bombs[at];
                self.notes.act(&format!("{path}, {name}"));
                self.attack(move |soak| explode(soak, &soak.bombs[at]));
            }
        }
    }

    /// When nothing moves any more both ledgers balance, and halod ends.
    pub fn settle(mut self, halod: Halod) {
        std::mem::take(&mut self.attacks).into_iter().for_each(|attack| attack.join().expect("an attack"));
        let mut held = (0, Instant::now());
        wait_until("nothing is in flight but what waits for the rest of its action", RECOVERY, || {
            let [memory, hold] =
                ["memory", "hold"].map(|place| halod.metric(IN_FLIGHT, &format!("\"{place}\"")));
            if memory > 0 || hold != held.0 {
                held = (hold, Instant::now());
            }
            held.1.elapsed() > WHOLE
        });
        Scrape::of(&halod).assert_balanced();
        self.run.was_full = false;
        self.terminate(halod);
        let (acts, starts, ended, told) = (&self.acts, self.starts, self.ended, self.told);
        println!(
            "soak: {acts:?}, {starts} starts, {ended} ends for want of room, {told} errors of files, at most {} MiB",
            self.peak_mib
        );
        assert!(told > 0 || !acts.contains_key(&Act::Fail), "no file failed");
    }
}

/// Sends until `until`, or until there is nobody to send to.
fn flood(soak: &Soak, until: Instant) {
    static FAMILIES: AtomicU32 = AtomicU32::new(0xF100_0000);
    let Some(Doors { http, .. }) = *soak.stage.doors.lock().unwrap() else { return };
    let Ok(mut connection) = Http::connect(http) else { return };
    let mut template = Template::new(FLOOD, FLOOD_SPANS);
    while Instant::now() < until {
        let family = FAMILIES.fetch_add(1, SeqCst);
        let id = |n| {
            let (trace, span) = key(&span(family, n));
            format!("{trace}/{span}")
        };
        let ids: Vec<String> = (0..FLOOD_SPANS).map(id).collect();
        soak.ledger.made(FLOOD, &ids);
        let Ok(answer) = soak.stage.timed("a flood", || connection.export(template.of(family))) else {
            return;
        };
        match answer.status {
            200 => soak.ledger.acknowledged(FLOOD, &ids),
            503 | 429 => std::thread::sleep(Duration::from_millis(20)),
            other => panic!("{other}: {}", answer.text()),
        }
    }
}

fn explode(soak: &Soak, bomb: &Bomb) {
    let Some(Doors { http, .. }) = *soak.stage.doors.lock().unwrap() else { return };
    let Ok(mut connection) = Http::connect(http) else { return };
    let headers = [("content-type", bomb.kind), ("content-encoding", "gzip"), ("x-tenant-id", BOMBER)];
    // How long it takes itself is its own affair.
    let Ok(answer) = connection.post(bomb.path, &headers, &bomb.packed) else { return };
    let known = matches!(answer.status, 200 | 202 | 207 | 400 | 413 | 422 | 503);
    assert!(known, "{}, {}: {}", bomb.path, bomb.name, answer.status);
}
