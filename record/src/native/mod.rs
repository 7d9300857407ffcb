//! Records that an application sends as such: `POST /v1/records` and gRPC `halo.ingest.v1`.
//!
//! A record here has the fields of the reference's `build()` (`halo-record` 0.2.46) in the places where
//! the finished record has them, so whoever reads chains can write to halod:
//!
//! | field | what it holds |
//! |---|---|
//! | `key` | **required**; tells this action from every other one of its tenant, and stays the same when it is sent again: at most 512 bytes |
//! | `action.type` | **required**: tool_call, agent_message, read, write, network |
//! | `action.category` | **required**: security, safety, reliability, privacy |
//! | `action.tool` | the tool's name; none that begins with `halod.` or `corroborates:` |
//! | `action.authorization` | `decision` (allowed, denied, human_approved), `scope`, `approver` |
//! | `action.input` | any JSON value; halod keeps its hash and a masked summary. `tool_input` of `build()` |
//! | `outcome` | `value` (any JSON value) or `error` (text), and `status` (ok, error, denied); without one it is derived from the value as the reference derives it |
//! | `session_id` | without one it is `local` |
//! | `agent` | `id`, `name`, `version`, `model`, `model_version`; a text is both id and name. Neither is `halod` |
//! | `subject` | `id`, `name`; a text is the id. The tenant, whose chain it goes to |
//! | `principal` | `human_id`, `creator_id`, `service_account`, `role_scope` |
//! | `parent` or `parent_id` | the `key` of the action that this one is a part of, or its record's id |
//! | `authority` | `snapshot_id`, `captured_at`, `scope`, `workspace`, `refs`, `omissions`, `capture_limits`, `stale_if`, `same_as_previous`; kept as it is sent, but for secrets |
//! | `verification` | `status` (allowed, blocked, modified, unverified), `verifier`, `policy_ref`, `checked_at` |
//! | `threats` | a list of `{type, ref}` or of texts |
//! | `data` | `region`, `cross_region`, `purpose`, `zdr`, and up to 64 names of the sender's own, each with text, a number, a flag or a list of these |
//! | `started_at`, `ended_at` | RFC 3339 |
//!
//! An unknown field is an error, never ignored; null and the empty text are as if the field were not
//! there. Everything wrong with a record is told at once, each with its place.
//!
//! Hashes, masks and findings are the reference's; where they differ on purpose is in `ARCHITECTURE.md`.
//! Beyond it, `data.key` repeats the key, `data.parent_key` or `data.parent_record_id` the parent, and names
//! are kept to 256 characters. The record's `parent_id` names the parent if that was sealed before.

mod data;
mod draft;
mod read;
mod strict;
#[cfg(test)]
mod tests;

pub use read::read;

use crate::event::Status;
use crate::json::Json;
use std::borrow::Cow;

/// Whose keys these are: see [`super::ids::RecordId::of_key`].
pub const SPACE: &str = "native";

/// The longest key, in bytes.
pub const MAX_KEY: usize = 512;

/// One action as its sender states it, checked: nothing of it is masked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    pub key: Cow<'a, str>,
    pub parent: Option<Parent<'a>>,
    pub session: Option<Cow<'a, str>>,
    pub action: Action<'a>,
    pub outcome: Option<Outcome<'a>>,
    pub subject: Subject<'a>,
    /// Sections that go into the record as they are, but for what is masked. Of the schema's shape.
    pub agent: Option<Json<'a>>,
    /// Without `service_account`, which the daemon says.
    pub principal: Option<Json<'a>>,
    pub claimed_account: Option<Cow<'a, str>>,
    pub authority: Option<Json<'a>>,
    pub verification: Option<Json<'a>>,
    pub threats: Option<Json<'a>>,
    /// Names and what they hold: text, safe integers, flags, and lists of these.
    pub data: Option<Json<'a>>,
    pub cross_region: Option<bool>,
    /// Unix nanoseconds.
    pub started: Option<u64>,
    pub ended: Option<u64>,
}

/// The action that another one is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// By its sender's key.
    Key(Cow<'a, str>),
    /// By its record's id.
    Id(super::ids::RecordId),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Action<'a> {
    pub kind: &'static str,
    pub category: &'static str,
    pub tool: Option<Cow<'a, str>>,
    pub decision: Option<Cow<'a, str>>,
    pub scope: Option<Cow<'a, str>>,
    pub approver: Option<Cow<'a, str>>,
    pub input: Option<Json<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    pub status: Status,
    pub content: Content<'a>,
}

/// What an outcome says beside its status.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    None,
    Value(Json<'a>),
    Error(Cow<'a, str>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    pub id: Option<Cow<'a, str>>,
    pub name: Option<Cow<'a, str>>,
}

/// What is claimed of where a record was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// At the boundary where the action ran, by a sender that may say so.
    Captured,
    #[default]
    Ingested,
}

impl Capture {
    /// The schema's word (`source.capture`).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Ingested => "ingested",
        }
    }
}
