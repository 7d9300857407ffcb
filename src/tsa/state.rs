//! One state of a chain, time-stamped: the `tsa` beside a checkpoint of the reference's witness file.

use super::client::{AskError, Client};
use super::{Roots, RootsError};
use crate::tee::settings::Target;
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::request;

/// Why a state has no time-stamp.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error("{0}")]
    Ask(String),
    #[error("the answer of the time-stamping service: {0}")]
    Answer(#[from] TsaError),
}

/// Asks a service for a token over a state, and verifies the token in full.
///
/// # Errors
/// The service can't be asked, or its answer shows nothing.
pub fn stamp(service: Target, roots: &Roots, state: &State<'_>) -> Result<Tsa, StateError> {
    let ask = |error: AskError| StateError::Ask(error.to_string());
    let url = service.to_string();
    let client = Client::new(service, None).map_err(ask)?;
    // Without a nonce, as the reference asks: the form has no place for one, and the state is new.
    let answer = client.ask(request(&state.digest()?, None, true)).map_err(ask)?;
    let tsa = Tsa::new(state, &url, &answer)?;
    roots.verify_state(&tsa, state)?;
    Ok(tsa)
}
