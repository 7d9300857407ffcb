//! Makes the `:authority` of HTTP/2 requests on a Unix socket one that HTTP allows.
//!
//! Clients of gRPC have no host to name there, and many name the socket's path: `/run/x` or
//! `%2Frun%2Fx` (grpc/grpc#38142, grpc/grpc-java#12664). The HTTP/2 library refuses both with a
//! protocol error (hyperium/h2#487). Nobody reads the value here, so what is not allowed in it is
//! replaced on its way in: `/` and `%` by `-`, whose length is theirs, compressed too, so that
//! nothing else in the stream changes.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What stands before a frame's payload (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;

/// The largest payload that hyper allows by default; a larger one is its to refuse.
const LARGEST: usize = 16 << 10;

const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Bytes asked for at a time.
const PIECE: usize = 16 << 10;

/// A stream whose requests have an `:authority` that HTTP allows.
#[derive(Debug)]
pub(super) struct Allowed<S> {
    stream: S,
    /// Read and not yet handed on; the first `ready` bytes may be.
    held: Vec<u8>,
    ready: usize,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// So many bytes are those of the preface.
    Preface(usize),
    /// So many bytes until the next frame.
    Frames(usize),
    /// This is no HTTP/2.
    Other,
}

impl<S> Allowed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, held: Vec::new(), ready: 0, phase: Phase::Preface(0) }
    }

    /// Moves `ready` on as far as what is held allows.
    fn release(&mut self) {
        while let Some(fresh) = self.held.get_mut(self.ready..).filter(|fresh| !fresh.is_empty()) {
            match &mut self.phase {
                Phase::Other => self.ready = self.held.len(),
                Phase::Preface(seen) => {
                    let rest = PREFACE.get(*seen..).unwrap_or_default();
                    let length = rest.len().min(fresh.len());
                    let same = rest.get(..length) == fresh.get(..length);
                    *seen += length;
                    if !same {
                        self.phase = Phase::Other;
                    } else {
                        self.ready += length;
                        if *seen == PREFACE.len() {
                            self.phase = Phase::Frames(0);
                        }
                    }
                }
                Phase::Frames(0) => {
                    let [a, b, c, kind, flags, _, _, _, _, ..] = *fresh else { return };
                    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                    if kind != HEADERS || length > LARGEST {
                        self.phase = Phase::Frames(FRAME_HEADER + length);
                        continue;
                    }
                    let Some(payload) = fresh.get_mut(FRAME_HEADER..FRAME_HEADER + length) else { return };
                    let before = usize::from(flags & PADDED != 0) + if flags & PRIORITY != 0 { 5 } else { 0 };
                    clean_block(payload.get_mut(before..).unwrap_or_default());
                    self.ready += FRAME_HEADER + length;
                }
                Phase::Frames(left) => {
                    let length = (*left).min(fresh.len());
                    *left -= length;
                    self.ready += length;
                }
            }
        }
    }
}

/// Cleans every `:authority` that stands in a block of header fields (RFC 7541, section 6). What
/// can't be read is left to the library.
fn clean_block(block: &mut [u8]) {
    let mut at = 0;
    while let Some(&first) = block.get(at) {
        let prefix = match first {
            // From a table; an authority there was cleaned when it was put in.
            0x80.. => 7,
            0x40.. => 6,
            0x20.. => 5,
            _ => 4,
        };
        let Some(index) = integer(block, &mut at, prefix) else { return };
        if matches!(prefix, 5 | 7) {
            continue;
        }
        let mut authority = index == 1;
        if index == 0 {
            let Some((_, name)) = string(block, &mut at) else { return };
            authority = block.get(name).is_some_and(|name| name == b":authority" || name == COMPRESSED_NAME);
        }
        let Some((compressed, value)) = string(block, &mut at) else { return };
        let Some(value) = block.get_mut(value).filter(|_| authority) else { continue };
        if compressed {
            clean_compressed(value);
        } else {
            value.iter_mut().filter(|byte| matches!(**byte, b'/' | b'%')).for_each(|byte| *byte = b'-');
        }
    }
}

/// `:authority` in the code of RFC 7541, appendix B.
const COMPRESSED_NAME: &[u8] = b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f";

