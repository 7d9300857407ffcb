//! The body of the fuzz target of the Model Context Protocol; a test of the usual suite runs this body as well.

use halo_adapters::mcp::sse::{Parser, Sink};
use halo_adapters::mcp::{Budget, Large, Message, Observer, Outline, Seen, Session, Side};
use halod_record::hash::sha256;

#[derive(Default)]
struct Data(usize);

impl Sink for Data {
    fn data(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn end(&mut self, kind: &str) {
        assert!(kind.len() <= 3 * 64);
    }
}

/// Lines are the messages of a session, those of the client and of the server in turn unless the first byte says whose one is.
/// Any messages have each of their calls told once, and a message that is cut anywhere has the same outline.
pub(crate) fn mcp(data: &[u8]) {
    let (mut whole, mut parts) = (Data::default(), Data::default());
    Parser::default().push(data, &mut whole);
    let mut parser = Parser::default();
    data.chunks(3).for_each(|part| parser.push(part, &mut parts));
    assert_eq!(whole.0, parts.0);
    let session =
        Session { id: "s".into(), run: "r".into(), transport: "stdio", server: None, scoped: false };
    let mut observer = Observer::new(session, Budget::new(1 << 16));
    let (mut told, mut lines) = (0, 0);
    for (at, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let (from, line) = match line.split_first() {
            Some((b'>', line)) => (Side::Client, line),
            Some((b'<', line)) => (Side::Server, line),
            _ if at % 2 == 0 => (Side::Client, line),
            _ => (Side::Server, line),
        };
        let mut outline = Outline::default();
        outline.push(line);
        let mut again = Outline::default();
        line.chunks(2).for_each(|part| again.push(part));
        assert_eq!(outline, again);
        let large = Large { outline, bytes: line.len() as u64, sha256: sha256(line) };
        for message in [Message::Whole(line), Message::Large(&large)] {
            let seen = Seen { from, scope: 0, at: at as u64 * 1_000_000_000, message };
            observer.see(seen, &mut |_| told += 1);
        }
        // Each item of a batch may be a call.
        lines += 2 + line.iter().filter(|byte| **byte == b'{').count();
        observer.tick(at as u64 * 1_000_000_000, &mut |_| told += 1);
    }
    observer.end(0, &mut |_| told += 1);
    assert!(told <= lines + 1, "{told} of {lines}");
}
