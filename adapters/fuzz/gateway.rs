//! The bodies of the fuzz targets of access logs: every line comes to something, in every format.

use halo_adapters::gateway::{self, Format, Line, Place, Reader, Rules, Spec};
use halod_record::event::{Content, Event};
use std::hint::black_box;
use std::sync::LazyLock;

/// Made once: an expression takes longer to compile than to meet a line.
static TEXT_READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
    let texts =
        [Format::Combined, Format::Traefik, Format::Haproxy, Format::Envoy, Format::Alb, Format::Litellm];
    let regex = Spec::regex(r#"^(?P<client>\S+) .*\[(?P<time>[^\]]+)\] "(?P<request>.*)" (?P<status>\S+)"#);
    let specs = texts.map(Spec::from).into_iter().chain(regex);
    specs.map(|spec| Reader::new(spec, Rules::all())).collect()
});

static JSON_READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
    let map = [("path", "request.uri"), ("status", "response.status"), ("duration_ms", "latencies.request")];
    let specs = Format::ALL.map(Spec::from).into_iter().chain(Spec::json(map));
    specs.map(|spec| Reader::new(spec, Rules::default())).collect()
});

pub(crate) fn text(data: &[u8]) {
    lines_of(data, &TEXT_READERS);
}

pub(crate) fn json(data: &[u8]) {
    lines_of(data, &JSON_READERS);
}

fn lines_of(data: &[u8], readers: &[Reader]) {
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    let _ = black_box(gateway::detect(&lines));
    for (at, line) in lines.iter().enumerate() {
        let place = Place { file: "a.log", identity: &["1", "2"], offset: at as u64 };
        for reader in readers {
            if let Ok(Line::Event(event)) = reader.line(line, &place) {
                check(&event);
            }
        }
    }
}

/// What a record is made of can be read.
fn check(event: &Event<'_>) {
    assert_eq!(event.source.adapter, "gateway");
    assert!(event.facts.iter().any(|(key, _)| *key == "offset"));
    assert_ne!(event.input, Content::Undisclosed);
    assert!(
        !event.outcome.status.failed()
            || event.outcome.error_text.is_some()
            || event.outcome.error_type.is_some()
    );
}
