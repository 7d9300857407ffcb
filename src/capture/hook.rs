//! One event of a hook: read, made into a draft by the daemon's rules, sent or kept.
//!
//! The program runs once an event while an agent waits, so there is no runtime here and nothing is read that the event
//! does not need.

use crate::auth;
use crate::clock;
use crate::config::{self, ConfigError};
use crate::spool::outbox::{Outbox, Sent};
use crate::spool::place::SpoolError;
use crate::spool::{RULES, place};
use halo_adapters::hook::{self, Capture, Client};
use halod_record::build::Builder;
use halod_record::draft::Scratch;
use halod_record::hash::hex_text;
use halod_record::json;
use halod_record::tenant::Tenant;
use halod_record::unusable::Unusable;
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// Bytes of an event: as many as a request to the daemon may have.
pub const MOST: usize = 64 << 20;

/// Why an event has no record.
#[derive(Debug, Error)]
pub enum HookError {
    #[error("the event can't be read from standard input: {0}")]
    Unread(io::Error),
    #[error("the event on standard input has more than {MOST} bytes; it has no record")]
    TooLong,
    #[error("the event on standard input is not UTF-8 at byte {0}; it has no record")]
    NotUtf8(usize),
    #[error("the event on standard input is not JSON ({0}); it has no record")]
    NotJson(json::ParseError),
    #[error("what is on standard input is no event of a hook ({0}); it has no record")]
    NoEvent(Unusable),
    #[error("the system gives no random numbers; the event has no record")]
    Random,
    #[error("the rules of redaction that halod left can't be used; the event has no record: {0}")]
    Rules(ConfigError),
    #[error("{0}; the event has no record")]
    Spool(SpoolError),
}

impl From<SpoolError> for HookError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    Sent(Sent),
    /// It tells nothing that is not told otherwise.
    Nothing,
}

/// Whose event it is, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Way<'w> {
    pub directory: &'w Path,
    pub client: Option<Client>,
    pub tenant: &'w Tenant,
}

/// Reads an event, at most [`MOST`] bytes of it.
///
/// # Errors
/// It can't be read, or is longer.
pub fn read(input: impl Read) -> Result<Vec<u8>, HookError> {
    let mut event = Vec::new();
    input.take(MOST as u64 + 1).read_to_end(&mut event).map_err(HookError::Unread)?;
    if event.len() > MOST { Err(HookError::TooLong) } else { Ok(event) }
}

/// Makes a record of an event that was read just now.
///
/// # Errors
/// It has none.
pub fn capture(event: &[u8], way: Way<'_>) -> Result<Became, HookError> {
    let at = clock::unix_nanos();
    let text = std::str::from_utf8(event).map_err(|error| HookError::NotUtf8(error.valid_up_to()))?;
    let said = json::parse(text).map_err(HookError::NotJson)?;
    let id: [u8; 16] = auth::random().map_err(|_| HookError::Random)?;
    let capture = Capture { at, id: &hex_text(&id), client: way.client };
    let Some(event) = hook::event(&said, &capture).map_err(HookError::NoEvent)? else {
        return Ok(Became::Nothing);
    };
    let outbox = Outbox::open(way.directory)?;
    let builder = builder(way.directory)?;
    let draft = builder.draft(&event, way.tenant, &mut Scratch::capturing());
    Ok(Became::Sent(outbox.send(&[(at, draft)])?))
}

/// What makes records by the rules that the daemon of a directory left there.
///
/// # Errors
/// There are none, or they can't be used.
pub fn builder(directory: &Path) -> Result<Builder, HookError> {
    let rules = directory.join(RULES);
    if !rules.exists() {
        return Err(place::SpoolError::NoDaemon(directory.to_owned()).into());
    }
    config::load(Some(&rules)).map(|config| config.builder()).map_err(HookError::Rules)
}
