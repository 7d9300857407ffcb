//! What one durable commit costs when its records are spread over more and more tenants, for the
//! store as it is and for the ways of syncing that were considered.
//!
//! `cargo bench --bench commit [DIR]`; DIR lies on the disk to measure (default: the target directory).
//! Wall clock: the device's own cost is the point. Modes are interleaved, so that what else the
//! machine does falls on all alike; p50 (p90) in milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use halod_chain::commit::Work;
use halod_chain::disk::OsDisk;
use halod_chain::store::{Settings, Store};
use halod_record::build::Builder;
use halod_record::draft::{Draft, GENESIS, Scratch};
use halod_record::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};
use halod_record::tenant::Tenant;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECORDS: usize = 1000;
const ROUNDS: usize = 15;
const THREADS: usize = 16;

fn draft(tenant: usize, number: u64) -> Draft {
    let event = Event {
        action: Action::Generate { provider: Some("openai".into()), model: Some("gpt-4o".into()) },
        agent: Agent { name: Some("billing".into()), ..Agent::default() },
        session: Some("conv-0001".into()),
        principal: Some("user-4711".into()),
        tenant: None,
        input: Content::Undisclosed,
        outcome: Outcome {
            status: Status::Ok,
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Span {
            trace: u128::from(number).to_be_bytes(),
            span: number.to_be_bytes(),
            parent: Some([1; 8]),
            name: "chat gpt-4o".into(),
        },
        started: Some(1_800_000_000_000_000_000),
        ended: Some(1_800_000_001_000_000_000),
        usage: Usage { input_tokens: Some(512), output_tokens: Some(64), ..Usage::default() },
        source: Source { adapter: "otel", via: "OpenTelemetry GenAI spans", dialect: "gen_ai", mapping: "1" },
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    };
    Builder::new(false).draft(
        &event,
        &Tenant::Subject(format!("tenant-{tenant}").into()),
        &mut Scratch::default(),
    )
}

/// One way to make a round's bytes durable in `tenants` files.
trait Mode {
    fn round(&mut self, drafts: Vec<Draft>, tenants: usize);
}

struct Halod(Store);

impl Mode for Halod {
    fn round(&mut self, drafts: Vec<Draft>, _: usize) {
        let mut works = [Work { drafts, ..Work::default() }];
        self.0.commit(&mut works, 1_800_000_000_000_000_000).unwrap();
        assert_eq!(works[0].sealed as usize, RECORDS);
    }
}

struct Files {
    dir: PathBuf,
    sync: fn(&Path, &[File]),
}

impl Mode for Files {
    fn round(&mut self, drafts: Vec<Draft>, tenants: usize) {
        let mut bytes = vec![Vec::new(); tenants];
        for (i, draft) in drafts.iter().enumerate() {
            draft.seal(&GENESIS, b"2026-01-01T00:00:00.000000Z", &mut bytes[i % tenants]);
        }
        let open = |i| OpenOptions::new().append(true).create(true).open(self.dir.join(format!("{i}.jsonl")));
        let files: Vec<File> = (0..tenants).map(|i| open(i).unwrap()).collect();
        files.iter().zip(bytes).for_each(|(mut file, bytes)| file.write_all(&bytes).unwrap());
        (self.sync)(&self.dir, &files);
    }
}

fn in_turn(_: &Path, files: &[File]) {
    files.iter().for_each(|file| file.sync_data().unwrap());
}

fn side_by_side(_: &Path, files: &[File]) {
    std::thread::scope(|scope| {
        for part in files.chunks(files.len().div_ceil(THREADS)) {
            scope.spawn(move || part.iter().for_each(|file| file.sync_data().unwrap()));
        }
    });
}

fn file_system(dir: &Path, _: &[File]) {
    rustix::fs::syncfs(File::open(dir).unwrap()).unwrap();
}

fn main() {
    let dir = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let dir = dir.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    println!(
        "one commit of {RECORDS} records, ms p50 (p90) of {ROUNDS}, and microseconds of this process a record"
    );
    println!(
        "{:>8} {:>22} {:>22} {:>22} {:>22}",
        "tenants", "halod (journal)", "fdatasync in turn", "on 16 threads", "syncfs"
    );
    for tenants in [1, 16, 256, 1000] {
        let scratch = tempfile::tempdir_in(&dir).unwrap();
        let settings = Settings {
            join_calls: true,
            traces: Arc::default(),
            directory: scratch.path().join("halod"),
            open_chains: 2048,
            max_tenants: 10_000,
            new_chains: None,
            journal_size: 64 << 20,
            patience: Duration::from_secs(10),
            read_at_once: 256 << 10,
        };
        let (store, _) = Store::open(settings, Arc::new(OsDisk)).unwrap();
        let mut modes: Vec<Box<dyn Mode>> = vec![Box::new(Halod(store))];
        for (name, sync) in
            [("turn", in_turn as fn(&Path, &[File])), ("side", side_by_side), ("fs", file_system)]
        {
            let dir = scratch.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            modes.push(Box::new(Files { dir, sync }));
        }
        let mut took = vec![Vec::new(); modes.len()];
        let mut cpu = vec![0; modes.len()];
        for round in 0..=ROUNDS {
            for (mode, (took, cpu)) in modes.iter_mut().zip(took.iter_mut().zip(&mut cpu)) {
                let number = |i| (round * RECORDS + i) as u64 + 1;
                let drafts = (0..RECORDS).map(|i| draft(i % tenants, number(i))).collect();
                let (start, before) = (Instant::now(), cpu_us());
                mode.round(drafts, tenants);
                // The first round creates the files.
                if round > 0 {
                    took.push(start.elapsed().as_secs_f64() * 1e3);
                    *cpu += cpu_us().saturating_sub(before);
                }
            }
        }
        let cells = took.iter_mut().zip(cpu).map(|(took, cpu)| {
            took.sort_by(f64::total_cmp);
            let per_record = cpu as f64 / (ROUNDS * RECORDS) as f64;
            format!("{:8.1} ({:6.1}) {:4.1}", took[ROUNDS / 2], took[ROUNDS * 9 / 10], per_record)
        });
        println!("{tenants:>8} {}", cells.map(|cell| format!("{cell:>22}")).collect::<Vec<_>>().join(" "));
    }
}

/// Processor time of this process so far, user and system, in microseconds.
fn cpu_us() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |path: PathBuf| -> u64 {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    threads.map(|task| of(task.path())).sum::<u64>() / 1000
}
