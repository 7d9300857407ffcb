//! A road between a client and halod that does to its posts what networks do, one request per connection.

use super::http::Http;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 503, and halod hears nothing.
    Busy,
    /// halod takes it, and the answer is lost with the connection.
    Lost,
    /// The connection ends before anything is passed on.
    Dropped,
    /// halod takes it, and the answer comes so late.
    Slow(Duration),
}

/// The road; it ends with the process.
pub struct Flaky {
    pub address: SocketAddr,
    fates: Arc<Mutex<VecDeque<Fate>>>,
    seen: Arc<AtomicUsize>,
}

impl Flaky {
    /// In front of `to`: the first posts meet these fates, later ones pass.
    pub fn before(to: SocketAddr, fates: &[Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fates = Arc::new(Mutex::new(fates.iter().copied().collect::<VecDeque<_>>()));
        let seen = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&fates), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (fates, count) = (Arc::clone(&shared), Arc::clone(&count));
                // A client that leaves is its own affair.
                std::thread::spawn(move || relay(stream, to, &fates, &count));
            }
        });
        Self { address, fates, seen }
    }

    /// The fates that nobody met.
    pub fn left(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    /// Requests that came.
    pub fn seen(&self) -> usize {
        self.seen.load(Relaxed)
    }
}

fn relay(stream: TcpStream, to: SocketAddr, fates: &Mutex<VecDeque<Fate>>, seen: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let request = request(&mut reader)?;
    seen.fetch_add(1, Relaxed);
    let mut stream = reader.into_inner();
    let fate = if request.starts_with(b"POST ") { fates.lock().unwrap().pop_front() } else { None };
    match fate {
        Some(Fate::Busy) => {
            let answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            return stream.write_all(answer).ok();
        }
        Some(Fate::Dropped) => return None,
        _ => {}
    }
    let mut halod = Http::connect(to).ok()?;
    halod.write(&request).ok()?;
    let answer = halod.answer().ok()?;
    match fate {
        Some(Fate::Lost) => return None,
        Some(Fate::Slow(delay)) => std::thread::sleep(delay),
        _ => {}
    }
    let kind = answer.header("content-type").unwrap_or("application/json");
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&answer.body).ok()
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
