//! Time-stamp tokens beside the reference: each reads what the other writes, and one of the two believes a forgery.

mod daemon;
pub mod service;

use self::service::{Manner, Service, forgery, run};
use crate::support::clients::python;
use data_encoding::BASE64;
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::{Policies, TokenError, Trust, request};
use serde_json::Value;

/// Two records, and what the reference witnesses of them, time-stamped.
fn witnessed(service: &Service) -> Value {
    let sample = python().command("halo").arg("sample").output().expect("run halo");
    std::fs::write(service.path("chain.jsonl"), sample.stdout).unwrap();
    let mut halo = python().command("halo");
    halo.arg("anchor").arg(service.path("chain.jsonl")).arg(service.path("witness.jsonl"));
    let out = halo.args(["--timestamp", "--tsa", &service.url]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_str(&std::fs::read_to_string(service.path("witness.jsonl")).unwrap()).unwrap()
}

/// The time that the reference believes the line's token tells.
fn reference_says(service: &Service, mut line: Value, tsa: &Tsa) -> String {
    line["tsa"] = serde_json::to_value(tsa).unwrap();
    std::fs::write(service.path("changed.jsonl"), format!("{line}\n")).unwrap();
    let mut halo = python().command("halo");
    halo.arg("anchor").arg(service.path("chain.jsonl")).arg(service.path("changed.jsonl")).arg("--check");
    let out = String::from_utf8(halo.output().unwrap().stdout).unwrap();
    let verdict = out.lines().next().and_then(|line| line.split_once('{')).unwrap_or_else(|| panic!("{out}"));
    assert!(verdict.0.starts_with("COMPLETE"), "{out}");
    let verdict: Value = serde_json::from_str(&format!("{{{}", verdict.1)).unwrap();
    verdict["tsa_time"].as_str().unwrap().to_owned()
}

fn state(line: &Value) -> State<'_> {
    let text = |key: &str| line[key].as_str().unwrap();
    let count = line["count"].as_u64().unwrap();
    State { chain_root: text("chain_root"), subject: line["subject"].as_str(), count, head: text("head") }
}

#[test]
fn the_reference_and_halod_read_each_others_tokens() {
    let service = Service::start(Manner::Honest);
    let line = witnessed(&service);
    let state = state(&line);
    let tsa: Tsa = serde_json::from_value(line["tsa"].clone()).unwrap();
    let root = std::fs::read(service.path("root.der")).unwrap();
    let trust = Trust { roots: &[&root], further: &[] };
    tsa.verify(&state, Policies::Any, &trust).unwrap();
    // The reference asks for what halod would ask for, without a nonce.
    let digest = state.digest().unwrap();
    assert_eq!(service.requests.recv().unwrap(), request(&digest, None, true));

    std::fs::write(service.path("ours"), request(&digest, Some(1), true)).unwrap();
    run(service.path("").as_path(), "ts -reply -config cnf -queryfile ours -out ours.tsr");
    let ours = std::fs::read(service.path("ours.tsr")).unwrap();
    let ours = Tsa::new(&state, "https://tsa.example/", &ours).unwrap();
    let verified = ours.verify(&state, Policies::Any, &trust).unwrap();
    assert_eq!(verified.serial, "3");
    assert_eq!(Some(reference_says(&service, line.clone(), &ours)), ours.gen_time);
}

#[test]
fn the_reference_believes_a_forgery_and_halod_does_not() {
    let service = Service::start(Manner::Honest);
    let line = witnessed(&service);
    let (state, mut tsa): (_, Tsa) = (state(&line), serde_json::from_value(line["tsa"].clone()).unwrap());
    tsa.token_b64 = BASE64.encode(&forgery(&state.digest().unwrap()));
    tsa.gen_time = Some("2020-01-01T00:00:00Z".to_owned());
    assert_eq!(Some(reference_says(&service, line.clone(), &tsa)), tsa.gen_time);
    let root = std::fs::read(service.path("root.der")).unwrap();
    let refused = tsa.verify(&state, Policies::Any, &Trust { roots: &[&root], further: &[] });
    assert!(matches!(refused, Err(TsaError::Token(TokenError::Malformed(_)))), "{refused:?}");
}
