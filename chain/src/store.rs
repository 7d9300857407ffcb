//! Every chain below one data directory: which file is whose, what is open, what is known.

use super::census::Census;
use super::commit::WaitsFor;
use super::disk::Disk;
use super::error::{ChainError, ChainUnusable};
use super::index::{Index, Opened, Position};
use super::joins::MOST;
use super::journal::{Entry, Journal};
use super::names::{Name, names};
use super::rate::Rate;
use super::reader::Reader;
use super::replay::{Replay, missing};
use super::scan::{Scan, first_is_of, scan};
use super::segment::Section;
use super::setaside::SetAside;
use super::tail::{Chain, Handles, Locked, file_id, last_line};
use super::traces::TraceTenants;
use halod_record::call::Reason;
use halod_record::draft::Draft;
use halod_record::hash;
use halod_record::ids::RecordId;
use halod_record::notice::{About, Notice};
use halod_record::redact::Severity;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use std::collections::{HashMap, VecDeque};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time;

/// Where chains are kept, and the bounds on what keeping them takes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub directory: PathBuf,
    /// Chains whose two descriptors may be open at a time.
    pub open_chains: usize,
    /// Chains that may be on disk: beyond them no tenant gets its first one.
    pub max_tenants: usize,
    /// How many chains may begin in a time, where that is limited.
    pub new_chains: Option<Rate>,
    /// Bytes of both journal segments together.
    pub journal_size: u64,
    /// How long a tenant is refused whose chain can't be had, before its files are looked at again: each
    /// look may read them whole.
    pub patience: time::Duration,
    /// Bytes of a chain that are read at once. What is longer is read by a thread beside, while its tenant waits.
    pub read_at_once: u64,
    /// Whether an account of a call is sealed as a corroboration of an action that came in an earlier batch.
    pub join_calls: bool,
    /// What the spans of a trace said for it, shared with those who place them.
    pub traces: Arc<TraceTenants>,
}

/// All chains of one directory. One thread owns it; nothing else may write there.
#[derive(Debug)]
pub struct Store {
    pub(super) settings: Settings,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) chains: Vec<Chain>,
    pub(super) by_tenant: HashMap<Tenant, usize>,
    /// Which chain a file was found to be, by device and inode.
    by_file: HashMap<(u64, u64), usize>,
    census: Census,
    pub(super) set_aside: SetAside,
    /// What [`Self::aside`] tells has changed.
    pub(super) aside_changed: bool,
    /// When the journal was found damaged, if it was as this store was opened: a torn line may then be of an
    /// acknowledged record.
    pub(super) journal_damaged: Option<[u8; halod_record::time::LEN]>,
    /// Warnings for the operator, for the next [`super::commit::Committed`].
    pub(super) warnings: Vec<String>,
    /// The kinds of notices that were sealed in this commit.
    pub(super) notices: Vec<&'static str>,
    /// Why drafts were sealed as corroborations in this commit.
    pub(super) joined: Vec<Reason>,
    /// Whether this commit has records whose place was said for their trace.
    pub(super) placed_by_claim: bool,
    /// Chains with open descriptors, the longest open first.
    pub(super) open: VecDeque<usize>,
    pub(super) entry: Entry,
    pub(super) reader: Reader,
}

/// What opening a store found that an operator should know.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Appends that a crash had cut short and the journal completed.
    pub completed: usize,
    /// Warnings for the operator about single chains.
    pub warnings: Vec<String>,
    /// What was wrong with the journal itself.
    pub journal_damage: Vec<String>,
    /// To be sealed: what the chains should say of all this.
    pub notices: Vec<Draft>,
    /// Why the index had to be made anew, if it had.
    pub index_rebuilt: Option<String>,
}

