//! What a followed log costs: nginx lines from the file to the chain, end to end, with the real daemon.
//!
//! `cargo bench --bench tail`; with `HALO_COLLECTOR=PROGRAM` (an OpenTelemetry Collector that has `filelog`
//! and `otlphttp`) the same file also goes through that one, to a sink that throws it away: the Collector
//! neither reads the lines, nor redacts, links or syncs. Lines per second by the wall clock, processor
//! microseconds a line, both in the same run; medians of three. Then memory for each followed file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
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
    let config = place.join("halod.yaml");
    let logs = place.join("logs/*.log");
    let text = format!(
        "receivers:\n  file_log: {{ include: ['{}'], format: {format} }}\nlog: {{ format: json }}\n",
        logs.display()
    );
    fs::write(&config, text).unwrap();
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
    let mut connection = TcpStream::connect(admin).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    let series = "halod_receiver_items_total{receiver=\"file_log\",outcome=\"accepted\"} ";
    text.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap()
}

/// Lines a second and processor microseconds a line.
fn measure(daemon: &Daemon, mut done: impl FnMut() -> bool) -> (f64, f64) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(600), "it does not come to an end");
        std::thread::sleep(Duration::from_millis(5));
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

fn main() {
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
