//! Records that are chosen by the time at which they happened, as their sender says.

use super::file::{MAX_RECORDS, Packed, each_line};
use super::given::{Given, Window};
use super::make::MakeError;
use crate::reader::when::Window as Span;
use data_encoding::BASE64;
use halod_evidence::proof::SlotProof;
use halod_record::json::Json;
use halod_record::parse::Stored;
use halod_record::time::{Instant, instant};
use halod_tlog::reader::LogReader;
use std::path::Path;

/// The records that were chosen, packed, each with its place in the tree that was signed.
pub(super) struct Chosen {
    pub(super) window: Window,
    pub(super) packed: Packed,
    /// Chosen records that no epoch covers yet, which are left out.
    pub(super) uncovered: u64,
}

/// When a record says that it happened; else when it was sealed.
fn happened(line: &[u8]) -> Option<Instant> {
    let stored = Stored::parse(std::str::from_utf8(line).ok()?.trim_end()).ok()?;
    let data = stored.field("data");
    let said = |key| data.and_then(|data| data.get(key)).and_then(Json::as_str).and_then(instant);
    let sealed = || stored.field("ts").and_then(Json::as_str).and_then(instant);
    said("started_at").or_else(|| said("ended_at")).or_else(sealed)
}

fn is_in(span: &Span, line: &[u8]) -> bool {
    happened(line).is_some_and(|at| span.holds(at.unix_nanos()))
}

/// How many records of a chain a span has.
pub(super) fn count(chain: &Path, bytes: u64, span: &Span) -> Result<u64, MakeError> {
    let mut chosen = 0;
    each_line(chain, bytes, |_, line| {
        chosen += u64::from(is_in(span, line));
        Ok(())
    })?;
    Ok(chosen)
}

/// Chooses records; `None` where they are too many for a file, or nothing was signed that shows their places.
pub(super) fn choose(
    directory: &Path,
    chain: &Path,
    given: &Given,
    span: &Span,
) -> Result<Option<Chosen>, MakeError> {
    let newest = given.slots.last().and_then(|slot| SlotProof::parse(slot).ok());
    let Some((state, _)) = newest.and_then(|slot| slot.state) else { return Ok(None) };
    let Some(log) = LogReader::open(directory)? else { return Ok(None) };
    let stem = chain.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut chosen = Chosen { window: Window::default(), packed: Packed::default(), uncovered: 0 };
    let mut has_room = true;
    each_line(chain, given.facts.bytes, |number, line| {
        chosen.window.of += 1;
        if !has_room || !is_in(span, line) {
            return Ok(());
        }
        if number > state.count {
            chosen.uncovered += 1;
            return Ok(());
        }
        let path = log.record_path(&stem, number, &state)?;
        chosen.window.places.push((number, BASE64.encode(&path.concat())));
        has_room = chosen.packed.add(line).map_err(MakeError::read(chain))?
            && chosen.window.places.len() as u64 <= MAX_RECORDS;
        Ok(())
    })?;
    chosen.window.chosen = chosen.window.places.len() as u64;
    Ok(has_room.then_some(chosen))
}
