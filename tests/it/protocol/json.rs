//! Rows J1 to J12: OTLP/JSON.

use super::client::{JSON, Post};
use super::{Case, Ctx, Expect, http};
use serde_json::Value;

/// One tool call, in the words of the specification. The parts that cases replace stand once.
pub const REQUEST: &str = concat!(
    r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"tenant.id","value":{"stringValue":"TENANT"}}]},"#,
    r#""scopeSpans":[{"scope":{"name":"acme.agent","version":"1"},"spans":[{"traceId":"TRACE","#,
    r#""spanId":"SPAN_ID","parentSpanId":"","name":"execute_tool lookup_order","kind":1,"#,
    r#""startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000000250000000","#,
    r#""attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},"#,
    r#"{"key":"gen_ai.tool.name","value":{"stringValue":"lookup_order"}},"#,
    r#"{"key":"gen_ai.tool.call.arguments","value":{"intValue":"7"}}],"#,
    r#""droppedAttributesCount":0,"events":[],"links":[],"status":{"code":1}}]}]}]}"#
);

const VALUE: &str = r#"{"intValue":"7"}"#;
const KIND: &str = r#""kind":1"#;
const TIMES: &str = r#""startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000000250000000""#;
const STARTED: &str = "2025-10-09T08:53:20.000000Z";

/// A case whose one span is as [`REQUEST`], but for `from`.
fn one(row: &'static str, what: &'static str, from: &'static str, to: &'static str) -> Case {
    http(row, what, Expect::Full, move |c| c.edited(from, to)).keeps(1)
}

fn value(row: &'static str, what: &'static str, to: &'static str) -> Case {
    one(row, what, VALUE, to)
}

/// A case that loses its span, or its request.
fn lost(row: &'static str, what: &'static str, from: &'static str, to: &'static str) -> Case {
    http(row, what, Expect::NotTakenWhole, move |c| c.edited(from, to)).keeps(0)
}

