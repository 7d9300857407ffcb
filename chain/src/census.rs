//! How many chains there are, against how many there may be.

use super::error::ChainUnusable;
use super::rate::{Bucket, Rate};
use halod_record::tenant::Tenant;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the directory is counted again while tenants are refused: an operator may have made room.
const AGAIN: Duration = Duration::from_secs(60);

/// Chains on disk and chains that have just begun.
#[derive(Debug)]
pub(super) struct Census {
    directory: PathBuf,
    limit: usize,
    chains: usize,
    counted: Instant,
    rate: Option<(Rate, Bucket)>,
}

impl Census {
    pub(super) fn take(directory: &Path, limit: usize, rate: Option<Rate>) -> Self {
        let (chains, counted) = (count(directory).unwrap_or(0), Instant::now());
        let rate = rate.map(|rate| (rate, Bucket::default()));
        Self { directory: directory.to_owned(), limit, chains, counted, rate }
    }

    /// How many there are.
    pub(super) fn chains(&self) -> usize {
        self.chains
    }

    /// Counts one more chain, if there may be one: that of the records without a tenant always may.
    /// `begun` tells how many chains have no file yet, `limited` whether the rate holds.
    ///
    /// # Errors
    /// [`ChainUnusable::TooMany`], [`ChainUnusable::TooSoon`].
    pub(super) fn admit(
        &mut self,
        tenant: &Tenant,
        limited: bool,
        begun: impl Fn() -> usize,
    ) -> Result<(), ChainUnusable> {
        if self.chains >= self.limit && self.counted.elapsed() >= AGAIN {
            self.counted = Instant::now();
            self.chains = count(&self.directory).map_or(self.chains, |on_disk| on_disk + begun());
        }
        if self.chains >= self.limit && *tenant != Tenant::Local {
            return Err(ChainUnusable::TooMany(self.limit));
        }
        if let Some((rate, bucket)) = &mut self.rate
            && limited
            && *tenant != Tenant::Local
        {
            let now = Instant::now();
            if bucket.left(rate, now) == 0 {
                return Err(ChainUnusable::TooSoon(bucket.until(1, rate, now)));
            }
            bucket.take(1, rate, now);
        }
        self.chains += 1;
        Ok(())
    }
}

/// Regular files that are called as chains are. `None` when the directory can't be read.
fn count(directory: &Path) -> Option<usize> {
    let is_chain = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        name.ends_with(b".jsonl")
            && !name.starts_with(b".")
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    Some(std::fs::read_dir(directory).ok()?.filter_map(Result::ok).filter(is_chain).count())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_counts_and_nobodys_chain_always_may_be() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "b.jsonl", "a.jsonl.lock", ".c.jsonl", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("d.jsonl")).unwrap();
        let mut census = Census::take(dir.path(), 3, None);
        let new = Tenant::stored("new");
        census.admit(&new, true, || 0).unwrap();
        assert!(matches!(census.admit(&new, true, || 0), Err(ChainUnusable::TooMany(3))));
        census.admit(&Tenant::Local, true, || 0).unwrap();
        std::fs::remove_file(dir.path().join("a.jsonl")).unwrap();
        assert!(census.admit(&new, true, || 1).is_err(), "counted again only after a while");
        census.counted = Instant::now().checked_sub(AGAIN).unwrap();
        census.admit(&new, true, || 1).unwrap();
        assert!(census.admit(&new, true, || 2).is_err());
    }
    #[test]
    fn chains_begin_at_the_rate_that_is_set_but_for_what_is_not_limited() {
        let dir = tempfile::tempdir().unwrap();
        let minute = Duration::from_secs(60);
        let mut census = Census::take(dir.path(), 100, Some(Rate::new(2, minute, minute)));
        let new = Tenant::stored("new");
        census.admit(&new, true, || 0).unwrap();
        census.admit(&new, true, || 0).unwrap();
        let Err(ChainUnusable::TooSoon(wait)) = census.admit(&new, true, || 0) else { panic!("a third") };
        assert!(wait > minute / 3 && wait <= minute / 2, "{wait:?}");
        census.admit(&new, false, || 0).unwrap();
        census.admit(&Tenant::Local, true, || 0).unwrap();
    }
}
