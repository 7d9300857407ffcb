//! A batch of the ingestion API: each event on its own, answered on its own.

use crate::ingest::RequestBuilder;
use crate::ingest::claim::{HeaderClaim, TenantResolver, overruled};
use crate::net::status::Fault;
use bytes::Bytes;
use halo_adapters::langfuse;
use halod_record::charge;
use halod_record::fragment::Fragment;
use halod_record::json::{self, Json, Text};
use halod_record::tenant::Tenant;
use halod_record::unusable::Unusable;
use http::StatusCode;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What the answer to an event takes at most, until it is written.
const ANSWERED: usize = 2 << 10;

/// Bytes of an event's id that are given back.
const ID: usize = 256;

/// What became of the events of a batch, each by its id.
#[derive(Debug, Default)]
pub(super) struct Batch {
    taken: Vec<String>,
    refused: Vec<(String, String)>,
}

impl Batch {
    /// Reads a body's events into the request.
    ///
    /// # Errors
    /// It is no batch, or does not fit in flight.
    pub(super) fn read(bytes: &Bytes, request: &mut RequestBuilder) -> Result<Self, Fault> {
        let body = parse(bytes)?;
        let Some(Json::Array(events)) = body.get("batch") else {
            return Err(Fault::Undecodable("batch: expected a list of events".into()));
        };
        let mut batch = Self::default();
        let tools = {
            let _item = charge::passing();
            langfuse::tools(events)
        };
        for event in events {
            request.charge(ANSWERED)?;
            let _item = charge::passing();
            let id = id(event);
            match langfuse::fragment(event) {
                Ok(None) => {
                    request.filter(1);
                    batch.taken.push(id);
                }
                Ok(Some(mut fragment)) => {
                    langfuse::call_by_name(&mut fragment, &tools);
                    match placed(&mut request.tenants, fragment) {
                        Ok((fragment, tenant)) => {
                            request.push_part(fragment, tenant)?;
                            batch.taken.push(id);
                        }
                        Err(reason) => batch.refuse(id, &reason, request),
                    }
                }
                Err(reason) => batch.refuse(id, &reason, request),
            }
        }
        Ok(batch)
    }

    fn refuse(&mut self, id: String, reason: &Unusable, request: &mut RequestBuilder) {
        request.reject(reason.to_string());
        self.refused.push((id, reason.to_string()));
    }

    /// As Langfuse answers.
    pub(super) fn answer(&self) -> Value {
        let successes: Vec<Value> = self.taken.iter().map(|id| json!({ "id": id, "status": 201 })).collect();
        let refused = |(id, message): &(String, String)| json!({ "id": id, "status": 400, "message": message, "error": "InvalidRequestError" });
        let errors: Vec<Value> = self.refused.iter().map(refused).collect();
        json!({ "successes": successes, "errors": errors })
    }
}

/// What became of a score, or of a list of them.
#[derive(Debug)]
pub(super) enum Scores {
    One(String),
    List { taken: u64, refused: Vec<String> },
}

impl Scores {
    /// Reads a body's scores into the request.
    ///
    /// # Errors
    /// It is neither, or does not fit in flight.
    pub(super) fn read(bytes: &Bytes, request: &mut RequestBuilder) -> Result<Self, Fault> {
        let (scores, one) = match parse(bytes)? {
            Json::Array(scores) => (scores, false),
            score => (vec![score], true),
        };
        let first = scores.first().map(id).unwrap_or_default();
        let event =
            |score| Json::Object(vec![("type".into(), Json::str("score-create")), ("body".into(), score)]);
        let events: Vec<Json<'_>> = scores.into_iter().map(event).collect();
        let (mut taken, mut refused) = (0, Vec::new());
        for event in &events {
            request.charge(ANSWERED)?;
            let _item = charge::passing();
            let tenants = &mut request.tenants;
            let placed =
                langfuse::fragment(event).and_then(|told| told.map(|told| placed(tenants, told)).transpose());
            match placed {
                Ok(Some((fragment, tenant))) => {
                    request.push_part(fragment, tenant)?;
                    taken += 1;
                }
                Ok(None) => {}
                Err(reason) if one => return Err(Fault::Undecodable(reason.to_string())),
                Err(reason) => {
                    request.reject(reason.to_string());
                    refused.push(reason.to_string());
                }
            }
        }
        Ok(if one { Self::One(first) } else { Self::List { taken, refused } })
    }

    /// As Langfuse answers.
    pub(super) fn answer(&self) -> (StatusCode, Value) {
        match self {
            Self::One(id) => (StatusCode::OK, json!({ "id": id })),
            Self::List { refused, .. } if refused.is_empty() => {
                (StatusCode::ACCEPTED, json!({ "message": "Accepted" }))
            }
            Self::List { taken, refused } => {
                let errors: Vec<Value> =
                    refused.iter().map(|message| json!({ "message": message })).collect();
                let answer = json!({ "accepted": taken, "rejected": refused.len(), "errors": errors });
                (StatusCode::MULTI_STATUS, answer)
            }
        }
    }
}

fn parse(bytes: &Bytes) -> Result<Json<'_>, Fault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Fault::Undecodable(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    json::parse(text).map_err(|error| Fault::Undecodable(error.to_string()))
}

fn id(event: &Json<'_>) -> String {
    let id = match event.get("id") {
        Some(Json::Str(id)) => Text::to_lossy(id).into_owned(),
        _ => String::new(),
    };
    let end = id.floor_char_boundary(ID);
    id.get(..end).unwrap_or_default().to_owned()
}

/// Whose a fragment is, where key or headers tell; a claim of its own that differs is kept as a fact.
fn placed<'a>(
    tenants: &mut TenantResolver,
    mut fragment: Fragment<'a>,
) -> Result<(Fragment<'a>, Option<Tenant>), Unusable> {
    let (tenant, other) = tenants
        .of(fragment.tenant.as_deref())
        .map_err(|error| Unusable::new("body.metadata.tenant", error.to_string()))?;
    let is_open = *tenants.claim() == HeaderClaim::Absent;
    if is_open && other.is_none() {
        // Only looked at, as later nobody could be told: another message may tell whose it is.
        return Ok((fragment, None));
    }
    let own = fragment.tenant.take().map(Cow::into_owned);
    let differs = other.or(own).filter(|id| tenant.subject() != Some(id));
    fragment.facts.extend(overruled(differs));
    Ok((fragment, Some(tenant).filter(|_| !is_open)))
}