/// A good span and one with another id in the same request.
fn beside(ctx: &Ctx, id: &str) -> Post {
    let whole = ctx.json();
    let start = whole.find(r#"{"traceId""#).unwrap();
    let end = whole.rfind(r#"]}]}]}"#).unwrap();
    let span: Value = serde_json::from_str(&whole[start..end]).unwrap();
    let mut other = span;
    other["traceId"] = id.into();
    Post::new(JSON, format!("{},{other}{}", &whole[..end], &whole[end..]))
}

fn is_lower_hex(records: &[Value]) -> Result<(), String> {
    let lower = |id: &Value| {
        id.as_str().is_some_and(|id| id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
    };
    let data = &records[0]["data"];
    if lower(&data["trace_id"]) && lower(&data["span_id"]) { Ok(()) } else { Err("ids as they came".into()) }
}

fn has_started(records: &[Value]) -> Result<(), String> {
    if records[0]["data"]["started_at"] == STARTED { Ok(()) } else { Err("another start".into()) }
}

pub fn cases() -> Vec<Case> {
    let mut cases = ids_names_and_numbers();
    cases.extend(shapes());
    cases
}

fn ids_names_and_numbers() -> Vec<Case> {
    use Expect::{Full, Partial};
    vec![
        http("J1", "ids in lower case", Full, |c| Post::new(JSON, c.json())).kept(1, is_lower_hex),
        http("J1", "ids in upper case", Full, |c| {
            let (trace, id) = crate::support::spans::key(&crate::support::spans::span(c.family, 1));
            let whole = c.json().replace(&trace, &trace.to_uppercase());
            Post::new(JSON, whole.replace(&id, &id.to_uppercase()))
        })
        .kept(1, is_lower_hex),
        http("J1", "a base64 id loses its span only", Partial(1), |c| beside(c, "AAECAwQFBgcICQoLDA0ODw=="))
            .keeps(1),
        http("J1", "a short id loses its span only", Partial(1), |c| beside(c, "0102")).keeps(1),
        http("J1", "an id that is no hex loses its span only", Partial(1), |c| beside(c, &"zz".repeat(16)))
            .keeps(1),
        lost("J1", "a parent id of wrong length", r#""parentSpanId":"""#, r#""parentSpanId":"0102""#),
        lost(
            "J1",
            "a link with a base64 id",
            r#""links":[]"#,
            r#""links":[{"traceId":"AAECAwQFBgcICQoLDA0ODw==","spanId":"0102030405060708"}]"#,
        ),
        one(
            "J1",
            "a link with hex ids",
            r#""links":[]"#,
            r#""links":[{"traceId":"0102030405060708090A0b0c0d0e0f10","spanId":"0102030405060708"}]"#,
        ),
        lost("J2", "a span kind by name", KIND, r#""kind":"SPAN_KIND_CLIENT""#),
        lost("J2", "a status code by name", r#"{"code":1}"#, r#"{"code":"STATUS_CODE_OK"}"#),
        one("J2", "a span kind that is not known", KIND, r#""kind":42"#),
        http("J3", "snake_case is an unknown field", Full, |c| c.edited("resourceSpans", "resource_spans"))
            .keeps(0),
        lost("J3", "a snake_case id is no id", r#""traceId":"#, r#""trace_id":"#),
        one("J4", "unknown in the request", r#"{"resourceSpans""#, r#"{"future":[{"a":{}}],"resourceSpans""#),
        one(
            "J4",
            "unknown in a resource",
            r#""resource":{"#,
            r#""resource":{"entityRefs":[{"x":1}],"x":null,"#,
        ),
        one("J4", "unknown in a scope", r#""scope":{"#, r#""scope":{"x":1e9,"#),
        one("J4", "unknown in a span", KIND, r#""kind":1,"future":{"deep":[[["x"]]]}"#),
        one("J4", "unknown in a status", r#"{"code":1}"#, r#"{"code":1,"x":true}"#),
        one(
            "J4",
            "unknown in an attribute",
            r#"{"key":"gen_ai.tool.name","#,
            r#"{"keyRef":3,"key":"gen_ai.tool.name","#,
        ),
        http("J5", "times as strings", Full, |c| Post::new(JSON, c.json())).kept(1, has_started),
        http("J5", "times as numbers", Full, |c| {
            c.edited(
                TIMES,
                r#""startTimeUnixNano":1760000000000000000,"endTimeUnixNano":1760000000250000000"#,
            )
        })
        .kept(1, has_started),
        http("J5", "a time as an integral float", Full, |c| {
            c.edited(TIMES, r#""startTimeUnixNano":1.76e18,"endTimeUnixNano":1.76e18"#)
        })
        .kept(1, has_started),
        value("J5", "an int as a number", r#"{"intValue":7}"#),
        value("J5", "an int as 7.0", r#"{"intValue":7.0}"#),
        value("J5", "an int as 1e3", r#"{"intValue":1e3}"#),
        value("J5", "the largest int", r#"{"intValue":"9223372036854775807"}"#),
        lost("J5", "an int with a fraction", VALUE, r#"{"intValue":7.5}"#),
        lost("J5", "an int out of range", VALUE, r#"{"intValue":"9223372036854775808"}"#),
        value("J6", "NaN", r#"{"doubleValue":"NaN"}"#),
        value("J6", "Infinity", r#"{"doubleValue":"Infinity"}"#),
        value("J6", "-Infinity", r#"{"doubleValue":"-Infinity"}"#),
        value("J6", "a double as a string", r#"{"doubleValue":"1.5e3"}"#),
        value("J6", "a double as an integer", r#"{"doubleValue":3}"#),
        lost("J6", "NaN without quotes", VALUE, r#"{"doubleValue":NaN}"#),
    ]
}

fn shapes() -> Vec<Case> {
    use Expect::{Full, NotTakenWhole, Refused, Settled};
    vec![
        one("J7", "null lists", r#""events":[],"links":[]"#, r#""events":null,"links":null"#),
        one(
            "J7",
            "null scalars",
            r#""parentSpanId":"","#,
            r#""parentSpanId":null,"traceState":null,"flags":null,"#,
        ),
        one("J7", "a null scope", r#"{"name":"acme.agent","version":"1"}"#, "null"),
        one("J7", "a null status", r#"{"code":1}"#, "null"),
        value("J7", "a null value", "null"),
        value("J7", "a null arm", r#"{"stringValue":null}"#),
        http("J7", "null resourceSpans", Full, |_| Post::new(JSON, r#"{"resourceSpans":null}"#)),
        http("J8", "{} for traces", Full, |_| Post::new(JSON, "{}")),
        http("J8", "{} for logs", Full, |_| Post::new(JSON, "{}").to("/v1/logs")),
        value("J9", "an empty array", r#"{"arrayValue":{}}"#),
        value("J9", "an empty list of pairs", r#"{"kvlistValue":{}}"#),
        value("J9", "an empty value", "{}"),
        value("J9", "empty values within an array", r#"{"arrayValue":{"values":[{},{"arrayValue":{}}]}}"#),
        value("J10", "bytes in base64, padded", r#"{"bytesValue":"+/8A/w=="}"#),
        value("J10", "bytes in base64, not padded", r#"{"bytesValue":"+/8A/w"}"#),
        value("J10", "bytes in base64 for URLs", r#"{"bytesValue":"-_8A_w=="}"#),
        lost("J10", "bytes that are no base64", VALUE, r#"{"bytesValue":"not base64!"}"#),
        lost("J11", "a span's field twice", KIND, r#""kind":1,"kind":2"#),
        http("J11", "a request's field twice", NotTakenWhole, |c| {
            c.edited(r#"{"resourceSpans""#, r#"{"resourceSpans":[],"resourceSpans""#)
        })
        .keeps(0),
        http("J11", "two arms of one value", Settled, |c| {
            c.edited(VALUE, r#"{"intValue":"7","stringValue":"seven"}"#)
        }),
        http("J12", "50 arrays within another", Full, |c| {
            c.edited(
                VALUE,
                &format!("{}{}{}", r#"{"arrayValue":{"values":["#.repeat(45), "{}", "]}}".repeat(45)),
            )
        })
        .keeps(1),
        http("J12", "10,000 arrays within another", NotTakenWhole, |c| {
            let deep = 10_000;
            c.edited(
                VALUE,
                &format!("{}{}{}", r#"{"arrayValue":{"values":["#.repeat(deep), "{}", "]}}".repeat(deep)),
            )
        })
        .keeps(0),
        http("J12", "100,000 brackets in what is unknown", Settled, |c| {
            c.edited(KIND, &format!(r#""kind":1,"x":{}{}"#, "[".repeat(100_000), "]".repeat(100_000)))
        }),
        http("J12", "a byte order mark", Refused(400), |c| Post::new(JSON, format!("\u{feff}{}", c.json())))
            .keeps(0),
        http("J12", "bytes behind the request", Refused(400), |c| Post::new(JSON, c.json() + "x")).keeps(0),
        http("J12", "a second request behind it", Refused(400), |c| Post::new(JSON, c.json() + "{}"))
            .keeps(0),
        http("J12", "white space around it", Full, |c| Post::new(JSON, format!("\r\n\t {}\n", c.json())))
            .keeps(1),
        http("J12", "invalid UTF-8", NotTakenWhole, |c| {
            let mut body = c.json().into_bytes();
            let at = c.json().find("acme.agent").unwrap();
            body[at] = 0xff;
            Post::new(JSON, body)
        }),
        http("J12", "a lone surrogate", Settled, |c| c.edited("acme.agent", r"\ud800")),
    ]
}
