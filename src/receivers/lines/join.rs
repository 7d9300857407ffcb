//! Puts lines together that a container runtime cut: CRI's parts (`P`, then `F`), and those of 16 KiB of Docker's
//! driver json-file. The parts of one stream may stand between lines of the other.

use super::split::{Line, Lines};
use halo_adapters::gateway::{PartOf, part};
use std::ops::Range;

/// The lines of which parts are there, and the rest is not: one for each stream at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Joiner {
    waiting: Vec<Waiting>,
}

/// What there is of a line.
#[derive(Clone, Debug)]
struct Waiting {
    of: PartOf,
    /// The first part's place, and what was left out of all parts.
    line: Line,
    head: Vec<u8>,
    text: Vec<u8>,
    /// Behind the text of the last part.
    tail: Vec<u8>,
}

impl Joiner {
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a line that came to `out`, where its text is already: by itself, or with its other parts when it is the
    /// last one. Of a line at most `max` bytes are kept.
    pub(super) fn take(&mut self, line: Line, text: Range<usize>, max: usize, out: &mut Lines) {
        let Some(part) = out.bytes.get(text.clone()).and_then(part) else {
            out.lines.push((line, text));
            return;
        };
        let known = self.waiting.iter().position(|waiting| waiting.of == part.of);
        if known.is_none() && !part.more {
            out.lines.push((line, text));
            return;
        }
        let at = known.unwrap_or_else(|| {
            let line = Line { cut: 0, nuls: 0, parts: 0, ..line };
            let head = part.head.to_vec();
            self.waiting.push(Waiting { of: part.of, line, head, text: Vec::new(), tail: Vec::new() });
            self.waiting.len() - 1
        });
        let Some(waiting) = self.waiting.get_mut(at) else { return };
        let room = max.saturating_sub(waiting.text.len());
        let kept = part.text.get(..room).unwrap_or(part.text);
        waiting.text.extend_from_slice(kept);
        waiting.line.cut += line.cut + (part.text.len() - kept.len()) as u64;
        waiting.line.nuls += line.nuls;
        waiting.line.parts += 1;
        (waiting.line.chain, waiting.line.open) = (line.chain, line.open);
        if !part.more {
            // The marks of the last part say that the line is whole.
            waiting.head = part.head.to_vec();
        }
        waiting.tail = part.tail.to_vec();
        let more = part.more;
        out.bytes.truncate(text.start);
        if !more {
            self.waiting.remove(at).give(out);
        }
    }

    /// No rest is expected any more: what there is is taken as lines, which say that they are not whole.
    pub(super) fn give_up(&mut self, out: &mut Lines) {
        std::mem::take(&mut self.waiting).into_iter().for_each(|waiting| waiting.give(out));
    }

    /// Forgets what there is.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

impl Waiting {
    fn give(self, out: &mut Lines) {
        let start = out.bytes.len();
        for piece in [&self.head, &self.text, &self.tail] {
            out.bytes.extend_from_slice(piece);
        }
        out.lines.push((self.line, start..out.bytes.len()));
    }
}
