//! Bytes as they pass, put together to messages within a bound.

use halo_adapters::mcp::sse::{Parser, Sink};
use halo_adapters::mcp::{Large, MOST, Message, Outline};
use sha2::{Digest, Sha256};

/// A message that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gathered {
    Whole(Vec<u8>),
    Large(Box<Large>),
}

impl Gathered {
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        match self {
            Self::Whole(bytes) => Message::Whole(bytes),
            Self::Large(large) => Message::Large(large),
        }
    }
}

/// One message on its way: held up to a bound, then looked through and hashed.
#[derive(Debug, Default)]
pub struct Gather {
    held: Vec<u8>,
    large: Option<Box<(Outline, Sha256, u64)>>,
}

impl Gather {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.large.is_none() && self.held.len() + bytes.len() <= MOST {
            self.held.extend_from_slice(bytes);
            return;
        }
        let held = std::mem::take(&mut self.held);
        let large = self.large.get_or_insert_default();
        for bytes in [held.as_slice(), bytes] {
            large.0.push(bytes);
            large.1.update(bytes);
            large.2 += bytes.len() as u64;
        }
    }

    /// What has come, if anything has.
    pub fn take(&mut self) -> Option<Gathered> {
        if let Some(large) = self.large.take() {
            let (outline, hash, bytes) = *large;
            return Some(Gathered::Large(Box::new(Large { outline, bytes, sha256: hash.finalize().into() })));
        }
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then_some(Gathered::Whole(held))
    }
}

/// Messages that stand on a line each.
#[derive(Debug, Default)]
pub struct Lines {
    line: Gather,
    /// What comes until the end of the line belongs to one that is not whole.
    skips: bool,
}

impl Lines {
    /// Takes the next bytes; `done` gets the lines that end in them.
    pub fn push(&mut self, bytes: &[u8], mut done: impl FnMut(&Gathered)) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if !std::mem::take(&mut self.skips) {
                self.line.push(line);
                self.line.take().iter().for_each(&mut done);
            }
        }
        if !self.skips {
            self.line.push(rest);
        }
    }

    /// Something that passed was not looked at: the line that it was in is not whole, nor is the next one known to be.
    pub fn miss(&mut self) {
        self.line = Gather::default();
        self.skips = true;
    }
}

/// Messages that come as server-sent events.
#[derive(Debug, Default)]
pub struct Events {
    parser: Parser,
    gathering: Gathering,
}

#[derive(Debug, Default)]
struct Gathering {
    data: Gather,
    done: Vec<(Gathered, bool)>,
}

impl Sink for Gathering {
    fn data(&mut self, bytes: &[u8]) {
        self.data.push(bytes);
    }

    fn end(&mut self, kind: &str) {
        let data = self.data.take();
        // Others than these are no messages of the protocol's.
        if matches!(kind, "" | "message" | "endpoint") {
            self.done.extend(data.map(|data| (data, kind == "endpoint")));
        }
    }
}

impl Events {
    /// Takes the next bytes; returns what ended in them, and whether it is the older transport's address.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<(Gathered, bool)> {
        self.parser.push(bytes, &mut self.gathering);
        std::mem::take(&mut self.gathering.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halod_record::hash::sha256;

    fn lines(lines: &mut Lines, bytes: &[u8]) -> Vec<Gathered> {
        let mut all = Vec::new();
        lines.push(bytes, |line| all.push(line.clone()));
        all
    }

    fn whole(text: &str) -> Gathered {
        Gathered::Whole(text.into())
    }

    #[test]
    fn lines_end_where_they_end() {
        let mut reader = Lines::default();
        assert_eq!(lines(&mut reader, b"ab"), []);
        assert_eq!(lines(&mut reader, b"c\n\nd\ne"), [whole("abc"), whole("d")]);
        reader.miss();
        assert_eq!(lines(&mut reader, b"rest of something\nf\n"), [whole("f")]);
        reader.miss();
        assert_eq!(lines(&mut reader, b"no end"), []);
        assert_eq!(lines(&mut reader, b" yet\ng\n"), [whole("g")]);
    }

    #[test]
    fn what_is_too_long_is_hashed_whole() {
        let mut reader = Lines::default();
        let mut text = br#"{"id":7,"method":"tools/call","params":{"name":"pay","arguments":{"x":""#.to_vec();
        text.resize(MOST * 2, b'x');
        text.extend_from_slice(b"\"}}}");
        let mut all = Vec::new();
        for part in text.chunks(65_536) {
            all.extend(lines(&mut reader, part));
            assert!(reader.line.held.len() <= MOST);
        }
        all.extend(lines(&mut reader, b"\nnext\n"));
        assert!(all.len() == 2 && all[1] == whole("next"), "{}", all.len());
        let Gathered::Large(large) = &all[0] else { unreachable!() };
        assert_eq!((large.bytes, large.sha256), (text.len() as u64, sha256(&text)));
    }

    #[test]
    fn events_carry_messages() {
        let mut events = Events::default();
        assert_eq!(events.push(b"event: endpoint\ndata: /m\n\n"), [(whole("/m"), true)]);
        let told = events.push(b"event: message\ndata: {}\n\nevent: other\ndata: x\n\ndata: []\n\n");
        assert_eq!(told, [(whole("{}"), false), (whole("[]"), false)]);
    }
}
