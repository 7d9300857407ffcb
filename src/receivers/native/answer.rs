//! The answer: what became of each record, and where that leaves the chains.

use halod_chain::commit::{Detail, Fate, Head, Told};
use halod_proto::ingest::v1 as wire;
use halod_proto::ingest::v1::result::Status;
use halod_record::ids::RecordId;
use halod_record::unusable::Unusable;
use http::StatusCode;
use prost::Message;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};

/// What a record of the request came to before it was sealed.
#[derive(Debug)]
pub(super) enum Item {
    Drafted(RecordId),
    Rejected(Vec<Unusable>),
}

/// What the sender is told.
#[derive(Debug)]
pub(super) struct Answer {
    results: Vec<Outcome>,
    heads: Vec<Head>,
    /// The file of the signed receipt, where senders get one.
    receipt: Option<String>,
}

#[derive(Debug)]
enum Outcome {
    Told(Told),
    Rejected(Vec<Unusable>),
}

impl Answer {
    pub(super) fn new(items: Vec<Item>, detail: Detail, receipt: Option<String>) -> Self {
        let mut told: HashMap<RecordId, VecDeque<Told>> = HashMap::with_capacity(detail.fates.len());
        for fate in detail.fates {
            told.entry(fate.asked).or_default().push_back(fate);
        }
        let result = |item| match item {
            Item::Rejected(wrong) => Outcome::Rejected(wrong),
            // The writer tells of every draft before it acknowledges any.
            Item::Drafted(id) => {
                Outcome::Told(told.get_mut(&id).and_then(VecDeque::pop_front).unwrap_or(Told {
                    asked: id,
                    record: id,
                    fate: Fate::Sealed,
                }))
            }
        };
        Self { results: items.into_iter().map(result).collect(), heads: detail.heads, receipt }
    }

    /// 207 (RFC 4918, section 13) when a part was taken, 400 when nothing was that could have been.
    pub(super) fn status(&self) -> StatusCode {
        let rejected = self.results.iter().filter(|result| matches!(result, Outcome::Rejected(_))).count();
        match rejected {
            0 => StatusCode::OK,
            all if all == self.results.len() => StatusCode::BAD_REQUEST,
            _ => StatusCode::MULTI_STATUS,
        }
    }

    pub(super) fn json(&self) -> Value {
        let results: Vec<Value> =
            self.results.iter().enumerate().map(|(at, result)| result.json(at)).collect();
        let head = |head: &Head| {
            let hash = String::from_utf8_lossy(&head.hash);
            json!({"subject": head.tenant.subject(), "hash": hash, "records": head.records})
        };
        let mut answer =
            json!({"results": results, "heads": self.heads.iter().map(head).collect::<Vec<_>>()});
        if let Some(receipt) = &self.receipt {
            answer["receipt"] = receipt.as_str().into();
        }
        answer
    }

    pub(super) fn message(self) -> Vec<u8> {
        let results = self.results.into_iter().enumerate().map(|(at, result)| result.message(at)).collect();
        let head = |head: Head| wire::Head {
            subject: head.tenant.subject().unwrap_or_default().to_owned(),
            hash: String::from_utf8_lossy(&head.hash).into_owned(),
            records: head.records,
        };
        let heads = self.heads.into_iter().map(head).collect();
        wire::WriteResponse { results, heads, receipt: self.receipt.unwrap_or_default() }.encode_to_vec()
    }
}

impl Outcome {
    fn json(&self, at: usize) -> Value {
        match self {
            Self::Told(told) => {
                let (status, _) = words(told.fate);
                let mut result = json!({"status": status, "record_id": told.record.to_string()});
                if told.record != told.asked {
                    result["conflicts_with"] = told.asked.to_string().into();
                }
                result
            }
            Self::Rejected(wrong) => {
                let error = |wrong: &Unusable| json!({"field": field(at, wrong), "message": wrong.what});
                json!({"status": "rejected", "errors": wrong.iter().map(error).collect::<Vec<_>>()})
            }
        }
    }

    fn message(self, at: usize) -> wire::Result {
        match self {
            Self::Told(told) => wire::Result {
                status: words(told.fate).1 as i32,
                record_id: told.record.to_string(),
                conflicts_with: Some(told.asked)
                    .filter(|id| *id != told.record)
                    .map_or_else(String::new, |id| id.to_string()),
                errors: Vec::new(),
            },
            Self::Rejected(wrong) => wire::Result {
                status: Status::Rejected as i32,
                errors: wrong
                    .into_iter()
                    .map(|wrong| wire::FieldError {
                        field: field(at, &wrong),
                        message: wrong.what.into_owned(),
                    })
                    .collect(),
                ..wire::Result::default()
            },
        }
    }
}

fn words(fate: Fate) -> (&'static str, Status) {
    match fate {
        Fate::Sealed => ("sealed", Status::Sealed),
        Fate::Duplicate => ("duplicate", Status::Duplicate),
        Fate::Conflict => ("conflict", Status::Conflict),
    }
}

/// From the request inwards.
fn field(at: usize, wrong: &Unusable) -> String {
    match wrong.field.as_ref() {
        "" => format!("records[{at}]"),
        inner => format!("records[{at}].{inner}"),
    }
}
