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
    let (upstream, _, latency, status) = (list(&mut rest), list(&mut rest), list(&mut rest), list(&mut rest));
    row.put(Field::Upstream, text(upstream));
    row.put(Field::Latency(SECOND), text(latency));
    row.put(Field::UpstreamStatus, text(status));
    row.put(Field::RequestId, text(rest.word().unwrap_or("")));
    true
}

/// Words that commas hold together.
fn list<'a>(rest: &mut Rest<'a>) -> &'a str {
    let from = rest.0.trim_start_matches(' ');
    while rest.word().is_some_and(|word| word.ends_with(',')) {}
    let used = from.len() - rest.0.len();
    from.get(..used).unwrap_or("").trim_end_matches(' ')
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
