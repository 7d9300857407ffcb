//! Time-stamp tokens beside the reference: each reads what the other writes, and one of the two believes a forgery.

mod daemon;
pub mod service;

use self::service::{Manner, Service, forgery, run};
use crate::support::clients::python;
use crate::support::halod::BINARY;
use data_encoding::BASE64;
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::{Policies, TokenError, Trust, request};
use serde_json::Value;
use std::process::Command;

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

/// `halod anchor` on the service's sample chain: exit code, and what it says.
fn anchor(service: &Service, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(BINARY);
    command.arg("anchor").arg(service.path("chain.jsonl")).arg(service.path("own.jsonl")).args(more);
    let out = command.output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn an_anchor_is_stamped_and_its_stamp_is_verified_in_full() {
    let service = Service::start(Manner::Honest);
    witnessed(&service);
    let roots = service.path("root");
    let roots = ["--tsa-roots", roots.to_str().unwrap()];
    let stamp = ["--timestamp", "--tsa", &service.url];
    assert_eq!(anchor(&service, &stamp).0, 2, "whom to believe is not named");
    let (code, said) = anchor(&service, &[&stamp[..], &roots].concat());
    assert!(code == 0 && !said.contains("no time stamp"), "{said}");
    let line = std::fs::read_to_string(service.path("own.jsonl")).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let tsa: Tsa = serde_json::from_value(line["tsa"].clone()).unwrap();
    assert_eq!(Some(reference_says(&service, line.clone(), &tsa)), tsa.gen_time, "the reference reads it");

    let (code, said) = anchor(&service, &[&["--check"][..], &roots].concat());
    assert!(code == 0 && said.contains("verified in full: the first 2 records"), "{said}");
    let (code, said) = anchor(&service, &["--check"]);
    assert!(code == 0 && said.contains("\"tsa_unverified\":1"), "{said}");
    // Another root; a forgery; a token of another state; a form without a token.
    let other = Service::start(Manner::Honest);
    assert_eq!(anchor(&service, &["--check", "--tsa-roots", other.path("root").to_str().unwrap()]).0, 1);
    let digest = state(&line).digest().unwrap();
    let forged = Tsa { token_b64: BASE64.encode(&forgery(&digest)), ..tsa.clone() };
    let moved = Tsa { digest: "0".repeat(64), ..tsa };
    for wrong in [serde_json::to_value(forged).unwrap(), serde_json::to_value(moved).unwrap(), Value::from(7)]
    {
        let mut line = line.clone();
        line["tsa"] = wrong;
        std::fs::write(service.path("own.jsonl"), format!("{line}\n")).unwrap();
        let (code, said) = anchor(&service, &[&["--check"][..], &roots].concat());
        assert!(code == 1 && said.contains("INCOMPLETE") && said.contains("shows nothing"), "{said}");
    }
    // A service that fails holds no anchor up, and one that forges is not believed.
    for manner in [Manner::Fails, Manner::Forges] {
        let failing = Service::start(manner);
        std::fs::remove_file(service.path("own.jsonl")).unwrap();
        let stamp = ["--timestamp", "--tsa", &failing.url];
        let (code, said) = anchor(&service, &[&stamp[..], &roots].concat());
        assert!(code == 0 && said.contains("written without one"), "{said}");
        assert!(!std::fs::read_to_string(service.path("own.jsonl")).unwrap().contains("tsa"));
    }
}
