//! Feedback: what an evaluator, a model or a person says of a run.

use super::read::{at, disclosed, first, word};
use super::run::{id_of, tenant};
use super::time::time;
use super::{LIVE, SPACE};
use halod_record::event::{Action, Agent, Content, Event, Fact, Keyed, Origin, Outcome, Status, Usage};
use halod_record::json::{Json, Text};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// What is said, of a feedback's members.
const VERDICT: [&str; 5] = ["score", "value", "comment", "correction", "error"];

/// One feedback as the verdict of what gave it, a child of the run that it judges. One that changes an
/// earlier feedback has the same id.
///
/// # Errors
/// It has no id.
pub fn feedback<'a>(row: &'a Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    let Json::Object(members) = row else {
        return Err(Unusable::new("", "a feedback is an object"));
    };
    let id = id_of(row, "id")?.ok_or_else(|| Unusable::new("id", "a feedback's id is missing"))?;
    let judged = id_of(row, "run_id")?;
    let said = members.iter().filter(|(key, value)| {
        key.as_str().is_some_and(|key| VERDICT.contains(&key)) && *value != Json::Null
    });
    let said: Vec<(Text<'a>, Json<'a>)> = said.cloned().collect();
    let mut facts = vec![("feedback_id", Fact::Id(id.clone()))];
    let mut fact = |key, fact: Option<Fact<'a>>| facts.extend(fact.map(|fact| (key, fact)));
    fact("run_id", judged.clone().map(Fact::Id));
    fact("trace_id", id_of(row, "trace_id")?.map(Fact::Id));
    fact("score", row.get("score").and_then(decimal).map(Fact::Label));
    fact("feedback_source", first(row, &[&["feedback_source", "type"]]).map(Fact::Label));
    fact("judging_run_id", first(row, &[&["feedback_source", "metadata", "__run", "run_id"]]).map(Fact::Id));
    // Where evaluating itself failed, the flag is all that is said.
    let failed = row.get("error") == Some(&Json::Bool(true));
    Ok(Some(Event {
        action: Action::Guard { name: first(row, &[&["key"]]).unwrap_or(Cow::Borrowed("feedback")) },
        agent: Agent::default(),
        session: None,
        principal: first(
            row,
            &[&["feedback_source", "user_id"], &["feedback_source", "metadata", "user_id"]],
        ),
        tenant: at(row, &["feedback_source", "metadata"]).and_then(tenant),
        input: judged.clone().map_or(Content::Undisclosed, |run| {
            Content::Value(Json::object(vec![("run_id".into(), Json::Str(Text::from(run)))]))
        }),
        outcome: Outcome {
            status: if failed { Status::Error } else { Status::Ok },
            error_type: None,
            error_text: if failed { row.get("comment").and_then(word) } else { None },
            result: match disclosed(Some(&Json::Object(said.clone()))) {
                Some(_) => Content::Value(Json::Object(said)),
                None => Content::Undisclosed,
            },
        },
        authorization: None,
        origin: Origin::Keyed(Keyed {
            space: SPACE,
            id: vec![Cow::Borrowed("feedback"), id],
            parent: judged.map(|run| vec![run]),
        }),
        started: None,
        ended: row.get("created_at").and_then(time),
        usage: Usage::default(),
        source: LIVE,
        dropped: 0,
        trace_flags: None,
        facts,
    }))
}

/// A score in words: a record's numbers are integers.
fn decimal<'a>(value: &'a Json<'a>) -> Option<Cow<'a, str>> {
    match value {
        Json::Float(float) => Some(Cow::Owned(float.to_string())),
        Json::Bool(bool) => Some(Cow::Borrowed(if *bool { "true" } else { "false" })),
        other => word(other),
    }
}
