//! The time-stamps beside the checkpoints of a witness file.

use crate::tsa::Roots;
use halod_record::json::Json;
use halod_record::time::rfc3339;
use halod_timestamp::halo::{State, Tsa};

/// What the time-stamps of one chain's checkpoints show.
#[derive(Debug, Default)]
pub struct Stamps {
    /// The certificates that they have to lead to; without any nothing is verified.
    roots: Option<Roots>,
    /// The most records that were there before a time, and that, in Unix nanoseconds.
    verified: Option<(u64, u128)>,
    /// The first that shows nothing, by its number of records, and why.
    pub wrong: Option<(u64, String)>,
    /// Those that were not verified.
    pub unchecked: u64,
}

impl Stamps {
    #[must_use]
    pub fn believing(roots: Option<Roots>) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Takes a checkpoint of the chain, which may have none.
    pub fn take(&mut self, checkpoint: &Json<'_>) {
        let Some(tsa) = checkpoint.get("tsa").filter(|tsa| **tsa != Json::Null) else { return };
        let text = |of: &Json<'_>, name| of.get(name).and_then(Json::as_str).map(str::to_owned);
        let count = match checkpoint.get("count") {
            Some(Json::Int(count)) => u64::try_from(*count).unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        let Some(roots) = &self.roots else {
            self.unchecked += 1;
            return;
        };
        let whole = || {
            let url = text(tsa, "url").unwrap_or_default();
            let (digest, token_b64) = (text(tsa, "digest")?, text(tsa, "token_b64")?);
            Some(Tsa { url, digest, gen_time: text(tsa, "gen_time"), token_b64 })
        };
        let root = text(checkpoint, "chain_root").unwrap_or_default();
        let (subject, head) = (text(checkpoint, "subject"), text(checkpoint, "head").unwrap_or_default());
        let state = State { chain_root: &root, subject: subject.as_deref(), count, head: &head };
        let verified = match whole() {
            Some(tsa) => roots.verify_state(&tsa, &state).map_err(|error| error.to_string()),
            None => Err("it has no digest and token".into()),
        };
        match verified {
            Ok(verified) if self.verified.is_none_or(|(most, _)| most < count) => {
                self.verified = Some((count, verified.latest().as_nanos()));
            }
            Ok(_) => {}
            Err(why) => drop(self.wrong.get_or_insert((count, why))),
        }
    }

    /// How many records were there before which time, if a time-stamp that holds says so of any.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, String)> {
        let (count, nanos) = self.verified?;
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Some((count, String::from_utf8_lossy(&rfc3339(nanos)).into_owned()))
    }
}
