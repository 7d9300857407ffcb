//! The body of the fuzz target of compressed bodies; a test of the usual suite runs this body as well.
//! Whatever they are taken for, what comes out is within its limit and paid for, a limit that is reached
//! changes nothing else, and a whole gzip body is what the library's own reader makes of it.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use halod::net::coding::Coding;
use halod::net::status::Fault;
use halod::pipeline::intake::Intake;
use halod::pipeline::refusal::{Large, Refusal};
use std::io::Read;
use std::sync::{Arc, mpsc};

const LIMIT: usize = 1 << 20;

/// How many bytes came out.
pub(crate) fn coding(data: &[u8]) -> usize {
    let mut bytes = 0;
    for coding in [Coding::Gzip, Coding::Zstd] {
        let plain = decoded(coding, data, LIMIT);
        for limit in [0, 1, 300, 70_000] {
            match (&plain, decoded(coding, data, limit)) {
                (Ok(plain), Ok(within)) => assert_eq!((plain, plain.len() <= limit), (&within, true)),
                (Ok(plain), Err(fault)) => {
                    assert_eq!(
                        (fault, plain.len() > limit),
                        (Refusal::TooLarge { what: Large::Unpacked, limit }.into(), true)
                    );
                }
                // What is damaged further on can be too large before.
                (Err(_), within) => assert!(within.is_err()),
            }
        }
        let Ok(plain) = plain else { continue };
        if coding == Coding::Gzip {
            let mut all = Vec::new();
            let end = MultiGzDecoder::new(data).take(LIMIT as u64 + 1).read_to_end(&mut all);
            assert_eq!((end.ok(), &*all), (Some(plain.len()), &*plain));
        }
        bytes += plain.len();
    }
    bytes
}

fn decoded(coding: Coding, data: &[u8], limit: usize) -> Result<Bytes, Fault> {
    let intake = Intake::new(mpsc::channel().0, 64 << 20, Arc::default());
    let mut permit = intake.admit(data.len()).expect("there is room");
    let plain = coding.decode(Bytes::copy_from_slice(data), limit, &mut permit);
    if let Ok(plain) = &plain {
        assert!(plain.len() <= limit && intake.in_flight() >= plain.len());
    }
    plain
}
