//! The frames of an HTTP/2 connection, counted as they come: those that cost halod work and bring nothing have a bound.
//!
//! The library answers each ping and each change of settings, and begins each stream that is reset at once. It bounds
//! what it keeps for them, not how often.

use super::connections::Closed;
use tokio::time::Instant;

/// What stands before a frame's payload (RFC 9113, section 4.1).
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// Frames that each request earns: libraries measure the line with a ping for each answer, and open the windows.
const EARNED: u32 = 4;

/// A bound on frames of one kind: so many at once, and so many a second after that.
#[derive(Debug)]
struct Bucket {
    left: u32,
    full: u32,
    each_second: u32,
    filled: Instant,
}

/// Where a connection is in its frames, and what it may still send.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD],
    read: usize,
    /// Bytes until the next frame's head.
    left: usize,
    pings: Bucket,
    settings: Bucket,
    resets: Bucket,
    others: Bucket,
}

impl Bucket {
    fn new(full: u32, each_second: u32) -> Self {
        Self { left: full, full, each_second, filled: Instant::now() }
    }

    fn take(&mut self) -> bool {
        if self.left == 0 {
            let now = Instant::now();
            let came = now.duration_since(self.filled).as_secs_f64() * f64::from(self.each_second);
            if came < 1.0 {
                return false;
            }
            self.filled = now;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by `full`")]
            let came = came.min(f64::from(self.full)) as u32;
            self.left = came;
        }
        self.left -= 1;
        true
    }

    fn earn(&mut self, frames: u32) {
        self.left = (self.left + frames).min(self.full);
    }
}

impl Frames {
    /// Those that come behind the preface.
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            read: 0,
            left: 0,
            pings: Bucket::new(1000, 100),
            settings: Bucket::new(100, 10),
            resets: Bucket::new(1000, 200),
            others: Bucket::new(1000, 200),
        }
    }

    /// Goes over what came.
    ///
    /// # Errors
    /// There are more frames of a kind than may be.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Closed> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let length = (HEAD - self.read).min(bytes.len());
            let (part, rest) = bytes.split_at(length);
            if let Some(head) = self.head.get_mut(self.read..self.read + length) {
                head.copy_from_slice(part);
            }
            self.read += length;
            bytes = rest;
            if self.read == HEAD {
                self.read = 0;
                self.count()?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Closed> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let (bucket, why) = match kind {
            HEADERS => {
                self.pings.earn(EARNED);
                self.others.earn(EARNED);
                return Ok(());
            }
            // The library bounds the last of these.
            DATA if self.left > 0 || flags & END_STREAM != 0 => return Ok(()),
            GOAWAY | CONTINUATION => return Ok(()),
            PING if flags & ACK != 0 => (&mut self.others, Closed::Frames),
            PING => (&mut self.pings, Closed::Pings),
            SETTINGS => (&mut self.settings, Closed::Settings),
            RESET => (&mut self.resets, Closed::Resets),
            _ => (&mut self.others, Closed::Frames),
        };
        if bucket.take() { Ok(()) } else { Err(why) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// How many of a frame pass at once.
    fn passing(frames: &mut Frames, one: &[u8]) -> usize {
        (0..5000).take_while(|_| frames.pass(one).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_use_are_bounded_and_come_back_with_time() {
        let mut bucket = Bucket::new(1000, 100);
        for most in [1000, 200] {
            assert_eq!((0..5000).take_while(|_| bucket.take()).count(), most);
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        for (kind, flags, payload, most) in [
            (PING, 0, &[PING; 8][..], 1000),
            (SETTINGS, 0, &[], 100),
            (RESET, 0, &[0; 4], 1000),
            (DATA, 0, &[], 1000),
            (2, 0, &[0; 5], 1000),
            (0xee, 0, &[1], 1000),
            (DATA, 0, &[0; 3], 5000),
            (DATA, END_STREAM, &[], 5000),
            (HEADERS, 0, &[PING; 40], 5000),
        ] {
            assert_eq!(passing(&mut Frames::new(), &frame(kind, flags, payload)), most, "{kind}");
        }
    }

    #[tokio::test]
    async fn who_sends_requests_may_ping() {
        let mut frames = Frames::new();
        let both = [frame(HEADERS, 0, &[7; 100]), frame(PING, 0, &[0; 8]), frame(8, 0, &[0; 4])].concat();
        assert_eq!(passing(&mut frames, &both), 5000);
    }

    #[tokio::test]
    async fn it_does_not_matter_how_the_bytes_are_cut() {
        let all =
            [frame(DATA, 0, &[SETTINGS; 300]), frame(SETTINGS, 0, &[]), frame(PING, ACK, &[3; 8])].concat();
        for size in 1..all.len() {
            let mut frames = Frames::new();
            for _ in 0..3 {
                all.chunks(size).for_each(|piece| frames.pass(piece).unwrap());
            }
            assert_eq!((frames.settings.left, frames.others.left, frames.read), (97, 997, 0), "{size}");
        }
    }
}
