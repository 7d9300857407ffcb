//! `.halo_access.json`: whom each chain is shared with.
//!
//! An object with an entry for each chain, by its key: `allow` (addresses and domains), `by`, `file` where the chain is known by
//! its file's name, `quarantined`. Added are `until` (by recipient, the last day or the moment) and `by_whom`; whatever else is
//! there stays.

use super::recipient::{Address, Recipient};
use super::{AccessError, ChainKey};
use crate::clock;
use crate::config::secret_file;
use halod_chain::disk;
use halod_record::time::rfc3339;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub const NAME: &str = ".halo_access.json";
const LOCK: &str = ".halo_access.json.lock";

/// Bytes that the file may have: room for a hundred thousand recipients.
const MOST: usize = 16 << 20;

/// What is written of each entry, whoever reads it.
const BY: &str = "subject";

/// Whom each chain is shared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    entries: Map<String, Value>,
}

/// Until when something holds: to the end of a day, by UTC, or to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    text: String,
    end: Timestamp,
}

/// One recipient of a chain, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub recipient: String,
    pub until: Option<String>,
    pub by_whom: Option<String>,
    pub is_over: bool,
}

/// No time until which something could hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day like 2027-01-31 or a time like 2027-01-31T12:00:00Z is expected")]
pub struct BadUntil;

impl FromStr for Until {
    type Err = BadUntil;

    fn from_str(text: &str) -> Result<Self, BadUntil> {
        let end = match text.parse::<Date>() {
            // `parse` takes a day out of a whole time as well.
            Ok(day) if text.len() == 10 => {
                let next = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
                next.map_err(|_| BadUntil)?.timestamp()
            }
            _ => text.parse().map_err(|_| BadUntil)?,
        };
        Ok(Self { text: text.to_owned(), end })
    }
}

impl Until {
    fn is_over(&self) -> bool {
        now() >= self.end
    }
}

fn now() -> Timestamp {
    Timestamp::try_from(clock::now()).unwrap_or(Timestamp::MAX)
}

fn place(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// The state of the file, which changes when it does.
#[must_use]
pub fn stamp(directory: &Path) -> Option<secret_file::Stamp> {
    secret_file::stamp(&place(directory))
}

impl AccessList {
    /// Reads the list of a directory; without a file nobody may see anything.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(directory: &Path) -> Result<Self, AccessError> {
        let path = place(directory);
        if !path.try_exists().map_err(AccessError::io("read", &path))? {
            return Ok(Self::default());
        }
        let (bytes, mode) =
            secret_file::read_with_mode(&path, MOST).map_err(|what| AccessError::unusable(&path, what))?;
        if secret_file::is_anybodys_to_change(mode) {
            let what = format!("anybody may change who may see the reports; chmod o-w {}", path.display());
            return Err(AccessError::unusable(&path, what));
        }
        Self::parse(&bytes).map_err(|what| AccessError::unusable(&path, what))
    }

    /// Reads what such a file holds.
    ///
    /// # Errors
    /// It is no list: what is wrong, and what to do.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let put_right = "put the file right, or move it away and grant again";
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(entries)) => Ok(Self { entries }),
            Ok(_) => Err(format!("it is no JSON object with an entry for each chain; {put_right}")),
            Err(error) => Err(format!("it is no JSON ({error}); {put_right}")),
        }
    }

    /// Whether an address may see a chain now.
    #[must_use]
    pub fn admits(&self, chain: &ChainKey, address: &Address) -> bool {
        let Ok(Some(entry)) = self.entry(chain) else { return false };
        entry.recipients.iter().any(|(recipient, until)| {
            recipient.includes(address) && !until.as_ref().is_some_and(Until::is_over)
        })
    }

    /// Why nobody may see a chain, whoever is in the list: it is set aside, or its entry can't be read.
    #[must_use]
    pub fn bar(&self, chain: &ChainKey) -> Option<String> {
        self.entry(chain).err()
    }

    /// Whom a chain is shared with.
    #[must_use]
    pub fn shared(&self, chain: &ChainKey) -> Vec<Shared> {
        self.entries.get(chain.text()).map_or_else(Vec::new, shared)
    }

    /// All entries, as they stand in the file: by key, whether it is of a chain known by its file, and whom it is shared with.
    pub fn all(&self) -> impl Iterator<Item = (ChainKey, Vec<Shared>)> {
        self.entries.iter().map(|(key, entry)| {
            let is_of_file = entry.get("file").is_some_and(|file| !file.is_null());
            let chain = if is_of_file { ChainKey::File(key.clone()) } else { ChainKey::Subject(key.clone()) };
            (chain, shared(entry))
        })
    }

    /// The entry of a chain, where there is one of it and not of another chain with the same key.
    fn entry(&self, chain: &ChainKey) -> Result<Option<Entry>, String> {
        let Some(value) = self.entries.get(chain.text()) else { return Ok(None) };
        let of = match (value.get("file").filter(|file| !file.is_null()), chain) {
            (None, ChainKey::Subject(_)) => true,
            (Some(file), ChainKey::File(stem)) => file.as_str() == Some(stem),
            _ => false,
        };
        if !of {
            return Ok(None);
        }
        if value.get("quarantined").is_some_and(|flag| !matches!(flag, Value::Null | Value::Bool(false))) {
            return Err(format!("{NAME} says `quarantined` of it; remove that there once it is cleared up"));
        }
        Entry::read(value).map(Some).map_err(|what| format!("its entry in {NAME} can't be used: {what}"))
    }
}

