//! The admin port with TLS, and `halod healthcheck` of it.

use crate::support::certificates::{Authority, EVERY, Secured, client};
use crate::support::halod::BINARY;
use crate::support::wait_until;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn healthcheck(config: &Path, admin: SocketAddr) -> (Option<i32>, String) {
    let mut command = Command::new(BINARY);
    command.arg("healthcheck").arg("--config").arg(config).args(["--admin", &admin.to_string()]);
    let out = command.output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).trim().to_owned())
}

#[test]
fn probes_need_no_certificate_and_everything_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (own, other) = (authority.server("server", 30), authority.server("other", 30));
    let asks = format!(", client_ca_file: {}", authority.own.certificate.display());
    let config = dir.path().join("halod.yaml");
    let write = |tls: &str| {
        let text = format!("admin: {{ tls: {tls} }}\nstorage: {{ min_free_disk_mib: 0 }}\n");
        std::fs::write(&config, text).unwrap();
    };
    write(&own.section(&asks));
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(BINARY);
    command.arg("run").arg("--dir").arg(dir.path().join("records")).arg("--config").arg(&config);
    command.args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", &admin.to_string()]);
    let mut halod = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ready = (Some(0), "ready".to_owned());
    wait_until("it is ready", Duration::from_secs(30), || healthcheck(&config, admin) == ready);

    let ask = |shows, path| {
        let config = client(&authority.own.certificate, shows, EVERY, &["http/1.1"]);
        Secured::connect(admin, &config).unwrap().ask("GET", path, b"").unwrap()
    };
    let known = authority.client("operator");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(None, path).0, 200, "{path}");
    }
    for path in ["/metrics", "/status", "/", "/nothing"] {
        let (status, said) = ask(None, path);
        assert!(status == 403 && said.contains("certificate"), "{path}: {said}");
    }
    assert_eq!(ask(Some(&known), "/status").0, 200);
    let (_, metrics) = ask(Some(&known), "/metrics");
    assert!(metrics.contains("halod_tls_certificate_expiry_time_seconds{door=\"admin\"} "), "{metrics}");

    // The file is ahead of the daemon: that is told, and no reason to restart anything.
    write(&other.section(""));
    let (code, said) = healthcheck(&config, admin);
    assert!(code == Some(0) && said.contains("is not that of") && said.starts_with("ready"), "{said}");
    // What is no TLS is none.
    write("~");
    assert_eq!(healthcheck(&config, admin).0, Some(1));
    halod.kill().unwrap();
    halod.wait().unwrap();
}
