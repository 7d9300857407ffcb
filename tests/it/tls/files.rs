//! Certificates and keys as they come: every form of key that tools write, and what is no use.

use super::{configured, start};
use crate::support::certificates::{Authority, EVERY, Pair, Secured, client, openssl, signed_by_itself};
use crate::support::halod::{BINARY, run_arguments};
use crate::support::spans::{request, span};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What `halod validate` says, and how it ends.
fn validate(config: &Path) -> (Option<i32>, String) {
    let ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = Command::new(BINARY);
    command.arg("validate").arg("--config").arg(config).arg("--dir").arg(config.with_file_name("records"));
    let out = command.args(ports).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned())
}

#[test]
fn keys_of_every_form_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let made = |name, key: &[&str]| signed_by_itself(dir.path(), name, "/CN=localhost", key, "door");
    let mut pairs = vec![
        made("rsa", &["-newkey", "rsa:2048"]),
        made("ec", &ec),
        made("ed25519", &["-newkey", "ed25519"]),
    ];
    for (form, command) in [("rsa", "rsa"), ("ec", "ec")] {
        let own = pairs.iter().find(|pair| pair.key.ends_with(format!("{form}.key"))).unwrap().clone();
        let old = dir.path().join(format!("{form}-old.key"));
        let arguments = [command, "-in", own.key.to_str().unwrap(), "-out", old.to_str().unwrap()];
        openssl(&if form == "rsa" {
            [&arguments[..], &["-traditional"]].concat()
        } else {
            arguments.to_vec()
        });
        pairs.push(Pair { key: old, ..own });
    }
    let begins = |pair: &Pair| fs::read_to_string(&pair.key).unwrap().lines().next().unwrap().to_owned();
    let forms: std::collections::BTreeSet<String> = pairs.iter().map(begins).collect();
    assert_eq!(forms.len(), 3, "PKCS#8, PKCS#1 and SEC1: {forms:?}");
    for (n, pair) in pairs.iter().enumerate() {
        let (code, said) = validate(&configured(dir.path(), &pair.section("")));
        assert_eq!(code, Some(0), "{said}");
        let (halod, _records) = start(dir.path(), &pair.section(""));
        let mut http =
            Secured::connect(halod.http, &client(&pair.certificate, None, EVERY, &["http/1.1"])).unwrap();
        assert_eq!(http.export(&request(None, vec![span(0x71, n as u64)])).unwrap(), 200);
        assert!(halod.terminate().success());
    }
}

#[test]
fn what_cannot_be_used_is_told_by_validate_and_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (own, other) = (authority.server("own", 30), authority.server("other", 30));
    let write = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let encrypted = |name: &str, arguments: &[&str]| {
        let path = dir.path().join(name);
        let ends = ["-in", own.key.to_str().unwrap(), "-out", path.to_str().unwrap()];
        openssl(&[arguments, &ends].concat());
        path
    };
    let new = encrypted("new.key", &["pkcs8", "-topk8", "-passout", "pass:secret"]);
    let old = encrypted("old.key", &["ec", "-aes128", "-passout", "pass:secret"]);
    let open = write("open.key", &fs::read_to_string(&own.key).unwrap());
    fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
    let (empty, broken) = (write("empty", ""), write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n"));
    let open_ca = write("open-ca.pem", &fs::read_to_string(&authority.own.certificate).unwrap());
    fs::set_permissions(&open_ca, Permissions::from_mode(0o666)).unwrap();
    let nowhere = dir.path().join("nowhere.pem");
    let with_key = |key: &Path| Pair { key: key.to_owned(), ..own.clone() }.section("");
    let with_certificate = |path: &Path| Pair { certificate: path.to_owned(), ..own.clone() }.section("");
    let asks = |path: &Path| own.section(&format!(", client_ca_file: {}", path.display()));
    for (tls, file, words) in [
        (with_key(&other.key), &other.key, "the key is not that of the first certificate in"),
        (with_key(&new), &new, "the key is encrypted; decrypt it first: openssl pkey -in"),
        (with_key(&old), &old, "the key is encrypted"),
        (with_key(&open), &open, "anybody may change it; chmod o="),
        (with_key(&empty), &empty, "holds no private key in PEM"),
        (with_key(&own.certificate), &own.certificate, "holds no private key in PEM"),
        (with_key(dir.path()), &dir.path().to_owned(), "is no file"),
        (with_certificate(&nowhere), &nowhere, "can't be read: No such file"),
        (with_certificate(&empty), &empty, "holds no certificate in PEM"),
        (with_certificate(&broken), &broken, "can't be read as PEM"),
        (asks(&empty), &empty, "holds no certificate in PEM; it has to hold those of the authorities"),
        (asks(&open_ca), &open_ca, "anybody may change whose clients come in; chmod o-w"),
    ] {
        let config = configured(dir.path(), &tls);
        let named = format!("{}: ", file.display());
        let (code, said) = validate(&config);
        assert!(code == Some(2) && said.contains(&named) && said.contains(words), "{code:?} {said}");
        let mut command = Command::new(BINARY);
        let out =
            run_arguments(&mut command, &dir.path().join("records")).arg("--config").arg(&config).output();
        let out = out.unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && said.contains(words), "{} {said}", out.status);
    }
}

#[test]
fn what_an_operator_should_know_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let short = authority.server("short", 3);
    fs::set_permissions(&short.key, Permissions::from_mode(0o644)).unwrap();
    let (code, said) = validate(&configured(dir.path(), &short.section("")));
    let readable = "anybody on this machine may read the key; chmod o= ";
    assert!(code == Some(0) && said.contains(readable), "{code:?} {said}");
    assert!(said.contains("warning: otlp/http: the certificate ends on 20"), "{said}");
    let (halod, _records) = start(dir.path(), &short.section(""));
    for words in [readable, "the certificate ends on 20"] {
        halod.await_log(words);
        let line = halod.log().lines().find(|line| line.contains(words)).unwrap().to_owned();
        assert!(line.contains("WARN"), "{line}");
    }
    let ends = halod.metric("halod_tls_certificate_expiry_time_seconds", "door=\"otlp/grpc\"");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((2 * 86_400..=3 * 86_400).contains(&(ends - now)), "{ends}");
    assert!(halod.terminate().success());
}
