//! Lines of drafts, taken up and sealed: from the socket, or from the spool.

use super::PATH;
use crate::ingest::claim::HeaderClaim;
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Ingest, RequestBuilder, contain};
use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use bytes::Bytes;
use halod_record::charge;
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use std::sync::Arc;

/// Where drafts become records.
#[derive(Debug)]
pub struct Taker {
    ingest: Arc<Ingest>,
}

/// Lines of the spool that are no drafts: what they were is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    pub lines: u64,
    pub bytes: u64,
    /// What is wrong with the first of them.
    pub why: String,
}

impl Taker {
    #[must_use]
    pub fn new(ingest: Arc<Ingest>) -> Self {
        Self { ingest }
    }

    /// Counts a request that begins.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    /// Seals what a process of halod's own user sent. Returns when it is on disk.
    ///
    /// # Errors
    /// A line is no draft, and none was sealed; or a refusal that passes.
    pub async fn take_sent(&self, lines: Bytes, permit: Permit) -> Result<u64, Fault> {
        let (request, damage) = self.draft(lines, permit).await?;
        if damage.lines > 0 {
            drop(request.finish_anyhow());
            return Err(Fault::Undecodable(format!("not a draft for {PATH}: {}", damage.why)));
        }
        Self::seal(request).await
    }

    /// Seals whole lines of the spool's file `name`, of which the first is at `offset`. What of them can't be sealed is
    /// told in the local chain.
    ///
    /// # Errors
    /// A refusal that passes.
    pub async fn take_kept(&self, lines: Bytes, (name, offset): (&str, u64)) -> Result<Damage, Fault> {
        let mut entry = self.begin(Transport::File);
        let told = self.kept(lines, (name, offset)).await;
        match &told {
            Ok(_) => entry.answer(),
            Err(fault) => entry.refuse(fault),
        }
        told
    }

    async fn kept(&self, lines: Bytes, (name, offset): (&str, u64)) -> Result<Damage, Fault> {
        let permit = self.ingest.intake.admit(lines.len()).map_err(Fault::from)?;
        let (mut request, damage) = self.draft(lines, permit).await?;
        if damage.lines > 0 {
            let about = [
                ("bytes", About::Number(damage.bytes)),
                ("file", About::Text(name)),
                ("lines", About::Number(damage.lines)),
                ("offset", About::Number(offset)),
            ];
            let summary = format!(
                "{} damaged lines, {} bytes, among captured records that waited for halod: they are lost.",
                damage.lines, damage.bytes
            );
            request.push_notice(Notice::of_loss("spool_damaged", &summary, &about).draft(&Tenant::Local))?;
        }
        Self::seal(request).await?;
        Ok(damage)
    }

    async fn draft(&self, lines: Bytes, permit: Permit) -> Result<(RequestBuilder, Damage), Fault> {
        let ingest = Arc::clone(&self.ingest);
        let work = move || {
            contain(|| {
                let mut request = RequestBuilder::new(ingest, HeaderClaim::Absent, permit, lines.len());
                let damage = request.reading_file(|request| push(&lines, request))?;
                Ok((request, damage))
            })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Fault::Crashed))
    }

    async fn seal(request: RequestBuilder) -> Result<u64, Fault> {
        let request = request.finish_anyhow();
        let usable = request.counted().usable;
        request.send().sealed().await?;
        Ok(usable)
    }
}

fn push(lines: &[u8], request: &mut RequestBuilder) -> Result<Damage, Fault> {
    let mut damage = Damage::default();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let _line = charge::passing();
        match Draft::take_up(line) {
            Ok(draft) => request.push_draft(draft)?,
            Err(why) => {
                damage.lines += 1;
                damage.bytes += line.len() as u64;
                if damage.lines == 1 {
                    damage.why = why.to_string();
                }
                request.reject(why.to_string());
            }
        }
    }
    Ok(damage)
}
