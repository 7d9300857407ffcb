//! How a request stands in the queue.
//!
//! ```text
//! segment:  "HALOTEE1"  frame*
//! frame:    length u32 · CRC-32 u32 of length and payload · payload
//! payload:  taken in at, ms u64 · method · target · count u32, (name, value)* · body, to the end
//! ```
//!
//! Numbers are little-endian; a text is its length as u32 and its bytes.

use crate::clock::unix_millis;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use http::header::CONNECTION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What a segment begins with.
pub const MAGIC: &[u8; 8] = b"HALOTEE1";

/// Before each payload.
pub const PREFIX: usize = 8;

/// Headers that are the connection's, that are set anew, or that tell of the way to halod.
const OURS: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// A request to pass on.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub taken_in: SystemTime,
    pub method: Method,
    pub target: PathAndQuery,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What it holds may be secret.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("method", &self.method).field("bytes", &self.body.len()).finish()
    }
}

/// All of a payload but the body.
#[must_use]
pub fn head(method: &Method, target: &str, headers: &HeaderMap) -> Vec<u8> {
    let named: Vec<_> = connection_options(headers).collect();
    let passed = |name: &HeaderName| {
        !OURS.contains(&name.as_str())
            && !named.iter().any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    let passed: Vec<_> = headers.iter().filter(|(name, _)| passed(name)).collect();
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&unix_millis().to_le_bytes());
    text(&mut out, method.as_str().as_bytes());
    text(&mut out, target.as_bytes());
    out.extend_from_slice(&length(passed.len()).to_le_bytes());
    for (name, value) in passed {
        text(&mut out, name.as_str().as_bytes());
        text(&mut out, value.as_bytes());
    }
    out
}

/// The headers that `Connection` names: they are not for the next hop.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

/// A head is bounded by what a request's headers may have; more than 4 GiB is not reached.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What stands before a payload of `head` and `body`; `None` where it would be too long.
#[must_use]
pub fn prefix(head: &[u8], body: &[u8]) -> Option<[u8; PREFIX]> {
    let length = u32::try_from(head.len().checked_add(body.len())?).ok()?.to_le_bytes();
    let crc = checksum(length, head, body).to_le_bytes();
    let mut prefix = [0; PREFIX];
    let (first, second) = prefix.split_at_mut(4);
    first.copy_from_slice(&length);
    second.copy_from_slice(&crc);
    Some(prefix)
}

fn checksum(length: [u8; 4], head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// What stands at an offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A payload whose checksum is right, and where the next frame begins.
    Whole(Bytes, u64),
    /// One whose checksum is wrong; the next may be all right.
    Damaged(u64),
    /// Less than a frame: cut off, or damaged so that nothing more can be found.
    Torn,
    End,
}

/// A segment's bytes, wherever they are.
pub trait Source {
    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// The bytes can't be read, or are fewer.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for std::fs::File {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Source for &[u8] {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..)).ok_or_else(short)?;
        buffer.copy_from_slice(from.get(..buffer.len()).ok_or_else(short)?);
        Ok(())
    }
}

/// Reads the frame at `offset` of a segment of `size` bytes. Takes no more memory than `size`.
///
/// # Errors
/// The segment can't be read.
pub fn frame(source: &impl Source, size: u64, offset: u64) -> io::Result<Frame> {
    let Some((prefix, end)) = bounds(source, size, offset)? else {
        return Ok(if offset >= size { Frame::End } else { Frame::Torn });
    };
    let [a, b, c, d, crc @ ..] = prefix;
    let start = offset + PREFIX as u64;
    let mut payload = vec![0; usize::try_from(end - start).unwrap_or(0)];
    source.fill(&mut payload, start)?;
    if checksum([a, b, c, d], &payload, &[]) == u32::from_le_bytes(crc) {
        Ok(Frame::Whole(payload.into(), end))
    } else {
        Ok(Frame::Damaged(end))
    }
}