impl Store {
    /// Opens the directory, completing what a crash interrupted. What can't be put back is set aside, for
    /// [`Self::reseal`].
    ///
    /// # Errors
    /// When the journal, the index or the volume fails. A single chain that does is set aside.
    pub fn open(settings: Settings, disk: Arc<dyn Disk>) -> Result<(Self, Recovered), ChainError> {
        let own = settings.directory.join(".halod");
        let (journal_dir, index_dir) = (own.join("journal"), own.join("index"));
        for dir in [&settings.directory, &own, &journal_dir, &index_dir] {
            make_dir(dir)?;
        }
        let mut recovered = Recovered::default();
        let set_aside = SetAside::open(&own)?;
        let mut replay = Replay::new(&settings.directory);
        let mut journal = Journal::open(
            &journal_dir,
            &settings.directory,
            settings.journal_size,
            Arc::clone(&disk),
            set_aside.clone(),
            &mut |section| replay.apply(section, &*disk),
        )?;
        recovered.completed = replay.completed;
        recovered.warnings = std::mem::take(&mut replay.warnings);
        let unfinished = std::mem::take(&mut replay.unfinished);
        let mut damaged_at = None;
        if !journal.damage().is_empty() {
            recovered.journal_damage = journal.damage().to_vec();
            replay.tenants.insert(String::new(), Tenant::Local);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let found_at = rfc3339(u64::try_from(now.as_nanos()).unwrap_or(0));
            let of = |tenant| journal_damaged(tenant, &found_at);
            recovered.notices = replay.tenants.values().map(of).collect();
            damaged_at = Some(found_at);
        }
        replay.save(&set_aside)?;
        let faults = journal.take_faults();
        recovered.warnings.extend(faults.iter().map(|fault| fault.why.to_string()));
        let (index, opened) = Index::open(&index_dir, super::index::Settings::default())?;
        if let Opened::Rebuilt(why) = opened {
            recovered.index_rebuilt = Some(why);
        }
        for (stem, (offset, bytes)) in &unfinished {
            let section = Section { stem, offset: *offset, bytes };
            journal.cut_short(&section, *offset + 1);
        }
        // After this the journal tells nothing more of what was found.
        journal.start()?;
        settings.traces.open(&settings.directory)?;
        let census = Census::take(&settings.directory, settings.max_tenants, settings.new_chains);
        let reader = Reader::start(&settings, &index)?;
        let store = Self {
            settings,
            disk,
            journal,
            index,
            chains: Vec::new(),
            by_tenant: HashMap::new(),
            by_file: HashMap::new(),
            census,
            set_aside,
            aside_changed: true,
            journal_damaged: damaged_at,
            warnings: Vec::new(),
            notices: Vec::new(),
            joined: Vec::new(),
            placed_by_claim: false,
            open: VecDeque::new(),
            entry: Entry::default(),
            reader,
        };
        Ok((store, recovered))
    }

    /// Syncs every chain and writes the index out, so that the next start reads nothing.
    ///
    /// # Errors
    /// When that fails; nothing acknowledged is lost by it.
    pub fn close(self) -> Result<(), ChainError> {
        self.settings.traces.flush(true)?;
        let positions = positions(&self.chains);
        self.journal.close()?;
        self.index.close(positions)?;
        Ok(())
    }

    /// Chains on disk, and those that have just begun.
    #[must_use]
    pub fn chain_count(&self) -> usize {
        self.census.chains()
    }

    /// The chain of a tenant, which may not have been looked at yet. `limited` tells whether the rate at which
    /// chains may begin holds.
    pub(super) fn chain_of(&mut self, tenant: &Tenant, limited: bool) -> Result<usize, ChainUnusable> {
        if let Some(&at) = self.by_tenant.get(tenant) {
            return Ok(at);
        }
        let names = self.names(tenant);
        let begins = !names.iter().any(|name| self.is_of(&name.stem, tenant));
        if begins {
            let chains = &self.chains;
            let begun =
                || chains.iter().filter(|chain| chain.file_id.is_none() && !chain.path.exists()).count();
            self.census.admit(tenant, limited, begun)?;
        }
        let at = self.chains.len();
        self.chains.push(self.unseen(tenant.clone(), names));
        self.by_tenant.insert(tenant.clone(), at);
        Ok(at)
    }

    /// A chain that was not looked at yet, under the first of `names`.
    fn unseen(&self, tenant: Tenant, mut names: VecDeque<Name>) -> Chain {
        let first = names.pop_front().unwrap_or(Name { stem: tenant.digest_stem(), only_if_ours: false });
        let mut chain = Chain::new(tenant, first, &self.settings.directory);
        chain.other_names = names;
        chain
    }

    pub(super) fn names(&self, tenant: &Tenant) -> VecDeque<Name> {
        names(tenant, |stem| self.path(stem).symlink_metadata().is_ok()).into()
    }

