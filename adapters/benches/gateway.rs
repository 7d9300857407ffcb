//! What a line of an access log costs from bytes to event, in nanoseconds: `cargo bench -p halo-adapters
//! --bench gateway`. The fastest of many rounds over the lines of each golden file that become events.
#![allow(clippy::unwrap_used)]

use halo_adapters::gateway::{Format, Line, Place, Reader, Rules, Spec};
use std::hint::black_box;
use std::time::{Duration, Instant};

const PLACE: Place<'static> = Place { file: "access.log", identity: &["id"], offset: 1 << 30 };

fn main() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/gateway");
    for name in [
        "combined-nginx",
        "nginx-upstream",
        "nginx-json",
        "apache-json",
        "caddy",
        "haproxy",
        "envoy",
        "traefik",
        "alb",
        "kong",
        "litellm",
        "portkey",
    ] {
        let content = std::fs::read(format!("{directory}/{name}.log")).unwrap();
        let format: Format = name.split('-').next().unwrap().parse().unwrap();
        let reader = Reader::new(Spec::from(format), Rules::default());
        report(name, &reader, &lines(&content, &reader));
    }
    let content = std::fs::read(format!("{directory}/combined-nginx.log")).unwrap();
    let combined = r#"^(?P<client>\S+) \S+ (?P<principal>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d+) (?P<bytes_out>\d+)"#;
    let reader = Reader::new(Spec::regex(combined).unwrap(), Rules::default());
    report("regex", &reader, &lines(&content, &reader));
}

fn lines<'a>(content: &'a [u8], reader: &Reader) -> Vec<&'a [u8]> {
    let all = content.split(|b| *b == b'\n');
    all.filter(|line| matches!(reader.line(line, &PLACE), Ok(Line::Event(_)))).collect()
}

fn report(name: &str, reader: &Reader, lines: &[&[u8]]) {
    let end = Instant::now() + Duration::from_millis(400);
    let mut best = Duration::MAX;
    while Instant::now() < end {
        let start = Instant::now();
        for line in lines {
            drop(black_box(reader.line(black_box(line), &PLACE)));
        }
        best = best.min(start.elapsed());
    }
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let each = best.as_nanos() as f64 / lines.len() as f64;
    println!("{name:16} {each:7.0} ns a line of {:4} bytes", bytes / lines.len());
}
