//! The form in which the reference `halo-record` 0.2.46 keeps tokens: the `tsa` of a line that `halo anchor --timestamp`
//! writes. The reference itself looks for the digest in the token's bytes and verifies no signature.

use crate::digest::Imprint;
use crate::error::TokenError;
use crate::time::iso;
use crate::token::{Expected, Policies, Token, Trust, Verified};
use data_encoding::BASE64;
use halod_record::canon::{self, CanonError};
use halod_record::hash::{hex_text, sha256};
use halod_record::json::{Json, Text};
use serde::{Deserialize, Serialize};

/// What the reference has time-stamped of a chain.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The hash of the chain's first record.
    pub chain_root: &'a str,
    /// `None` for a chain without a tenant.
    pub subject: Option<&'a str>,
    pub count: u64,
    /// The hash of the last record.
    pub head: &'a str,
}

/// The `tsa` of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tsa {
    pub url: String,
    /// SHA-256 of the canonical form of the [`State`], in hexadecimal digits.
    pub digest: String,
    /// What the token says, again: like `2026-11-30T09:05:07Z`. The reference writes `null` where it did not find it.
    pub gen_time: Option<String>,
    /// What the service answered, in base64.
    pub token_b64: String,
}

/// Why a `tsa` shows nothing of a state of a chain.
#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    #[error("the state of the chain has no canonical form: {0}")]
    State(#[from] CanonError),
    #[error("tsa.digest is not that of the chain's state, which is {0}")]
    Digest(String),
    #[error("tsa.token_b64 is not base64")]
    Base64,
    #[error("tsa.gen_time is not the token's, which is {0}")]
    GenTime(String),
    #[error("the token's time has no year of four digits")]
    Year,
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl State<'_> {
    /// What is time-stamped: SHA-256 of the canonical form (RFC 8785).
    ///
    /// # Errors
    /// The count is beyond 2^53 - 1.
    pub fn digest(&self) -> Result<[u8; 32], TsaError> {
        let key = |name: &'static str| Text::Utf8(name.into());
        let count = i64::try_from(self.count).map_err(|_| CanonError::IntegerTooLarge)?;
        let state = Json::object(vec![
            (key("chain_root"), Json::str(self.chain_root)),
            (key("count"), Json::Int(count)),
            (key("head"), Json::str(self.head)),
            (key("subject"), self.subject.map_or(Json::Null, Json::str)),
        ]);
        let mut form = Vec::new();
        canon::write(&state, &mut form)?;
        Ok(sha256(&form))
    }
}

impl Tsa {
    /// The form of what the service at `url` answered. It says what the token says: whoever verified the token has verified
    /// that.
    ///
    /// # Errors
    /// The answer has no token, or one that is not of this state.
    pub fn new(state: &State<'_>, url: &str, answer: &[u8]) -> Result<Self, TsaError> {
        let digest = state.digest()?;
        let token = Token::read(answer)?;
        if token.claimed_imprint() != Some(Imprint::sha256(&digest)) {
            return Err(TsaError::Digest(hex_text(&digest)));
        }
        let gen_time = Some(iso(token.claimed_time()).ok_or(TsaError::Year)?);
        Ok(Self {
            url: url.to_owned(),
            digest: hex_text(&digest),
            gen_time,
            token_b64: BASE64.encode(answer),
        })
    }

    /// Verifies that the state was there at the token's time, by a service that `trust` leads to.
    ///
    /// # Errors
    /// What is wrong with the form or its token.
    pub fn verify(
        &self,
        state: &State<'_>,
        policies: Policies<'_>,
        trust: &Trust<'_>,
    ) -> Result<Verified, TsaError> {
        let digest = state.digest()?;
        if self.digest != hex_text(&digest) {
            return Err(TsaError::Digest(hex_text(&digest)));
        }
        // Its length is bounded before anything is made of it.
        if self.token_b64.len() > BASE64.encode_len(crate::MAX_BYTES) {
            return Err(TokenError::TooLarge.into());
        }
        let answer = BASE64.decode(self.token_b64.as_bytes()).map_err(|_| TsaError::Base64)?;
        // The reference's requests have no nonce.
        let expected = Expected { imprint: Imprint::sha256(&digest), nonce: None, policies };
        let verified = Token::read(&answer)?.verify(&expected, trust)?;
        let time = iso(verified.time).ok_or(TsaError::Year)?;
        if self.gen_time.as_ref().is_some_and(|told| *told != time) {
            return Err(TsaError::GenTime(time));
        }
        Ok(verified)
    }
}
