//! HTTP/2 written by hand, for peers that no library would be.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

pub const END_HEADERS: u8 = 4;

/// `POST /v1/traces` with literal fields (RFC 7541).
pub const POST: &[u8] = b"\x83\x86\x04\x0a/v1/traces\x01\x05halod";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A peer that has said hello.
pub struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(to)?)
    }

    pub fn over(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat())?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends nothing more.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads, and answers nothing, until the connection is closed; panics if it is not within `limit`.
    pub fn await_end(&mut self, limit: Duration) {
        let (began, mut piece) = (Instant::now(), [0; 4096]);
        self.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        loop {
            assert!(began.elapsed() < limit, "the connection is not closed within {limit:?}");
            match self.stream.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => self.read.extend_from_slice(&piece[..length]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(_) => return,
            }
        }
    }

    /// Whether a frame of this kind came.
    pub fn has(&self, kind: u8) -> bool {
        let mut rest = &self.read[..];
        while let [a, b, c, this, ..] = *rest {
            if this == kind {
                return true;
            }
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            rest = rest.get(9 + length..).unwrap_or_default();
        }
        false
    }
}
