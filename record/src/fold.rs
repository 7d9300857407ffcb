//! How an action ended: one fold over all that a chain says of it.
//!
//! An action's record is the first account of it. What came later hangs on it, each by one member that names the
//! record which it is about ([`TARGETS`]). Who says that it failed or was refused is believed over who says that
//! it came off, and whoever says how it ended over who does not.

use crate::event::ACCESS;
use crate::ids::RecordId;
use crate::json::{Json, parse};
use crate::sameness::ACCOUNT;
use std::collections::{BTreeSet, HashMap};

/// How an action ended, by what one record says of it. What comes later here is believed over what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// It was told of before it ended.
    Unfinished,
    /// Nobody said how it ended.
    Unknown,
    Ok,
    Error,
    Denied,
}

impl End {
    /// As a reader is told it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
        }
    }

    /// What a record says.
    #[must_use]
    pub fn of(record: &Json<'_>) -> Self {
        let text = |section: &str, key: &str| record.get(section)?.get(key)?.as_str();
        let unfinished =
            matches!(record.get("data").and_then(|data| data.get("unfinished")), Some(Json::Bool(true)));
        match text("outcome", "status") {
            Some("error") => Self::Error,
            Some("denied") => Self::Denied,
            _ if unfinished || text("data", "outcome") == Some("unfinished") => Self::Unfinished,
            Some("ok") => Self::Ok,
            _ => Self::Unknown,
        }
    }

    /// What two accounts of one action say together. An error and a refusal are both failures: the first of them
    /// stays.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        if self.failed() { self } else { self.max(later) }
    }

    #[must_use]
    pub fn failed(self) -> bool {
        matches!(self, Self::Error | Self::Denied)
    }
}

/// What a record is to the one that it hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// A further account of a call.
    Corroborates,
    /// Another account of the same origin.
    Conflicts,
    /// What a message said after its action was sealed.
    Amends,
    /// What went into an action or came out of it, told apart from it.
    Content,
    /// What somebody thought of it.
    Score,
}

impl Tie {
    /// Whether it tells how the action ended.
    #[must_use]
    pub fn is_account(self) -> bool {
        !matches!(self, Self::Content | Self::Score)
    }
}

/// A member of a record.
type Path = &'static [&'static str];

/// By which members records hang on others: by the first of these that is there, where the record also has another
/// member, or a tool's name.
const TARGETS: [(Tie, Path, Beside); 5] = [
    (Tie::Corroborates, &["data", "corroborates"], Beside::Nothing),
    (Tie::Conflicts, &["conflicts_with"], Beside::Nothing),
    (Tie::Amends, &["data", "amends"], Beside::Nothing),
    (Tie::Content, &["parent_id"], Beside::Tool("agent.content")),
    (Tie::Score, &["parent_id"], Beside::Member(&["data", "score"])),
];

/// What a record must have beside the member that names another.
enum Beside {
    Nothing,
    Tool(&'static str),
    Member(Path),
}

/// The record that a record hangs on, and how.
#[must_use]
pub fn target(record: &Json<'_>) -> Option<(RecordId, Tie)> {
    let at = |path: &[&str]| path.iter().try_fold(record, |at, key| at.get(key))?.as_str();
    TARGETS.iter().find_map(|(tie, path, beside)| {
        let hangs = match beside {
            Beside::Nothing => true,
            Beside::Tool(tool) => at(&["action", "tool"]) == Some(tool),
            Beside::Member(path) => at(path).is_some(),
        };
        if hangs { Some((RecordId::parse(at(path)?)?, *tie)) } else { None }
    })
}

/// One action of a chain, with all that was said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub id: RecordId,
    /// `action.tool`.
    pub tool: String,
    /// Whether it counts as a call: `action.type` is not `agent_message`, and it is no access.
    pub is_call: bool,
    /// Whether it tells what an action touched: it has `data.access`.
    pub is_access: bool,
    pub end: End,
    /// `principal.service_account` of its record: the identity by which it came.
    pub by: Option<String>,
    /// What was said of it later, in order.
    pub accounts: Vec<Account>,
    /// Contents and scores that hang on it, in order.
    pub remarks: Vec<(RecordId, Tie)>,
}

