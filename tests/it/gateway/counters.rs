//! How many requests each proxy had by its own count, asked of it when it has no more to do.

use super::proxies::Proxy;
use crate::support::wait_until;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A proxy's count of requests, and which lines of each of its logs there should be as many of.
pub(super) struct Counted {
    pub(super) what: &'static str,
    pub(super) requests: u64,
    pub(super) of: fn(&str) -> bool,
}

impl Counted {
    fn every(what: &'static str, requests: u64) -> Vec<Self> {
        vec![Self { what, requests, of: |_| true }]
    }
}

/// Every request that it could tell from the one before, good or bad.
pub(super) fn nginx(proxy: &Proxy) -> Vec<Counted> {
    let mut own = 0;
    let requests = settled(|| {
        let said = get(proxy.counts, "/requests");
        // Those that ask are counted, this one too, and not logged.
        own += 1;
        let mut lines = said.lines().skip_while(|line| !line.starts_with("Active connections:"));
        let active = last_number(lines.next().unwrap());
        let numbers = lines.nth(1).unwrap();
        (active - 1, last_number(numbers) - own)
    });
    Counted::every("stub_status", requests)
}

/// Every request of which a line came, good or bad.
pub(super) fn apache(proxy: &Proxy) -> Vec<Counted> {
    let mut before = 0;
    let requests = settled(|| {
        let said = get(proxy.counts, "/requests?auto");
        let number = |name: &str| {
            let line =
                said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{said}"));
            last_number(line)
        };
        // A request is counted when it has been answered and logged: of those that ask, all but this one.
        let counted = (number("BusyWorkers:") - 1, number("Total Accesses:") - before);
        before += 1;
        counted
    });
    Counted::every("Total Accesses", requests)
}

/// Every request that came to a handler. Its configuration comes to exactly one each time. What Go's
/// server answers by itself (400, 505, `OPTIONS *`) comes to none, and is neither counted nor logged.
pub(super) fn caddy(proxy: &Proxy) -> Vec<Counted> {
    let requests = settled(|| {
        let said = get(proxy.counts, "/metrics");
        (sum(&said, "caddy_http_requests_in_flight{"), sum(&said, "caddy_http_requests_total{"))
    });
    Counted::every("caddy_http_requests_total", requests)
}

/// For each frontend every request that came or that a client began, and every connection that was closed
/// before one began. Of these, those that it could not read are logged without one. `Proxy text stopped` is
/// what it says when it ends.
pub(super) fn haproxy(proxy: &Proxy) -> Vec<Counted> {
    let [text, bad, json] = settled(|| {
        let said = ask(proxy.counts, "show stat\n");
        let mut rows = said.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = rows.next().unwrap();
        let rows: Vec<_> = rows.filter(|row| row.get(1) == Some(&"FRONTEND")).collect();
        let of = |frontend: &str, name: &str| -> u64 {
            let column = names.iter().position(|known| *known == name).unwrap();
            rows.iter().find(|row| row[0] == frontend).unwrap()[column].parse().unwrap()
        };
        let counts = [of("text", "req_tot"), of("text", "ereq"), of("json", "req_tot")];
        (of("text", "scur") + of("json", "scur"), counts)
    });
    vec![
        Counted { what: "req_tot of text", requests: text, of: |line| !line.starts_with(['{', 'P']) },
        Counted { what: "ereq of text", requests: bad, of: |line| line.ends_with("\"<BADREQ>\"") },
        Counted { what: "req_tot of json", requests: json, of: |line| line.starts_with('{') },
    ]
}

/// Every request that came or that a client began, good or bad.
pub(super) fn envoy(proxy: &Proxy) -> Vec<Counted> {
    let requests = settled(|| {
        let said = get(proxy.counts, "/stats/prometheus");
        let of = |name: &str| sum(&said, &format!("{name}{{envoy_http_conn_manager_prefix=\"llm\""));
        (of("envoy_http_downstream_cx_active"), of("envoy_http_downstream_rq_total"))
    });
    Counted::every("downstream_rq_total", requests)
}

/// Every request that came to a router or that none was for. As with Caddy, what Go's server answers by
/// itself is neither counted nor logged.
pub(super) fn traefik(proxy: &Proxy) -> Vec<Counted> {
    let requests = settled(|| {
        let said = get(proxy.counts, "/metrics");
        let of = |name: &str| {
            let ours = said.lines().filter(|line| line.starts_with(name));
            ours.filter(|line| line.contains("entrypoint=\"web\"")).map(last_number).sum()
        };
        (of("traefik_open_connections{"), of("traefik_entrypoint_requests_total{"))
    });
    Counted::every("traefik_entrypoint_requests_total", requests)
}

/// What is said twice in a row when nothing is under way. `ask` tells how much is, and the counts.
fn settled<T: PartialEq + Copy>(mut ask: impl FnMut() -> (u64, T)) -> T {
    let mut last = None;
    let mut settled = None;
    wait_until("the proxy has no more to do", LIMIT, || {
        std::thread::sleep(Duration::from_millis(100));
        let (active, counts) = ask();
        settled = (active == 0 && last == Some(counts)).then_some(counts);
        last = (active == 0).then_some(counts);
        settled.is_some()
    });
    settled.unwrap()
}

fn get(from: SocketAddr, target: &str) -> String {
    let said = ask(from, &format!("GET {target} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n"));
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        joined(body)
    } else {
        body.to_owned()
    }
}

/// The text that comes in chunks, each after its size.
fn joined(mut chunks: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        text += chunk;
        chunks = rest.trim_start();
    }
    text
}

fn ask(whom: SocketAddr, what: &str) -> String {
    let mut stream = TcpStream::connect(whom).unwrap();
    stream.write_all(what.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

/// The values of all metrics whose name and labels begin so, in Prometheus' text.
fn sum(metrics: &str, begin: &str) -> u64 {
    metrics.lines().filter(|line| line.starts_with(begin)).map(last_number).sum()
}

fn last_number(line: &str) -> u64 {
    let last = line.split_whitespace().last();
    last.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}
