//! A trace whose spans do not all say whose they are: in which chains its records are, or could be.
//!
//! A tenant is often said once in a trace, on a span that is sent late or by another process. What was said for the
//! trace places the spans that say nothing; where some of them came before, they are in another chain, and that is
//! disclosed. All of it is about the spans of one sender.

use super::draft::{Draft, OriginKey};
use super::hash::{hex_text, parse_hex, sha256};
use super::ids::{RecordId, kept_part};
use super::notice::{About, Notice};
use super::tenant::Tenant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tenants that are remembered for one trace, of each kind. Of more, nobody can tell whose the trace is.
const MOST_TENANTS: usize = 8;

/// Spans that a disclosure names.
const MOST_SPANS: usize = 100;

/// How a tenant came to be said for a trace; the earlier ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// By an attribute that the operator chose.
    Stated,
    /// By what the span's dialect calls a tenant.
    Dialect,
}

/// What stands for a trace's id: the id itself where it is one of OpenTelemetry's, else the first half of its hash.
#[must_use]
pub fn trace_key(id: &str) -> [u8; 16] {
    let kept = kept_part(id);
    let hash = kept.strip_prefix('#').and_then(|digits| digits.get(..32)).unwrap_or(&kept);
    parse_hex(hash.as_bytes())
        .unwrap_or_else(|| sha256(id.as_bytes()).first_chunk().copied().unwrap_or_default())
}

/// What is known of one trace of one sender.
#[derive(Debug)]
pub struct Trace {
    id: [u8; 16],
    /// A digest of whose it is.
    sender: [u8; 8],
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Tenants that were said, by rank.
    claims: [Vec<Tenant>; 2],
    /// Where spans are that said nothing, or could be.
    silent: Vec<Silent>,
    /// Whether it waits for its disclosure.
    is_due: bool,
    /// Session and user, as the span says that encloses all others.
    around: [Option<Arc<str>>; 2],
}

/// Spans in one chain that did not say whose they are.
#[derive(Debug)]
struct Silent {
    tenant: Tenant,
    untold: Untold,
}

/// Spans of which no disclosure has told.
#[derive(Debug, Default)]
struct Untold {
    any: bool,
    /// Of those that were sealed since the start.
    count: u64,
    spans: Vec<[u8; 8]>,
}

/// What is to be said in the chain of a trace's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Whose chain it is to be said in.
    pub tenant: Tenant,
    /// Records that are in other chains. `None` where some are of before a restart, of which nobody knows how many they are.
    pub records: Option<u64>,
    /// The spans of some of them, [`MOST_SPANS`] at most.
    pub spans: Vec<[u8; 8]>,
    /// Whether all of them are in the local chain.
    pub all_local: bool,
}

/// A draft's place: its span said nothing of its own, so other chains may have it.
#[derive(Clone, Debug)]
pub struct InTrace {
    pub trace: Arc<Trace>,
    /// Whether what was said for the trace placed it.
    pub by_claim: bool,
    /// The id that it was asked for under, where it turned out to be in another chain.
    pub(super) asked: Option<RecordId>,
}

/// The kind of the notice that tells of records in another chain than the rest of their trace.
const NOTICE: &str = "trace_elsewhere";

impl Elsewhere {
    /// The notice of it, for the chain of the trace's tenant.
    #[must_use]
    pub fn notice(&self, trace: &[u8; 16]) -> Draft {
        let trace = hex_text(trace);
        let spans = self.spans.iter().map(|span| hex_text(span)).collect::<Vec<_>>().join(" ");
        let (chain, place) = other_chain(self.all_local);
        let (records, are, they) = match self.records {
            Some(1) => ("1 record".to_owned(), "is", "it"),
            Some(records) => (format!("{records} records"), "are", "they"),
            None => ("Records".to_owned(), "are", "they"),
        };
        let summary = format!(
            "{records} of this trace {are} in {place}: {they} came before anybody said whose the trace is."
        );
        let mut about = vec![("chain", About::Text(chain))];
        about.extend(self.records.map(|records| ("records", About::Number(records))));
        if !spans.is_empty() {
            about.push(("span_ids", About::Text(&spans)));
        }
        about.push(("trace_id", About::Text(&trace)));
        Notice::of_loss(NOTICE, &summary, &about).draft(&self.tenant)
    }
}

