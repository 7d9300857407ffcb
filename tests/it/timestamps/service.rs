//! A time-stamping service: openssl's, behind a small HTTP server that may be told to do other things.

use crate::support::clients::openssl;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use tempfile::TempDir;

const CONFIGURATION: &str = "[req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:TRUE\n\
    [stamps]\nextendedKeyUsage=critical,timeStamping\n[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=own\n\
    signer_key=own.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\nclock_precision_digits=3\n";

/// What the service does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// What openssl does.
    Honest,
    /// It takes the request, and says nothing.
    Hangs,
    Garbage,
    /// An answer without an end.
    Endless,
    /// The same to each: its first answer.
    Repeats,
    /// A status of RFC 3161 without a token.
    Rejects,
    /// A status of HTTP.
    Fails,
    /// The digest, a number and a time, without a signature: 71 bytes.
    Forges,
}

/// A time-stamping service on a free port.
pub struct Service {
    dir: TempDir,
    pub url: String,
    pub requests: Receiver<Vec<u8>>,
}

pub fn run(dir: &Path, arguments: &str) {
    let out = openssl().args(arguments.split(' ')).current_dir(dir).output().expect("run openssl");
    assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
}

/// 71 bytes without a signature: the digest, a number, and any time.
pub fn forgery(digest: &[u8]) -> Vec<u8> {
    let sha256 = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00];
    let imprint = [&[0x30, 0x31][..], &sha256, &[0x04, 0x20], digest].concat();
    let forgery = [&imprint[..], &[0x02, 0x01, 0x01, 0x18, 0x0f], b"20200101000000Z"].concat();
    assert_eq!(forgery.len(), 71);
    forgery
}

impl Service {
    pub fn start(manner: Manner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        std::fs::write(place.join("cnf"), CONFIGURATION).unwrap();
        std::fs::write(place.join("serial"), "01").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config cnf";
        run(place, &format!("req -x509 {key} -extensions root -subj /CN=Root -keyout root.key -out root"));
        run(place, "x509 -in root -outform DER -out root.der");
        run(place, &format!("req -new {key} -subj /CN=Service -keyout own.key -out asked"));
        run(
            place,
            "x509 -req -in asked -CA root -CAkey root.key -set_serial 7 -extfile cnf -extensions stamps -out own",
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsr", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        let place = place.to_owned();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                answer(&mut stream, &request, &place, manner);
                if manner == Manner::Hangs {
                    open.push(stream);
                }
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { dir, url, requests }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the request ends too early");
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("post /tsr "), "{head}");
        assert!(head.contains("content-type: application/timestamp-query"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if bytes.len() - end - 4 == length.parse::<usize>().unwrap() {
            return bytes[end + 4..].to_vec();
        }
    }
}

fn answer(stream: &mut TcpStream, request: &[u8], place: &Path, manner: Manner) {
    let response = place.join("response");
    let made = || {
        std::fs::write(place.join("request"), request).unwrap();
        run(place, "ts -reply -config cnf -queryfile request -out response");
        std::fs::read(&response).unwrap()
    };
    let (status, body) = match manner {
        Manner::Honest => ("200 OK", made()),
        Manner::Hangs => return,
        Manner::Garbage | Manner::Endless => ("200 OK", b"<html>".repeat(100)),
        Manner::Repeats if response.exists() => ("200 OK", std::fs::read(&response).unwrap()),
        Manner::Repeats => ("200 OK", made()),
        // PKIStatusInfo: rejection, and badRequest.
        Manner::Rejects => ("200 OK", vec![0x30, 9, 0x30, 7, 2, 1, 2, 3, 2, 5, 0x20]),
        Manner::Fails => ("503 Service Unavailable\r\nretry-after: 0", Vec::new()),
        Manner::Forges => {
            let at = request.windows(2).position(|two| two == [0x04, 0x20]).unwrap() + 2;
            ("200 OK", forgery(&request[at..at + 32]))
        }
    };
    let head = format!("HTTP/1.0 {status}\r\ncontent-type: application/timestamp-reply\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    if manner == Manner::Endless {
        let piece = [b'x'; 65536];
        let written = (0..16_384).take_while(|_| stream.write_all(&piece).is_ok()).count();
        assert!(written < 16_384, "a gigabyte was taken");
    }
}
