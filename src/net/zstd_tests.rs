#![allow(clippy::unwrap_used)]

use super::*;
use crate::pipeline::intake::Intake;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::sync::mpsc;

/// `hello halod ` forty times, as zstd 1.5.4 writes it: `-19 --check` to a file of known size, and
/// `-1 --no-check` to a pipe.
const SINGLE: &[u8] = b"\x28\xb5\x2f\xfd\x64\xe0\x00\x9d\x00\x00\x60\x68\x65\x6c\x6c\x6f\x20\x68\x61\x6c\
\x6f\x64\x20\x01\x00\xd1\x57\x4b\x12\xc4\x54\xda\xd3";
const STREAM: &[u8] = b"\x28\xb5\x2f\xfd\x00\x48\x9d\x00\x00\x60\x68\x65\x6c\x6c\x6f\x20\x68\x61\x6c\x6f\
\x64\x20\x01\x00\xd1\x57\x4b\x12";

fn zstd(plain: &[u8]) -> Vec<u8> {
    compress_to_vec(plain, CompressionLevel::Fastest)
}

/// The result, and the bytes that were in flight at its end.
fn run(wire: &[u8], limit: usize) -> (Result<Vec<u8>, Fault>, usize) {
    let intake = Intake::with_writer(mpsc::channel().0, 1 << 30);
    let mut permit = intake.admit(wire.len()).unwrap();
    let result = unzstd(wire, limit, &mut permit);
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

fn skippable(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&0x184D_2A57_u32.to_le_bytes()[..], &length.to_le_bytes(), payload].concat()
}

/// A frame with the given window descriptor, of runs of zeros: 4 bytes for up to 128 KiB, where the
/// window allows such a block.
fn zeros(descriptor: u8, mut length: usize) -> Vec<u8> {
    let mut wire = vec![0x28, 0xb5, 0x2f, 0xfd, 0, descriptor];
    let block = window(&[0, 0, 0, 0, 0, descriptor]).min(BLOCK);
    loop {
        let run = length.min(block);
        length -= run;
        let header = u32::try_from(run << 3 | 1 << 1 | usize::from(length == 0)).unwrap();
        wire.extend_from_slice(&header.to_le_bytes()[..3]);
        wire.push(0);
        if length == 0 {
            return wire;
        }
    }
}

/// The window descriptor of 8 MiB.
const LARGEST: u8 = 13 << 3;

fn is_undecodable(wire: &[u8]) -> bool {
    matches!(run(wire, 1 << 20).0, Err(Fault::Undecodable(_)))
}

#[test]
fn every_size_comes_back() {
    for length in [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 700_000] {
        let plain = noise(length);
        assert_eq!(run(&zstd(&plain), 1 << 20).0.unwrap(), plain, "{length}");
        let flat = vec![b'x'; length];
        assert_eq!(run(&zstd(&flat), 1 << 20).0.unwrap(), flat, "{length}");
    }
}

#[test]
fn what_the_reference_writes_is_read() {
    let plain = b"hello halod ".repeat(40);
    for wire in [SINGLE, STREAM] {
        assert_eq!(run(wire, plain.len()).0.unwrap(), plain);
        assert_eq!(
            run(wire, plain.len() - 1).0,
            Err(Refusal::TooLarge { what: Large::Unpacked, limit: plain.len() - 1 }.into())
        );
    }
}

#[test]
fn frames_are_joined_and_skippable_ones_skipped() {
    let wire = [skippable(b"aside"), zstd(b"one "), skippable(b""), STREAM.to_vec()].concat();
    let plain = run(&wire, 1 << 20).0.unwrap();
    assert!(plain.starts_with(b"one hello halod ") && plain.len() == 484);
    assert!(run(&skippable(b"nothing else"), 10).0.unwrap().is_empty());
    for cut in [1, 4, 7, 8, 12] {
        assert!(is_undecodable(&skippable(b"aside")[..cut]), "{cut}");
    }
}

#[test]
fn too_many_frames_are_refused() {
    assert!(run(&zstd(b"").repeat(FRAMES), 10).0.unwrap().is_empty());
    assert!(is_undecodable(&zstd(b"").repeat(FRAMES + 1)));
    assert!(is_undecodable(&skippable(b"").repeat(FRAMES + 1)));
}