/// An entry that can be used.
struct Entry {
    recipients: Vec<(Recipient, Option<Until>)>,
}

impl Entry {
    fn read(value: &Value) -> Result<Self, String> {
        let allow = match value.get("allow") {
            None => &[][..],
            Some(Value::Array(allow)) => allow,
            Some(_) => return Err("`allow` is no list of addresses and domains".into()),
        };
        let until = match value.get("until") {
            None | Some(Value::Null) => None,
            Some(Value::Object(until)) => Some(until),
            Some(_) => return Err("`until` is no object with a time for each recipient".into()),
        };
        let mut recipients = Vec::with_capacity(allow.len());
        for text in allow {
            let text = text.as_str().ok_or("`allow` holds something else than texts")?;
            // What nobody could be has no part in who may see it.
            let Ok(recipient) = text.parse::<Recipient>() else { continue };
            let until = match until.and_then(|until| until.get(text)) {
                None => None,
                Some(Value::String(until)) => {
                    Some(until.parse().map_err(|error| format!("`until` of {text} is {until:?}: {error}"))?)
                }
                Some(_) => return Err(format!("`until` of {text} is no text")),
            };
            recipients.push((recipient, until));
        }
        Ok(Self { recipients })
    }
}

fn shared(entry: &Value) -> Vec<Shared> {
    let text = |of: &str, name: &str| entry.get(of).and_then(|all| all.get(name)).and_then(Value::as_str);
    let allow = entry.get("allow").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let one = |recipient: &str| {
        let until = text("until", recipient);
        Shared {
            recipient: recipient.to_owned(),
            until: until.map(str::to_owned),
            by_whom: text("by_whom", recipient).map(str::to_owned),
            is_over: until.and_then(|until| until.parse::<Until>().ok()).is_some_and(|until| until.is_over()),
        }
    };
    allow.iter().filter_map(Value::as_str).map(one).collect()
}

