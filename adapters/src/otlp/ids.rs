//! Trace and span ids: what makes one usable (`trace.proto`, checklist row D1).

/// What is wrong with a span's ids, for `partial_success.error_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadId(pub(super) &'static str);

pub(super) fn trace(bytes: &[u8]) -> Result<[u8; 16], BadId> {
    match <[u8; 16]>::try_from(bytes) {
        Ok(id) if id != [0; 16] => Ok(id),
        Ok(_) => Err(BadId("trace_id is all zero")),
        Err(_) => Err(BadId("trace_id is not 16 bytes long")),
    }
}

pub(super) fn span(bytes: &[u8]) -> Result<[u8; 8], BadId> {
    match <[u8; 8]>::try_from(bytes) {
        Ok(id) if id != [0; 8] => Ok(id),
        Ok(_) => Err(BadId("span_id is all zero")),
        Err(_) => Err(BadId("span_id is not 8 bytes long")),
    }
}

/// Empty is a root span by the specification; several SDKs write eight zero bytes instead.
pub(super) fn parent(bytes: &[u8]) -> Result<Option<[u8; 8]>, BadId> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match <[u8; 8]>::try_from(bytes) {
        Ok(id) => Ok((id != [0; 8]).then_some(id)),
        Err(_) => Err(BadId("parent_span_id is not 8 bytes long")),
    }
}
