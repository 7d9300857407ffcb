//! What an epoch costs: processor time a record, and time and memory with many tenants.
//!
//! `cargo bench -p halod-tlog`; `HALO_TENANTS=100000` for as many tenants, a hundredth of which change.

use halod_chain::disk::OsDisk;
use halod_record::hash::{hex_text, sha256};
use halod_tlog::key::KeySettings;
use halod_tlog::log::{Log, place};
use halod_tlog::notes::Notes;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a record, about those of a span's.
const BYTES: usize = 1200;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Appends records to a tenant's chain; returns the last hash.
fn seal(dir: &Path, id: &str, from: usize, records: usize, mut head: [u8; 32]) -> Result<[u8; 32]> {
    let mut text = Vec::with_capacity(records * BYTES);
    let filler = "x".repeat(BYTES - 350);
    for number in from..from + records {
        let before = format!(
            "{{\"data\":{{\"n\":{number},\"x\":\"{filler}\"}},\"integrity\":{{\"alg\":\"sha-256\",\"canon\":\"rfc8785\","
        );
        let after = format!("\"prev_hash\":\"{}\"}},\"subject\":{{\"id\":\"{id}\"}}}}", hex_text(&head));
        head = sha256(format!("{before}{after}").as_bytes());
        writeln!(text, "{before}\"hash\":\"{}\",{after}", hex_text(&head))?;
    }
    File::options().append(true).create(true).open(dir.join(format!("{id}.jsonl")))?.write_all(&text)?;
    Ok(head)
}

fn open(dir: &Path) -> Result<Log> {
    let notes = Arc::new(Notes::new(&place(dir), Arc::new(OsDisk)));
    Ok(Log::open(dir, &KeySettings::default(), Arc::new(OsDisk), notes)?)
}

/// Looks, takes in and signs; tells how long the parts took.
fn epoch(log: &mut Log, millis: u64) -> Result<[Duration; 3]> {
    let began = Instant::now();
    let changed = log.look(|_| false)?;
    let looked = began.elapsed();
    for stem in &changed {
        log.take_in(stem)?;
    }
    let taken = began.elapsed();
    log.sign(millis)?;
    Ok([looked, taken - looked, began.elapsed() - taken])
}

/// Processor time of this process so far.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0) * 1024
}

fn main() -> Result<()> {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (records, tenants) = (number("HALO_RECORDS", 300_000), number("HALO_TENANTS", 10_000));
    let dir = tempfile::tempdir()?;
    let head = seal(dir.path(), "one", 0, 1, [0; 32])?;
    let mut log = open(dir.path())?;
    epoch(&mut log, 1)?;
    seal(dir.path(), "one", 1, records, head)?;
    let before = processor();
    let [_, took, _] = epoch(&mut log, 2)?;
    let spent = processor() - before;
    println!(
        "{records} records of {BYTES} bytes in one chain: {:.2} us of processor time a record, {:.2} s",
        spent.as_secs_f64() * 1e6 / records as f64,
        took.as_secs_f64()
    );
    drop(log);

    let dir = tempfile::tempdir()?;
    let mut heads = Vec::new();
    for tenant in 0..tenants {
        heads.push(seal(dir.path(), &format!("tenant-{tenant}"), 0, 1, [0; 32])?);
    }
    let resident = memory();
    let mut log = open(dir.path())?;
    let [look, take, sign] = epoch(&mut log, 1)?;
    println!("{tenants} tenants, all new: look {look:.2?}, take in {take:.2?}, sign {sign:.2?}");
    let dirty = tenants / 100;
    for (tenant, head) in heads.iter().enumerate().take(dirty) {
        seal(dir.path(), &format!("tenant-{tenant}"), 1, 1, *head)?;
    }
    drop(heads);
    let [look, take, sign] = epoch(&mut log, 2)?;
    println!("{tenants} tenants, {dirty} changed: look {look:.2?}, take in {take:.2?}, sign {sign:.2?}");
    drop(log);
    let log = open(dir.path())?;
    println!(
        "{:.0} bytes of memory a tenant, at most",
        (memory().saturating_sub(resident)) as f64 / tenants as f64
    );
    drop(log);
    Ok(())
}
