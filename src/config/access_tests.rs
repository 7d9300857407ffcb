#![allow(clippy::unwrap_used)]

use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(text, &|_| None)
}

#[test]
fn only_this_machine_is_let_in_unasked() {
    let exposed = |text: &str, overrides: Overrides| {
        let checked = read(text).unwrap().with(overrides).check_exposure();
        checked.map_err(|error| error.problems.iter().map(|problem| problem.key.clone()).collect::<Vec<_>>())
    };
    let open = |endpoint: &str| {
        format!("receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: \"{endpoint}\" }} }} }} }}")
    };
    for endpoint in
        ["127.0.0.1:0", "127.9.9.9:1", "[::1]:1", "localhost:1", "a.localhost:1", "unix:/run/h.sock"]
    {
        assert_eq!(exposed(&open(endpoint), Overrides::default()), Ok(()), "{endpoint}");
    }
    for endpoint in
        ["0.0.0.0:1", "[::]:1", "10.0.0.7:1", "[::ffff:10.0.0.7]:1", "halod.svc:1", "localhost.evil.org:1"]
    {
        let key = "receivers.otlp.protocols.http.endpoint".to_owned();
        assert_eq!(exposed(&open(endpoint), Overrides::default()), Err(vec![key]), "{endpoint}");
        let overrides = Overrides { insecure: true, ..Overrides::default() };
        assert_eq!(exposed(&open(endpoint), overrides), Ok(()), "{endpoint}");
    }
    let known = "receivers: { otlp: { protocols: { http: { endpoint: 0.0.0.0:1, insecure: true } } } }";
    assert_eq!(exposed(known, Overrides::default()), Ok(()));
    assert_eq!(
        exposed("admin: { endpoint: 0.0.0.0:1 }", Overrides::default()),
        Err(vec!["admin.endpoint".into()])
    );
    assert_eq!(exposed("admin: { endpoint: 0.0.0.0:1, insecure: true }", Overrides::default()), Ok(()));
    let by_flag = Overrides { grpc: Some("0.0.0.0:1".parse().unwrap()), ..Overrides::default() };
    assert_eq!(exposed("", by_flag), Err(vec!["receivers.otlp.protocols.grpc.endpoint".into()]));
}

#[test]
fn doors_ask_where_there_is_a_file_of_identities() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identities");
    std::fs::write(&file, "hooks uid=7 tenants=acme\n").unwrap();
    let with = |rest: &str| read(&format!("auth: {{ file: {} }}\n{rest}", file.display()));
    let config = with("").unwrap();
    let asks = |door: &Option<DoorSettings>| door.as_ref().map(|door| door.access.asks);
    assert_eq!(
        (asks(&config.grpc), asks(&config.http), config.admin_access.asks),
        (Some(true), Some(true), false)
    );
    assert_eq!(config.auth.map(|auth| auth.table.len()), Some(1));
    let config = with(
        "admin: { endpoint: 0.0.0.0:1, auth: true }\nreceivers: { otlp: { protocols: { grpc: { auth: false }, http: { endpoint: 0.0.0.0:2 } } } }",
    );
    let config = config.unwrap();
    assert_eq!(
        (asks(&config.grpc), asks(&config.http), config.admin_access.asks),
        (Some(false), Some(true), true)
    );
    assert_eq!(config.check_exposure(), Ok(()));
    std::fs::write(&file, "hooks uid=7\nother uid=x tenants=*\n").unwrap();
    let said = with("").unwrap_err().to_string();
    assert!(said.contains("line 1: names no tenants") && said.contains("line 2: uid is no number"), "{said}");
    let said = read("admin: { auth: true }").unwrap_err().to_string();
    assert!(said.contains("admin.auth: nobody could be let in"), "{said}");
    let said = read("auth: { file: /nowhere/at/all }").unwrap_err().to_string();
    assert!(said.contains("/nowhere/at/all: can't be read"), "{said}");
}
