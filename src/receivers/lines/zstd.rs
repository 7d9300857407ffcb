//! The frames of a zstd file, one after the other.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{BufRead, Error, ErrorKind, Read, Result, copy, sink};

/// The window that every decoder should support (RFC 8878, section 3.1.1.1.2), and which levels up to 19 stay within. Up to
/// three times as much may be in memory.
const WINDOW: u64 = 8 << 20;

pub(super) struct Frames<R> {
    from: R,
    decoder: FrameDecoder,
    /// Bytes that came of the frame which is open.
    within: Option<u64>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { from, decoder, within: None }
    }

    /// Opens the next frame that holds something; whether there is one.
    fn open(&mut self) -> Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.from) {
                Ok(()) => {
                    self.within = Some(0);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if copy(&mut self.from.by_ref().take(length), &mut sink())? < length {
                        return Err(damaged("ends within a frame that is skipped"));
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(damaged("wants a window of more than 8 MiB"));
                }
                Err(_) => return Err(damaged("has no valid frame")),
            }
        }
        Ok(false)
    }

    /// A frame came to its end.
    fn close(&mut self, came: u64) -> Result<()> {
        let sent = self.decoder.get_checksum_from_data();
        let declared = self.decoder.content_size();
        if declared != 0 && declared != came
            || sent.is_some() && sent != self.decoder.get_calculated_checksum()
        {
            return Err(damaged("does not fit its checksum"));
        }
        self.within = None;
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let Some(came) = self.within else {
                if self.open()? {
                    continue;
                }
                return Ok(0);
            };
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.within = Some(came + read as u64);
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.close(came)?;
                continue;
            }
            let decoded = self.decoder.decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBlocks(1));
            decoded.map_err(|_| damaged("is damaged, or ends early"))?;
        }
    }
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the zstd file {how}"))
}