    fn path(&self, stem: &str) -> PathBuf {
        self.settings.directory.join(format!("{stem}.jsonl"))
    }

    /// Whether a file seems to be the tenant's chain, by the little of it that is read quickly.
    pub(super) fn is_of(&self, stem: &str, tenant: &Tenant) -> bool {
        let path = self.path(stem);
        if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return false;
        }
        let known = self.index.position(stem).is_some_and(|position| position.subject == tenant.digest());
        known || first_is_of(&path, tenant.subject())
    }

    /// Locks a chain and brings what is known of it up to date.
    pub(super) fn ready(&mut self, at: usize) -> Result<Readiness, Arc<ChainUnusable>> {
        if let Some(refused) = self.chains[at].refusal(self.settings.patience) {
            return Err(refused);
        }
        loop {
            match self.attempt(at) {
                Ok(Some(readiness)) => return Ok(readiness),
                Ok(None) => {}
                Err(ChainUnusable::NotAChain { path, why }) => self.use_next_name(at, path, why)?,
                Err(unusable) => {
                    let unusable = Arc::new(unusable);
                    if self.chains[at].doubtful {
                        self.chains[at].refuse(&unusable);
                        self.aside_changed = true;
                    }
                    return Err(unusable);
                }
            }
        }
    }

    /// `None` to try again.
    fn attempt(&mut self, at: usize) -> Result<Option<Readiness>, ChainUnusable> {
        if self.chains[at].handles.is_none() {
            self.make_room();
            if self.is_anothers(at) {
                return Err(ChainUnusable::NotAChain { path: self.chains[at].path.clone(), why: ANOTHERS });
            }
            let chain = &mut self.chains[at];
            if chain.only_if_ours && chain.file_id.is_none() && chain.path.symlink_metadata().is_err() {
                return Err(ChainUnusable::NotAChain { path: chain.path.clone(), why: NOT_HERE });
            }
            chain.handles = Some(Handles::open(&chain.path)?);
            self.open.push_back(at);
        }
        let Some(locked) = self.chains[at].try_lock()? else {
            return Ok(Some(Readiness::Waits(WaitsFor::Lock)));
        };
        Ok(self.look(at)?.map(|look| match look {
            Look::Known => Readiness::Ready(locked),
            Look::BeingRead => Readiness::Waits(WaitsFor::Reading),
        }))
    }

    /// Compares the locked chain with what is known of it. `None` to look again, at other handles.
    fn look(&mut self, at: usize) -> Result<Option<Look>, ChainUnusable> {
        let chain = &mut self.chains[at];
        let meta = chain.path.symlink_metadata();
        let Some(handles) = &chain.handles else { return Ok(None) };
        let own = handles.file.metadata().map_err(ChainUnusable::io("read", &chain.path))?;
        if !meta.is_ok_and(|meta| file_id(&meta) == file_id(&own)) {
            // The file behind the name is another one now: what we have open is nobody's chain.
            chain.handles = None;
            self.open.retain(|&other| other != at);
            return Ok(None);
        }
        let id = file_id(&own);
        if chain.file_id.is_none_or(|known| known == id) {
            self.finish_line(at)?;
        }
        let chain = &mut self.chains[at];
        let Some(handles) = &chain.handles else { return Ok(None) };
        let len = handles.file.metadata().map_err(ChainUnusable::io("read", &chain.path))?.len();
        let known = chain.file_id == Some(id) && !chain.doubtful;
        if known && chain.len == len {
            chain.reading = None;
            return Ok(Some(Look::Known));
        }
        let being_read = chain.reading.as_ref().is_some_and(|reading| reading.is_of(id, chain.len, len));
        if !being_read {
            chain.reading = None;
            if !known || chain.len > len || chain.unterminated {
                self.first_look(at, id, len)?;
            }
        }
        if self.is_left_to_the_reader(at, id, len)? {
            return Ok(Some(Look::BeingRead));
        }
        self.take_in(at)?;
        let chain = &self.chains[at];
        if chain.only_if_ours && chain.records == 0 {
            return Err(ChainUnusable::NotAChain { path: chain.path.clone(), why: NOT_HERE });
        }
        self.by_file.insert(id, at);
        let chain = &mut self.chains[at];
        (chain.file_id, chain.doubtful, chain.disk_failed) = (Some(id), false, false);
        chain.reading = None;
        self.aside_changed |= chain.refused.take().is_some();
        Ok(Some(Look::Known))
    }

    /// Writes the rest of a line that a failed write cut short. Where others have written since, it stays torn.
    fn finish_line(&mut self, at: usize) -> Result<(), ChainUnusable> {
        let chain = &self.chains[at];
        let (Some(line), Some(handles)) = (self.journal.unfinished(&chain.stem), &chain.handles) else {
            return Ok(());
        };
        let missing = missing(&handles.file, &line).map_err(ChainUnusable::io("read", &chain.path))?;
        if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
            self.disk.append(&handles.file, missing).map_err(ChainUnusable::io("write to", &chain.path))?;
        }
        self.journal.finished(&Arc::clone(&chain.stem));
        self.mark_dirty(at);
        Ok(())
    }

    /// Has the chain's file synced before the journal forgets what is written to it from now on.
    pub(super) fn mark_dirty(&mut self, at: usize) {
        let chain = &mut self.chains[at];
        let epoch = self.journal.epoch();
        if std::mem::replace(&mut chain.dirty_epoch, epoch) != epoch {
            self.journal.mark_dirty(&chain.stem);
        }
    }

    /// Decides from where a file that is not known has to be read: from where the index covers it,
    /// if that was this tenant's and its end there is still the same. Less than what was known before
    /// is disclosed.
    fn first_look(&mut self, at: usize, id: (u64, u64), len: u64) -> Result<(), ChainUnusable> {
        let chain = &mut self.chains[at];
        let covered = self.index.position(&chain.stem).filter(|p| p.subject == chain.tenant.digest());
        let known = chain.len.max(covered.as_ref().map_or(0, |p| p.len));
        let first = chain.file_id.is_none();
        let only_grew = chain.file_id == Some(id) && chain.len <= len;
        chain.forget();
        let mut as_known = false;
        if let (Some(position), Some(handles)) = (covered.filter(|p| p.len <= len), &chain.handles) {
            let end =
                last_line(&handles.file, position.len).map_err(ChainUnusable::io("read", &chain.path))?;
            if let Some((head, last_ts)) =
                end.filter(|(head, _)| hash::parse_hex(head) == Some(position.head))
            {
                (chain.len, chain.records) = (position.len, position.records);
                (chain.head, chain.last_ts) = (head, last_ts);
                as_known = first || only_grew;
            }
        }
        if known > 0 && !as_known && !only_grew {
            let about = [("found_bytes", About::Number(len)), ("known_bytes", About::Number(known))];
            let said = format!(
                "The chain's file had {known} bytes and has {len} now, or others: records that were sealed may be missing."
            );
            chain.notices.push(changed(&said, &about).draft(&chain.tenant));
        }
        Ok(())
    }

    /// Reads what follows the known end.
    fn take_in(&mut self, at: usize) -> Result<(), ChainUnusable> {
        let chain = &mut self.chains[at];
        let Some(handles) = &chain.handles else { return Ok(()) };
        let index = &mut self.index;
        let rest = (chain.len, u64::MAX);
        let found: Scan = scan(&handles.file, rest, chain.tenant.subject(), &mut |offset, facts| {
            if let Some(id) = facts.record_id.as_deref().and_then(RecordId::parse) {
                index.insert(id.key(), offset);
            }
            facts.keys.iter().for_each(|key| index.insert_few(*key, offset, MOST));
        })
        .map_err(ChainUnusable::io("read", &chain.path))?;
        chain.advance(&found);
        if found.foreign {
            return Err(ChainUnusable::NotAChain { path: chain.path.clone(), why: FOREIGN });
        }
        Ok(())
    }

    /// Whether what has a chain's name is the file of another one: that one's tenant comes first to it
    /// by its id, or somebody gave the file a second name.
    fn is_anothers(&self, at: usize) -> bool {
        let Ok(meta) = self.chains[at].path.symlink_metadata() else { return false };
        let id = file_id(&meta);
        let holder = self.by_file.get(&id).filter(|&&other| other != at).map(|&other| &self.chains[other]);
        // A file that is gone leaves its number to another one.
        holder.is_some_and(|other| {
            other.file_id == Some(id) && other.path.symlink_metadata().is_ok_and(|meta| file_id(&meta) == id)
        })
    }

    /// Leaves a file that is not this tenant's chain, or not its alone, for the next name.
    fn use_next_name(
        &mut self,
        at: usize,
        path: PathBuf,
        why: &'static str,
    ) -> Result<(), Arc<ChainUnusable>> {
        self.open.retain(|&other| other != at);
        let tenant = self.chains[at].tenant.clone();
        let mut others = std::mem::take(&mut self.chains[at].other_names);
        if self.chains[at].file_id.is_some() {
            // It was the chain until now: the names that come after it were not needed.
            others = self.names(&tenant);
            others.retain(|name| *name.stem != *self.chains[at].stem);
        }
        let refused = others.is_empty().then(|| Arc::new(ChainUnusable::NoName { path: path.clone(), why }));
        let names = if refused.is_some() { self.names(&tenant) } else { others };
        let next = self.unseen(tenant, names);
        let left = std::mem::replace(&mut self.chains[at], next);
        let chain = &mut self.chains[at];
        chain.notices = left.notices;
        if let Some(refused) = refused {
            chain.refused = left.refused;
            chain.refuse(&refused);
            self.aside_changed = true;
            return Err(refused);
        }
        self.index.forget(&left.stem);
        let held = left.records > 0;
        if held {
            let file = format!("{}.jsonl", left.stem);
            let said =
                format!("Earlier records of this chain are in {file}, which is not this chain's alone.");
            let about = [("file", About::Text(&file)), ("why", About::Text(why))];
            chain.notices.push(changed(&said, &about).draft(&chain.tenant));
        }
        if held || !left.only_if_ours {
            let (from, to) = (path.display(), chain.path.display());
            self.warnings.push(format!("{from} is not taken for a tenant's chain: {why}; the chain is {to}"));
        }
        Ok(())
    }

    /// Closes the longest open descriptors until one more chain may be opened.
    fn make_room(&mut self) {
        for _ in 0..self.open.len() {
            if self.open.len() < self.settings.open_chains {
                return;
            }
            if let Some(oldest) = self.open.pop_front() {
                if self.chains[oldest].handles.as_ref().is_some_and(Handles::are_locked) {
                    self.open.push_back(oldest);
                } else {
                    self.chains[oldest].handles = None;
                }
            }
        }
    }
}

