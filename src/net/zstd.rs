//! Zstandard (RFC 8878) into memory, bounded and paid for before each growth.

use super::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::{Large, Refusal};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::Read;

/// Frames one body may be made of, as for gzip members: each costs a fresh decoder state.
const FRAMES: usize = 1024;

/// The window that every decoder should support (RFC 8878, section 3.1.1.1.2); it is what the
/// library's usual levels, up to 19, stay within. A frame that wants more is refused.
const WINDOW: usize = 8 << 20;

/// No block holds more (RFC 8878, section 3.1.1.2.4).
const BLOCK: usize = 128 << 10;

/// Decompresses `wire` to at most `limit` bytes. The permit is raised to cover `wire`, the window
/// and the output together before any memory for them is taken.
///
/// # Errors
/// `TooLarge` beyond `limit`, `Undecodable` when this is not zstd, is damaged, ends early or wants
/// a window or a dictionary that is not had, and what [`Permit::grow_to`] says.
pub fn unzstd(wire: &[u8], limit: usize, permit: &mut Permit) -> Result<Vec<u8>, Fault> {
    let mut output = Output { plain: Vec::new(), limit, held: wire.len(), permit };
    let mut input = wire;
    for _ in 0..FRAMES {
        frame(&mut input, &mut output)?;
        if input.is_empty() {
            return Ok(output.plain);
        }
    }
    Err(damaged(&format!("is made of more than {FRAMES} zstd frames")))
}

/// Takes one frame, skippable or not, from the front of `input`.
fn frame(input: &mut &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    let window = window(input);
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW as u64);
    match decoder.init(&mut *input) {
        Ok(()) => {}
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            *input = input.get(length..).ok_or_else(|| damaged("ends early, within a skippable frame"))?;
            return Ok(());
        }
        Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
            return Err(damaged(&format!("wants a zstd window of more than {} MiB", WINDOW >> 20)));
        }
        Err(FrameDecoderError::DictNotProvided { .. }) => {
            return Err(damaged("wants a zstd dictionary, and there is none"));
        }
        Err(_) => return Err(damaged("is not valid zstd")),
    }
    let declared = decoder.content_size();
    if usize::try_from(declared).unwrap_or(usize::MAX) > output.room() {
        return Err(output.too_large());
    }
    let before = output.plain.len();
    let mut blocks = 0_usize;
    while !decoder.is_finished() {
        blocks = blocks.saturating_add(1);
        output.pay(window, blocks)?;
        decoder
            .decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| damaged("is not valid zstd, or ends early"))?;
        output.take(&mut decoder)?;
    }
    let produced = (output.plain.len() - before) as u64;
    if declared != 0 && declared != produced {
        return Err(damaged("has another size than its zstd header says"));
    }
    let sent = decoder.get_checksum_from_data();
    if sent.is_some() && sent != decoder.get_calculated_checksum() {
        return Err(damaged("does not fit its zstd checksum"));
    }
    Ok(())
}

/// What has been decompressed, and who pays for it.
struct Output<'a> {
    plain: Vec<u8>,
    limit: usize,
    /// Bytes held beside the output.
    held: usize,
    permit: &'a mut Permit,
}

impl Output<'_> {
    fn room(&self) -> usize {
        self.limit - self.plain.len()
    }

    /// Pays for the decoder's window before its `blocks`th block of the frame is decoded. The
    /// window is a ring that is replaced by one of up to twice the size when it is full.
    fn pay(&mut self, window: usize, blocks: usize) -> Result<(), Fault> {
        let block = window.min(BLOCK);
        let ring = window.saturating_add(block).min(block.saturating_mul(blocks));
        let ring = ring.saturating_mul(3).saturating_add(if ring > BLOCK { 2 * BLOCK } else { 0 });
        let total = self.held.saturating_add(self.plain.capacity()).saturating_add(ring);
        Ok(self.permit.grow_to(total)?)
    }

    /// Moves what no later block of the frame can refer to out of the decoder.
    fn take(&mut self, decoder: &mut FrameDecoder) -> Result<(), Fault> {
        let ready = decoder.can_collect();
        if ready > self.room() {
            return Err(self.too_large());
        }
        let needed = self.plain.len() + ready;
        if needed > self.plain.capacity() {
            let room = self.plain.capacity().saturating_mul(2).max(needed).min(self.limit);
            self.permit.grow_to(self.held.saturating_add(room))?;
            self.plain.reserve_exact(room - self.plain.len());
        }
        let start = self.plain.len();
        self.plain.resize(needed, 0);
        let target = self.plain.get_mut(start..).unwrap_or_default();
        decoder.read_exact(target).map_err(|_| damaged("is not valid zstd"))
    }

    fn too_large(&self) -> Fault {
        Refusal::TooLarge { what: Large::Unpacked, limit: self.limit }.into()
    }
}

/// The window that the frame at the front of `input` asks for (RFC 8878, section 3.1.1.1). The
/// decoder does not tell; whether the header is a header is its business.
fn window(input: &[u8]) -> usize {
    let [_, _, _, _, descriptor, first, ..] = *input else { return 0 };
    let wanted = if descriptor & 0x20 == 0 {
        let base = 1_u64 << (10 + (first >> 3));
        base + base / 8 * u64::from(first & 7)
    } else {
        // A single segment: the window is the content. What it declares is at most `WINDOW`, or
        // the frame is refused.
        let id = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
        let bytes = input.get(5 + id..5 + id + length).unwrap_or_default();
        let size = bytes.iter().rev().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
        if length == 2 { size + 256 } else { size }
    };
    usize::try_from(wanted).unwrap_or(usize::MAX).min(WINDOW)
}

fn damaged(how: &str) -> Fault {
    Fault::Undecodable(format!("the body {how}"))
}

#[cfg(test)]
#[path = "zstd_tests.rs"]
mod tests;
