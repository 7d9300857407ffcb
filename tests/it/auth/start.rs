//! What halod starts with, and what it refuses to start with.

use super::*;
use std::process::Output;

fn run(place: &Place, config: &str, arguments: &[&str]) -> Output {
    let file = place.path("halod.yaml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("validate").arg("--config").arg(&file).arg("--dir").arg(place.records()).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout)
}

#[test]
fn other_machines_are_let_in_by_identities_or_knowingly() {
    let place = Place::new();
    let doors = "receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 0.0.0.0:0 } } } }\nadmin: { endpoint: 127.0.0.1:0 }\n";
    for verb in ["validate", "run"] {
        let file = place.path("halod.yaml");
        fs::write(&file, doors).unwrap();
        let out = Command::new(BINARY)
            .arg(verb)
            .arg("--config")
            .arg(&file)
            .arg("--dir")
            .arg(place.records())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(2), "{verb}: {}", said(&out));
        assert!(said(&out).contains("receivers.otlp.protocols.http.insecure: true"), "{}", said(&out));
    }
    assert_eq!(run(&place, doors, &["--insecure"]).status.code(), Some(0));
    let asked = format!("auth: {{ file: {} }}\n{doors}", place.path("identities").display());
    let out = run(&place, &asked, &[]);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    let admin = doors.replace("admin: { endpoint: 127.0.0.1:0 }", "admin: { endpoint: 0.0.0.0:0 }");
    let out = run(&place, &asked.replace(doors, &admin), &[]);
    assert!(said(&out).contains("set admin.auth: true"), "{}", said(&out));
    let out =
        run(&place, &asked.replace(doors, &admin.replace("0.0.0.0:0 }\n", "0.0.0.0:0, auth: true }\n")), &[]);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
}

#[test]
fn files_that_others_may_change_are_refused_and_those_that_anybody_may_read_are_told() {
    let place = Place::new();
    place.token("checkout", &["--tenants", "acme"]);
    let identities = place.path("identities");
    assert_eq!(fs::metadata(&identities).unwrap().permissions().mode() & 0o777, 0o600);
    let doors = "receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 } } } }\nadmin: { endpoint: 127.0.0.1:0 }\n";
    let config = format!("auth: {{ file: {} }}\n{doors}", identities.display());
    for (mode, code, what) in
        [(0o600, 0, "valid"), (0o644, 0, "anybody may read it"), (0o660, 2, "chmod go-w")]
    {
        fs::set_permissions(&identities, fs::Permissions::from_mode(mode)).unwrap();
        let out = run(&place, &config, &[]);
        assert_eq!(out.status.code(), Some(code), "{mode:o}: {}", said(&out));
        assert!(said(&out).contains(what), "{mode:o}: {}", said(&out));
        assert_eq!(said(&out).contains("anybody may read it"), mode == 0o644);
    }
    let file = place.path("halod.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let out = halod(&["validate", "--config"], &[file]);
    assert_eq!(out.status.code(), Some(2));
    assert!(said(&out).contains("chmod o-w"), "{}", said(&out));
}

#[test]
fn lines_are_made_as_they_are_read() {
    let place = Place::new();
    let out = Command::new(BINARY)
        .args(["token", "new", "ci/agents", "--tenants", "acme,team-*", "--receivers", "otlp"])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let token = text.lines().next().unwrap().strip_prefix("token: ").unwrap();
    let line = text.lines().nth(1).unwrap().strip_prefix("line:  ").unwrap();
    assert!(!line.contains(token) && line.starts_with("ci/agents token="), "{line}");
    place.identities(line);
    // A line is never joined to one without an end.
    place.token("second", &["--tenants", "acme corp"]);
    let halod = place.start("");
    let (name, value) = bearer(token);
    assert_eq!(export(&halod, &[(name, &value)], &one(Some("team-1"), 1)).status, 200);
    assert!(halod.terminate().success());
    for (arguments, what) in [
        (&["token", "new", "a b", "--tenants", "x"][..], "letters, digits"),
        (&["token", "new", "halod", "--tenants", "x"], "halod's own"),
        (&["token", "new", "a", "--tenants", "x,"], "empty entry"),
        (&["token", "new", "a", "--tenants", "x", "--receivers", "otpl"], "other names than"),
        (&["token", "password", "a", "--tenants", "x"], "1 to 1024 bytes"),
    ] {
        let out = halod_of(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(said(&out).contains(what), "{arguments:?}: {}", said(&out));
    }
}

fn halod_of(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().unwrap()
}
