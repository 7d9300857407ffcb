//! From bytes to lines, each with an identity made of content.
//!
//! A line's *chain* is a hash over the line and the chain of the line before it, so it stands for
//! everything from the first byte of the log's content to the end of that line. It does not change when
//! the file is renamed, copied or compressed, it tells two equal lines of one file apart, and anyone
//! who reads the content again computes it again, even without any memory of the first reading.

use super::join::Joiner;
use super::wide::{Begin, Wide};
use memchr::memchr;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// What some programs write at the beginning of a file to say that it is UTF-8. It is content, but no text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How far behind a line's first part its last one is looked for, where no line may be as long. Until it is met, the mark
/// stays before the first part.
const REACH: u64 = 4 << 20;

/// What stands for a content up to the end of a line.
pub type Chain = [u8; 16];

/// The place behind a line: how many bytes of content lie before it, and their chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    pub offset: u64,
    pub chain: Chain,
}

/// One line, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where it begins in the content.
    pub offset: u64,
    /// The chain of the content up to the end of this line.
    pub chain: Chain,
    /// Bytes of it that are left out because it is longer than `max_log_size`.
    pub cut: u64,
    /// NUL bytes before it that are left out: the hole that a truncation leaves before a writer which
    /// keeps its own offset.
    pub nuls: u64,
    /// The content ended without a newline.
    pub open: bool,
    /// Lines of a container runtime that it is put together from, or is there of: 0 for any other line.
    #[serde(default, skip_serializing_if = "none")]
    pub parts: u32,
    /// Its text is UTF-16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// Lines before it since the splitter began.
    #[serde(skip)]
    pub number: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn none(parts: &u32) -> bool {
    *parts == 0
}

/// Whole lines, one after the other.
#[derive(Debug, Default)]
pub struct Lines {
    pub(super) bytes: Vec<u8>,
    /// Each with the place of its text.
    pub(super) lines: Vec<(Line, Range<usize>)>,
}

impl Lines {
    /// Some of them, by their numbers.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = (&Line, &[u8])> {
        self.lines.get(range).unwrap_or_default().iter().map(|(line, text)| (line, &self.bytes[text.clone()]))
    }

    /// The bytes that hold the texts, and the lines, each with the place of its text.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<(Line, Range<usize>)>) {
        (self.bytes, self.lines)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds other lines behind these.
    pub fn append(&mut self, more: Self) {
        if self.is_empty() {
            *self = more;
            return;
        }
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&more.bytes);
        let moved = more.lines.into_iter().map(|(line, text)| (line, text.start + before..text.end + before));
        self.lines.extend(moved);
    }

    /// Bytes that these lines take in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.len() + self.lines.len() * size_of::<(Line, Range<usize>)>()
    }
}

/// Cuts a content into lines as its bytes come.
#[derive(Clone, Debug)]
pub struct Splitter {
    /// Behind the last line before which nothing waits for its rest.
    mark: Mark,
    /// Behind the last line, and how many lines lie before both.
    here: Mark,
    numbers: (u64, u64),
    joiner: Joiner,
    /// The hash so far: over the chain before, and what there is of the next line.
    state: Sha256,
    /// What there is of the next line, as far as it is kept.
    held: Vec<u8>,
    /// Bytes of the next line that were read, kept or not.
    read: u64,
    nuls: u64,
    max: usize,
    /// The first bytes, as long as they do not say whether the content is UTF-16.
    start: Option<Vec<u8>>,
    wide: Option<Wide>,
    /// The last byte that was taken.
    last: u8,
}

impl Splitter {
    /// Goes on behind `mark`; of a line at most `max` bytes are kept.
    #[must_use]
    pub fn new(mark: Mark, max: usize) -> Self {
        Self {
            mark,
            here: mark,
            numbers: (0, 0),
            joiner: Joiner::default(),
            state: begin(&mark.chain),
            held: Vec::new(),
            read: 0,
            nuls: 0,
            max,
            start: (mark.offset == 0).then(Vec::new),
            wide: None,
            last: 0,
        }
    }

    /// The same behind a mark of a content that is UTF-16, or is not.
    #[must_use]
    pub fn of_width(self, wide: Option<Wide>) -> Self {
        Self { wide: wide.or(self.wide), ..self }
    }

    /// Whether the content is UTF-16.
    #[must_use]
    pub fn wide(&self) -> Option<Wide> {
        self.wide
    }

    /// The same with so many lines before it.
    #[must_use]
    pub fn after_lines(self, lines: u64) -> Self {
        Self { numbers: (lines, lines), ..self }
    }

