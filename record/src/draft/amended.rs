//! A later account of an action that has its record: it says more, or how the action ended.

use super::{Comparison, Draft};
use crate::call::role::{section, set};
use crate::ids::{Origin, RecordId};
use crate::json::{Json, parse};
use crate::{canon, compare, stored};
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

    /// Where hashes were made under another key, or without one, nothing is known of whether the content is the same: only
    /// the rest is compared, and of messages whether they tell of another end.
    pub(super) fn compare_under_other_key(&self, ours: &[u8], line: &[u8]) -> Comparison<'_> {
        match self.parts.is_empty() {
            false if compare::end_alike(ours, line) => Comparison::Same,
            false => Comparison::Apart(self.parts.iter().map(|(_, draft)| draft).collect()),
            true if compare::same_but_content(ours, line)
                || compare::same_life_in_other_words(ours, line) =>
            {
                Comparison::Same
            }
            true => Comparison::Conflict,
        }
    }

    pub(super) fn compare_messages_with(&self, ours: &[u8], line: &[u8]) -> Comparison<'_> {
        let known = compare::parts(line);
        let new: Vec<&Self> =
            self.parts.iter().filter(|(mark, _)| !known.contains(mark)).map(|(_, draft)| draft).collect();
        if new.is_empty() || compare::same_life_in_other_words(ours, line) {
            Comparison::Same
        } else {
            Comparison::Apart(new)
        }
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