const ANOTHERS: &str = "it is the file of another tenant's chain";
const NOT_HERE: &str = "it holds no record of this tenant";
pub(super) const FOREIGN: &str = "it holds lines that are no records of this tenant";

/// What came of trying to have a chain.
pub(super) enum Readiness {
    Ready(Locked),
    Waits(WaitsFor),
}

/// What came of looking at a chain's file.
enum Look {
    Known,
    BeingRead,
}

/// Sealed into the chains that the journal has parts of, into those with a torn tail, and the local one.
pub(super) fn journal_damaged(tenant: &Tenant, found_at: &[u8; halod_record::time::LEN]) -> Draft {
    let said = "The journal was damaged when halod started: records that were acknowledged may be missing.";
    let about = [("found_at", About::Text(std::str::from_utf8(found_at).unwrap_or_default()))];
    Notice { kind: "journal_damaged", severity: Severity::High, summary: said, about: &about }.draft(tenant)
}

/// What was sealed may not be where it was.
fn changed<'a>(said: &'a str, about: &'a [(&'a str, About<'a>)]) -> Notice<'a> {
    Notice { kind: "chain_changed", severity: Severity::High, summary: said, about }
}

/// How far each chain is in the index, also one that is being read. A chain whose last line is unfinished is
/// left out: what follows is not the start of a line.
pub(super) fn positions(chains: &[Chain]) -> Vec<(String, Position)> {
    let seen = |c: &Chain| c.file_id.is_some() && !c.doubtful || c.reading.is_some() && c.records > 0;
    let known = chains.iter().filter(|c| seen(c) && !c.unterminated);
    known
        .map(|c| {
            let head = hash::parse_hex(&c.head).unwrap_or_default();
            (
                c.stem.to_string(),
                Position { len: c.len, head, records: c.records, subject: c.tenant.digest() },
            )
        })
        .collect()
}

fn make_dir(path: &Path) -> Result<(), ChainError> {
    DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(ChainError::io("create", path))
}
