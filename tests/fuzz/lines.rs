//! The body of the fuzz target of the splitter of logs; its property test runs it as
//! well. However a content is cut into blocks, it comes to the lines, offsets and chains that the plain
//! reading below gives, no line is longer than its limit, and going on behind any line gives the rest.

use super::{Chain, Lines, Mark, Splitter};
use sha2::{Digest, Sha256};

/// Offset, chain, text, bytes cut, NULs passed over, and whether no line break came.
type Seen = (u64, Chain, Vec<u8>, u64, u64, bool);

/// The first byte is the limit, the next four are lengths of blocks, in turn; the rest is the content.
pub(crate) fn bytes(data: &[u8]) {
    let Some((head, content)) = data.split_first_chunk::<5>() else { return };
    let [max, sizes @ ..] = head.map(usize::from);
    lines(content, &sizes, max + 1);
}

/// `sizes`: of the blocks that the content comes in, over and over; 0 stands for all that is left.
pub(crate) fn lines(content: &[u8], sizes: &[usize], max: usize) {
    let expected = plainly(content, max);
    let mut splitter = Splitter::new(Mark::default(), max);
    let (mut skipper, mut out, mut marks) = (splitter.clone(), Lines::default(), vec![splitter.mark()]);
    for block in blocks(content, sizes) {
        splitter.push(block, &mut out);
        skipper.skip(block);
        assert_eq!(skipper.position(), splitter.position());
        // Who keeps nothing does not see which lines are parts of others.
        assert!(splitter.mark().offset <= skipper.mark().offset);
        if !content.windows(5).any(|bytes| bytes == b"Z std") {
            assert_eq!(skipper.mark(), splitter.mark());
        }
        marks.push(splitter.mark());
    }
    assert_eq!(splitter.position(), content.len() as u64);
    assert_eq!(splitter.within_line(), expected.iter().any(|line| line.5));
    splitter.finish(&mut out);
    assert_eq!(seen(&out), expected);
    assert_eq!(splitter.mark().offset, content.len() as u64);
    // Behind blocks, as after a restart; some of them, because each reads all that is left.
    for mark in marks.iter().step_by(marks.len() / 8 + 1) {
        resumed(content, *mark, sizes, max, &expected);
    }
}

/// From a mark on the lines are those that begin there, whether a splitter is made for it or goes to it.
fn resumed(content: &[u8], mark: Mark, sizes: &[usize], max: usize, expected: &[Seen]) {
    let rest = content.get(mark.offset as usize..).expect("a mark lies within the content");
    let expected: Vec<Seen> =
        expected.iter().filter(|(offset, ..)| *offset >= mark.offset).cloned().collect();
    let mut of = Splitter::new(Mark::default(), max);
    of.skip(content);
    let (mut made, mut out) = (Splitter::new(mark, max).of_width(of.wide()), Lines::default());
    blocks(rest, sizes).for_each(|block| made.push(block, &mut out));
    made.finish(&mut out);
    assert_eq!(seen(&out), expected);

    let (mut gone, mut out) = (Splitter::new(Mark::default(), max), Lines::default());
    for block in blocks(content, sizes) {
        let taken = gone.skip_to(block, mark.offset);
        gone.push(&block[taken..], &mut out);
    }
    gone.finish(&mut out);
    assert_eq!((seen(&out), gone.mark()), (expected, made.mark()));
}

fn blocks<'c>(content: &'c [u8], sizes: &[usize]) -> impl Iterator<Item = &'c [u8]> {
    let (mut rest, mut sizes) = (content, sizes.iter().copied().cycle());
    std::iter::from_fn(move || {
        let size = sizes.next().filter(|size| *size > 0).unwrap_or(rest.len());
        let (block, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!block.is_empty()).then_some(block)
    })
}

fn seen(lines: &Lines) -> Vec<Seen> {
    let all = lines.range(0..lines.len());
    all.map(|(l, text)| (l.offset, l.chain, text.to_vec(), l.cut, l.nuls, l.open)).collect()
}

