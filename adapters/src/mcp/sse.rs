//! Server-sent events (HTML Standard, section 9.2), as far as they carry messages: the bytes of `data`, event by event.

/// Bytes of a field's name and of a value other than `data`, which nobody needs to hold.
const MOST_FIELD: usize = 64;

/// What becomes of the data of events.
pub trait Sink {
    /// The next bytes of the data of an event.
    fn data(&mut self, bytes: &[u8]);
    /// The event is whole. `kind` is its `event` field, empty where it has none.
    fn end(&mut self, kind: &str);
}

/// Reads a stream as it comes.
#[derive(Debug, Default)]
pub struct Parser {
    /// What of the line's name, and of a short field's value, is known.
    name: Vec<u8>,
    value: Vec<u8>,
    place: Place,
    after_cr: bool,
    kind: String,
    has_data: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Name,
    /// Behind the colon: one blank there is no part of the value.
    Colon,
    Value,
}

impl Parser {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                rest = after;
                continue;
            }
            match (self.place, byte) {
                (_, b'\r' | b'\n') => {
                    self.after_cr = byte == b'\r';
                    self.end_line(sink);
                    rest = after;
                }
                (Place::Name, b':') => {
                    self.place = Place::Colon;
                    rest = after;
                }
                (Place::Name, _) => {
                    if self.name.len() < MOST_FIELD {
                        self.name.push(byte);
                    }
                    rest = after;
                }
                (Place::Colon, _) => {
                    self.place = Place::Value;
                    self.begin_data(sink);
                    rest = if byte == b' ' { after } else { rest };
                }
                (Place::Value, _) => {
                    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (value, after) = rest.split_at(end);
                    self.take_value(value, sink);
                    rest = after;
                }
            }
        }
    }

    fn is_data(&self) -> bool {
        self.name == b"data"
    }

    /// Lines of data are put together with line breaks.
    fn begin_data(&mut self, sink: &mut impl Sink) {
        if self.is_data() {
            if self.has_data {
                sink.data(b"\n");
            }
            self.has_data = true;
        }
    }

    fn take_value(&mut self, value: &[u8], sink: &mut impl Sink) {
        if self.is_data() {
            sink.data(value);
        } else {
            let room = MOST_FIELD.saturating_sub(self.value.len()).min(value.len());
            self.value.extend_from_slice(value.get(..room).unwrap_or_default());
        }
    }

    fn end_line(&mut self, sink: &mut impl Sink) {
        let is_blank = self.name.is_empty() && self.place == Place::Name;
        if is_blank {
            if self.has_data {
                sink.end(&self.kind);
            }
            self.kind.clear();
            self.has_data = false;
        } else if self.name == b"event" {
            self.kind = String::from_utf8_lossy(&self.value).into_owned();
        } else if self.is_data() && self.place != Place::Value {
            // A line of data that is empty.
            self.begin_data(sink);
        }
        self.name.clear();
        self.value.clear();
        self.place = Place::Name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Events {
        data: Vec<u8>,
        events: Vec<(String, String)>,
    }

    impl Sink for Events {
        fn data(&mut self, bytes: &[u8]) {
            self.data.extend_from_slice(bytes);
        }

        fn end(&mut self, kind: &str) {
            let data = String::from_utf8(std::mem::take(&mut self.data)).unwrap_or_default();
            self.events.push((kind.to_owned(), data));
        }
    }

    fn events(stream: &str) -> Vec<(String, String)> {
        let mut whole = Events::default();
        Parser::default().push(stream.as_bytes(), &mut whole);
        for cut in 1..4 {
            let (mut parser, mut parts) = (Parser::default(), Events::default());
            stream.as_bytes().chunks(cut).for_each(|part| parser.push(part, &mut parts));
            assert_eq!(parts, whole, "{stream:?}");
        }
        whole.events
    }

    fn told(kind: &str, data: &str) -> (String, String) {
        (kind.into(), data.into())
    }

    #[test]
    fn events_are_told_apart() {
        assert_eq!(
            events(
                ": ping\r\n\r\nevent: endpoint\r\ndata: /m?x=1\r\n\r\nid: 7\nretry: 5\ndata:{\ndata: }\n\n"
            ),
            [told("endpoint", "/m?x=1"), told("", "{\n}")]
        );
        assert_eq!(events("data\n\ndata\ndata\n\ndata:\n\n"), [told("", ""), told("", "\n"), told("", "")]);
        assert_eq!(events("data: a\rdata:  b\r\r"), [told("", "a\n b")]);
        assert_eq!(events("event: x\n\ndata: y\n\n"), [told("", "y")], "an event without data is none");
        assert_eq!(events("data: never ended\n"), []);
        assert_eq!(events("datax: no\nxdata: no\n\n"), []);
    }

    #[test]
    fn long_fields_take_no_memory() {
        let mut parser = Parser::default();
        let mut sink = Events::default();
        for _ in 0..1000 {
            parser.push(&[b'x'; 1024], &mut sink);
        }
        parser.push(b": ", &mut sink);
        for _ in 0..1000 {
            parser.push(&[b'y'; 1024], &mut sink);
        }
        assert!(parser.name.len() <= MOST_FIELD && parser.value.len() <= MOST_FIELD);
    }
}