/// The same notice for the chain of a `claimed` tenant, of an action told in parts whose record is in the chain of
/// `tenant`.
#[must_use]
pub fn parts_elsewhere(claimed: &Tenant, tenant: &Tenant, record: RecordId) -> Draft {
    let (chain, place) = other_chain(*tenant == Tenant::Local);
    let summary = format!(
        "A trace of this tenant is in {place}: some of it came before anybody said whose the trace is."
    );
    let record = record.to_string();
    let about = [("chain", About::Text(chain)), ("record_id", About::Text(&record))];
    Notice::of_loss(NOTICE, &summary, &about).draft(claimed)
}

/// Another chain, in a word and in words: another tenant is not named.
fn other_chain(local: bool) -> (&'static str, &'static str) {
    if local { ("local", "the local chain") } else { ("other", "another chain") }
}

impl InTrace {
    #[must_use]
    pub fn new(trace: Arc<Trace>, by_claim: bool) -> Self {
        Self { trace, by_claim, asked: None }
    }
}

impl Trace {
    #[must_use]
    pub fn new(sender: [u8; 8], id: [u8; 16]) -> Self {
        Self { id, sender, known: Mutex::default() }
    }

    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    #[must_use]
    pub fn sender(&self) -> [u8; 8] {
        self.sender
    }

    /// The tenant that was said for the trace; none where several were.
    #[must_use]
    pub fn claimed(&self, rank: Rank) -> Option<Tenant> {
        self.known().claimed(rank).cloned()
    }

    /// Whose the trace is by all that was said for it, where no header says anything.
    #[must_use]
    pub fn tenant(&self) -> Option<Tenant> {
        self.claimed(Rank::Stated).or_else(|| self.claimed(Rank::Dialect))
    }

    /// Notes a tenant that was said for the trace. Returns whether that is news.
    pub fn claim(&self, tenant: &Tenant, rank: Rank) -> bool {
        let claims = &mut self.known().claims[rank as usize];
        let new = claims.len() < MOST_TENANTS && !claims.contains(tenant);
        if new {
            claims.push(tenant.clone());
        }
        new
    }

    /// Session and user, as the span said that encloses all others.
    #[must_use]
    pub fn around(&self) -> [Option<Arc<str>>; 2] {
        self.known().around.clone()
    }

    /// Notes what the span says that encloses all others.
    pub fn enclose(&self, said: [Option<&str>; 2]) {
        let around = &mut self.known().around;
        for (known, said) in around.iter_mut().zip(said) {
            if let Some(said) = said.filter(|said| known.as_deref() != Some(*said)) {
                *known = Some(said.into());
            }
        }
    }

    /// Notes where a span that says nothing would be without what was said for the trace.
    pub fn could_be_of(&self, tenant: &Tenant) {
        self.known().silent(tenant);
    }

    /// Notes that a record which says nothing was sealed in the chain of `tenant`, and the span that it tells of.
    /// Returns whether nothing was known to wait for a disclosure there.
    pub fn sealed(&self, tenant: &Tenant, span: Option<[u8; 8]>) -> bool {
        let mut known = self.known();
        let Some(silent) = known.silent(tenant) else { return false };
        silent.untold.count += 1;
        if silent.untold.spans.len() < MOST_SPANS {
            silent.untold.spans.extend(span);
        }
        !std::mem::replace(&mut silent.untold.any, true)
    }

    /// The same for some of before a restart.
    pub fn was_sealed(&self, tenant: &Tenant) {
        if let Some(silent) = self.known().silent(tenant) {
            silent.untold.any = true;
        }
    }

    /// Notes that all that was sealed is disclosed.
    pub fn is_told(&self) {
        self.known().silent.iter_mut().for_each(|silent| silent.untold = Untold::default());
    }