#[test]
fn windows_up_to_eight_mib_are_read_and_no_larger() {
    let limit = 24 << 20;
    assert_eq!(run(&zeros(LARGEST, 20 << 20), limit).0.unwrap().len(), 20 << 20);
    let refused = run(&zeros(LARGEST + 1, 1000), limit).0.unwrap_err().to_string();
    assert_eq!(refused, "the body wants a zstd window of more than 8 MiB");
    // A single segment is its own window.
    let mut single = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    single.extend_from_slice(&(9_u32 << 20).to_le_bytes());
    let refused = run(&single, limit).0.unwrap_err().to_string();
    assert_eq!(refused, "the body wants a zstd window of more than 8 MiB");
    for (descriptor, first, size) in [(0, 0, 1024), (0, LARGEST, WINDOW), (0, 0xff, WINDOW), (0x20, 200, 200)]
    {
        assert_eq!(window(&[0, 0, 0, 0, descriptor, first, 0]), size);
    }
    assert_eq!(window(&[0, 0, 0, 0, 0x61, 9, 1, 2]), 0x0201 + 256);
}

#[test]
fn the_limit_is_exact() {
    for wire in [zeros(0, 100_000), zeros(LARGEST, 100_000), zstd(&vec![0; 100_000])] {
        assert_eq!(run(&wire, 100_000).0.unwrap().len(), 100_000);
        assert_eq!(
            run(&wire, 99_999).0,
            Err(Refusal::TooLarge { what: Large::Unpacked, limit: 99_999 }.into())
        );
    }
}

/// 200 bytes that stand for 6 MiB with the largest window; with the smallest, some more.
#[test]
fn a_bomb_costs_no_more_than_the_limit_and_a_window() {
    let limit = 1 << 20;
    for (descriptor, most) in [(0, 3 << 10), (LARGEST, 3 * (WINDOW + BLOCK))] {
        let wire = zeros(descriptor, 60 << 20);
        let (result, held) = run(&wire, limit);
        assert_eq!(result, Err(Refusal::TooLarge { what: Large::Unpacked, limit }.into()));
        assert!(held <= wire.len() + limit + most + 3 * BLOCK, "{held}");
    }
}

#[test]
fn what_does_not_fit_in_flight_is_refused() {
    let intake = Intake::with_writer(mpsc::channel().0, 2 << 20);
    let other = intake.admit(1 << 20).unwrap();
    let wire = zeros(LARGEST, 1 << 20);
    let mut permit = intake.admit(wire.len()).unwrap();
    let refused = unzstd(&wire, 4 << 20, &mut permit);
    assert!(matches!(refused, Err(Fault::Refused(Refusal::Full { .. }))), "{refused:?}");
    drop(other);
}

#[test]
fn truncated_or_damaged_zstd_is_an_error_wherever_it_is_cut() {
    let whole = zstd(&noise(2000));
    for wire in [&whole, SINGLE, STREAM] {
        for length in 0..wire.len() {
            assert!(is_undecodable(&wire[..length]), "{length}");
        }
    }
    let mut damaged = SINGLE.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(run(&damaged, 1000).0.unwrap_err().to_string(), "the body does not fit its zstd checksum");
    let mut lying = SINGLE.to_vec();
    lying[5] += 1;
    assert!(is_undecodable(&lying));
    assert!(is_undecodable(&[SINGLE, b"junk"].concat()));
    assert!(is_undecodable(b"\x1f\x8b\x08\x00 this is gzip"));
    let dictionary = b"\x28\xb5\x2f\xfd\x01\x48\x07\x9d\x00\x00";
    assert_eq!(
        run(dictionary, 1000).0.unwrap_err().to_string(),
        "the body wants a zstd dictionary, and there is none"
    );
}

/// A decoder that panicked would be answered as halod's own fault, and the sender would try for
/// ever.
#[test]
fn no_damage_makes_the_decoder_panic() {
    let text = b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"chat\"}]}]}]}".repeat(8);
    let wires = [zstd(&text), zstd(&noise(300)), SINGLE.to_vec(), STREAM.to_vec(), zeros(0, 1500)];
    let random = noise(60_000);
    for (n, chance) in random.chunks_exact(6).enumerate() {
        let mut wire = wires[n % wires.len()].clone();
        for change in chance.chunks_exact(2) {
            let at = usize::from(change[0]) * wire.len() / 256;
            wire[at] = change[1];
        }
        let _ = run(&wire, 1 << 20);
    }
}