/// A record that is a further account of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: RecordId,
    /// `action.tool`.
    pub tool: String,
    /// How the action ended, by this account.
    pub end: End,
    /// As [`Action::by`].
    pub by: Option<String>,
    /// `data.joined_by` of a corroboration.
    pub joined_by: Option<String>,
    /// It says something else than the account that it was joined to.
    pub contradicts: bool,
}

impl Action {
    /// The identities of those who tell of a call and agree. More than one are worth more than many accounts of one
    /// sender: none of them could have made it up alone.
    #[must_use]
    pub fn sources(&self) -> Vec<&str> {
        let agrees = |account: &&Account| account.joined_by.is_some() && !account.contradicts;
        let others = self.accounts.iter().filter(agrees).filter_map(|account| account.by.as_deref());
        let all: BTreeSet<&str> = self.by.as_deref().into_iter().chain(others).collect();
        all.into_iter().collect()
    }
}

/// The actions of a chain, in order, folded.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    actions: Vec<Action>,
    /// Of each record its action's place, and what it is to that where it tells nothing of its end.
    places: HashMap<RecordId, (usize, Option<Tie>)>,
}

impl Actions {
    /// Takes the next line of the chain. A line that is no record is passed over.
    pub fn push(&mut self, line: &[u8]) {
        let Some(record) = std::str::from_utf8(line).ok().and_then(|line| parse(line).ok()) else { return };
        let Some(id) = record.get("record_id").and_then(Json::as_str).and_then(RecordId::parse) else {
            return;
        };
        let text = |key: &str| record.get("action").and_then(|action| action.get(key)?.as_str());
        let end = End::of(&record);
        let by = || Some(record.get("principal")?.get(ACCOUNT)?.as_str()?.to_owned());
        let target = target(&record);
        let about = target.and_then(|(target, tie)| Some((*self.places.get(&target)?, tie)));
        if let Some(((place, of), tie)) = about
            && let Some(action) = self.actions.get_mut(place)
        {
            // What is said of a score says nothing of the action.
            let remark = of.or(Some(tie).filter(|tie| !tie.is_account()));
            self.places.insert(id, (place, remark));
            if let Some(remark) = remark {
                action.remarks.push((id, remark));
                return;
            }
            // A record of an update says how its own message ended only where that was told.
            action.end =
                if action.end == End::Unfinished && end == End::Ok { End::Ok } else { action.end.and(end) };
            let data = |key: &str| record.get("data").and_then(|data| data.get(key));
            action.accounts.push(Account {
                id,
                tool: text("tool").unwrap_or_default().to_owned(),
                end,
                by: by(),
                joined_by: data("joined_by").and_then(Json::as_str).map(str::to_owned),
                contradicts: data("contradicts").is_some(),
            });
            return;
        }
        self.places.insert(id, (self.actions.len(), None));
        let is_access = record.get("data").is_some_and(|data| data.get(ACCESS).is_some());
        self.actions.push(Action {
            id,
            tool: text("tool").unwrap_or_default().to_owned(),
            is_call: text("type") != Some("agent_message") && !is_access,
            is_access,
            end,
            by: by(),
            accounts: Vec::new(),
            remarks: Vec::new(),
        });
    }

    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_believed_over_success_and_an_end_over_none() {
        use End::{Denied, Error, Ok, Unfinished, Unknown};
        for (told, end) in [
            (vec![Ok, Error], Error),
            (vec![Error, Ok], Error),
            (vec![Denied, Error], Denied),
            (vec![Error, Denied], Error),
            (vec![Unfinished, Ok], Ok),
            (vec![Unfinished, Unknown, Unknown], Unknown),
            (vec![Unknown, Ok, Unknown], Ok),
        ] {
            assert_eq!(told.iter().copied().reduce(End::and), Some(end), "{told:?}");
        }
    }

