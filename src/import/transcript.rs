//! A transcript's lines as rows of actions: one for each, of all the lines that tell of it.

use super::MAX_ROW;
use super::chunk::{Chunk, FileMeta, Place, Reason, Row};
use super::position::Mark;
use super::source::{Piece, SourceError};
use crate::receivers::lines::read::Told;
use bytes::Bytes;
use halo_adapters::transcript::Client;
use halo_adapters::transcript::join::{Joined, Joiner, Line};
use std::sync::Arc;

/// Bytes of lines that are held until the other lines of their actions come.
const HELD: usize = 32 << 20;

/// Bytes and rows of a chunk, about.
const BYTES: usize = 1 << 20;
const ROWS: usize = 20_000;

/// The actions of one transcript, as its lines come.
#[derive(Debug)]
pub(super) struct Transcript {
    joiner: Joiner<Place>,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    filtered: u64,
    oversized: Vec<Reason>,
    failed: Option<SourceError>,
}

impl Transcript {
    pub(super) fn new(client: Client) -> Self {
        Self {
            joiner: Joiner::new(client, HELD),
            bytes: Vec::new(),
            rows: Vec::new(),
            filtered: 0,
            oversized: Vec::new(),
            failed: None,
        }
    }

    /// The next actions, of the lines that `rows` brings; `None` at the end.
    ///
    /// # Errors
    /// The file breaks off: said after all that came before.
    pub(super) fn piece(
        &mut self,
        meta: &Arc<FileMeta>,
        mut rows: impl FnMut() -> Result<Option<Piece>, SourceError>,
    ) -> Result<Option<Piece>, SourceError> {
        let mut mark = Mark::default();
        while !self.is_full() {
            match rows() {
                Ok(Some(piece)) => {
                    mark = piece.mark;
                    self.push(piece);
                    continue;
                }
                Ok(None) => {}
                Err(error) => self.failed = Some(error),
            }
            if !self.finish() {
                return self.failed.take().map_or(Ok(None), Err);
            }
            break;
        }
        Ok(Some(self.take(meta, mark)))
    }

    /// Takes the lines that were read next.
    fn push(&mut self, piece: Piece) {
        self.oversized.extend(piece.oversized);
        let Some(chunk) = piece.chunk else { return };
        for row in &chunk.rows {
            let line = chunk.row(row);
            match self.joiner.push(line, row.place) {
                Line::Taken => {}
                Line::Aside => self.filtered += 1,
                // Why it can't be read is said where rows are read.
                Line::Unread => self.row(row.place, line),
            }
            while let Some(joined) = self.joiner.due(false) {
                self.joined(&joined);
            }
        }
    }

    /// Goes on with what is held: no line will come. False where there is nothing more.
    fn finish(&mut self) -> bool {
        while !self.is_full() {
            let Some(joined) = self.joiner.due(true) else {
                self.filtered += self.joiner.left();
                break;
            };
            self.joined(&joined);
        }
        !self.rows.is_empty() || !self.oversized.is_empty() || self.filtered > 0
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES || self.rows.len() >= ROWS
    }

    fn take(&mut self, meta: &Arc<FileMeta>, mark: Mark) -> Piece {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let rows = std::mem::take(&mut self.rows);
        let told = Told::default();
        let chunk = (!rows.is_empty()).then(|| Chunk {
            meta: Arc::clone(meta),
            bytes,
            rows,
            told,
            traces: None,
            hole: None,
        });
        let (oversized, filtered) = (std::mem::take(&mut self.oversized), std::mem::take(&mut self.filtered));
        Piece { chunk, oversized, filtered, mark }
    }

    fn joined(&mut self, joined: &Joined<Place>) {
        if joined.text.len() > MAX_ROW {
            let what = format!("an action told in {} bytes; at most {MAX_ROW} are read", joined.text.len());
            self.oversized.push(Reason { place: joined.place, what });
            return;
        }
        self.row(joined.place, &joined.text);
    }

    fn row(&mut self, place: Place, text: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.rows.push(Row { start, end: self.bytes.len(), place, line: None });
    }
}
