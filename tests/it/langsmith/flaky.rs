//! A network between an SDK and halod that does to its posts what networks do.

use crate::support::http::Http;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whim {
    /// Answered with 503; halod never sees it.
    Busy,
    /// The connection ends before halod sees it.
    LoseRequest,
    /// halod takes it, and its answer is lost.
    LoseAnswer,
    /// halod takes it, and its answer comes late.
    Slow,
}

/// Passes requests on; posts by its whims, then all of them.
pub struct Flaky {
    pub address: SocketAddr,
    whims: Arc<Mutex<VecDeque<Whim>>>,
}

impl Flaky {
    pub fn start(halod: SocketAddr, whims: &[Whim]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let whims = Arc::new(Mutex::new(whims.iter().copied().collect::<VecDeque<_>>()));
        let left = Arc::clone(&whims);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let whims = Arc::clone(&whims);
                std::thread::spawn(move || serve(stream, halod, &whims));
            }
        });
        Self { address, whims: left }
    }

    pub fn whims_left(&self) -> usize {
        self.whims.lock().unwrap().len()
    }
}

/// Serves one connection until either side ends it.
fn serve(stream: TcpStream, halod: SocketAddr, whims: &Mutex<VecDeque<Whim>>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = request(&mut reader)?;
        let whim = if request.starts_with(b"POST ") { whims.lock().unwrap().pop_front() } else { None };
        match whim {
            Some(Whim::Busy) => {
                let answer =
                    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}";
                out.write_all(answer.as_bytes()).ok()?;
                continue;
            }
            Some(Whim::LoseRequest) => return None,
            Some(Whim::LoseAnswer | Whim::Slow) | None => {}
        }
        let mut upstream = Http::connect(halod).ok()?;
        upstream.write(&request).ok()?;
        let answer = upstream.answer().ok()?;
        match whim {
            Some(Whim::LoseAnswer) => return None,
            Some(Whim::Slow) => std::thread::sleep(Duration::from_secs(2)),
            _ => {}
        }
        let kind = answer.header("content-type").unwrap_or("text/plain").to_owned();
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            answer.body.len()
        );
        out.write_all(head.as_bytes()).ok()?;
        out.write_all(&answer.body).ok()?;
    }
}

/// One request as it came, with its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        request.extend_from_slice(&line);
        let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
        let line = line.trim();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        if line.is_empty() {
            break;
        }
    }
    if !chunked {
        let start = request.len();
        request.resize(start + length, 0);
        reader.read_exact(&mut request[start..]).ok()?;
        return Some(request);
    }
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
        request.extend_from_slice(&line);
        let start = request.len();
        request.resize(start + size + 2, 0);
        reader.read_exact(&mut request[start..]).ok()?;
        if size == 0 {
            return Some(request);
        }
    }
}
