//! Addresses of the server's own in what it answers: made relative, so that the client goes on asking the proxy.

use crate::tee::settings::Target;
use bytes::Bytes;
use http::HeaderValue;

/// Bytes at the begin of a stream that are held back while they may be the older transport's address.
const MOST: usize = 8 << 10;

/// What stands before the path in addresses of a server.
#[derive(Clone, Debug)]
pub(super) struct Origin(String);

impl Origin {
    pub(super) fn of(target: &Target) -> Self {
        let scheme = if target.tls { "https" } else { "http" };
        Self(format!("{scheme}://{}", target.authority()))
    }

    /// The path and what follows it, of an address of this server.
    fn within<'a>(&self, address: &'a str) -> Option<&'a str> {
        let rest = address.strip_prefix(&self.0)?;
        rest.starts_with('/').then_some(rest)
    }

    /// Where a redirect goes to, as the client may ask it here.
    pub(super) fn location(&self, value: &HeaderValue) -> Option<HeaderValue> {
        self.within(value.to_str().ok()?).and_then(|path| HeaderValue::from_str(path).ok())
    }
}

/// Looks for the event `endpoint`, which is the first of the older transport's stream.
#[derive(Debug)]
pub(super) struct Endpoint {
    origin: Origin,
    held: Vec<u8>,
}

impl Endpoint {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, held: Vec::new() }
    }

    /// Takes bytes in; gives all that were held once it is known what they are.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Bytes> {
        self.held.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(end) = end_of_event(self.held.get(from..).unwrap_or_default()) {
            let event = self.held.get(from..from + end).unwrap_or_default();
            let is_comment = lines(event).all(|line| line.is_empty() || line.starts_with(b":"));
            if !is_comment {
                let rewritten = self.rewritten(event);
                let (before, after) = (self.held.get(..from), self.held.get(from + end..));
                let parts = [before.unwrap_or_default(), &rewritten, after.unwrap_or_default()];
                return Some(parts.concat().into());
            }
            from += end;
        }
        (self.held.len() > MOST).then(|| std::mem::take(&mut self.held).into())
    }

    /// What is still held at the end of the stream.
    pub(super) fn rest(self) -> Bytes {
        self.held.into()
    }

    fn rewritten(&self, event: &[u8]) -> Vec<u8> {
        let is_endpoint = lines(event).any(|line| field(line, b"event") == Some(b"endpoint"));
        let own =
            |line| std::str::from_utf8(field(line, b"data")?).ok().and_then(|data| self.origin.within(data));
        match lines(event).find_map(own) {
            Some(path) if is_endpoint => {
                let text = String::from_utf8_lossy(event);
                let address = format!("{}{path}", self.origin.0);
                text.replacen(&address, path, 1).into_bytes()
            }
            _ => event.to_vec(),
        }
    }
}

/// Behind the blank line that ends the first event.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
    let end = |mark: &[u8]| memchr::memmem::find(bytes, mark).map(|at| at + mark.len());
    ends.into_iter().filter_map(end).min()
}

fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| matches!(byte, b'\n' | b'\r'))
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn through(stream: &str, cut: usize) -> String {
        let origin = Origin::of(&"http://127.0.0.1:9000/sse".parse().unwrap());
        let mut endpoint = Some(Endpoint::new(origin));
        let mut out = Vec::new();
        for part in stream.as_bytes().chunks(cut) {
            match &mut endpoint {
                None => out.extend_from_slice(part),
                Some(looks) => {
                    if let Some(bytes) = looks.push(part) {
                        out.extend_from_slice(&bytes);
                        endpoint = None;
                    }
                }
            }
        }
        out.extend_from_slice(&endpoint.map(Endpoint::rest).unwrap_or_default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_servers_own_address_becomes_a_path() {
        let long = format!("data: {}\n\n", "x".repeat(MOST * 2));
        for (stream, passed) in [
            ("event: endpoint\ndata: /m?s=1\n\ndata: x\n\n", None),
            (
                "event: endpoint\r\ndata: http://127.0.0.1:9000/m?s=1\r\n\r\ndata: {}\r\n\r\n",
                Some("event: endpoint\r\ndata: /m?s=1\r\n\r\ndata: {}\r\n\r\n"),
            ),
            (
                ": ping\n\nevent:endpoint\ndata:http://127.0.0.1:9000/m\n\n",
                Some(": ping\n\nevent:endpoint\ndata:/m\n\n"),
            ),
            ("event: endpoint\ndata: http://127.0.0.1:90001/m\n\n", None),
            ("event: endpoint\ndata: http://evil.org/m\n\n", None),
            ("data: http://127.0.0.1:9000/m\n\n", None),
            ("event: x\ndata: y\n\nevent: endpoint\ndata: http://127.0.0.1:9000/m\n\n", None),
            ("event: endpoint", None),
            (&long, None),
            ("", None),
        ] {
            for cut in [1, 3, 4096] {
                assert_eq!(through(stream, cut), passed.unwrap_or(stream), "{stream:?}");
            }
        }
    }

    #[test]
    fn redirects_within_the_server_stay_here() {
        let origin = Origin::of(&"https://mcp.example.com/mcp".parse().unwrap());
        let to = |text: &'static str| {
            origin.location(&HeaderValue::from_static(text)).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(to("https://mcp.example.com/mcp/").as_deref(), Some("/mcp/"));
        assert_eq!(to("https://mcp.example.com.evil.org/mcp/"), None);
        assert_eq!(to("https://login.example.com/"), None);
        assert_eq!(to("/mcp/"), None);
    }
}
