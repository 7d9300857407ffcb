//! The body of the fuzz target of time-stamp tokens; a test of the usual suite runs this body as well. Whatever is accepted says
//! what a seed says: the seeds are the only tokens that the key of `root.der` ever signed.

use halod_timestamp::halo::{State, Tsa};
use halod_timestamp::{Expected, Policies, Token, Trust};

const ROOT: &[u8] = include_bytes!("root.der");

/// Serial numbers of the tokens in the seeds, with their times.
const SIGNED: &[(&str, u64)] = &[("a01", 1796031290), ("a02", 1796031290)];

/// How many of its forms the bytes have.
pub(crate) fn timestamps(data: &[u8]) -> usize {
    let trust = Trust { roots: &[ROOT], further: &[] };
    let state = State { chain_root: "00", subject: Some("acme"), count: 7, head: "11" };
    // What can be made into the reference's form reads as what it was made of.
    let made = Tsa::new(&state, "https://tsa.example/", data);
    let Ok(token) = Token::read(data) else {
        assert!(made.is_err());
        return 0;
    };
    let Some(imprint) = token.claimed_imprint() else { return 1 };
    let Ok(verified) = token.verify(&Expected { imprint, nonce: None, policies: Policies::Any }, &trust)
    else {
        return 1;
    };
    let said = (verified.serial.as_str(), verified.time.as_secs());
    assert!(SIGNED.contains(&said), "{said:?} was never signed");
    assert_eq!(token.claimed_time(), verified.time);
    assert_eq!(verified.chain.last().map(Vec::as_slice), Some(ROOT));
    if let Ok(made) = made {
        let again = made.verify(&state, Policies::Any, &trust).expect("the same token");
        assert_eq!(again, verified);
        return 3;
    }
    2
}
