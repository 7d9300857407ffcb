//! A record in the role of a corroboration: a further account of a call that has its action.

use super::Reason;
use super::line::{CORROBORATES, SealedCall};
use crate::canon;
use crate::ids::RecordId;
use crate::json::{Json, Text, parse};
use std::borrow::Cow;

/// What `data.joined_by` says of a second account of one origin, which contradicts the first.
const SAME_ORIGIN: &str = "origin";

/// Whose corroboration a record is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    action: RecordId,
    joined_by: Cow<'static, str>,
    /// `outcome.status` of the account that it was joined to.
    status: Option<String>,
}

impl Role {
    /// Of a further account of the call that `sealed` tells of.
    #[must_use]
    pub fn beside(sealed: &SealedCall, reason: Reason) -> Self {
        Self { action: sealed.action, joined_by: Cow::Borrowed(reason.name()), status: sealed.status.clone() }
    }

    /// Of a second account of one origin.
    #[must_use]
    pub fn of_same_origin(sealed: &SealedCall) -> Self {
        Self { action: sealed.action, joined_by: Cow::Borrowed(SAME_ORIGIN), status: sealed.status.clone() }
    }

    /// The role that a sealed line has, if it is a corroboration.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        // A tool's name in quotes stands only there: in a string its quotes would be escaped.
        memchr::memmem::find(line, br#""tool":"corroborates:"#)?;
        let record = parse(std::str::from_utf8(line).ok()?).ok()?;
        let data = |key: &str| record.get("data")?.get(key);
        let contradicts = data("contradicts").is_some();
        let own = record.get("outcome").and_then(|outcome| outcome.get("status")?.as_str());
        Some(Self {
            action: RecordId::parse(data("corroborates")?.as_str()?)?,
            joined_by: Cow::Owned(data("joined_by")?.as_str()?.to_owned()),
            // Whatever makes the same of it again.
            status: contradicts.then(|| if own == Some("ok") { "error" } else { "ok" }.to_owned()),
        })
    }

    /// The canonical line of a draft in this role; `None` where it is no record.
    pub(crate) fn apply(&self, line: &[u8]) -> Option<Vec<u8>> {
        let Ok(Json::Object(mut record)) = parse(std::str::from_utf8(line).ok()?) else { return None };
        let status = section(&mut record, "outcome").and_then(|outcome| {
            outcome.iter().find(|(key, _)| key.as_str() == Some("status"))?.1.as_str().map(str::to_owned)
        });
        let action = section(&mut record, "action")?;
        action.retain(|(key, _)| key.as_str() != Some("authorization"));
        let tool = action.iter().find(|(key, _)| key.as_str() == Some("tool"))?.1.as_str()?.to_owned();
        set(action, "tool", [CORROBORATES, &tool].concat());
        set(action, "type", "agent_message".to_owned());
        set(action, "category", "reliability".to_owned());
        let data = section(&mut record, "data")?;
        set(data, "corroborates", self.action.to_string());
        set(data, "joined_by", self.joined_by.clone().into_owned());
        if contradict(status.as_deref(), self.status.as_deref()) {
            let what = Json::Array(vec![Json::Str(Text::from("outcome.status".to_owned()))]);
            put(data, "contradicts", what);
            if let Some((_, severity)) = record.iter_mut().find(|(key, _)| key.as_str() == Some("severity"))
                && matches!(severity.as_str(), Some("INFO" | "LOW"))
            {
                *severity = Json::Str(Text::from("MEDIUM".to_owned()));
            }
        }
        set(&mut record, "parent_id", self.action.to_string());
        let mut out = Vec::with_capacity(line.len() + 256);
        canon::write(&Json::object(record), &mut out).ok()?;
        out.push(b'\n');
        Some(out)
    }
}

/// Whether one account says that the call came off, and the other that it did not.
fn contradict(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let failed = |status: &str| status != "ok";
    ours.zip(theirs).is_some_and(|(ours, theirs)| failed(ours) != failed(theirs))
}

pub(crate) fn section<'r, 'a>(
    record: &'r mut [(Text<'a>, Json<'a>)],
    name: &str,
) -> Option<&'r mut Vec<(Text<'a>, Json<'a>)>> {
    match record.iter_mut().find(|(key, _)| key.as_str() == Some(name)) {
        Some((_, Json::Object(members))) => Some(members),
        _ => None,
    }
}

pub(crate) fn set<'a>(members: &mut Vec<(Text<'a>, Json<'a>)>, key: &'static str, text: String) {
    put(members, key, Json::Str(Text::from(text)));
}

pub(crate) fn put<'a>(members: &mut Vec<(Text<'a>, Json<'a>)>, key: &'static str, value: Json<'a>) {
    members.retain(|(name, _)| name.as_str() != Some(key));
    members.push((Text::from(key), value));
}
