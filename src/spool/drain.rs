//! What the daemon does with the spool: at its start, and whenever something was kept since.

use super::place::{Place, SpoolError};
use super::taker::Taker;
use crate::net::status::Fault;
use crate::pipeline::quiet::Quiet;
use crate::pipeline::refusal::Refusal;
use bytes::Bytes;
use halod_record::draft::kept::MOST;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The longest pause after a refusal.
const LONGEST: Duration = Duration::from_secs(10);

/// Bytes of lines that are sealed at once. A longer line is none of ours.
const AT_ONCE: usize = MOST + 1;

/// Seals what is kept in a spool, until it is drained.
#[derive(Debug)]
pub struct Drain {
    pub place: Arc<Place>,
    pub taker: Arc<Taker>,
    pub draining: watch::Receiver<bool>,
}

/// Why a file is not done.
enum Stop {
    /// Nothing can be taken now.
    Refused(Fault),
    Spool(SpoolError),
    Ended,
}

impl Drain {
    /// Looks at the folder now and then.
    pub async fn run(mut self) {
        let mut quiet = Quiet::default();
        let mut pause = LOOK;
        loop {
            match self.look().await {
                Ok(()) => pause = LOOK,
                Err(Stop::Ended) => return,
                Err(Stop::Refused(fault)) => {
                    let why = fault.to_string();
                    quiet.say(&why, |_| tracing::warn!(why, "captured records wait in the spool"));
                    pause = (pause * 2).min(LONGEST);
                }
                Err(Stop::Spool(error)) => {
                    let why = error.to_string();
                    quiet.say(&why, |_| tracing::error!(why, "the spool of captured records can't be read"));
                    pause = (pause * 2).min(LONGEST);
                }
            }
            tokio::select! {
                // A daemon that is gone drains no more.
                _ = self.draining.wait_for(|draining| *draining) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), Stop> {
        let place = Arc::clone(&self.place);
        let taken = blocking(move || place.take()).await?;
        let mut first = None;
        for name in taken {
            match self.file(&name).await {
                Err(Stop::Ended) => return Err(Stop::Ended),
                // One file that can't be read keeps no other.
                Err(stop) => first = first.or(Some(stop)),
                Ok(()) => {}
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Seals a file that was taken, from its begin: what of it was sealed before is known.
    async fn file(&self, name: &str) -> Result<(), Stop> {
        let (place, owned) = (Arc::clone(&self.place), name.to_owned());
        let file = Arc::new(blocking(move || place.open_taken(&owned)).await?.file);
        let mut at = 0;
        let mut left = Vec::new();
        loop {
            if *self.draining.borrow() {
                return Err(Stop::Ended);
            }
            let reader = Arc::clone(&file);
            let path = PathBuf::from(name);
            let lines =
                blocking(move || lines(&reader, at).map_err(|error| SpoolError::Io { path, error })).await?;
            if lines.is_empty() {
                break;
            }
            let length = lines.len() as u64;
            self.part(&lines, (name, at), &mut left).await.map_err(Stop::Refused)?;
            at += length;
        }
        let (place, name) = (Arc::clone(&self.place), name.to_owned());
        let waits = !left.is_empty();
        blocking(move || {
            // On disk again before it is gone.
            if waits {
                place.append(&left)?;
            }
            place.remove(&name)
        })
        .await?;
        if waits { Err(Stop::Refused(Refusal::ChainUnusable.into())) } else { Ok(()) }
    }

    /// Seals some lines. Where one tenant's are refused, each is tried alone, and those of that tenant go to `left`.
    async fn part(&self, lines: &Bytes, (name, at): (&str, u64), left: &mut Vec<u8>) -> Result<(), Fault> {
        match self.told(lines.clone(), (name, at)).await {
            Err(fault) if is_of_one_tenant(&fault) => {}
            told => return told,
        }
        let mut at = at;
        let mut rest = lines.clone();
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', &rest).map_or(rest.len(), |end| end + 1);
            let line = rest.split_to(end);
            match self.told(line.clone(), (name, at)).await {
                Err(fault) if is_of_one_tenant(&fault) => left.extend_from_slice(&line),
                told => told?,
            }
            at += end as u64;
        }
        Ok(())
    }

    async fn told(&self, lines: Bytes, at: (&str, u64)) -> Result<(), Fault> {
        let damage = self.taker.take_kept(lines, at).await?;
        if damage.lines > 0 {
            let (file, lines, why) = (at.0, damage.lines, damage.why);
            tracing::error!(
                file,
                lines,
                why,
                "the spool of captured records was damaged; what is lost is told"
            );
        }
        Ok(())
    }
}

/// Whether others' records are taken now.
fn is_of_one_tenant(fault: &Fault) -> bool {
    use Refusal::{ChainRate, ChainUnusable, TenantRate, TooManyTenants};
    matches!(fault, Fault::Refused(ChainUnusable | TooManyTenants | TenantRate { .. } | ChainRate { .. }))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Stop::Spool),
        Err(_) => Err(Stop::Ended),
    }
}

/// Whole lines from an offset on, as many as are sealed at once; what is cut at the end of the file is a line as well.
fn lines(file: &File, at: u64) -> io::Result<Bytes> {
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    let mut lines = Vec::new();
    file.take(AT_ONCE as u64).read_to_end(&mut lines)?;
    if lines.len() == AT_ONCE
        && let Some(end) = memchr::memrchr(b'\n', &lines)
    {
        lines.truncate(end + 1);
    }
    Ok(lines.into())
}
