//! Logs in a directory, an engine that can be stopped and started, and what it sealed.

use crate::import::chunk::{FileMeta, Reason, Taken};
use crate::import::importer::Importer;
use crate::import::position;
use crate::import::run::{self, Import, Observer, Summary};
use crate::import::sink::Sink;
use crate::import::source::{Input, Manner, SourceError};
use crate::ingest::Ingest;
use crate::ingest::claim::TenantRule;
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::rates::PerTenant;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, WriterEnd, WriterHandle};
use crate::receivers::lines::read::{Reader, Told};
use crate::receivers::lines::split::{Lines, Mark, Splitter};
use crate::receivers::otlp::OtlpState;
use crate::receivers::otlp::join::ContentJoin;
use crate::receivers::stats::Counters;
use crate::receivers::tail::preview::Following;
use crate::receivers::tail::seal::{Block, Shop};
use crate::receivers::tail::settings::Requests;
use crate::receivers::tail::{Instance, Settings, Tail, start};
use halod_chain::disk::OsDisk;
use halod_chain::store::{self, Store};
use halod_record::build::Builder;
use halod_record::json::{self, Json};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(60);
const IN_FLIGHT: usize = 4 << 20;

pub(super) struct Fixture {
    pub(super) place: tempfile::TempDir,
    pub(super) settings: Settings,
    pub(super) max_open: usize,
    runtime: Runtime,
    running: Option<Running>,
}

struct Running {
    drain: watch::Sender<bool>,
    engine: JoinHandle<()>,
    writer: WriterHandle,
    intake: Intake,
    counters: Arc<Counters>,
}

/// What stands in a chain.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) numbers: BTreeMap<u64, usize>,
    pub(super) said: Vec<(String, BTreeMap<String, String>)>,
    pub(super) lines: Vec<String>,
}

impl Fixture {
    pub(super) fn new(include: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("logs")).unwrap();
        let full = |name: &&str| place.path().join("logs").join(name).to_str().unwrap().to_owned();
        let settings = Settings {
            include: include.iter().map(full).collect(),
            poll_interval: Duration::from_millis(10),
            linger: Duration::from_millis(120),
            notify: false,
            requests: Requests::All,
            ..Settings::default()
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { place, settings, max_open: 100, runtime, running: None }
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.place.path().join("logs").join(name)
    }

    pub(super) fn positions(&self) -> PathBuf {
        self.place.path().join("records/.halod/tail/positions.json")
    }

    pub(super) fn start(&mut self) {
        let directory = self.place.path().join("records");
        fs::create_dir_all(directory.join(".halod")).unwrap();
        let settings = store::Settings {
            directory: directory.clone(),
            open_chains: 8,
            max_tenants: 100,
            new_chains: None,
            journal_size: 1 << 20,
            patience: Duration::from_secs(10),
            read_at_once: 256 << 10,
            join_calls: true,
            traces: Arc::default(),
        };
        let lock = Arc::new(halod_chain::directory::open(&directory).unwrap());
        let (store, _) = Store::open(settings, Arc::new(OsDisk)).unwrap();
        let settings = writer::Settings {
            max_in_flight: IN_FLIGHT,
            per_tenant: PerTenant::default(),
            directory: directory.clone(),
            min_free_disk: 0,
            lock,
        };
        let stats = Arc::new(Stats::default());
        let (intake, writer) = writer::spawn(store, Vec::new(), settings, stats).unwrap();
        let (drain, draining) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let ingest = ingest(&intake, &counters);
        let _guard = self.runtime.enter();
        let engine = start(Tail {
            instances: vec![(self.settings.clone(), Reader::new(self.settings.manner()).unwrap())],
            ingest,
            stats: Arc::clone(&counters.tail),
            directory: directory.join(".halod/tail"),
            max_open: self.max_open,
            max_in_flight: IN_FLIGHT,
            draining,
        })
        .unwrap();
        let engine = self.runtime.spawn(engine);
        self.running = Some(Running { drain, engine, writer, intake, counters });
    }

    pub(super) fn stop(&mut self) {
        self.stop_full(None);
    }

    /// Stops while the pipeline has no room.
    pub(super) fn stop_full(&mut self, room: Option<Permit>) {
        let Some(Running { drain, engine, writer, intake, .. }) = self.running.take() else { return };
        drain.send(true).unwrap();
        drop(intake);
        self.runtime.block_on(engine).unwrap();
        drop(room);
        assert_eq!(self.runtime.block_on(writer.finished()), WriterEnd::Clean);
    }

    /// Seals lines of a log behind a block that was handed over, or was not. Returns whether they are sealed.
    pub(super) fn seal_behind(&self, text: &str, handed_over: bool) -> bool {
        let running = self.running.as_ref().unwrap();
        let (reports, reported) = mpsc::channel();
        let (_drain, draining) = watch::channel(false);
        let ingest = ingest(&running.intake, &running.counters);
        let stats = Arc::clone(&running.counters.tail);
        let shop = Shop { ingest, stats, reports, wake: mpsc::sync_channel(1).0, draining };
        let mut lines = Lines::default();
        Splitter::new(Mark::default(), 1024).push(text.as_bytes(), &mut lines);
        let settings = self.settings.clone();
        let (first, after) = oneshot::channel();
        if handed_over {
            first.send(()).unwrap();
        } else {
            drop(first);
        }
        let instance = Arc::new(Instance { reader: Reader::new(settings.manner()).unwrap(), settings });
        let block = Block {
            follower: 1,
            serial: 1,
            told: Told::by(None, &instance.reader, &lines),
            instance,
            log: "/a.log".into(),
            lines,
            again: 0,
            notices: Vec::new(),
            permit: None,
            after: Some(after),
            before: oneshot::channel().0,
        };
        self.runtime.block_on(shop.seal(block));
        reported.recv().unwrap().sealed
    }

