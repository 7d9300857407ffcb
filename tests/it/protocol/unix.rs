//! The doors on Unix sockets: who may open them, what is said when they can't be opened, and what
//! is left of them.

use super::Expect;
use super::client::{H2, Outcome, PROTOBUF, grpc_request, whole};
use super::grpc::TRACES;
use crate::support::chains::{assert_exactly, assert_verified};
use crate::support::clients::{python, text_of};
use crate::support::grpc::frame;
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::root;
use crate::support::spans::{key, request, span};
use crate::support::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct Place {
    dir: tempfile::TempDir,
    records: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), records: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn arguments(&self) -> [String; 4] {
        let door = |name| format!("unix:{}", self.path(name).display());
        ["--grpc".into(), door("grpc.sock"), "--http".into(), door("http.sock")]
    }

    fn start(&self) -> Halod {
        Halod::start_with(self.records.path(), &self.arguments().each_ref().map(String::as_str))
    }

    /// A start that fails: what it says.
    fn refused(&self, grpc: &Path) -> String {
        let mut command = Command::new(BINARY);
        command.args(["run", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dir"]);
        command.arg(self.records.path()).arg("--grpc").arg(format!("unix:{}", grpc.display()));
        let out = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{}", text(&out));
        text(&out)
    }
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout)
}

fn grpc(socket: &Path, message: &[u8]) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::connect(socket).await.map_err(|e| e.to_string())?;
        let mut h2 = H2::over(stream).await?;
        let seen = h2.exchange(grpc_request(TRACES, &[], whole(frame(0, message)))).await?;
        Expect::Full.grpc(&seen, true)
    })
}

/// Posts with curl; the HTTP status.
fn curl(socket: &Path, options: &[&str], message: &[u8]) -> String {
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), message).unwrap();
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--output",
        "-",
        "--write-out",
        "%{http_code}",
    ]);
    curl.arg("--unix-socket").arg(socket).args(options).arg("--data-binary");
    curl.arg(format!("@{}", body.path().display())).args(["-H", &format!("content-type: {PROTOBUF}")]);
    let out = curl.arg("http://localhost/v1/traces").output().expect("the tests need curl");
    assert!(out.status.success(), "{}", text(&out));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn both_protocols_on_both_sockets() {
    let place = Place::new();
    let halod = place.start();
    let (grpc_socket, http_socket) = (place.path("grpc.sock"), place.path("http.sock"));
    for socket in [&grpc_socket, &http_socket] {
        let found = std::fs::symlink_metadata(socket).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, 0o660);
        assert_eq!(found.uid(), std::fs::metadata(place.dir.path()).unwrap().uid());
    }
    let one = |n| request(Some("local"), vec![span(0x80, n)]);
    grpc(&grpc_socket, &one(1)).unwrap();
    grpc(&http_socket, &one(2)).unwrap();
    assert_eq!(curl(&http_socket, &[], &one(3)), "200");
    assert_eq!(curl(&grpc_socket, &["--http2-prior-knowledge"], &one(4)), "200");
    let (_, status) = halod.ask("/status").unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["listening"]["otlp/grpc"], format!("unix:{}", grpc_socket.display()));
    assert_eq!(status["listening"]["otlp/http"], format!("unix:{}", http_socket.display()));
    assert!(halod.terminate().success());
    assert!(!grpc_socket.exists() && !http_socket.exists(), "they go with halod");
    assert_exactly(place.records.path(), (1..=4).map(|n| key(&span(0x80, n))));
    assert_verified(place.records.path());
}

/// Its library names the socket's path where HTTP/2 wants a host.
#[test]
fn the_python_sdk_reaches_it() {
    let place = Place::new();
    let halod = place.start();
    let socket = place.path("grpc.sock").display().to_string();
    let script = root().join("tests/clients/unix_sender.py");
    let out = python().script(&script, &[&socket]).output().expect("run python");
    text_of(out, "unix_sender.py");
    assert_eq!(halod.sealed(), 2);
}

#[test]
fn health_is_served_on_a_socket_too() {
    let place = Place::new();
    let admin = place.path("admin.sock");
    let mut command = Command::new(BINARY);
    command
        .args(["run", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"])
        .arg(place.records.path());
    command.arg("--admin").arg(format!("unix:{}", admin.display())).stderr(Stdio::null());
    let mut halod = command.spawn().unwrap();
    wait_until("it is ready", Duration::from_secs(60), || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "30", "--unix-socket"]).arg(&admin);
        curl.arg("http://localhost/readyz").output().expect("the tests need curl").status.success()
    });
    kill_process(Pid::from_child(&halod), Signal::TERM).unwrap();
    assert!(halod.wait().unwrap().success() && !admin.exists());
}

#[test]
fn the_sockets_of_a_killed_halod_are_taken_over() {
    let place = Place::new();
    place.start().kill9();
    let socket = place.path("grpc.sock");
    assert!(socket.exists(), "nobody removed it");
    let halod = place.start();
    grpc(&socket, &request(Some("local"), vec![span(0x81, 1)])).unwrap();
    assert!(halod.terminate().success());
}

#[test]
fn what_is_in_the_way_stays_and_is_named() {
    let place = Place::new();
    let halod = place.start();
    let live = place.path("grpc.sock");
    let other = Place::new();
    let said = other.refused(&live);
    assert!(said.contains("another program listens there; stop it, or choose another path"), "{said}");
    assert!(said.contains(&format!("otlp/grpc can't listen on unix:{}", live.display())), "{said}");
    grpc(&live, &request(Some("local"), vec![span(0x82, 1)])).unwrap();
    assert!(halod.terminate().success());
    let target = place.path("precious");
    std::fs::write(&target, "precious").unwrap();
    let stale = place.path("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for target in [&target, &stale] {
        let link = place.path("link.sock");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let said = other.refused(&link);
        assert!(said.contains("halod removes nothing but sockets"), "{said}");
        assert!(target.exists() && std::fs::symlink_metadata(&link).unwrap().is_symlink());
        std::fs::remove_file(&link).unwrap();
    }
    assert!(other.refused(&target).contains("halod removes nothing but sockets"));
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    assert!(other.refused(&place.path("no/such/dir.sock")).contains("make it first"));
}

#[test]
fn a_path_that_the_system_would_cut_is_refused_with_its_length() {
    let place = Place::new();
    let said = place.refused(Path::new(&format!("/tmp/{}", "x".repeat(200))));
    assert!(said.contains("can have 107 bytes, this one has 205"), "{said}");
}

#[test]
fn validating_makes_and_removes_nothing() {
    let place = Place::new();
    let socket = place.path("grpc.sock");
    let records = place.records.path().display().to_string();
    let arguments = place.arguments();
    let mut all = vec!["validate", "--admin", "127.0.0.1:0", "--dir", &records];
    all.extend(arguments.iter().map(String::as_str));
    let out = halod(&all, &[]);
    assert!(out.status.success() && !socket.exists(), "{}", text(&out));
    drop(UnixListener::bind(&socket).unwrap());
    let out = halod(&all, &[]);
    assert!(out.status.success() && socket.exists(), "{}", text(&out));
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "").unwrap();
    let out = halod(&all, &[]);
    assert!(
        !out.status.success() && text(&out).contains("halod removes nothing but sockets"),
        "{}",
        text(&out)
    );
}
