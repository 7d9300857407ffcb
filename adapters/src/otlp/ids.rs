//! Trace and span ids: what makes one usable (`trace.proto`, checklist row D1).

/// What is wrong with an item's ids, for `partial_success.error_message`.
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
    optional(bytes, BadId("parent_span_id is not 8 bytes long"))
}

/// Trace and span of a log record.
type Context = (Option<[u8; 16]>, Option<[u8; 8]>);

/// The ids of a log record: both may be absent (`logs.proto`).
pub(super) fn context(trace: &[u8], span: &[u8]) -> Result<Context, BadId> {
    let trace = optional(trace, BadId("trace_id is not 16 bytes long"))?;
    Ok((trace, optional(span, BadId("span_id is not 8 bytes long"))?))
}

fn optional<const N: usize>(bytes: &[u8], wrong: BadId) -> Result<Option<[u8; N]>, BadId> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match <[u8; N]>::try_from(bytes) {
        Ok(id) => Ok((id != [0; N]).then_some(id)),
        Err(_) => Err(wrong),
    }
}