    /// Behind the last line before which nothing waits for its rest: who goes on from here gets all that did not come
    /// yet.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Lines before the mark since the splitter began.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.numbers.0
    }

    /// Where the next byte is expected.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.here.offset + self.read + self.start.as_ref().map_or(0, Vec::len) as u64
    }

    /// Whether the content, as far as it came, ends within a line. Of parts of lines each counts as one.
    #[must_use]
    pub fn within_line(&self) -> bool {
        self.position() > self.here.offset
    }

    /// Takes the next bytes, and adds the lines that they complete to `out`.
    pub fn push(&mut self, mut block: &[u8], out: &mut Lines) {
        if let Some(start) = self.begin(&mut block) {
            self.cut(&start, out);
        }
        self.cut(block, out);
    }

    fn cut(&mut self, mut block: &[u8], out: &mut Lines) {
        while let Some(end) = self.line_end(block) {
            let (line, rest) = block.split_at(end);
            self.take(line);
            // The end of a line in UTF-16 may have begun in the block before.
            let end = if self.wide.is_some() { end } else { end - 1 };
            let kept = self.keep(&line[..end], Some(out));
            self.complete(kept, false, out);
            block = rest;
        }
        self.take(block);
        self.keep(block, None);
    }

    /// The same without keeping anything: only the mark moves.
    pub fn skip(&mut self, mut block: &[u8]) {
        if let Some(start) = self.begin(&mut block) {
            self.pass_over(&start);
        }
        self.pass_over(block);
    }

    /// The same up to the end of the line; returns how much of `block` that was.
    pub fn skip_line(&mut self, block: &[u8]) -> usize {
        let line = self.line_end(block).unwrap_or(block.len());
        self.skip(&block[..line]);
        line
    }

    fn pass_over(&mut self, mut block: &[u8]) {
        while let Some(end) = self.line_end(block) {
            let (line, rest) = block.split_at(end);
            self.take(line);
            self.advance();
            self.joiner.clear();
            self.pass();
            block = rest;
        }
        self.take(block);
    }

    /// Holds the first bytes of a content back until they say how it is written; returns them then.
    fn begin(&mut self, block: &mut &[u8]) -> Option<Vec<u8>> {
        let mut start = self.start.take()?;
        loop {
            match (Wide::of(&start), block.split_first()) {
                (Begin::Is(wide), _) => {
                    self.wide = wide;
                    return Some(start);
                }
                (Begin::Unclear, None) => {
                    self.start = Some(start);
                    return None;
                }
                (Begin::Unclear, Some((first, rest))) => {
                    start.push(*first);
                    *block = rest;
                }
            }
        }
    }

    /// How much of `block` belongs to a line that ends in it.
    fn line_end(&self, block: &[u8]) -> Option<usize> {
        match self.wide {
            None => memchr(b'\n', block).map(|at| at + 1),
            Some(wide) => wide.line_end(self.position(), self.last, block),
        }
    }

    /// Goes through `block` up to `to`, without keeping anything; returns how much of it that was.
    pub fn skip_to(&mut self, block: &[u8], to: u64) -> usize {
        let wanted = usize::try_from(to.saturating_sub(self.position())).unwrap_or(usize::MAX);
        let taken = wanted.min(block.len());
        self.skip(&block[..taken]);
        taken
    }

    /// Takes what there is of lines as whole ones: nothing more will come.
    pub fn finish(&mut self, out: &mut Lines) {
        if let Some(start) = self.start.take() {
            self.cut(&start, out);
        }
        if self.within_line() {
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&self.held);
            self.complete(start, true, out);
        }
        self.joiner.give_up(out);
        self.pass();
    }

    fn take(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.read += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Keeps `piece` of the current line, up to the limit. With `out` the line is whole: what is kept of
    /// it goes there, and where it starts is returned.
    fn keep(&mut self, piece: &[u8], out: Option<&mut Lines>) -> usize {
        let mut piece = piece;
        if self.held.is_empty() && self.wide.is_none() {
            let nuls = piece.iter().take_while(|byte| **byte == 0).count();
            self.nuls += nuls as u64;
            piece = &piece[nuls..];
        }
        let room = self.max.saturating_sub(self.held.len());
        let piece = &piece[..piece.len().min(room)];
        match out {
            None => {
                self.held.extend_from_slice(piece);
                0
            }
            Some(out) => {
                let start = out.bytes.len();
                out.bytes.extend_from_slice(&self.held);
                out.bytes.extend_from_slice(piece);
                start
            }
        }
    }

    /// What of the bytes from `start` on is the line's text, and how much of that was not kept.
    fn text(&self, start: usize, open: bool, bytes: &[u8]) -> (u64, Range<usize>) {
        let line = bytes.get(start..).unwrap_or_default();
        let unit = if self.wide.is_some() { 2 } else { 1 };
        let whole = self.read - self.nuls - if open { 0 } else { unit as u64 };
        let mut end = line.len().min(usize::try_from(whole).unwrap_or(usize::MAX));
        if self.wide.is_some() {
            end -= end % 2;
        }
        let cut = whole - end as u64;
        let behind = end.checked_sub(unit).and_then(|at| line.get(at..end)).unwrap_or_default();
        let returns = self.wide.map_or(behind == b"\r", |wide| wide.is(behind, '\r'));
        if cut == 0 && !open && returns {
            end -= unit;
        }
        let marks = match self.wide {
            _ if self.here.offset > 0 => 0,
            Some(_) => unit,
            None if line[..end].starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            None => 0,
        };
        (cut, marks.min(end)..end)
    }

    fn complete(&mut self, mut start: usize, open: bool, out: &mut Lines) {
        let (offset, nuls, number) = (self.here.offset, self.nuls, self.numbers.1);
        let (cut, kept) = self.text(start, open, &out.bytes);
        start += kept.start;
        let end = start + kept.len();
        self.advance();
        let line =
            Line { offset, chain: self.here.chain, cut, nuls, open, parts: 0, wide: self.wide, number };
        self.joiner.take(line, start..end, self.max, out);
        if !self.joiner.is_empty() {
            let reach = REACH.max(2 * self.max as u64);
            if self.here.offset - self.mark.offset <= reach {
                return;
            }
            self.joiner.give_up(out);
        }
        self.pass();
    }

    /// Nothing waits for its rest any more.
    fn pass(&mut self) {
        (self.mark, self.numbers.0) = (self.here, self.numbers.1);
    }

    fn advance(&mut self) {
        let digest = std::mem::take(&mut self.state).finalize();
        self.here.offset += self.read;
        self.here.chain.copy_from_slice(&digest[..16]);
        self.numbers.1 += 1;
        self.state = begin(&self.here.chain);
        // A line of a megabyte is rare; its buffer is not kept for the next.
        if self.held.capacity() > 64 << 10 {
            self.held = Vec::new();
        }
        self.held.clear();
        (self.read, self.nuls) = (0, 0);
    }
}