/// Shares a chain with somebody. Returns whom it is shared with then.
///
/// # Errors
/// The list can't be read or written, or the entry is another chain's.
pub fn grant(
    directory: &Path,
    chain: &ChainKey,
    recipient: &Recipient,
    until: Option<&Until>,
) -> Result<Vec<Shared>, AccessError> {
    let name = recipient.to_string();
    change(directory, |list| {
        let entry = list.entries.entry(chain.text()).or_insert_with(|| json!({ "allow": [], "by": BY }));
        let wrong = |what: &str| {
            let key = chain.text();
            AccessError::Refused(format!(
                "{NAME}: the entry {key:?} {what}; put it right there, then grant again"
            ))
        };
        let entry = entry.as_object_mut().ok_or_else(|| wrong("is no object"))?;
        if let ChainKey::File(stem) = chain {
            entry.insert("file".into(), stem.as_str().into());
        } else if entry.get("file").is_some_and(|file| !file.is_null()) {
            return Err(wrong("is of a chain that has no subject, and is known by its file's name"));
        }
        let allow = entry.entry("allow").or_insert_with(|| json!([]));
        let allow = allow.as_array_mut().ok_or_else(|| wrong("has an `allow` that is no list"))?;
        if !allow.iter().any(|known| known.as_str() == Some(&name)) {
            allow.push(name.as_str().into());
        }
        entry.entry("by").or_insert_with(|| BY.into());
        let at = String::from_utf8_lossy(&rfc3339(clock::unix_nanos())).into_owned();
        let whose = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
        note(entry, "by_whom", &name, Some(format!("{whose} {at}").trim_start().into()))
            .ok_or_else(|| wrong("has a `by_whom` that is no object"))?;
        note(entry, "until", &name, until.map(|until| until.text.as_str().into()))
            .ok_or_else(|| wrong("has an `until` that is no object"))?;
        Ok(list.shared(chain))
    })
}

/// Notes something of a recipient, or that there is nothing to note; `None` where there is no place for it.
fn note(entry: &mut Map<String, Value>, of: &str, name: &str, value: Option<Value>) -> Option<()> {
    match value {
        Some(value) => {
            entry.entry(of).or_insert_with(|| json!({})).as_object_mut()?.insert(name.into(), value);
        }
        None => {
            if let Some(all) = entry.get_mut(of) {
                let all = all.as_object_mut()?;
                all.remove(name);
                if all.is_empty() {
                    entry.remove(of);
                }
            }
        }
    }
    Some(())
}

/// Takes a chain away from somebody, or from everybody. Returns whether it was shared with them.
///
/// # Errors
/// The list can't be read or written.
pub fn revoke(
    directory: &Path,
    key: &str,
    recipient: Option<&Recipient>,
) -> Result<(bool, Vec<Shared>), AccessError> {
    change(directory, |list| {
        let Some(entry) = list.entries.get_mut(key) else { return Ok((false, Vec::new())) };
        let Some(recipient) = recipient else {
            return Ok((list.entries.remove(key).is_some(), Vec::new()));
        };
        let name = recipient.to_string();
        let is_meant = |known: &Value| {
            known.as_str().and_then(|known| known.parse::<Recipient>().ok()).as_ref() == Some(recipient)
        };
        let mut had = false;
        if let Some(allow) = entry.get_mut("allow").and_then(Value::as_array_mut) {
            let before = allow.len();
            allow.retain(|known| !is_meant(known));
            had = allow.len() < before;
        }
        if let Some(entry) = entry.as_object_mut() {
            let _ = note(entry, "until", &name, None);
            let _ = note(entry, "by_whom", &name, None);
        }
        Ok((had, shared(entry)))
    })
}

/// Changes the list, while nobody else of halod's does.
fn change<T>(
    directory: &Path,
    change: impl FnOnce(&mut AccessList) -> Result<T, AccessError>,
) -> Result<T, AccessError> {
    let (path, lock) = (place(directory), directory.join(LOCK));
    let held = File::options().create(true).truncate(false).write(true).mode(0o600).open(&lock);
    let held = held.map_err(AccessError::io("open", &lock))?;
    held.lock().map_err(AccessError::io("lock", &lock))?;
    let mut list = AccessList::read(directory)?;
    let before = list.clone();
    let result = change(&mut list)?;
    if list != before {
        let text = serde_json::to_string_pretty(&list.entries).unwrap_or_default() + "\n";
        disk::replace(&path, text.as_bytes()).map_err(AccessError::io("write", &path))?;
    }
    Ok(result)
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
