//! What ingress-nginx appends to the combined text.

use super::fields::{Field, SECOND};
use super::number;
use super::row::{Row, Value};
use super::text::Rest;
use std::borrow::Cow;

/// `<request length> <request time> [<upstream's name>] [<alternative>] <address> <length> <time> <status>
/// <request id>`, each of the four a list where several upstreams were tried. Whether it was that.
pub(super) fn fields<'a>(mut rest: Rest<'a>, row: &mut Row<'a>) -> bool {
    let Some(length) = rest.word().and_then(number::whole) else { return false };
    let Some(lasted) = rest.word().and_then(|word| number::decimal(word, SECOND)) else { return false };
    if rest.bracketed('[', b']').is_none() || rest.bracketed('[', b']').is_none() {
        return false;
    }
    row.bytes_in = Some(length);
    row.duration = Some(lasted);
    let (upstream, _, latency, status) = (rest.list(), rest.list(), rest.list(), rest.list());
    row.put(Field::Upstream, text(upstream));
    row.put(Field::Latency(SECOND), text(latency));
    row.put(Field::UpstreamStatus, text(status));
    row.put(Field::RequestId, text(rest.word().unwrap_or("")));
    true
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
