//! Drafts between the process that made them and the daemon that seals them.
//!
//! A kept draft is the line of a record that would be the first of a chain: its hash covers all of it, so that whoever
//! takes it up sees whether it is whole. Its `ts` says when it was made; the chain's record has the time of sealing.

use super::{Draft, GENESIS};
use crate::call::SealedCall;
use crate::json::{Json, parse};
use crate::tenant::Tenant;
use crate::time::{LEN as TS_LEN, rfc3339};
use crate::{canon, own, schema};
use thiserror::Error;

/// Bytes that a kept draft may have: names are bounded, and content is not in it.
pub const MOST: usize = 1 << 20;

/// Why a line is no draft that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotKept {
    #[error("a line of {0} bytes; a draft has at most {MOST}")]
    TooLong(usize),
    #[error("a line that is no record in canonical form")]
    NotCanonical,
    #[error("a record that is none of schema 0.1: {0}")]
    NotOfSchema(String),
    #[error("a record that was cut or changed: its hash is another one")]
    Changed,
    #[error("a record under a name of halod's own (`halod.`, `corroborates:`, the agent `halod`)")]
    OfHalod,
    #[error("a record of a tenant that can't be one: {0}")]
    Tenant(String),
}

impl Draft {
    /// Writes the draft, which was made at `made` (Unix nanoseconds), as a line that [`Self::take_up`] reads.
    pub fn keep(&self, made: u64, out: &mut Vec<u8>) {
        self.seal(&GENESIS, &rfc3339(made), out);
    }

