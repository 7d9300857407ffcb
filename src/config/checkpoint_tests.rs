#![allow(clippy::unwrap_used)]

use super::*;
use std::path::Path;
use std::time::Duration;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(text, &|_| None)
}

fn messages(text: &str) -> Vec<String> {
    let error = read(text).unwrap_err().in_file(Path::new("h.yaml"));
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_time_stamping_service_has_an_address_and_roots() {
    let written = "checkpoint: { tsa: { url: 'https://tsa.example/tsr', roots: /etc/root.pem, every: 24h, policies: [1.2.3.4] } }";
    let tsa = read(written).unwrap().checkpoint.tsa.unwrap();
    assert_eq!(
        (tsa.url.to_string(), tsa.every),
        ("https://tsa.example/tsr".into(), Duration::from_secs(86_400))
    );
    assert_eq!((tsa.policies[0].to_string(), tsa.ca_file), ("1.2.3.4".into(), None));
    for none in ["checkpoint: { tsa: }", "checkpoint: { tsa: { url: ~, roots: ~, every: 1h, policies: [] } }"]
    {
        assert_eq!(read(none).unwrap().checkpoint.tsa, None, "{none}");
    }
    for (tsa, wrong) in [
        ("url: 'http://x'", "checkpoint.tsa.roots: is missing"),
        ("roots: r", "checkpoint.tsa.url: is missing"),
        ("url: 'ldap://x', roots: r", "checkpoint.tsa.url: must begin with http"),
        ("url: 'http://x', roots: r, every: 10ms", "checkpoint.tsa.every: must be at least 1s"),
        ("url: 'http://x', roots: r, every: 169h", "checkpoint.tsa.every: must be at most 168h"),
        ("url: 'http://x', roots: r, policies: [any]", "`any` is no object identifier"),
    ] {
        let said = messages(&format!("checkpoint: {{ tsa: {{ {tsa} }} }}"));
        assert!(said.len() == 1 && said[0].contains(wrong), "{said:?}");
    }
    let said = messages("checkpoint: { interval: 0s, tsa: { url: 'http://x', roots: r } }");
    assert!(said[0].contains("has nothing to time-stamp"), "{said:?}");
}
