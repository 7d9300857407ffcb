//! `halod healthcheck`, and probes of an admin port that somebody keeps busy.

use crate::support::halod::{BINARY, Halod};
use crate::support::http::Http;
use crate::support::wait_until;
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn healthcheck(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("healthcheck").args(arguments).output().unwrap()
}

fn told(out: &Output) -> (Option<i32>, String) {
    (out.status.code(), String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).trim().to_owned())
}

#[test]
fn it_says_what_the_admin_port_does() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let admin = halod.admin.to_string();
    assert_eq!(told(&healthcheck(&["--admin", &admin])), (Some(0), "ready".to_owned()));
    assert_eq!(told(&healthcheck(&["--admin", &admin, "--live"])), (Some(0), "alive".to_owned()));
    assert!(halod.terminate().success());
    let (code, text) = told(&healthcheck(&["--admin", &admin]));
    assert!(code == Some(1) && text.contains("refused"), "{text}");
    let (code, text) = told(&healthcheck(&["--config", "/nowhere.yaml"]));
    assert!(code == Some(2) && text.contains("/nowhere.yaml"), "{text}");
}

#[test]
fn it_asks_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", dir.path().join("admin.sock").display());
    let records = dir.path().join("records");
    let mut halod = Command::new(BINARY);
    halod.arg("run").arg("--dir").arg(&records).args([
        "--grpc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--admin",
        &socket,
    ]);
    let mut halod = halod.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("it is ready", Duration::from_secs(30), || {
        told(&healthcheck(&["--admin", &socket])) == (Some(0), "ready".to_owned())
    });
    halod.kill().unwrap();
    halod.wait().unwrap();
    assert_eq!(told(&healthcheck(&["--admin", &socket])).0, Some(1), "its socket is still there");
}

/// Connections that ask nothing keep no probe from its answer.
#[test]
fn idle_connections_to_the_admin_port_are_closed_for_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(halod.admin).unwrap()).collect();
    // The first one finds them all there, and gives up after some seconds.
    for _ in 0..20 {
        assert_eq!(healthcheck(&["--admin", &halod.admin.to_string()]).status.code(), Some(0));
        assert_eq!(Http::connect(halod.admin).unwrap().get("/readyz").unwrap().status, 200);
    }
    drop(idle);
    assert!(halod.terminate().success());
}
