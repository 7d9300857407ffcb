//! How many records and calls there are, by what is asked for. Each call is counted once, though several records may tell of it.
//!
//! A chain of halod's says itself which record is the call: it is no `agent_message`, tells of no access (`data.access`), and is no
//! further account of another one. Chains of mapping 2 and before have all accounts of a call as calls; of them each is counted
//! by the rules of [`halo_adapters::count`], trace by trace. A call failed where one of its accounts says so, whenever that came.

use super::column::{BadColumn, Column, Place};
use super::field::{self, Field};
use halo_adapters::count::{self, Counted, Item, Kind};
use halod_record::event::ACCESS;
use halod_record::fold::{End, target};
use halod_record::hash::sha256;
use halod_record::ids::RecordId;
use halod_record::json::Json;
use halod_record::time::{instant, rfc3339};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Groups that are told apart; what is in further ones is counted together.
const GROUPS: usize = 100_000;
/// Accounts of calls that wait for the rest of their trace, in chains of mapping 2.
const OPEN: usize = 50_000;
/// Failed accounts that are remembered.
pub(super) const FAILED: usize = 1_000_000;
/// Values of one field that a record is counted under.
const VALUES: usize = 50;

/// What is written of groups beyond [`GROUPS`].
const OTHERS: &str = "(others)";

/// The last mapping whose chains have every account of a call as a call.
const OLD_MAPPING: u32 = 2;

/// What is in lines that tell of calls in old mappings.
pub(super) const OLD: [&str; 2] = ["\"mapping\":\"1\"", "\"mapping\":\"2\""];

/// What is in lines of accounts.
pub(super) const ACCOUNTS: [&str; 3] = ["\"corroborates\":", "\"amends\":", "\"conflicts_with\":"];

/// By what records are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    name: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// So many characters of when it happened, in UTC.
    Time(usize),
    /// Each finding's type.
    Findings,
    Column(Column),
}

impl By {
    /// Reads `tool,day`.
    ///
    /// # Errors
    /// A name is none of a column's.
    pub fn parse(text: &str) -> Result<Vec<Self>, BadColumn> {
        let by = |name: &str| {
            let what = match name {
                "hour" => What::Time(13),
                "day" => What::Time(10),
                "month" => What::Time(7),
                "finding" => What::Findings,
                name => What::Column(Column::parse(name)?),
            };
            Ok(Self { name: name.to_owned(), what })
        };
        text.split(',').map(|name| by(name.trim())).collect()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn values(&self, record: &Json<'_>, place: Place<'_>) -> Vec<String> {
        match &self.what {
            What::Time(length) => {
                let at = field::happened(record).and_then(|at| instant(&at));
                let at = at.map(|at| {
                    String::from_utf8_lossy(&rfc3339(at.unix_nanos())).chars().take(*length).collect()
                });
                vec![at.unwrap_or_default()]
            }
            What::Findings => {
                let mut all = Vec::new();
                Field::Finding.each(record, &mut |kind| {
                    if all.len() < VALUES && !all.iter().any(|one| one == kind) {
                        all.push(kind.to_owned());
                    }
                });
                if all.is_empty() { vec![String::new()] } else { all }
            }
            What::Column(column) => vec![column.value(record, place).into_owned()],
        }
    }
}

/// What one record adds.
pub(super) struct Counting {
    /// The groups that it is in; none where it is not asked for.
    groups: Vec<Vec<String>>,
    call: Call,
}

enum Call {
    No,
    /// The action of a call.
    Action {
        id: Option<RecordId>,
        failed: bool,
    },
    /// One account among those of its trace.
    Old(Box<Account>),
}

/// What counting needs of a record of an old mapping.
struct Account {
    trace: u128,
    id: u128,
    parent: Option<u128>,
    record: Option<RecordId>,
    kind: Option<Kind>,
    thing: Option<String>,
    response: Option<String>,
    call: Option<String>,
    failed: bool,
}

impl Counting {
    pub(super) fn of(record: &Json<'_>, is_asked: bool, by: &[By], place: Place<'_>) -> Self {
        let groups = if is_asked { groups(record, by, place) } else { Vec::new() };
        Self { groups, call: Call::of(record, is_asked) }
    }
}

fn groups(record: &Json<'_>, by: &[By], place: Place<'_>) -> Vec<Vec<String>> {
    by.iter().fold(vec![Vec::new()], |groups, by| {
        let values = by.values(record, place);
        let with =
            |group: &Vec<String>, value: &String| [group.as_slice(), std::slice::from_ref(value)].concat();
        groups.iter().flat_map(|group| values.iter().map(|value| with(group, value))).take(VALUES).collect()
    })
}

fn record_id(record: &Json<'_>) -> Option<RecordId> {
    RecordId::parse(&field::text(record, &["record_id"])?)
}

impl Call {
    fn of(record: &Json<'_>, is_asked: bool) -> Self {
        let text = |path: &[&str]| field::text(record, path);
        let is_account = target(record).is_some_and(|(_, tie)| tie.is_account());
        let is_access = record.get("data").is_some_and(|data| data.get(ACCESS).is_some());
        let kind_of = text(&["action", "type"]);
        let is_call =
            kind_of.as_deref().is_some_and(|kind| kind != "agent_message") && !is_access && !is_account;
        let failed = End::of(record).failed();
        let mapping = text(&["source", "mapping"]).and_then(|mapping| mapping.parse::<u32>().ok());
        if mapping.is_none_or(|mapping| mapping > OLD_MAPPING) {
            let id = record_id(record);
            return if is_call && is_asked { Self::Action { id, failed } } else { Self::No };
        }
        let (tool, model) = (text(&["action", "tool"]), text(&["agent", "model"]));
        let (kind, thing) = match (tool.as_deref(), kind_of.as_deref()) {
            _ if !is_call || !is_asked => (None, None),
            (Some("model.generate"), _) => (Some(Kind::Generate), model),
            (Some("model.embed"), _) => (Some(Kind::Embed), model),
            (_, Some("read")) => (Some(Kind::Retrieve), tool),
            _ => (Some(Kind::Tool), tool),
        };
        let data = |key: &str| text(&["data", key]).map(|text| text.into_owned());
        let trace = data("trace_id").or_else(|| text(&["session_id"]).map(|text| text.into_owned()));
        let trace = trace.unwrap_or_default();
        let of_span = |span: &str| digest(&[trace.as_bytes(), span.as_bytes()]);
        let own = data("span_id").map(|span| of_span(&span));
        let parent = data("parent_span_id").map(|span| of_span(&span));
        let by_id = |id| Some(digest(&[text(&[id])?.as_bytes()]));
        Self::Old(Box::new(Account {
            trace: digest(&[trace.as_bytes()]),
            id: own.or_else(|| by_id("record_id")).unwrap_or_default(),
            parent: parent.or_else(|| by_id("parent_id").filter(|_| own.is_none())),
            record: record_id(record),
            kind,
            thing: thing.map(|thing| thing.into_owned()),
            response: data("response_id"),
            call: data("call_id"),
            failed,
        }))
    }
}

fn digest(parts: &[&[u8]]) -> u128 {
    let digest = sha256(&parts.join(&0));
    u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

/// An account that waits, and the groups that it is in.
type Waiting = (Account, Vec<Vec<String>>);

/// What a group comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    /// Of the calls.
    pub(super) failed: u64,
    pub(super) records: u64,
}

/// Adds up what records come to.
#[derive(Default)]
pub(super) struct Counts {
    groups: BTreeMap<Vec<String>, Tally>,
    /// Of the chain that is read: accounts that say that their call failed, and whom they are about.
    failed: HashSet<RecordId>,
    traces: HashMap<u128, Vec<Waiting>>,
    /// The traces in the order in which they were met.
    order: VecDeque<u128>,
    open: usize,
}

impl Counts {
    pub(super) fn begin(&mut self, failed: HashSet<RecordId>) {
        self.end();
        self.failed = failed;
    }