    #[test]
    fn what_hangs_on_an_action_is_folded_into_it() {
        let id = |at: u8| RecordId::derive(crate::ids::Origin::Log, &crate::tenant::Tenant::Local, &[&[at]]);
        let line = |at: u8, tool: &str, kind: &str, status: &str, more: &str| {
            format!(
                r#"{{"action":{{"tool":"{tool}","type":"{kind}"}},{more}"outcome":{{"status":"{status}"}},"record_id":"{}"}}"#,
                id(at)
            )
        };
        let names = |key: &str, at: u8| format!(r#""data":{{"{key}":"{}"}},"#, id(at));
        let mut chain = Actions::default();
        for line in [
            line(1, "pay", "tool_call", "ok", ""),
            line(2, "corroborates:pay", "agent_message", "error", &names("corroborates", 1)),
            line(3, "agent.invoke", "agent_message", "ok", ""),
            line(4, "model.generate", "tool_call", "ok", ""),
            line(6, "corroborates:x", "agent_message", "error", &names("corroborates", 9)),
            line(7, "agent.content", "agent_message", "error", &format!(r#""parent_id":"{}","#, id(4))),
            line(
                8,
                "fine",
                "agent_message",
                "denied",
                &format!(r#""data":{{"score":"0.1"}},"parent_id":"{}","#, id(4)),
            ),
            line(9, "agent.update", "agent_message", "error", &names("amends", 8)),
            line(5, "agent.update", "agent_message", "denied", &names("amends", 4)),
            line(10, "agent.step", "agent_message", "ok", &format!(r#""parent_id":"{}","#, id(4))),
            "{".to_owned(),
        ] {
            chain.push(line.as_bytes());
        }
        let told: Vec<_> = chain
            .actions()
            .iter()
            .map(|one| (one.tool.as_str(), one.is_call, one.end, one.accounts.len() + one.remarks.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("pay", true, End::Error, 1),
                ("agent.invoke", false, End::Ok, 0),
                ("model.generate", true, End::Denied, 4),
                ("corroborates:x", false, End::Error, 0),
                ("agent.step", false, End::Ok, 0),
            ]
        );
    }

    #[test]
    fn a_call_is_confirmed_by_others_who_agree() {
        let id = |at: u8| RecordId::derive(crate::ids::Origin::Log, &crate::tenant::Tenant::Local, &[&[at]]);
        let line = |at: u8, by: &str, more: &str| {
            let (data, own) = (format!(r#"{{"corroborates":"{}"{more}}}"#, id(1)), id(at));
            let data = if at == 1 { "{}".to_owned() } else { data };
            format!(
                r#"{{"action":{{"tool":"pay","type":"tool_call"}},"data":{data},"outcome":{{"status":"ok"}},{by}"record_id":"{own}"}}"#
            )
        };
        let by = |name: &str| format!(r#""principal":{{"service_account":"{name}"}},"#);
        let joined = r#","joined_by":"call_id""#;
        for (lines, sources) in [
            (vec![line(1, &by("a"), ""), line(2, &by("b"), joined)], vec!["a", "b"]),
            (vec![line(1, &by("a"), ""), line(2, &by("a"), joined)], vec!["a"]),
            (vec![line(1, "", ""), line(2, &by("b"), joined), line(3, "", joined)], vec!["b"]),
            (
                vec![
                    line(1, &by("a"), ""),
                    line(2, &by("b"), &format!(r#"{joined},"contradicts":["outcome.status"]"#)),
                ],
                vec!["a"],
            ),
            // What nobody joined is no account of the call.
            (vec![line(1, &by("a"), ""), line(2, &by("b"), "")], vec!["a"]),
        ] {
            let mut chain = Actions::default();
            lines.iter().for_each(|line| chain.push(line.as_bytes()));
            assert_eq!(chain.actions().first().map(Action::sources), Some(sources), "{lines:?}");
        }
    }
}