/// An integer with a prefix of so many bits (RFC 7541, section 5.1).
fn integer(block: &[u8], at: &mut usize, prefix: u32) -> Option<usize> {
    let full = (1 << prefix) - 1;
    let mut value = usize::from(*block.get(*at)?) & full;
    *at += 1;
    if value < full {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = *block.get(*at)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A string: whether it is compressed, and where it stands (RFC 7541, section 5.2).
fn string(block: &[u8], at: &mut usize) -> Option<(bool, std::ops::Range<usize>)> {
    let compressed = block.get(*at)? & 0x80 != 0;
    let length = integer(block, at, 7)?;
    let range = *at..at.checked_add(length)?;
    *at = range.end;
    (range.end <= block.len()).then_some((compressed, range))
}

/// The same in the code of RFC 7541, appendix B, as far as it has symbols of up to 8 bits, which are
/// those that paths are made of. Codes of one length follow each other: a code's first bits tell
/// its length.
fn clean_compressed(value: &mut [u8]) {
    const PERCENT: u16 = 0x15;
    const DASH: u16 = 0x16;
    const SLASH: u16 = 0x18;
    let mut at = 0;
    loop {
        let (byte, bit) = (at / 8, at % 8);
        let Some(&high) = value.get(byte) else { return };
        // What follows the end is ones, as is what fills the last byte.
        let low = value.get(byte + 1).copied().unwrap_or(0xff);
        let window = u16::from_be_bytes([high, low]) << bit;
        let length = match window >> 8 {
            0..=0x4f => 5,
            0x50..=0xb7 => 6,
            0xb8..=0xf7 => 7,
            0xf8..=0xfd => 8,
            _ => return,
        };
        if length == 6 && matches!(window >> 10, PERCENT | SLASH) {
            let change = ((window >> 10) ^ DASH) << 10 >> bit;
            let [high_change, low_change] = change.to_be_bytes();
            for (at, change) in [(byte, high_change), (byte + 1, low_change)] {
                if let Some(byte) = value.get_mut(at) {
                    *byte ^= change;
                }
            }
        }
        at += length;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Allowed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        while this.ready == 0 {
            let mut piece = [0; PIECE];
            let mut read = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                // The end: what is held is no whole frame, and the library's to judge.
                this.ready = this.held.len();
                break;
            }
            this.held.extend_from_slice(read.filled());
            this.release();
        }
        let length = this.ready.min(buf.remaining());
        buf.put_slice(this.held.get(..length).unwrap_or_default());
        this.held.drain(..length);
        this.ready -= length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Allowed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// `www.example.com`, and `%2Ftmp%2Fg.sock` before and after: RFC 7541, appendix B.
    const PLAIN: &[u8] = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    const BEFORE: &[u8] = b"\x54\x58\x53\x4d\x6a\x8b\x0c\xcb\xa0\xe4\xeb";
    const AFTER: &[u8] = b"\x58\x58\x53\x4d\x6b\x0b\x0c\xcb\xa0\xe4\xeb";

    fn cleaned(parts: &[&[u8]]) -> Vec<u8> {
        let mut block = parts.concat();
        clean_block(&mut block);
        block
    }

    #[test]
    fn authorities_are_cleaned_however_they_are_written() {
        for start in [&b"\x41"[..], b"\x01", b"\x11", b"\x40\x0a:authority", b"\x00\x0a:authority"] {
            let before = [start, b"\x09/run/%2Fx"].concat();
            let after = [start, b"\x09-run--2Fx"].concat();
            assert_eq!(
                cleaned(&[b"\x83\x3f\x01", &before, b"\x86"]),
                [b"\x83\x3f\x01", &after[..], b"\x86"].concat()
            );
        }
        for start in [&b"\x41"[..], b"\x40\x88\xb8\x3b\x53\x39\xec\x32\x7d\x7f"] {
            let length = [0x80 | u8::try_from(BEFORE.len()).unwrap()];
            assert_eq!(cleaned(&[start, &length, BEFORE]), [start, &length, AFTER].concat());
        }
        let untouched = [b"\x41\x8c", PLAIN].concat();
        assert_eq!(cleaned(&[&untouched]), untouched);
    }

    #[test]
    fn nothing_else_is_changed() {
        // A path, a header of another name, and what is cut off.
        for block in [
            &b"\x04\x0a/v1/traces"[..],
            b"\x40\x01x\x03%/%",
            b"\x41\x0a/cut",
            b"\x41",
            b"\xff\xff",
            b"\x41\xff",
        ] {
            assert_eq!(cleaned(&[block]), block);
        }
    }

    async fn through(wire: &[u8], piece: usize) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let wire = wire.to_vec();
        let sender = tokio::spawn(async move {
            for piece in wire.chunks(piece) {
                tokio::io::AsyncWriteExt::write_all(&mut client, piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut out = Vec::new();
        Allowed::new(server).read_to_end(&mut out).await.unwrap();
        sender.await.unwrap();
        out
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[tokio::test]
    async fn frames_come_through_in_any_pieces() {
        let wire = |slash: &[u8]| {
            let authority = [b"\x41\x02", slash, b"x"].concat();
            let padded = [&[2][..], &[0; 5], &authority, &[0, 0]].concat();
            [
                PREFACE,
                &frame(4, 0, b""),
                &frame(HEADERS, 4, &authority),
                &frame(0, 0, &[b'/'; 40_000]),
                &frame(HEADERS, PADDED | PRIORITY | 4, &padded),
                &frame(0, 1, b"\x41\x02/x"),
                &frame(HEADERS, 4, &authority)[..7],
            ]
            .concat()
        };
        let (before, mut after) = (wire(b"/"), wire(b"-"));
        // The last one is not whole, and comes as it is.
        let end = after.len();
        after[end - 7..].copy_from_slice(&before[end - 7..]);
        for piece in [1, 7, 24, 25, 1000, 1 << 20] {
            assert_eq!(through(&before, piece).await, after, "{piece}");
        }
        for other in [&b"POST /%2F HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/1.1", b"PRI", b""] {
            for piece in [1, 100] {
                assert_eq!(through(other, piece).await, other);
            }
        }
    }
}
