//! Certificates that change while halod runs.

use super::start;
use crate::support::certificates::{Authority, EVERY, Pair, Secured, client};
use crate::support::halod::Halod;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn body(n: u64) -> Vec<u8> {
    request(Some("acme"), vec![span(0x72, n)])
}

fn shown(halod: &Halod, trusts: &Path) -> CertificateDer<'static> {
    Secured::connect(halod.http, &client(trusts, None, EVERY, &["http/1.1"])).unwrap().shown()
}

fn of(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&pair.certificate).unwrap()
}

fn reloads(halod: &Halod, outcome: &str) -> u64 {
    let labels = ["door=\"otlp/http\"", &format!("outcome=\"{outcome}\"")];
    halod.metric_of("halod_tls_reloads_total", &labels)
}

/// As Kubernetes mounts a secret: the files are links into a directory whose name is a link that is swapped.
fn mount(dir: &Path, name: &str, pair: &Pair) {
    let version = dir.join(name);
    fs::create_dir(&version).unwrap();
    fs::copy(&pair.certificate, version.join("tls.crt")).unwrap();
    fs::copy(&pair.key, version.join("tls.key")).unwrap();
    symlink(&version, dir.join("..data.new")).unwrap();
    fs::rename(dir.join("..data.new"), dir.join("..data")).unwrap();
}

#[test]
fn files_that_change_are_read_again_and_open_connections_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let [first, second, third] = ["first", "second", "third"].map(|name| authority.server(name, 30));
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    mount(&volume, "1", &first);
    let mounted = Pair { certificate: volume.join("tls.crt"), key: volume.join("tls.key") };
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
    }
    let (halod, _records) = start(dir.path(), &mounted.section(", reload_interval: 1s"));
    let trusts = &authority.own.certificate;
    let config = client(trusts, None, EVERY, &["http/1.1"]);
    let mut open = Secured::connect(halod.http, &config).unwrap();
    assert_eq!((open.shown(), open.export(&body(0)).unwrap()), (of(&first), 200));
    mount(&volume, "2", &second);
    wait_until("the new certificate is shown", LIMIT, || shown(&halod, trusts) == of(&second));
    assert_eq!(open.export(&body(1)).unwrap(), 200, "the connection with the old one goes on");
    assert_eq!((reloads(&halod, "ok"), reloads(&halod, "failed")), (1, 0));
    halod.await_log("certificate was read again");

    // A key that is another's: the door keeps what it has, and says so once.
    mount(&volume, "3", &Pair { key: first.key, ..third.clone() });
    halod.await_log("the key is not that of the first certificate");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(shown(&halod, trusts), of(&second));
    let log = halod.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("keeps the certificate")).collect();
    let doors = |door: &str| told.iter().filter(|line| line.contains(door)).count();
    assert_eq!((doors("otlp/http"), doors("otlp/grpc")), (1, 1), "{told:#?}");
    assert!(told.iter().all(|line| line.contains("ERROR") && line.contains("tls.key")), "{told:#?}");
    assert_eq!(reloads(&halod, "failed"), 1);
    mount(&volume, "4", &third);
    wait_until("the right pair is shown", LIMIT, || shown(&halod, trusts) == of(&third));
    assert!(halod.terminate().success());
}

#[test]
fn sighup_reads_them_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let [first, second] = ["first", "second"].map(|name| authority.server(name, 30));
    let used = Pair { certificate: dir.path().join("used.pem"), key: dir.path().join("used.key") };
    let put = |pair: &Pair| {
        fs::copy(&pair.certificate, &used.certificate).unwrap();
        fs::copy(&pair.key, &used.key).unwrap();
    };
    put(&first);
    let (halod, _records) = start(dir.path(), &used.section(", reload_interval: 24h"));
    let trusts = &authority.own.certificate;
    put(&second);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(shown(&halod, trusts), of(&first), "a day is not over");
    halod.signal(Signal::HUP);
    wait_until("the new certificate is shown", LIMIT, || shown(&halod, trusts) == of(&second));
    fs::remove_file(&used.key).unwrap();
    halod.signal(Signal::HUP);
    halod.await_log("used.key: can't be read");
    assert_eq!(shown(&halod, trusts), of(&second));
    assert!(halod.terminate().success());
}

/// Who was let in by an authority that is not trusted any more gets no new connection.
#[test]
fn authorities_of_clients_change_too() {
    let dir = tempfile::tempdir().unwrap();
    let [authority, old, new] = ["authority", "old", "new"].map(|name| Authority::new(dir.path(), name));
    let used = dir.path().join("clients.pem");
    fs::copy(&old.own.certificate, &used).unwrap();
    let more = format!(", client_ca_file: {}, reload_interval: 1s", used.display());
    let (halod, _records) = start(dir.path(), &authority.server("server", 30).section(&more));
    let [left, came] = [old.client("left"), new.client("came")];
    let [left, came] =
        [left, came].map(|pair| client(&authority.own.certificate, Some(&pair), EVERY, &["http/1.1"]));
    let export = |config, n| Secured::connect(halod.http, config).and_then(|mut http| http.export(&body(n)));
    assert_eq!(export(&left, 1).unwrap(), 200);
    assert!(export(&came, 2).is_err());
    fs::copy(&new.own.certificate, &used).unwrap();
    wait_until("the new authority is trusted", LIMIT, || export(&came, 3).is_ok());
    // By a session that it had, either.
    assert!(export(&left, 4).is_err());
    assert!(halod.terminate().success());
}