    pub(super) fn add(&mut self, counting: Counting) {
        let Counting { groups, call } = counting;
        for group in &groups {
            self.tally(group).records += 1;
        }
        match call {
            Call::No => {}
            Call::Action { id, failed } => {
                let failed = failed || id.is_some_and(|id| self.failed.contains(&id));
                self.call(&groups, failed);
            }
            Call::Old(account) => {
                let trace = account.trace;
                let known = self.traces.entry(trace).or_default();
                if known.is_empty() {
                    self.order.push_back(trace);
                }
                known.push((*account, groups));
                self.open += 1;
                while self.open > OPEN && self.close_first() {}
            }
        }
    }

    /// Counts what waits: the chain ends.
    pub(super) fn end(&mut self) {
        while self.close_first() {}
    }

    /// Counts the accounts of the trace that was met first.
    fn close_first(&mut self) -> bool {
        let Some(trace) = self.order.pop_front() else { return false };
        let accounts = self.traces.remove(&trace).unwrap_or_default();
        self.open -= accounts.len();
        let item = |(account, _): &Waiting| {
            let failed = account.failed || account.record.is_some_and(|id| self.failed.contains(&id));
            (account.id, account.parent, account.kind, failed)
        };
        let told: Vec<_> = accounts.iter().map(item).collect();
        let items: Vec<Item<'_, u128>> = accounts
            .iter()
            .zip(told)
            .map(|((account, _), (id, parent, kind, failed))| Item {
                id,
                parent,
                kind,
                key: account.thing.as_deref(),
                response_id: account.response.as_deref(),
                call_id: account.call.as_deref(),
                failed,
            })
            .collect();
        for (counted, (_, groups)) in count::count(&items).into_iter().zip(&accounts) {
            match counted {
                Counted::Ok(_) => self.call(groups, false),
                Counted::Failed(_) => self.call(groups, true),
                Counted::No | Counted::With(_) => {}
            }
        }
        true
    }

    fn call(&mut self, groups: &[Vec<String>], failed: bool) {
        for group in groups {
            let tally = self.tally(group);
            tally.calls += 1;
            tally.failed += u64::from(failed);
        }
    }

    fn tally(&mut self, group: &[String]) -> &mut Tally {
        if self.groups.len() >= GROUPS && !self.groups.contains_key(group) {
            return self.groups.entry(vec![OTHERS.to_owned(); group.len()]).or_default();
        }
        self.groups.entry(group.to_vec()).or_default()
    }

    pub(super) fn rows(mut self) -> BTreeMap<Vec<String>, Tally> {
        self.end();
        self.groups
    }
}

/// A further account of a call: its own id, that of the record which it is about, and whether it says that the call failed.
pub(super) fn account(record: &Json<'_>) -> Option<(Option<RecordId>, RecordId, bool)> {
    let (about, tie) = target(record)?;
    tie.is_account().then(|| (record_id(record), about, End::of(record).failed()))
}