/// The prefix at `offset` and where its frame ends; `None` where there is no whole frame.
///
/// # Errors
/// The segment can't be read.
pub fn bounds(source: &impl Source, size: u64, offset: u64) -> io::Result<Option<([u8; PREFIX], u64)>> {
    let start = offset.saturating_add(PREFIX as u64);
    if start > size {
        return Ok(None);
    }
    let mut prefix = [0; PREFIX];
    source.fill(&mut prefix, offset)?;
    let [a, b, c, d, ..] = prefix;
    let end = start.saturating_add(u64::from(u32::from_le_bytes([a, b, c, d])));
    Ok((end <= size).then_some((prefix, end)))
}

/// Reads a payload; `None` when it is not one.
#[must_use]
pub fn decode(mut payload: Bytes) -> Option<Entry> {
    let taken_in = Duration::from_millis(payload.try_get_u64_le().ok()?);
    let method = Method::from_bytes(&take(&mut payload)?).ok()?;
    let target = take(&mut payload)?;
    // What parsing leaves out (a fragment) no request had.
    let written = target.clone();
    let target = PathAndQuery::from_maybe_shared(target).ok().filter(|t| t.as_str().as_bytes() == written)?;
    let mut headers = HeaderMap::new();
    for _ in 0..payload.try_get_u32_le().ok()? {
        let name = HeaderName::from_bytes(&take(&mut payload)?).ok()?;
        let mut value = HeaderValue::from_maybe_shared(take(&mut payload)?).ok()?;
        value.set_sensitive(true);
        headers.try_append(name, value).ok()?;
    }
    Some(Entry { taken_in: UNIX_EPOCH.checked_add(taken_in)?, method, target, headers, body: payload })
}

fn take(payload: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(payload.try_get_u32_le().ok()?).ok()?;
    (length <= payload.len()).then(|| payload.split_to(length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn payload(headers: &HeaderMap, body: &[u8]) -> Bytes {
        let mut payload = head(&Method::PATCH, "/runs/1?x=%20y", headers);
        payload.extend_from_slice(body);
        payload.into()
    }

    #[test]
    fn a_request_comes_back_as_it_went_in() {
        let given = headers(&[("authorization", "Bearer t"), ("content-encoding", "gzip"), ("x-a", "")]);
        let entry = decode(payload(&given, b"\x1f\x8b\0")).unwrap();
        assert_eq!((entry.method, entry.target.as_str()), (Method::PATCH, "/runs/1?x=%20y"));
        assert_eq!(entry.headers, given);
        assert_eq!(&entry.body[..], b"\x1f\x8b\0");
        assert!(entry.taken_in.elapsed().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn the_connections_own_headers_stay_behind() {
        let given = headers(&[
            ("host", "halod:4318"),
            ("content-length", "3"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("accept-encoding", "gzip"),
            ("proxy-authorization", "Basic x"),
            ("x-forwarded-for", "10.0.0.7"),
            ("x-tenant-id", "acme"),
            ("x-api-key", "k"),
        ]);
        let entry = decode(payload(&given, b"")).unwrap();
        assert_eq!(entry.headers, headers(&[("x-tenant-id", "acme"), ("x-api-key", "k")]));
    }

    #[test]
    fn a_target_that_no_request_has_is_damage() {
        for (target, whole) in
            [("/a?b", true), ("*", true), ("/", true), ("", false), ("#a", false), ("/a#b", false)]
        {
            let payload = head(&Method::GET, target, &HeaderMap::new());
            assert_eq!(decode(payload.into()).is_some(), whole, "{target}");
        }
    }

    #[test]
    fn nothing_prints_a_credential() {
        let entry = decode(payload(&headers(&[("x-api-key", "hunter2")]), b"hunter2")).unwrap();
        assert!(!format!("{entry:?} {:?}", entry.headers).contains("hunter2"));
    }
}
