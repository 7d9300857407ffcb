//! A middleman between a client and halod, who does badly as he is told.

use super::http::Http;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What he does with one request.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Pass,
    /// Answers 503 by himself.
    Refuse,
    /// Closes the connection without an answer, before or after halod had the request.
    DropBefore,
    DropAfter,
    /// Passes the answer on so much later.
    Slow(Duration),
}

/// Serves until the test ends.
pub struct Flaky {
    pub address: SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl Flaky {
    /// The deeds are done in turn; what comes after them is passed.
    pub fn start(to: SocketAddr, deeds: &[Deed]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(Mutex::new(deeds.iter().copied().collect::<VecDeque<_>>()));
        let count = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (left, count) = (Arc::clone(&left), Arc::clone(&count));
                std::thread::spawn(move || serve(client, to, &left, &count));
            }
        });
        Self { address, seen }
    }

    /// Requests that came.
    pub fn seen(&self) -> usize {
        self.seen.load(Relaxed)
    }
}

fn serve(client: TcpStream, to: SocketAddr, left: &Mutex<VecDeque<Deed>>, seen: &AtomicUsize) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    client.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        client.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "content-length" => length = value.parse().ok()?,
            "host" | "connection" => {}
            _ => headers.push((name, value)),
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    let deed = left.lock().unwrap().pop_front().unwrap_or(Deed::Pass);
    seen.fetch_add(1, Relaxed);
    if let Deed::DropBefore = deed {
        return None;
    }
    let (status, text) = if let Deed::Refuse = deed {
        (503, "{}".to_owned())
    } else {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = Http::connect(to).ok()?.post(&path, &headers, &body).ok()?;
        (answer.status, answer.text())
    };
    match deed {
        Deed::DropAfter => return None,
        Deed::Slow(delay) => std::thread::sleep(delay),
        _ => {}
    }
    let head = "content-type: application/json\r\nconnection: close\r\n";
    let length = text.len();
    write!(client.get_mut(), "HTTP/1.1 {status} X\r\n{head}content-length: {length}\r\n\r\n{text}").ok()
}