    /// Imports a file as `halod import gateway` does, read as the receiver reads its logs or as nothing is known of
    /// any receiver.
    pub(super) fn import(&self, file: &Path, followed: bool) -> Summary {
        let running = self.running.as_ref().unwrap();
        let builder = Arc::new(Builder::new(false));
        let rule = TenantRule { attributes: Vec::new(), headers: Vec::new(), ..TenantRule::default() };
        let (_stop, stopping) = watch::channel(false);
        let _guard = self.runtime.enter();
        let joins = ContentJoin::new(Duration::ZERO, 0, stopping.clone());
        let counters = &running.counters;
        let state = Arc::new(OtlpState::new(rule, joins, Arc::default(), Arc::clone(&counters.otlp)));
        let import = Ingest::of_files(running.intake.clone(), builder, Arc::clone(&counters.import));
        let importer = Importer::new(Arc::new(import), state);
        let manner = Manner { format: Some("gateway".parse().unwrap()), ..Manner::default() };
        let following = Following::new(if followed { vec![self.settings.clone()] } else { Vec::new() });
        let inputs = vec![(Input::File(file.to_owned()), manner.of(file, &following))];
        let import = Import { inputs, sink: Sink::Here(Arc::new(importer)), positions: None, traces: None };
        self.runtime.block_on(run::run(import, &mut Silent, stopping))
    }

    /// Takes all room in the pipeline until it is dropped.
    pub(super) fn fill(&self) -> Permit {
        let intake = &self.running.as_ref().unwrap().intake;
        loop {
            if let Ok(permit) = intake.admit(IN_FLIGHT) {
                return permit;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn lag(&self) -> u64 {
        let counters = &self.running.as_ref().unwrap().counters;
        counters.tail.lag_bytes.get()
    }

    pub(super) fn received(&self) -> u64 {
        let counters = &self.running.as_ref().unwrap().counters;
        counters.file_log.items.counts()["received"]
    }

    pub(super) fn sealed(&self) -> Sealed {
        self.sealed_in("local")
    }

    pub(super) fn sealed_in(&self, chain: &str) -> Sealed {
        let path = self.place.path().join(format!("records/{chain}.jsonl"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut sealed = Sealed::default();
        for line in text[..text.rfind('\n').map_or(0, |end| end + 1)].lines() {
            let record = json::parse(line).unwrap();
            let at = |path: &[&str]| path.iter().try_fold(&record, |value, key| value.get(key)).cloned();
            let tool = at(&["action", "tool"]).and_then(|t| t.as_str().map(str::to_owned)).unwrap();
            if let Some(kind) = tool.strip_prefix("halod.") {
                let Some(Json::Object(data)) = at(&["data"]) else { panic!("{line}") };
                let text = |value: &Json<'_>| match value {
                    Json::Int(n) => n.to_string(),
                    other => other.as_str().unwrap().to_owned(),
                };
                let data = data.iter().map(|(k, v)| (k.as_str().unwrap().to_owned(), text(v))).collect();
                sealed.said.push((kind.to_owned(), data));
            } else if let Some(Json::Int(n)) = at(&["data", "bytes_out"]) {
                *sealed.numbers.entry(u64::try_from(n).unwrap()).or_insert(0) += 1;
            }
            sealed.lines.push(line.to_owned());
        }
        sealed
    }

    pub(super) fn wait(&self, what: &str, mut yes: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !yes(self) {
            assert!(start.elapsed() < LIMIT, "{what}: {:?}", self.sealed().said);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the numbers below `count` are sealed.
    pub(super) fn wait_for(&self, count: u64) {
        self.wait(&format!("{count} lines"), |fixture| fixture.sealed().numbers.len() as u64 >= count);
    }

    pub(super) fn assert_once(&self, count: u64) {
        let there = self.sealed().numbers;
        let wrong: Vec<_> = (0..count).filter(|n| there.get(n) != Some(&1)).take(9).collect();
        assert!(wrong.is_empty(), "not once: {wrong:?}");
        assert_eq!(there.len() as u64, count);
    }

    pub(super) fn said(&self, kind: &str) -> Vec<BTreeMap<String, String>> {
        self.sealed().said.into_iter().filter(|(own, _)| own == kind).map(|(_, data)| data).collect()
    }
}

/// Hears an import's news, and says nothing.
struct Silent;

impl Observer for Silent {
    fn opened(&mut self, _: &Input, _: &FileMeta, _: Option<position::Mark>) {}
    fn progress(&mut self, _: u64, _: &Taken) {}
    fn rejected(&mut self, _: &Input, _: &Reason) {}
    fn unreadable(&mut self, _: &Input, _: &SourceError) {}
    fn waiting(&mut self, _: &str) {}
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

fn ingest(intake: &Intake, counters: &Arc<Counters>) -> Arc<Ingest> {
    let builder = Arc::new(Builder::new(false));
    Arc::new(Ingest::of_files(intake.clone(), builder, Arc::clone(&counters.file_log)))
}

pub(super) fn line(n: u64) -> String {
    format!("127.0.0.1 - - [22/Nov/2026:08:29:59 +0000] \"GET /v1/models HTTP/1.1\" 200 {n} \"-\" \"x\"\n")
}

pub(super) fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(line).collect()
}

pub(super) fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// What gzip does: the packed file appears beside the plain one, gets its time, and the plain one goes.
pub(super) fn gzip(path: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut encoder =
        flate2::write::GzEncoder::new(fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    let file = encoder.finish().unwrap();
    // As if it had been a while ago: nobody is writing it any more.
    file.set_modified(modified - Duration::from_secs(10)).unwrap();
    fs::remove_file(path).unwrap();
    packed
}
