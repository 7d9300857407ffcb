//! Time-stamp tokens beside the reference: each reads what the other writes, and one of the two believes a forgery.

use crate::support::clients::{openssl, python};
use data_encoding::BASE64;
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::{Policies, TokenError, Trust, request};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use tempfile::TempDir;

const CONFIGURATION: &str = "[req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:TRUE\n\
    [stamps]\nextendedKeyUsage=critical,timeStamping\n[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=own\n\
    signer_key=own.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\nclock_precision_digits=3\n";

/// A time-stamping service on a free port.
struct Service {
    dir: TempDir,
    url: String,
    requests: Receiver<Vec<u8>>,
}

fn run(dir: &Path, arguments: &str) {
    let out = openssl().args(arguments.split(' ')).current_dir(dir).output().expect("run openssl");
    assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
}

impl Service {
    fn start() -> Self {
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
            for stream in listener.incoming() {
                if sender.send(answer(stream.unwrap(), &place)).is_err() {
                    return;
                }
            }
        });
        Self { dir, url, requests }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Two records, and what the reference witnesses of them, time-stamped.
    fn witnessed(&self) -> Value {
        let sample = python().command("halo").arg("sample").output().expect("run halo");
        std::fs::write(self.path("chain.jsonl"), sample.stdout).unwrap();
        let mut halo = python().command("halo");
        halo.arg("anchor").arg(self.path("chain.jsonl")).arg(self.path("witness.jsonl"));
        let out = halo.args(["--timestamp", "--tsa", &self.url]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_str(&std::fs::read_to_string(self.path("witness.jsonl")).unwrap()).unwrap()
    }

    /// The time that the reference believes the line's token tells.
    fn reference_says(&self, mut line: Value, tsa: &Tsa) -> String {
        line["tsa"] = serde_json::to_value(tsa).unwrap();
        std::fs::write(self.path("changed.jsonl"), format!("{line}\n")).unwrap();
        let mut halo = python().command("halo");
        halo.arg("anchor").arg(self.path("chain.jsonl")).arg(self.path("changed.jsonl")).arg("--check");
        let out = String::from_utf8(halo.output().unwrap().stdout).unwrap();
        let verdict =
            out.lines().next().and_then(|line| line.split_once('{')).unwrap_or_else(|| panic!("{out}"));
        assert!(verdict.0.starts_with("COMPLETE"), "{out}");
        let verdict: Value = serde_json::from_str(&format!("{{{}", verdict.1)).unwrap();
        verdict["tsa_time"].as_str().unwrap().to_owned()
    }
}

/// Answers one request, and returns it.
fn answer(mut stream: TcpStream, place: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let body = loop {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the request ends too early");
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        assert!(head.contains("content-type: application/timestamp-query"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if bytes.len() - end - 4 == length.parse::<usize>().unwrap() {
            break bytes[end + 4..].to_vec();
        }
    };
    std::fs::write(place.join("request"), &body).unwrap();
    run(place, "ts -reply -config cnf -queryfile request -out response");
    let response = std::fs::read(place.join("response")).unwrap();
    let head = "HTTP/1.0 200 OK\r\ncontent-type: application/timestamp-reply\r\n\r\n";
    stream.write_all(&[head.as_bytes(), &response].concat()).unwrap();
    body
}

fn state(line: &Value) -> State<'_> {
    let text = |key: &str| line[key].as_str().unwrap();
    let count = line["count"].as_u64().unwrap();
    State { chain_root: text("chain_root"), subject: line["subject"].as_str(), count, head: text("head") }
}

#[test]
fn the_reference_and_halod_read_each_others_tokens() {
    let service = Service::start();
    let line = service.witnessed();
    let state = state(&line);
    let tsa: Tsa = serde_json::from_value(line["tsa"].clone()).unwrap();
    let root = std::fs::read(service.path("root.der")).unwrap();
    let trust = Trust { roots: &[&root], further: &[] };
    tsa.verify(&state, Policies::Any, &trust).unwrap();
    // The reference asks for what halod would ask for, without a nonce.
    let digest = state.digest().unwrap();
    assert_eq!(service.requests.recv().unwrap(), request(&digest, None, true));

    std::fs::write(service.path("ours"), request(&digest, Some(1), true)).unwrap();
    run(service.dir.path(), "ts -reply -config cnf -queryfile ours -out ours.tsr");
    let ours = std::fs::read(service.path("ours.tsr")).unwrap();
    let ours = Tsa::new(&state, "https://tsa.example/", &ours).unwrap();
    let verified = ours.verify(&state, Policies::Any, &trust).unwrap();
    assert_eq!(verified.serial, "3");
    assert_eq!(Some(service.reference_says(line.clone(), &ours)), ours.gen_time);
}

/// 71 bytes without a signature: the digest, a number, and any time.
#[test]
fn the_reference_believes_a_forgery_and_halod_does_not() {
    let service = Service::start();
    let line = service.witnessed();
    let (state, mut tsa): (_, Tsa) = (state(&line), serde_json::from_value(line["tsa"].clone()).unwrap());
    let sha256 = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00];
    let imprint = [&[0x30, 0x31][..], &sha256, &[0x04, 0x20], &state.digest().unwrap()].concat();
    let forgery = [&imprint[..], &[0x02, 0x01, 0x01, 0x18, 0x0f], b"20200101000000Z"].concat();
    assert_eq!(forgery.len(), 71);
    tsa.token_b64 = BASE64.encode(&forgery);
    tsa.gen_time = Some("2020-01-01T00:00:00Z".to_owned());
    assert_eq!(Some(service.reference_says(line.clone(), &tsa)), tsa.gen_time);
    let root = std::fs::read(service.path("root.der")).unwrap();
    let refused = tsa.verify(&state, Policies::Any, &Trust { roots: &[&root], further: &[] });
    assert!(matches!(refused, Err(TsaError::Token(TokenError::Malformed(_)))), "{refused:?}");
}