/// The lines of a content that is there as a whole, by what is said of them.
fn plainly(content: &[u8], max: usize) -> Vec<Seen> {
    let (mut offset, mut chain) = (0, Chain::default());
    let (mut lines, mut waiting) = (Vec::new(), [None, None]);
    let is_wide = match *content {
        [0xff, 0xfe, first, 0, ..] => first != 0 && first != b'\n',
        [0xfe, 0xff, 0, first, ..] => first != 0,
        _ => false,
    };
    if is_wide {
        return wide(content, max);
    }
    for whole in content.split_inclusive(|byte| *byte == b'\n') {
        let digest = Sha256::new_with_prefix(chain).chain_update(whole).finalize();
        chain.copy_from_slice(&digest[..16]);
        let line = whole.strip_suffix(b"\n");
        let text = line.unwrap_or(whole);
        let nuls = text.iter().take_while(|byte| **byte == 0).count();
        let text = &text[nuls..];
        let kept = &text[..text.len().min(max)];
        let cut = text.len() - kept.len();
        // A carriage return belongs to the line break, if that is there.
        let kept = if line.is_some() && cut == 0 { kept.strip_suffix(b"\r").unwrap_or(kept) } else { kept };
        // A byte order mark belongs to no line's text.
        let marked = kept.strip_prefix(b"\xef\xbb\xbf").filter(|_| offset == 0);
        let kept = marked.unwrap_or(kept);
        let line = (offset, chain, kept.to_vec(), cut as u64, nuls as u64, line.is_none());
        joined(line, max, &mut waiting, &mut lines);
        offset += whole.len() as u64;
    }
    waiting.sort_by_key(|first| first.as_ref().map(|(offset, ..)| *offset));
    lines.extend(waiting.into_iter().flatten());
    lines
}

/// The same of UTF-16: each unit is two bytes, and a line's text does not end within one.
fn wide(content: &[u8], max: usize) -> Vec<Seen> {
    let little = content[0] == 0xff;
    let is = |unit: &[u8], wanted: u8| unit == if little { [wanted, 0] } else { [0, wanted] };
    let (mut at, mut chain) = (0, Chain::default());
    let mut lines = Vec::new();
    while at < content.len() {
        let rest = &content[at..];
        let end = rest.chunks(2).position(|unit| is(unit, b'\n'));
        let (whole, open) = end.map_or((rest, true), |end| (&rest[..2 * end + 2], false));
        let digest = Sha256::new_with_prefix(chain).chain_update(whole).finalize();
        chain.copy_from_slice(&digest[..16]);
        let text = if open { whole } else { &whole[..whole.len() - 2] };
        let kept = &text[..text.len().min(max) / 2 * 2];
        let cut = (text.len() - kept.len()) as u64;
        let returns = !open && cut == 0 && kept.rchunks(2).next().is_some_and(|unit| is(unit, b'\r'));
        let kept = if returns { &kept[..kept.len() - 2] } else { kept };
        let kept = if at == 0 { &kept[kept.len().min(2)..] } else { kept };
        lines.push((at as u64, chain, kept.to_vec(), cut, 0, open));
        at += whole.len();
    }
    lines
}

/// Takes a line, or puts it behind the parts of its stream that came before.
fn joined(line: Seen, max: usize, waiting: &mut [Option<Seen>; 2], lines: &mut Vec<Seen>) {
    let of = |tag: &str| line.2.starts_with(format!("2026-11-29T10:00:00Z {tag} ").as_bytes());
    let (stream, more) = match ["stdout P", "stdout F", "stderr P", "stderr F"].map(of) {
        [true, ..] => (0, true),
        [_, true, ..] => (0, false),
        [.., true, _] => (1, true),
        [.., true] => (1, false),
        _ => return lines.push(line),
    };
    let (offset, chain, text, cut, nuls, open) = line;
    const HEAD: usize = 30;
    let first = waiting[stream].take();
    let mut whole = match first {
        None if !more => return lines.push((offset, chain, text, cut, nuls, open)),
        None => (offset, chain, text[..HEAD].to_vec(), 0, 0, open),
        Some(first) => first,
    };
    let room = max.saturating_sub(whole.2.len() - HEAD).min(text.len() - HEAD);
    whole.2.extend_from_slice(&text[HEAD..HEAD + room]);
    (whole.1, whole.5) = (chain, open);
    (whole.3, whole.4) = (whole.3 + cut + (text.len() - HEAD - room) as u64, whole.4 + nuls);
    if more {
        waiting[stream] = Some(whole);
    } else {
        whole.2[HEAD - 2] = b'F';
        lines.push(whole);
    }
}
