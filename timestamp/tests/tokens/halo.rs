//! The reference's form of tokens. `golden/reference.jsonl` has three lines that `halo-record` 0.2.46 wrote, with tokens of an
//! `openssl ts` whose root is `golden/root.der`; `tests/it/timestamps.rs` runs the reference itself.

use crate::authority::{EC, Place, STAMPS, Service};
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::{MAX_BYTES, Policies, TokenError, Trust, request};
use serde_json::Value;
use std::time::Duration;

const ROOT: &[u8] = include_bytes!("../../golden/root.der");
const TRUST: Trust<'_> = Trust { roots: &[ROOT], further: &[] };

const REFERENCE: &str = include_str!("../../golden/reference.jsonl");

fn lines() -> Vec<Value> {
    REFERENCE.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn state(line: &Value) -> State<'_> {
    let text = |key: &str| line[key].as_str().unwrap();
    let count = line["count"].as_u64().unwrap();
    State { chain_root: text("chain_root"), subject: line["subject"].as_str(), count, head: text("head") }
}

fn tsa(line: &Value) -> Tsa {
    serde_json::from_value(line["tsa"].clone()).unwrap()
}

#[test]
fn lines_of_the_reference() {
    for (line, text) in lines().into_iter().zip(REFERENCE.lines()) {
        let (state, tsa) = (state(&line), tsa(&line));
        let verified = tsa.verify(&state, Policies::Any, &TRUST).unwrap();
        assert_eq!(verified.tsa, "CN=Service");
        assert_eq!(verified.accuracy, Some(Duration::from_secs(1)));
        // From the same answer the same form is made, in the same order.
        let answer = data_encoding::BASE64.decode(tsa.token_b64.as_bytes()).unwrap();
        let made = Tsa::new(&state, &tsa.url, &answer).unwrap();
        assert_eq!(made, tsa);
        assert!(text.ends_with(&format!("\"tsa\":{}}}", serde_json::to_string(&made).unwrap())));
        let without = Tsa { gen_time: None, ..tsa };
        without.verify(&state, Policies::Any, &TRUST).unwrap();
    }
}

#[test]
fn lines_that_were_changed() {
    let all = lines();
    let line = &all[1];
    let (own, tsa) = (state(line), tsa(line));
    let verify =
        |tsa: Tsa, state: State<'_>| tsa.verify(&state, Policies::Any, &TRUST).unwrap_err().to_string();
    for other in [
        State { count: 12_404, ..own },
        State { subject: None, ..own },
        State { subject: Some("acme "), ..own },
        State { head: own.chain_root, ..own },
    ] {
        let why = verify(tsa.clone(), other);
        assert!(why.starts_with("tsa.digest is not that of the chain's state, which is "), "{why}");
        // With a digest that fits, the token does not.
        let digest = why.rsplit(' ').next().unwrap().to_owned();
        let why = verify(Tsa { digest, ..tsa.clone() }, other);
        assert!(why.starts_with("the token is of another digest: "), "{why}");
    }
    let time = tsa.gen_time.clone().unwrap();
    let told = |gen_time: &str| Tsa { gen_time: Some(gen_time.to_owned()), ..tsa.clone() };
    assert_eq!(
        verify(told("2020-01-01T00:00:00Z"), own),
        format!("tsa.gen_time is not the token's, which is {time}")
    );
    for text in ["*", &tsa.token_b64[1..], &format!("{}\n", tsa.token_b64)] {
        let why = verify(Tsa { token_b64: text.to_owned(), ..tsa.clone() }, own);
        assert!(why.starts_with("tsa.token_b64 is not base64") || why.contains("no DER"), "{why}");
    }
    let large = Tsa { token_b64: "A".repeat(MAX_BYTES * 4 / 3 + 10), ..tsa.clone() };
    let large = large.verify(&own, Policies::Any, &TRUST);
    assert!(matches!(large, Err(TsaError::Token(TokenError::TooLarge))));
    let many = State { count: 1 << 53, ..own };
    assert!(matches!(tsa.verify(&many, Policies::Any, &TRUST), Err(TsaError::State(_))));
    let nobody = Trust { roots: &[], further: &[] };
    assert!(matches!(tsa.verify(&own, Policies::Any, &nobody), Err(TsaError::Token(TokenError::Chain(_)))));
}

#[test]
fn a_token_is_made_into_the_form_for_its_own_state_alone() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let own = State { chain_root: "00", subject: Some("acme"), count: 7, head: "11" };
    let service = Service { signer: &signer, chain: None, digest: "sha256", more: "" };
    let answer = place.answer(&service, &request(&own.digest().unwrap(), None, true));
    let tsa = Tsa::new(&own, "https://tsa.example/", &answer).unwrap();
    let trust = Trust { roots: &[&place.der(&root)], further: &[] };
    tsa.verify(&own, Policies::Any, &trust).unwrap();
    assert!(matches!(Tsa::new(&State { count: 8, ..own }, "", &answer), Err(TsaError::Digest(_))));
    assert!(matches!(Tsa::new(&own, "", &answer[1..]), Err(TsaError::Token(TokenError::Malformed(_)))));
}
