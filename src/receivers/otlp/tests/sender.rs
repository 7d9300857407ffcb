//! What a sender writes: OTLP messages by hand, so that they can be wrong as well.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// A length-delimited field; tags and lengths of tests stay below 16 and 2^21.
pub(super) fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

pub(super) fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

/// A span with string attributes; ids repeat `id`, which must not be 0 to be valid.
pub(super) fn span(id: u8, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = [field(1, &[id; 16]), field(2, &[id; 8]), field(5, b"execute_tool search")].concat();
    for (key, value) in attributes {
        bytes.extend(field(9, &attribute(key, value)));
    }
    bytes
}

/// What makes a span an agent's action.
pub(super) const TOOL: (&str, &str) = ("gen_ai.operation.name", "execute_tool");
const TOOL_NAME: (&str, &str) = ("gen_ai.tool.name", "search");

pub(super) fn tool_span(id: u8) -> Vec<u8> {
    span(id, &[TOOL, TOOL_NAME])
}

pub(super) fn tool_span_with(id: u8, more: (&str, &str)) -> Vec<u8> {
    span(id, &[TOOL, TOOL_NAME, more])
}

/// A request of one resource and scope.
pub(super) fn traces(resource: &[(&str, &str)], spans: &[Vec<u8>]) -> Vec<u8> {
    let resource: Vec<u8> =
        resource.iter().flat_map(|(key, value)| field(1, &attribute(key, value))).collect();
    let spans: Vec<u8> = spans.iter().flat_map(|span| field(2, span)).collect();
    field(1, &[field(1, &resource), field(2, &spans)].concat())
}

/// A logs request with one record, whose time is its first field.
pub(super) fn logs() -> Vec<u8> {
    let record = [0x09, 1, 2, 3, 4, 5, 6, 7, 8];
    field(1, &field(2, &field(2, &record)))
}

/// A metrics request with one gauge of one data point.
pub(super) fn metrics() -> Vec<u8> {
    let gauge = field(5, &field(1, &[]));
    field(1, &field(2, &field(2, &[field(1, b"name"), gauge].concat())))
}

pub(super) const JSON_SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
    "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"execute_tool x",
    "attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},
                  {"key":"gen_ai.tool.name","value":{"stringValue":"x"}}]}]}]}]}"#;

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A message as gRPC frames it.
pub(super) fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], length.as_slice(), message].concat()
}
