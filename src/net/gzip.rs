//! Gunzip into memory, bounded and paid for before each growth.

use super::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::{Large, Refusal};
use flate2::{Decompress, FlushDecompress, Status};

/// Gzip files one body may be made of (RFC 1952, section 2.2, allows any number). Each costs a
/// fresh decoder state, so an unbounded number would be work out of proportion to the bytes.
const MEMBERS: usize = 1024;

/// Log 2 of the window that every gzip sender may use.
const WINDOW_BITS: u8 = 15;

/// The first output buffer, at least and at most, when the trailer gives no usable size.
const FIRST: usize = 16 << 10;
const HINT_RATIO: usize = 64;

/// Decompresses `wire` to at most `limit` bytes. The permit is raised to cover `wire` and the
/// output together before any memory for the output is taken.
///
/// # Errors
/// `TooLarge` beyond `limit`, `Undecodable` when this is not gzip or ends early, and what
/// [`Permit::grow_to`] says.
pub fn gunzip(wire: &[u8], limit: usize, permit: &mut Permit) -> Result<Vec<u8>, Fault> {
    let mut output = Vec::new();
    let mut input = wire;
    let mut first = size_hint(wire).min(limit).saturating_add(1);
    for _ in 0..MEMBERS {
        let mut state = Decompress::new_gzip(WINDOW_BITS);
        loop {
            if output.len() == output.capacity() {
                grow(&mut output, first, limit, wire.len(), permit)?;
                first = 0;
            }
            let (read, written) = (state.total_in(), output.len());
            let status = state
                .decompress_vec(input, &mut output, FlushDecompress::None)
                .map_err(|_| Fault::Undecodable("the body is not valid gzip".into()))?;
            let read = usize::try_from(state.total_in() - read).unwrap_or(usize::MAX);
            input = input.get(read..).unwrap_or_default();
            if output.len() > limit {
                return Err(Refusal::TooLarge { what: Large::Unpacked, limit }.into());
            }
            match status {
                Status::StreamEnd => break,
                // Neither side moved although there is room: the input has run out.
                _ if read == 0 && output.len() == written && output.len() < output.capacity() => {
                    return Err(Fault::Undecodable("the gzip body ends early".into()));
                }
                _ => {}
            }
        }
        if input.is_empty() {
            return Ok(output);
        }
    }
    Err(Fault::Undecodable(format!("the body is made of more than {MEMBERS} gzip members")))
}

/// Doubles the room, up to one byte more than the limit: that byte tells "too large" from "full".
fn grow(
    output: &mut Vec<u8>,
    first: usize,
    limit: usize,
    held: usize,
    permit: &mut Permit,
) -> Result<(), Fault> {
    let room = output.len().saturating_mul(2).max(first).max(FIRST).min(limit.saturating_add(1));
    permit.grow_to(held.saturating_add(room))?;
    output.reserve_exact(room - output.len());
    Ok(())
}

/// The trailer of a gzip file ends with its size. The sender may lie, so it is believed only as
/// far as a usual ratio goes.
fn size_hint(wire: &[u8]) -> usize {
    let size = wire.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
    usize::try_from(size).unwrap_or(0).min(wire.len().saturating_mul(HINT_RATIO))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pipeline::intake::Intake;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::sync::mpsc;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// The result, and the bytes that were in flight at its end.
    fn run(wire: &[u8], limit: usize) -> (Result<Vec<u8>, Fault>, usize) {
        let intake = Intake::with_writer(mpsc::channel().0, 1 << 30);
        let mut permit = intake.admit(wire.len()).unwrap();
        let result = gunzip(wire, limit, &mut permit);
        (result, intake.in_flight())
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn every_size_comes_back() {
        for length in [0, 1, FIRST - 1, FIRST, FIRST + 1, 300_000] {
            let plain = noise(length);
            assert_eq!(run(&gzip(&plain), 1 << 20).0.unwrap(), plain, "{length}");
            let flat = vec![b'x'; length];
            assert_eq!(run(&gzip(&flat), 1 << 20).0.unwrap(), flat, "{length}");
        }
    }

    #[test]
    fn members_are_joined() {
        let wire = [gzip(b"one "), gzip(b""), gzip(&[b'x'; 70_000])].concat();
        let plain = run(&wire, 1 << 20).0.unwrap();
        assert!(plain.starts_with(b"one x") && plain.len() == 70_004);
    }

    #[test]
    fn too_many_members_are_refused() {
        let wire = gzip(b"").repeat(MEMBERS + 1);
        assert!(matches!(run(&wire, 1 << 20).0, Err(Fault::Undecodable(_))));
    }

    #[test]
    fn the_limit_is_exact() {
        let wire = gzip(&vec![0; 100_000]);
        assert_eq!(run(&wire, 100_000).0.unwrap().len(), 100_000);
        let refused = run(&wire, 99_999).0;
        assert_eq!(refused, Err(Refusal::TooLarge { what: Large::Unpacked, limit: 99_999 }.into()));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let wire = gzip(&vec![0; 6 << 20]);
        let limit = 1 << 20;
        let (result, held) = run(&wire, limit);
        assert_eq!(result, Err(Refusal::TooLarge { what: Large::Unpacked, limit }.into()));
        assert!(held <= wire.len() + limit + 1, "{held}");
    }

    #[test]
    fn what_does_not_fit_in_flight_is_refused() {
        let intake = Intake::with_writer(mpsc::channel().0, 64 << 10);
        let other = intake.admit(32 << 10).unwrap();
        let wire = gzip(&vec![0; 60 << 10]);
        let mut permit = intake.admit(wire.len()).unwrap();
        let refused = gunzip(&wire, 1 << 20, &mut permit);
        assert!(matches!(refused, Err(Fault::Refused(Refusal::Full { .. }))), "{refused:?}");
        drop(other);
    }

    #[test]
    fn truncated_or_damaged_gzip_is_an_error_wherever_it_is_cut() {
        let whole = gzip(&noise(2000));
        for length in 0..whole.len() {
            let result = run(&whole[..length], 1 << 20).0;
            assert!(matches!(result, Err(Fault::Undecodable(_))), "{length}");
        }
        let mut damaged = whole.clone();
        let crc = damaged.len() - 6;
        damaged[crc] ^= 1;
        assert!(matches!(run(&damaged, 1 << 20).0, Err(Fault::Undecodable(_))));
        let trailing = [whole, b"junk".to_vec()].concat();
        assert!(matches!(run(&trailing, 1 << 20).0, Err(Fault::Undecodable(_))));
    }
}
