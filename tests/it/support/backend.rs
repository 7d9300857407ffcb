//! A backend that a tee passes requests on to: keeps what it gets, and answers as it is told.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Got {
    pub at: Instant,
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What it was answered.
    pub status: u16,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Status(u16),
    /// With one header more.
    With(u16, &'static str),
    /// Never.
    Nothing,
    /// The connection is reset.
    Reset,
}

pub struct Backend {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    down: AtomicBool,
    script: Mutex<VecDeque<Says>>,
    otherwise: Mutex<Option<Says>>,
    got: Mutex<Vec<Got>>,
    open: Mutex<Vec<TcpStream>>,
    tls: Option<Arc<ServerConfig>>,
}

impl Backend {
    /// One that answers 200. Each test has a loopback address of its own, so that nobody takes its port
    /// while it is down.
    pub fn start(host: u8) -> Self {
        let port = TcpListener::bind(("127.0.77.1", 0)).unwrap().local_addr().unwrap().port();
        Self::at(SocketAddr::from(([127, 0, 77, host], port)))
    }

    /// One behind the address of one that was dropped.
    pub fn at(address: SocketAddr) -> Self {
        Self::serve(address, Arc::default())
    }

    /// The same with the certificate for `localhost` in `tls/`.
    pub fn with_tls(tls: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(tls.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let shared = Shared { tls: Some(Arc::new(config)), ..Shared::default() };
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(shared))
    }

    fn serve(address: SocketAddr, shared: Arc<Shared>) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let of = Arc::clone(&shared);
        std::thread::spawn(move || {
            while !of.down.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                of.open.lock().unwrap().push(stream.try_clone().unwrap());
                let of = Arc::clone(&of);
                std::thread::spawn(move || of.connection(stream));
            }
        });
        Self { address, shared }
    }

    /// What the next requests are answered, one after the other.
    pub fn script(&self, says: &[Says]) {
        self.shared.script.lock().unwrap().extend(says);
    }

    /// What requests are answered that the script does not reach.
    pub fn otherwise(&self, says: Says) {
        *self.shared.otherwise.lock().unwrap() = Some(says);
    }

    /// Every request that arrived whole, taken or not.
    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Those that were answered with success.
    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.status == 200).collect()
    }
}

/// Down: nothing listens, and open connections are cut.
impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.down.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Until the listener is gone.
        let gone = || TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err();
        super::wait_until("the backend stops listening", Duration::from_secs(10), gone);
    }
}

impl Shared {
    fn connection(&self, stream: TcpStream) {
        let peer = stream.peer_addr();
        let ended = match &self.tls {
            None => self.exchanges(stream.try_clone().unwrap(), || wait_for_request(&stream)),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                self.exchanges(StreamOwned::new(session, stream), || true)
            }
        };
        // A peer that leaves, or that does not trust the certificate.
        drop(ended);
        self.open.lock().unwrap().retain(|open| open.peer_addr().ok() != peer.as_ref().ok().copied());
    }

    fn exchanges(&self, stream: impl Read + Write, comes: impl Fn() -> bool) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while comes() {
            let scripted = self.script.lock().unwrap().pop_front();
            let says = scripted.or(*self.otherwise.lock().unwrap()).unwrap_or(Says::Status(200));
            if says == Says::Reset {
                // Closed on data that nobody read: a reset.
                return Ok(());
            }
            let mut got = request(&mut stream)?;
            let (status, header) = match says {
                Says::Status(status) => (status, ""),
                Says::With(status, header) => (status, header),
                Says::Nothing | Says::Reset => (0, ""),
            };
            got.status = status;
            self.got.lock().unwrap().push(got);
            if says == Says::Nothing {
                // Until the other side gives up.
                stream.read_exact(&mut [0])?;
            }
            let more = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            let answer = format!("HTTP/1.1 {status} so\r\n{more}content-length: 2\r\n\r\n{{}}");
            stream.get_mut().write_all(answer.as_bytes())?;
            stream.get_mut().flush()?;
        }
        Ok(())
    }
}

/// False when the connection ends.
fn wait_for_request(stream: &TcpStream) -> bool {
    matches!(stream.peek(&mut [0]), Ok(1))
}

fn request(stream: &mut impl BufRead) -> io::Result<Got> {
    let line = line(stream)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = Vec::new();
    loop {
        let line = self::line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").expect("a length");
    let mut body = vec![0; length.1.parse().unwrap()];
    stream.read_exact(&mut body)?;
    Ok(Got { at: Instant::now(), method, target, headers, body, status: 0 })
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
