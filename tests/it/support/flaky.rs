//! A relay in front of halod that fails on purpose, one request per connection.

use super::http::Http;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of one POST. GETs always pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 503, and halod hears nothing.
    Busy,
    /// Halod takes it, and the answer is lost with the connection.
    Lost,
    /// The connection ends before anything is passed on.
    Dropped,
    /// Halod takes it, and the answer comes so late.
    Slow(Duration),
}

/// The relay; it ends with the process.
pub struct Flaky {
    pub address: SocketAddr,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Flaky {
    /// In front of `to`: the first POSTs meet these fates, later ones pass.
    pub fn before(to: SocketAddr, fates: &[Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fates = Arc::new(Mutex::new(fates.iter().copied().collect::<VecDeque<_>>()));
        let shared = Arc::clone(&fates);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let fates = Arc::clone(&shared);
                // A client that leaves is its own affair.
                std::thread::spawn(move || relay(stream, to, &fates).ok());
            }
        });
        Self { address, fates }
    }

    /// The fates that nobody met.
    pub fn left(&self) -> usize {
        self.fates.lock().unwrap().len()
    }
}

fn relay(stream: TcpStream, to: SocketAddr, fates: &Mutex<VecDeque<Fate>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut parts = first.split(' ');
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().to_owned());
    let (mut headers, mut length, mut chunked) = (Vec::new(), 0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" | "content-encoding" | "authorization" => headers.push((name, value)),
            "transfer-encoding" => chunked = true,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    let mut stream = reader.into_inner();
    let fate = if method == "POST" { fates.lock().unwrap().pop_front() } else { None };
    match fate {
        Some(Fate::Dropped) => return Ok(()),
        Some(Fate::Busy) => {
            return stream
                .write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
        _ => {}
    }
    let mut halod = Http::connect(to)?;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = if method == "GET" { halod.get(&path)? } else { halod.post(&path, &headers, &body)? };
    match fate {
        Some(Fate::Lost) => return Ok(()),
        Some(Fate::Slow(delay)) => std::thread::sleep(delay),
        _ => {}
    }
    let kind = answer.header("content-type").unwrap_or("application/json");
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body)
}
