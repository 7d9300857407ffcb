//! Files that are small and large when they are read: logs that are followed, folders that are watched.

use super::memory::{IDLE, PEAK};
use crate::support::halod::{Halod, halod_verify};
use crate::support::wait_until;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// So many bytes of JSON that take some seventy times as much in memory.
fn dense(bytes: usize) -> String {
    format!("[{}0]", "{\"\":0},".repeat(bytes / 7))
}

fn start(place: &Path, receivers: &str) -> Halod {
    let config = place.join("halod.yaml");
    let text = format!("receivers:\n{receivers}storage: {{ min_free_disk_mib: 0 }}\n");
    std::fs::write(&config, text).unwrap();
    Halod::start_with(&place.join("records"), &["--config", config.to_str().unwrap()])
}

/// Not more than is admitted, and all of it given back.
fn assert_bounded(halod: &Halod) {
    println!("peak memory {} MiB", halod.peak_memory_mib());
    assert!(halod.peak_memory_mib() <= PEAK, "{} MiB", halod.peak_memory_mib());
    wait_until("idle memory", Duration::from_secs(30), || halod.memory_mib() < IDLE);
    wait_until("all room", Duration::from_secs(10), || halod.metric("halod_in_flight_bytes", "") == 0);
}

/// A line of Caddy's log; `more` stands among its headers.
fn caddy(path: &str, more: &str) -> String {
    format!(
        "{{\"level\":\"info\",\"ts\":1795336190.5,\"logger\":\"http.log.access.log0\",\"msg\":\"handled request\",\"request\":{{\"remote_ip\":\"127.0.0.1\",\"proto\":\"HTTP/1.1\",\"method\":\"POST\",\"host\":\"gw\",\"uri\":\"{path}\",\"headers\":{{{more}}}}},\"duration\":0.1,\"size\":12,\"status\":200}}\n"
    )
}

/// Long lines are read before a log's format is known, mended and copied; what takes too much is left out, which is
/// told, and those around them are sealed.
#[test]
fn long_lines_of_a_followed_log_take_no_more_than_is_admitted() {
    let place = tempfile::tempdir().unwrap();
    let logs = place.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let mut log = String::new();
    let chat = "/v1/chat/completions";
    log.push_str(&caddy(chat, &format!("\"More\":{}", dense(12 * MIB))));
    log.push_str(&caddy(chat, &format!("\"More\":[\"{}\"]", "\u{1}".repeat(15 * MIB))));
    log.push_str(&caddy(chat, &format!("\"More\":[\"{}\"]", "x".repeat(15 * MIB))));
    log.push_str(&caddy(chat, ""));
    std::fs::write(logs.join("a.log"), log).unwrap();
    let receivers = format!(
        "  file_log:\n    include: ['{}/*.log']\n    start_at: beginning\n    max_log_size: {}\n",
        logs.display(),
        16 * MIB
    );
    let halod = start(place.path(), &receivers);
    let done = || halod.items("file_log", "sealed") + halod.items("file_log", "rejected") >= 4;
    wait_until("the log is read", Duration::from_secs(60), done);
    assert_eq!((halod.items("file_log", "sealed"), halod.items("file_log", "rejected")), (2, 2));
    assert_bounded(&halod);
    assert!(halod.terminate().success());
    halod_verify(&place.path().join("records"));
}

/// The same of a file in a watched folder: the rest of it is imported.
#[test]
fn a_dense_row_of_a_watched_folder_takes_no_more_than_is_admitted() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    let mut file = String::new();
    for (at, bytes) in [(0, 7), (1, 30 * MIB), (2, MIB / 2), (3, 7)] {
        let dense = dense(bytes);
        writeln!(file, r#"{{"id":"call-{at}","call_type":"acompletion","model":"m","messages":{dense}}}"#)
            .unwrap();
    }
    std::fs::write(folder.join("calls.jsonl"), file).unwrap();
    let receivers = format!(
        "  import:\n    include: ['{}/*.jsonl']\n    formats: {{ \"*.jsonl\": litellm }}\n",
        folder.display()
    );
    let halod = start(place.path(), &receivers);
    wait_until("the file is imported", Duration::from_secs(60), || halod.log().contains("\"imported\""));
    assert_eq!(halod.items("import", "sealed"), 3);
    assert!(halod.log().contains("is larger than"), "{}", halod.log());
    assert_bounded(&halod);
    assert!(halod.terminate().success());
    halod_verify(&place.path().join("records"));
}
