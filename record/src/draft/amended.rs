//! A later account of an action that has its record: it says more, or how the action ended.

use super::Draft;
use crate::call::role::{section, set};
use crate::ids::{Origin, RecordId};
use crate::json::{Json, parse};
use crate::{canon, stored};
use sha2::{Digest, Sha256};

impl Draft {
    /// What is sealed of this draft where `first` is the record of its action: an `agent.update` that amends it, as for
    /// what is told in messages.
    #[must_use]
    pub fn amending(&self, first: RecordId) -> Self {
        // Of a version of the store's there is one update, which its other exports are compared with.
        let version = stored::version_of(&self.line).map(String::into_bytes);
        let which = Sha256::digest(version.unwrap_or_else(|| stored::essence(&self.line)));
        let id = RecordId::derive(Origin::Update, &self.tenant, &[first.bytes(), &which]);
        let line = amended(&self.line, first, id);
        line.and_then(|line| Self::reopen(self.tenant.clone(), &line))
            .unwrap_or_else(|| self.conflicting_with(first))
    }
}

fn amended(line: &[u8], first: RecordId, id: RecordId) -> Option<Vec<u8>> {
    let Ok(Json::Object(mut record)) = parse(std::str::from_utf8(line).ok()?) else { return None };
    let action = section(&mut record, "action")?;
    action.retain(|(key, _)| key.as_str() != Some("authorization"));
    set(action, "tool", "agent.update".to_owned());
    set(action, "type", "agent_message".to_owned());
    set(action, "category", "reliability".to_owned());
    let data = section(&mut record, "data")?;
    data.retain(|(key, _)| key.as_str() != Some("call_keys"));
    set(data, "amends", first.to_string());
    set(&mut record, "parent_id", first.to_string());
    set(&mut record, "record_id", id.to_string());
    let mut out = Vec::with_capacity(line.len() + 128);
    canon::write(&Json::object(record), &mut out).ok()?;
    out.push(b'\n');
    Some(out)
}
