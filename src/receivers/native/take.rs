//! A body's records, one after the other: read, placed, drafted.

use super::Encoding;
use super::answer::Item;
use super::tokens::Grant;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::HeaderClaim;
use crate::net::status::Fault;
use halo_adapters::native;
use halo_adapters::otlp::{DecodeError, MAX_MESSAGES};
use halod_record::charge;
use halod_record::json::{Json, Most, Problem, parse, split};
use halod_record::native::{Record, read};
use halod_record::tenant::Tenant;
use halod_record::unusable::Unusable;

/// Records of one request: its answer has a line for each.
pub const MAX_RECORDS: usize = 10_000;

/// What an error takes in the answer, beside its text.
const ERROR: usize = 512;

/// Errors that a request is told in full; from then on the first one of each record.
const MAX_ERRORS: usize = 1000;

/// Drafts what can be of a body's records, and says of each what it came to.
///
/// # Errors
/// `Undecodable` when the body holds no records or too many; a refusal when there is no room for them.
pub(super) fn records(
    body: &[u8],
    encoding: Encoding,
    (grant, header): (&Grant, &HeaderClaim),
    request: &mut RequestBuilder,
) -> Result<Vec<Item>, Fault> {
    let mut taker = Taker { grant, header, request, items: Vec::new(), errors: 0 };
    match encoding {
        Encoding::Json => taker.json(body)?,
        Encoding::Protobuf => {
            native::records(body, |record| taker.take(record).map_err(Stop::Fault)).map_err(Fault::from)?;
        }
    }
    Ok(taker.items)
}

/// Why a request in protobuf is not read to its end.
enum Stop {
    Decode(DecodeError),
    Fault(Fault),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Decode(error) => Self::Undecodable(error.to_string()),
            Stop::Fault(fault) => fault,
        }
    }
}

struct Taker<'a> {
    grant: &'a Grant,
    header: &'a HeaderClaim,
    request: &'a mut RequestBuilder,
    items: Vec<Item>,
    errors: usize,
}

impl Taker<'_> {
    /// One object, an array, or one object a line.
    fn json(&mut self, body: &[u8]) -> Result<(), Fault> {
        let text = std::str::from_utf8(body).map_err(|error| {
            Fault::Undecodable(format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
        })?;
        let most = Most { items: MAX_RECORDS, values: MAX_MESSAGES as usize };
        let (_, all) = split(text, &most).map_err(|error| match error.problem {
            Problem::TooMany { limit: MAX_RECORDS } => too_many(),
            Problem::TooMany { .. } => {
                Fault::Undecodable(DecodeError::TooMany { limit: MAX_MESSAGES }.to_string())
            }
            _ => Fault::Undecodable(format!("not JSON: {error}")),
        })?;
        for (at, item) in all.into_iter().enumerate() {
            let _item = charge::passing();
            let value = parse(item)
                .map_err(|error| Fault::Undecodable(format!("records[{at}]: not JSON: {error}")))?;
            self.take(Ok(value))?;
        }
        Ok(())
    }

    fn take(&mut self, value: Result<Json<'_>, Unusable>) -> Result<(), Fault> {
        if self.items.len() == MAX_RECORDS {
            return Err(too_many());
        }
        let drafted = value.map_err(|wrong| vec![wrong]).and_then(|value| {
            let record = read(value, self.request.builder())?;
            let tenant = place(self.grant, self.header, &record).map_err(|wrong| vec![wrong])?;
            Ok(self.request.native(&record, &tenant, self.grant.capture))
        });
        match drafted {
            Ok(draft) => {
                self.items.push(Item::Drafted(draft.id()));
                self.request.push_draft(draft)
            }
            Err(mut wrong) => {
                if self.errors >= MAX_ERRORS {
                    wrong.truncate(1);
                }
                self.errors += wrong.len();
                self.request.charge(wrong.iter().map(weight).sum())?;
                self.request.reject(wrong.first().map(ToString::to_string).unwrap_or_default());
                self.items.push(Item::Rejected(wrong));
                Ok(())
            }
        }
    }
}

/// About what an error takes here and in the answer.
fn weight(wrong: &Unusable) -> usize {
    ERROR + 3 * wrong.to_string().len()
}

fn too_many() -> Fault {
    Fault::Undecodable(format!("the request has more than {MAX_RECORDS} records; send it in parts"))
}

/// Whose record it is: the sole tenant of the sender's credential, else the record's own subject, else what the headers claim.
fn place(grant: &Grant, claim: &HeaderClaim, record: &Record<'_>) -> Result<Tenant, Unusable> {
    let claimed = match (&record.subject.id, claim) {
        (Some(id), _) => Some(id.as_ref()),
        (None, HeaderClaim::Tenant(id)) => Some(id.as_str()),
        (None, HeaderClaim::Assigned(tenant) | HeaderClaim::Keyed(tenant)) => tenant.subject(),
        (None, HeaderClaim::Absent) => None,
        (None, HeaderClaim::Unreadable) => {
            return Err(Unusable::new("subject", "the tenant in the request's headers is not UTF-8"));
        }
    };
    let denied = || {
        let what = "permission denied: the credential that was sent is for other tenants";
        Err(Unusable::new("subject.id", what))
    };
    match (grant.tenants.sole(), claimed) {
        (Some(bound), None) => Ok(bound.clone()),
        (Some(bound), Some(id)) if bound.subject() == Some(id) => Ok(bound.clone()),
        (Some(_), Some(_)) => denied(),
        (None, None) => Ok(Tenant::Local),
        (None, Some(id)) => {
            let tenant =
                Tenant::claimed(id).map_err(|error| Unusable::new("subject.id", error.to_string()))?;
            if grant.tenants.includes(id) { Ok(tenant) } else { denied() }
        }
    }
}
