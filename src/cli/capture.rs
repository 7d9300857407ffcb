//! Captured export requests: what is in a file, whatever it was written by.

use bytes::Bytes;
use halo_adapters::otlp::{DecodeError, Signal, protobuf};
use halod_record::json::parse;
use std::io::Read;
use std::path::Path;

/// Bytes of a capture, before and after decompression.
const MAX: u64 = 64 << 20;

/// One export request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) signal: Signal,
    pub(super) json: bool,
    pub(super) body: Bytes,
}

/// Reads a file of one request, or of one request of JSON a line.
///
/// # Errors
/// Why it is none.
pub(super) fn read(file: &Path) -> Result<Vec<Request>, String> {
    let opened = std::fs::File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    let raw = bounded(opened)?;
    let plain = match raw.as_slice() {
        [0x1f, 0x8b, ..] => bounded(flate2::read::MultiGzDecoder::new(raw.as_slice()))?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let frames = ruzstd::decoding::StreamingDecoder::new(raw.as_slice());
            bounded(frames.map_err(|error| format!("not zstd: {error}"))?)?
        }
        _ => raw,
    };
    let first = plain.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Ok(vec![Request { signal: signal_of_protobuf(&plain)?, json: false, body: plain.into() }]);
    }
    let text = std::str::from_utf8(&plain).map_err(|_| "JSON must be UTF-8".to_owned())?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.len() > 1 && lines.first().is_some_and(|line| parse(line).is_ok()) {
        let request =
            |(at, line): (usize, &&str)| json(line).map_err(|why| format!("line {}: {why}", at + 1));
        return lines.iter().enumerate().map(request).collect();
    }
    json(text).map(|request| vec![request])
}

fn bounded(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(MAX + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > MAX {
        return Err(format!("more than {} MiB; give it in parts", MAX >> 20));
    }
    Ok(bytes)
}

fn json(text: &str) -> Result<Request, String> {
    let value = parse(text).map_err(|error| format!("not JSON: {error}"))?;
    let keys = [
        ("resourceSpans", Signal::Traces),
        ("resourceLogs", Signal::Logs),
        ("resourceMetrics", Signal::Metrics),
    ];
    let found = keys.into_iter().find(|(key, _)| value.get(key).is_some());
    let (_, signal) = found.ok_or("no OTLP request: it has neither resourceSpans nor resourceLogs")?;
    Ok(Request { signal, json: true, body: Bytes::copy_from_slice(text.trim().as_bytes()) })
}

/// The messages of the signals differ only inside.
fn signal_of_protobuf(body: &[u8]) -> Result<Signal, String> {
    match protobuf::traces(body) {
        Ok(_) => Ok(Signal::Traces),
        Err(DecodeError::WrongSignal { found, .. }) => Ok(found),
        Err(error) if protobuf::logs(body).is_err() => Err(format!("no OTLP request: {error}")),
        Err(_) => Ok(Signal::Logs),
    }
}