fn begin(chain: &Chain) -> Sha256 {
    Sha256::new_with_prefix(chain)
}

#[cfg(test)]
#[allow(clippy::expect_used, dead_code)]
#[path = "../../../tests/fuzz/lines.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Offset, text, bytes cut, NULs passed over, and whether no line break came.
    type Seen = (u64, Vec<u8>, u64, u64, bool);

    fn whole(content: &[u8], max: usize) -> (Vec<Seen>, Mark) {
        let (mut splitter, mut out) = (Splitter::new(Mark::default(), max), Lines::default());
        splitter.push(content, &mut out);
        splitter.finish(&mut out);
        (
            out.range(0..out.len()).map(|(l, t)| (l.offset, t.to_vec(), l.cut, l.nuls, l.open)).collect(),
            splitter.mark(),
        )
    }

    #[test]
    fn lines_are_cut_and_never_end_the_reading() {
        let (lines, end) = whole(b"one\r\n\0\0two\nthree-and-more\n\n\0\nlast", 7);
        let expected: [(u64, &[u8], u64, u64, bool); 6] = [
            (0, b"one", 0, 0, false),
            (5, b"two", 0, 2, false),
            (11, b"three-a", 7, 0, false),
            (26, b"", 0, 0, false),
            (27, b"", 0, 1, false),
            (29, b"last", 0, 0, true),
        ];
        assert_eq!(lines, expected.map(|(o, t, c, n, open)| (o, t.to_vec(), c, n, open)));
        assert_eq!(end.offset, 33);
    }

    #[test]
    fn a_byte_order_mark_is_content_but_no_text() {
        let mark = b"\xef\xbb\xbf";
        let (lines, _) = whole(&[mark, &b"one\n"[..], mark, b"two\n"].concat(), 100);
        assert_eq!(lines[0], (0, b"one".to_vec(), 0, 0, false));
        assert_eq!(lines[1], (7, [mark, &b"two"[..]].concat(), 0, 0, false), "only before the first line");
        assert_eq!(whole(mark, 100).0, [(0, Vec::new(), 0, 0, true)]);
    }

    #[test]
    fn of_a_line_in_parts_the_first_is_its_place() {
        let part = |stream: &str, text: &str| format!("2026-11-29T10:00:00.5Z {stream} {text}\n");
        let content = [
            part("stdout F", "one"),
            part("stdout P", "tw"),
            part("stderr F", "between"),
            part("stdout P", "o a"),
            part("stdout F", "nd more"),
            part("stdout P", "no rest"),
        ];
        let (mut splitter, mut out) = (Splitter::new(Mark::default(), 100).after_lines(1), Lines::default());
        let first = content[0].len() as u64;
        for line in &content[..4] {
            splitter.push(line.as_bytes(), &mut out);
        }
        // Whoever goes on here reads the first part again.
        assert_eq!((splitter.mark().offset, splitter.number()), (first, 2));
        splitter.push(content[4].as_bytes(), &mut out);
        assert_eq!((splitter.mark().offset, splitter.number()), (splitter.position(), 6));
        splitter.push(content[5].as_bytes(), &mut out);
        splitter.finish(&mut out);
        let seen: Vec<_> = out
            .range(0..out.len())
            .map(|(line, text)| (line.number, line.offset, line.parts, String::from_utf8_lossy(text)))
            .collect();
        let own = |stream: &str, text: &str| part(stream, text).trim_end().to_owned().into();
        let third = first + (content[1].len()) as u64;
        let last = splitter.mark().offset - content[5].len() as u64;
        assert_eq!(
            seen,
            [
                (1, 0, 0, own("stdout F", "one")),
                (3, third, 0, own("stderr F", "between")),
                (2, first, 3, own("stdout F", "two and more")),
                (6, last, 1, own("stdout P", "no rest")),
            ]
        );
    }

    #[test]
    fn a_part_whose_rest_does_not_come_does_not_hold_the_mark() {
        let (mut splitter, mut out) = (Splitter::new(Mark::default(), 1 << 20), Lines::default());
        splitter.push(b"2026-11-29T10:00:00Z stdout P x\n", &mut out);
        let other = "y".repeat(1 << 10) + "\n";
        for n in 0..5 << 10 {
            splitter.push(other.as_bytes(), &mut out);
            assert!(n > 4000 || splitter.mark().offset == 0, "{n}");
        }
        assert_eq!(splitter.mark().offset, splitter.position());
        let parts: Vec<_> = out.range(0..out.len()).filter(|(line, _)| line.parts > 0).collect();
        assert!(parts.len() == 1 && parts[0].1.ends_with(b"stdout P x"));
    }

    #[test]
    fn equal_lines_have_chains_of_their_own_and_copies_have_the_same() {
        let chains = |content: &[u8]| {
            let (mut splitter, mut out) = (Splitter::new(Mark::default(), 100), Lines::default());
            splitter.push(content, &mut out);
            out.range(0..out.len()).map(|(line, _)| line.chain).collect::<Vec<_>>()
        };
        let three = chains(b"a\na\na\n");
        assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
        assert_eq!(chains(b"a\na\n"), three[..2]);
        assert_ne!(chains(b"b\na\n")[1], three[1]);
    }

    proptest! {
        /// What the fuzzer demands, of contents with many short lines.
        #[test]
        fn blocks_do_not_matter(
            content in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), Just(b'x'), any::<u8>()], 0..200),
            marked in any::<bool>(),
            sizes in proptest::collection::vec(0usize..60, 1..6),
            max in 1usize..40,
        ) {
            let mark: &[u8] = if marked { BYTE_ORDER_MARK } else { b"" };
            fuzz::lines(&[mark, &content].concat(), &sizes, max);
        }

        /// The same of UTF-16.
        #[test]
        fn units_come_together(
            text in "[ab\r\n\u{a00}\u{a0a}\u{d0d}\u{10a0a}]{1,80}",
            little in any::<bool>(),
            rest in proptest::collection::vec(any::<u8>(), 0..2),
            sizes in proptest::collection::vec(0usize..30, 1..6),
            max in 1usize..40,
        ) {
            let units = ["\u{feff}a", &text].concat();
            let units = units.encode_utf16().map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() });
            let units = units.collect::<Vec<_>>().concat();
            fuzz::lines(&[units, rest].concat(), &sizes, max);
        }

        /// The same of lines that a container runtime cut, in two streams.
        #[test]
        fn parts_come_together(
            lines in proptest::collection::vec(
                ("(|2026-11-29T10:00:00Z std(out|err) [PF] )", "[ab\r]{0,9}"), 0..12),
            sizes in proptest::collection::vec(0usize..60, 1..6),
            max in 31usize..60,
        ) {
            let lines: Vec<_> = lines.into_iter().map(|(head, text)| head + &text).collect();
            fuzz::lines(lines.join("\n").as_bytes(), &sizes, max);
        }
    }
}