    /// Reads a line that [`Self::keep`] wrote, with or without its line feed.
    ///
    /// # Errors
    /// The line is none: nothing is sealed that this crate's builders could not have made.
    pub fn take_up(line: &[u8]) -> Result<Self, NotKept> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.len() > MOST {
            return Err(NotKept::TooLong(line.len()));
        }
        let text = std::str::from_utf8(line).map_err(|_| NotKept::NotCanonical)?;
        let record = parse(text).map_err(|_| NotKept::NotCanonical)?;
        let mut whole = Vec::with_capacity(line.len() + 1);
        canon::write(&record, &mut whole).map_err(|_| NotKept::NotCanonical)?;
        if whole != line {
            return Err(NotKept::NotCanonical);
        }
        whole.push(b'\n');
        let mut wrong = None;
        schema::check(&record, &mut |violation| {
            wrong.get_or_insert(violation);
        });
        if let Some(violation) = wrong {
            return Err(NotKept::NotOfSchema(violation.to_string()));
        }
        let text = |section: &str, key: &str| record.get(section)?.get(key)?.as_str();
        let is_halods = text("action", "tool").is_some_and(own::is_tool)
            || ["id", "name"].into_iter().any(|key| text("agent", key).is_some_and(own::is_agent));
        if is_halods {
            return Err(NotKept::OfHalod);
        }
        let tenant = match record.get("subject").and_then(|subject| subject.get("id")) {
            None => Tenant::Local,
            Some(id) => {
                let id = id.as_str().unwrap_or_default();
                Tenant::claimed(id).map_err(|error| NotKept::Tenant(error.to_string()))?
            }
        };
        let draft = Self::reopen(tenant, &whole).ok_or(NotKept::NotCanonical)?;
        draft.is_whole(&record, &whole)?;
        let call = SealedCall::of(&record, &draft.tenant).map(|sealed| Box::new(sealed.call));
        Ok(Self { call, ..draft })
    }

    fn is_whole(&self, record: &Json<'_>, line: &[u8]) -> Result<(), NotKept> {
        let ts = record.get("ts").and_then(Json::as_str).map(str::as_bytes);
        let ts: &[u8; TS_LEN] = ts.and_then(|ts| ts.try_into().ok()).ok_or(NotKept::Changed)?;
        let mut again = Vec::with_capacity(line.len());
        self.seal(&GENESIS, ts, &mut again);
        if again == line { Ok(()) } else { Err(NotKept::Changed) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::build::Builder;
    use crate::draft::Scratch;
    use crate::event::{Action, Event, Keyed, Origin};
    use crate::sample::call;
    use proptest::prelude::*;

    fn tool(event: &mut Event<'_>) {
        event.source.adapter = "hook";
        let call_id = Some("toolu_0177de68daecd823babbb58edb".into());
        event.action = Action::Tool { name: "Bash".into(), mcp_server: None, call_id };
        event.session = Some("79801370-a84c-4470-8d3a-1cad2589fef0".into());
        event.origin = Origin::Keyed(Keyed { space: "test", id: vec!["a".into()], parent: None });
    }

    fn kept(tenant: &Tenant, change: impl FnOnce(&mut Event<'_>)) -> (Draft, Vec<u8>) {
        let mut event = call();
        tool(&mut event);
        change(&mut event);
        let draft = Builder::new(false).draft(&event, tenant, &mut Scratch::capturing());
        let mut line = Vec::new();
        draft.keep(1_795_336_686_549_854_321, &mut line);
        (draft, line)
    }

    fn sealed(draft: &Draft) -> Vec<u8> {
        let mut line = Vec::new();
        draft.seal(&[b'7'; 64], &rfc3339(5), &mut line);
        line
    }

    #[test]
    fn what_is_taken_up_is_the_same_draft() {
        for tenant in [Tenant::Local, Tenant::claimed("ACME \"1\"").unwrap()] {
            let (draft, line) = kept(&tenant, |_| {});
            let again = Draft::take_up(&line).unwrap();
            assert_eq!(Draft::take_up(line.strip_suffix(b"\n").unwrap()).unwrap().id(), draft.id());
            assert_eq!((again.tenant(), again.id()), (&tenant, draft.id()));
            assert_eq!(sealed(&again), sealed(&draft));
            let text = String::from_utf8(line).unwrap();
            assert!(text.contains(r#""capture":"captured""#), "{text}");
            let (ours, theirs) = (draft.call().unwrap(), again.call().unwrap());
            assert!(ours.index_keys().count() > 1 && ours.index_keys().eq(theirs.index_keys()));
            assert_eq!(ours.about_then(), theirs.about_then());
        }
    }

    #[test]
    fn what_nobody_kept_is_told_from_it() {
        let (_, line) = kept(&Tenant::Local, |_| {});
        let text = String::from_utf8(line).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Draft::take_up(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(changed("Bash", "Bosh"), NotKept::Changed);
        assert_eq!(changed(r#""tool":"Bash""#, r#""tool":"halod.gap""#), NotKept::OfHalod);
        assert_eq!(changed(r#""tool":"Bash""#, r#""tool":"corroborates:Bash""#), NotKept::OfHalod);
        assert_eq!(changed(r#"{"action""#, r#"{ "action""#), NotKept::NotCanonical);
        assert!(matches!(changed(r#""0.1""#, r#""0.2""#), NotKept::NotOfSchema(_)));
        let long = " ".repeat(MOST + 1);
        assert_eq!(Draft::take_up(long.as_bytes()).unwrap_err(), NotKept::TooLong(MOST + 1));
        for none in ["", "{}", "[]", "null", "\n", "{\"a\":1", "\u{0}"] {
            Draft::take_up(none.as_bytes()).unwrap_err();
        }
    }

    proptest! {
        /// A line that was cut, or of which one byte is another, is never sealed.
        #[test]
        fn no_damage_gets_through(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
            let (_, mut line) = kept(&Tenant::Local, |_| {});
            let at = at.index(line.len() - 1);
            if cut {
                line.truncate(at);
            } else if line[at] == to {
                return Ok(());
            } else {
                line[at] = to;
            }
            prop_assert!(Draft::take_up(&line).is_err());
        }
    }
}
