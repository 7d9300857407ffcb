//! What a followed log costs: nginx lines from the file to the chain, end to end, with the real daemon.
//!
//! `cargo bench --bench tail`; with `HALO_COLLECTOR=PROGRAM` (an OpenTelemetry Collector that has `filelog`
//! and `otlphttp`) the same file also goes through that one, to a sink that throws it away: the Collector
//! neither reads the lines, nor redacts, links or syncs. Lines per second by the wall clock, processor
//! microseconds a line, both in the same run; medians of three. Then memory for each followed file.
//!
//! With `HALO_BACKLOG_GIB=N` only this, once: a backlog of so many GiB, and the memory while it is worked
//! off; beside it a second log gets a line now and then, and what is told is how long each took to be
//! sealed. One line in ten is a call of an agent; its record takes about as much space as the ten lines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const LINES: u64 = 300_000;
const FILES: u64 = 1000;
const ROUNDS: usize = 3;
/// Kernel ticks a second: what `/proc/PID/stat` counts in.
const TICKS: f64 = 100.0;

fn line(n: u64) -> String {
    format!(
        "10.0.{}.{} - - [22/Nov/2026:08:{:02}:{:02} +0000] \"POST /v1/chat/completions HTTP/1.1\" 200 {} \"-\" \
         \"OpenAI/Python 3.54.0\"\n",
        n / 256 % 256,
        n % 256,
        n / 6000 % 60,
        n / 100 % 60,
        600 + n % 1000,
    )
}

/// A daemon that ends with this.
struct Daemon(Child);

impl Daemon {
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum::<f64>() / TICKS
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn halod(place: &Path, format: &str) -> (Daemon, SocketAddr) {
    let logs = place.join("logs/*.log");
    following(place, &format!("  file_log: {{ include: ['{}'], format: {format} }}\n", logs.display()))
}

fn following(place: &Path, receivers: &str) -> (Daemon, SocketAddr) {
    let config = place.join("halod.yaml");
    fs::write(&config, format!("receivers:\n{receivers}log: {{ format: json }}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_halod"));
    command.args(["run", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--dir").arg(place.join("records")).arg("--config").arg(config);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let admin = loop {
        let line = said.next().expect("halod starts").unwrap();
        if let Some((_, rest)) = line.split_once("\"admin\":\"") {
            break rest.split('"').next().unwrap().parse().unwrap();
        }
    };
    std::thread::spawn(move || said.for_each(drop));
    (Daemon(child), admin)
}

fn accepted(admin: SocketAddr) -> u64 {
    items(admin, "sealed") + items(admin, "duplicate")
}

fn items(admin: SocketAddr, outcome: &str) -> u64 {
    let mut connection = TcpStream::connect(admin).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    let series = format!("halod_items_total{{receiver=\"file_log\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&*series)).unwrap().parse().unwrap()
}

/// Lines a second and processor microseconds a line.
fn measure(daemon: &Daemon, mut done: impl FnMut() -> bool) -> (f64, f64) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(600), "it does not come to an end");
        // Asking is paid by the daemon, too.
        std::thread::sleep(Duration::from_millis(25));
    }
    let took = start.elapsed().as_secs_f64();
    (LINES as f64 / took, daemon.cpu() * 1e6 / LINES as f64)
}

/// Lines a second, processor seconds, bytes of memory.
type Run = (f64, f64, u64);

fn by_halod(text: &str, format: &str) -> Run {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(place.path().join("logs")).unwrap();
    fs::write(place.path().join("logs/access.log"), text).unwrap();
    let (daemon, admin) = halod(place.path(), format);
    let (rate, cpu) = measure(&daemon, || accepted(admin) >= LINES);
    (rate, cpu, daemon.memory("VmHWM:"))
}

/// Takes every request and says it is fine; how many lines came.
fn sink() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lines = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lines);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || {
                let mut connection = BufReader::new(connection);
                while let Some(body) = request(&mut connection) {
                    counted.fetch_add(
                        memchr::memmem::find_iter(&body, b"OpenAI/Python").count() as u64,
                        Relaxed,
                    );
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                    if connection.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, lines)
}

fn request(connection: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut header = String::new();
        if connection.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let header = header.trim().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).ok()?;
    Some(body)
}

fn by_collector(program: &str, text: &str) -> Run {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = place.path().join("access.log");
    fs::write(&log, text).unwrap();
    let (address, lines) = sink();
    let config = place.path().join("collector.yaml");
    let yaml = format!(
        "receivers:\n  filelog: {{ include: ['{}'], start_at: beginning }}\nexporters:\n  otlphttp: {{ endpoint: \
         'http://{address}', compression: none, sending_queue: {{ block_on_overflow: true }} }}\nservice:\n  telemetry: {{ metrics: {{ level: none }} }}\n  \
         pipelines:\n    logs: {{ receivers: [filelog], exporters: [otlphttp] }}\n",
        log.display()
    );
    fs::write(&config, yaml).unwrap();
    let mut command = Command::new(program);
    command.arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(command.spawn().expect("start the Collector"));
    let (rate, cpu) = measure(&daemon, || lines.load(Relaxed) >= LINES);
    (rate, cpu, daemon.memory("VmHWM:"))
}

fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.1.total_cmp(&b.1));
    runs[runs.len() / 2]
}

/// Memory with one file and with many, of one line each.
fn memory_of(files: u64) -> u64 {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(place.path().join("logs")).unwrap();
    for n in 0..files {
        // As much as is kept of a file's beginning.
        let text: String = (0..12).map(|k| line(n * 12 + k)).collect();
        fs::write(place.path().join(format!("logs/{n}.log")), text).unwrap();
    }
    let (daemon, admin) = halod(place.path(), "auto");
    while accepted(admin) < files * 12 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    daemon.memory("RssAnon:")
}

/// Works off a backlog of so many bytes, with a line of another log every now and then.
fn backlog(bytes: u64) {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (old, live) = (place.path().join("old.log"), place.path().join("live.log"));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&old).unwrap());
    let (mut lines, mut written) = (0, 0);
    while written < bytes {
        let call = line(lines);
        let line = if lines.is_multiple_of(10) { call } else { call.replace("POST /v1/chat", "GET /assets") };
        file.write_all(line.as_bytes()).unwrap();
        (lines, written) = (lines + 1, written + line.len() as u64);
    }
    file.flush().unwrap();
    File::create(&live).unwrap();
    println!("a backlog of {lines} lines, {written} bytes");
    let receivers = format!(
        "  file_log/old: {{ include: ['{}'] }}\n  file_log/live: {{ include: ['{}'], tenant: {{ value: live }} }}\n",
        old.display(),
        live.display()
    );
    let (daemon, admin) = following(place.path(), &receivers);
    let records = place.path().join("records");
    let sealed = || {
        let entries = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path());
        let own = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("live");
        let mut chains = entries.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"));
        chains.find(own).map_or(0, |path| fs::metadata(path).unwrap().len())
    };
    let start = Instant::now();
    let (mut delays, mut told) = (Vec::new(), 0);
    loop {
        let done = accepted(admin) + items(admin, "filtered");
        if done >= lines + delays.len() as u64 {
            break;
        }
        if done * 10 / lines >= told {
            told = done * 10 / lines + 1;
            let (now, anonymous) = (daemon.memory("VmRSS:") >> 20, daemon.memory("RssAnon:") >> 20);
            println!(
                "{:>6.0} s  {done:>10} lines  {now:>4} MiB, {anonymous} of them not of files",
                start.elapsed().as_secs_f64()
            );
        }
        let (before, written) = (sealed(), Instant::now());
        let mut log = File::options().append(true).open(&live).unwrap();
        log.write_all(line(delays.len() as u64).as_bytes()).unwrap();
        while sealed() == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        delays.push(written.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = start.elapsed().as_secs_f64();
    delays.sort_unstable();
    println!(
        "{:.0} lines/s, {:.2} us cpu a line, {} MiB at most; a live line took {:?} (median), {:?} (99 of 100), {:?} \
         (longest of {})",
        lines as f64 / took,
        daemon.cpu() * 1e6 / lines as f64,
        daemon.memory("VmHWM:") >> 20,
        delays[delays.len() / 2],
        delays[delays.len() * 99 / 100],
        delays[delays.len() - 1],
        delays.len()
    );
}

fn main() {
    if let Ok(gib) = std::env::var("HALO_BACKLOG_GIB") {
        return backlog(
            (gib.parse::<f64>().expect("HALO_BACKLOG_GIB is a number") * (1 << 30) as f64) as u64,
        );
    }
    let text: String = (0..LINES).map(line).collect();
    println!("{LINES} lines of nginx, {} bytes each", text.len() as u64 / LINES);
    let collector = std::env::var("HALO_COLLECTOR").ok();
    let mut rows: Vec<(String, Vec<Run>)> = Vec::new();
    let mut add = |name: &str, run: Run| match rows.iter_mut().find(|(own, _)| own == name) {
        Some((_, runs)) => runs.push(run),
        None => rows.push((name.to_owned(), vec![run])),
    };
    for _ in 0..ROUNDS {
        add("halod, format: nginx", by_halod(&text, "nginx"));
        add("halod, format: auto", by_halod(&text, "auto"));
        if let Some(program) = &collector {
            add("Collector filelog to a sink", by_collector(program, &text));
        }
    }
    let mut said = String::new();
    for (name, runs) in rows {
        let (least, most) = runs.iter().fold((f64::MAX, 0.0_f64), |(a, b), run| (a.min(run.0), b.max(run.0)));
        let (rate, cpu, memory) = median(runs);
        let _ = writeln!(
            said,
            "{name:<30} {rate:>9.0} lines/s ({least:.0}-{most:.0})  {cpu:>6.2} us cpu a line  {:>4} MiB at most",
            memory >> 20
        );
    }
    print!("{said}");
    let (one, many) = (memory_of(1), memory_of(FILES));
    println!("{} bytes for each followed file", many.saturating_sub(one) / (FILES - 1));
}