    /// Whether a disclosure is due that was not before.
    pub fn comes_due(&self) -> bool {
        let mut known = self.known();
        let due = known.is_split();
        due && !std::mem::replace(&mut known.is_due, true)
    }

    /// What is to be disclosed. It counts as told from then on.
    pub fn tell(&self) -> Option<Elsewhere> {
        let mut known = self.known();
        known.is_due = false;
        let tenant = known.owner()?.clone();
        let (mut any, mut counted) = (false, true);
        let mut told = Elsewhere { tenant, records: None, spans: Vec::new(), all_local: true };
        let mut records = 0;
        for silent in known.silent.iter_mut().filter(|silent| silent.tenant != told.tenant) {
            let untold = std::mem::take(&mut silent.untold);
            if untold.any {
                any = true;
                counted &= untold.count > 0;
                records += untold.count;
                told.spans.extend(untold.spans);
                told.all_local &= silent.tenant == Tenant::Local;
            }
        }
        told.spans.truncate(MOST_SPANS);
        told.records = counted.then_some(records);
        any.then_some(told)
    }

    /// Takes back that it was told: that could not be sealed.
    pub fn untell(&self, told: &Elsewhere) {
        let mut known = self.known();
        // That it is told again matters; which of several other chains has it does not.
        if let Some(silent) = known.silent.iter_mut().find(|silent| silent.tenant != told.tenant) {
            silent.untold.any = true;
            silent.untold.count += told.records.unwrap_or(0);
            silent.untold.spans.extend(&told.spans);
        }
    }

    /// In which other chains the record of an origin could be, besides that of `tenant`, and under which ids.
    #[must_use]
    pub fn elsewhere(&self, tenant: &Tenant, origin: &OriginKey) -> Vec<(Tenant, RecordId)> {
        let known = self.known();
        let claims = known.claims.iter().flatten();
        let all = claims.chain(known.silent.iter().map(|silent| &silent.tenant));
        let mut others: Vec<(Tenant, RecordId)> = Vec::new();
        for other in all.filter(|other| *other != tenant) {
            if others.iter().all(|(known, _)| known != other)
                && let Some(id) = origin.id_of(other)
            {
                others.push((other.clone(), id));
            }
        }
        others
    }

    /// Every tenant that was said for it, and whose chain has records of it that said nothing.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        let known = self.known();
        let silent = known.silent.iter().map(|silent| &silent.tenant);
        known.claims.iter().flatten().chain(silent).cloned().collect()
    }

    /// Every tenant that was said for it, and the chains of what is not disclosed, for who writes them down.
    #[must_use]
    pub fn all(&self) -> Vec<(Option<Rank>, Tenant)> {
        let known = self.known();
        let [stated, dialect] = &known.claims;
        let claims = |claims: &[Tenant], rank| -> Vec<_> {
            claims.iter().map(|tenant| (Some(rank), tenant.clone())).collect()
        };
        let untold = known.silent.iter().filter(|silent| silent.untold.any);
        let mut all = claims(stated, Rank::Stated);
        all.extend(claims(dialect, Rank::Dialect));
        all.extend(untold.map(|silent| (None, silent.tenant.clone())));
        all
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn claimed(&self, rank: Rank) -> Option<&Tenant> {
        match self.claims[rank as usize].as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whose the trace is.
    fn owner(&self) -> Option<&Tenant> {
        let [stated, _] = &self.claims;
        if stated.is_empty() { self.claimed(Rank::Dialect) } else { self.claimed(Rank::Stated) }
    }

    fn is_split(&self) -> bool {
        self.owner().is_some_and(|owner| {
            self.silent.iter().any(|silent| silent.untold.any && silent.tenant != *owner)
        })
    }

    fn silent(&mut self, tenant: &Tenant) -> Option<&mut Silent> {
        if let Some(at) = self.silent.iter().position(|silent| silent.tenant == *tenant) {
            return self.silent.get_mut(at);
        }
        if self.silent.len() >= MOST_TENANTS {
            return None;
        }
        self.silent.push(Silent { tenant: tenant.clone(), untold: Untold::default() });
        self.silent.last_mut()
    }
}
