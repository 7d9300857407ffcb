//! What a chain holds already, on disk or in the entry that is being filled.

use super::error::{ChainError, ChainUnusable};
use super::store::Store;
use super::tail::is_sealed_as;
use halod_record::ids::RecordId;

impl Store {
    /// The line under which `id` is sealed in this chain already: on disk, or in the section that
    /// is being filled. The index only says where to look.
    pub(super) fn sealed_as(
        &self,
        at: usize,
        start: usize,
        id: RecordId,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let mut offsets = Vec::new();
        self.index.candidates(id.key(), &mut offsets)?;
        for offset in offsets {
            let line = self.line_from(at, start, offset)?;
            if let Some(line) = line.filter(|line| is_sealed_as(line, id)) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The line that begins at an offset of a chain: on disk, or in the section that is being filled.
    pub(super) fn line_from(
        &self,
        at: usize,
        start: usize,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let chain = &self.chains[at];
        if offset < chain.len {
            return Ok(chain.line_at(offset).map_err(ChainUnusable::io("read", &chain.path))?);
        }
        let at = start + usize::try_from(offset - chain.len).unwrap_or(usize::MAX);
        let line = self.entry.bytes.get(at..).map(first_line);
        Ok(line.filter(|line| !line.is_empty()).map(<[u8]>::to_vec))
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)]
}
