#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use halod_record::event::{Action, Fact, Origin, Status};
use proptest::prelude::*;

const PLACE: Place<'static> =
    Place { file: "access.log", identity: &["dev-1", "inode-2", "first"], offset: 77 };

fn read(spec: Spec, rules: Rules, line: &str) -> Result<Line<'static>, String> {
    // What a reader makes of a line may borrow from it.
    let line: &'static [u8] = line.to_owned().into_bytes().leak();
    Reader::new(spec, rules).line(line, &PLACE).map_err(|why| why.to_string())
}

fn event(spec: Spec, line: &str) -> Event<'static> {
    match read(spec, Rules::all(), line) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{line}: {other:?}"),
    }
}

fn fact(event: &Event<'_>, key: &str) -> Option<String> {
    let (_, fact) = event.facts.iter().find(|(known, _)| *known == key)?;
    Some(match fact {
        Fact::Number(number) => number.to_string(),
        Fact::Id(text) | Fact::Label(text) | Fact::Address(text) | Fact::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    })
}

#[test]
fn names_of_formats_are_read_as_they_are_written() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("Nginx".parse::<Format>().is_err());
}

#[test]
fn a_record_is_identified_by_the_file_and_the_offset_alone() {
    let line = r#"1.2.3.4 - - [22/Nov/2026:08:29:52 +0000] "POST /v1/messages HTTP/1.1" 200 5"#;
    let event = event(Format::Combined.into(), line);
    let Origin::Keyed(keyed) = event.origin else { panic!("{:?}", event.origin) };
    assert_eq!((keyed.space, keyed.id.join("/")), ("file", "dev-1/inode-2/first/77".to_owned()));
}

#[test]
fn only_agent_traffic_unless_all_is_asked_for() {
    let line = r#"1.2.3.4 - - [22/Nov/2026:08:29:52 +0000] "GET /favicon.ico HTTP/1.1" 404 5"#;
    assert_eq!(read(Format::Nginx.into(), Rules::default(), line), Ok(Line::Filtered));
    assert!(matches!(read(Format::Nginx.into(), Rules::all(), line), Ok(Line::Event(_))));
    let own = Rules::new(&["/favicon.ico"]).unwrap();
    assert!(matches!(read(Format::Nginx.into(), own, line), Ok(Line::Event(_))));
}

#[test]
fn a_regular_expression_names_the_fields() {
    let spec = Spec::regex(
        r#"^(?P<started>\S+) (?P<principal>\S+) (?P<method>\w+) (?P<path>\S+) (?P<status>\d+) (?P<duration_ms>[\d.]+)$"#,
    );
    let spec = spec.unwrap();
    let event = event(spec.clone(), "2026-11-22T08:29:52.5Z zoe POST /v1/messages?key=abc 503 12.5");
    assert_eq!(event.principal.as_deref(), Some("zoe"));
    assert_eq!(event.outcome.status, Status::Error);
    assert_eq!((event.ended.unwrap() - event.started.unwrap()) / 1000, 12_500);
    assert_eq!(fact(&event, "path").as_deref(), Some("/v1/messages?key=****"));
    assert_eq!(event.source.dialect, "regex");
    assert_eq!(read(spec, Rules::all(), "x").unwrap_err(), "the expression does not match");
    for (bad, why) in [
        ("(?P<pfad>x)", "\"pfad\" is no field; those are request, method,"),
        ("(?P<status>x)", "names no group for what was requested"),
        ("(", "unclosed group"),
        ("(?P<path>(a{1000}){1000})", "size"),
    ] {
        let error = Spec::regex(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
    assert!(read(Format::Regex.into(), Rules::all(), "x").is_err());
}

#[test]
fn a_map_names_the_fields_of_an_object() {
    let map = [
        ("model", "llm.name"),
        ("status", "code"),
        ("principal", "who.id"),
        ("tenant", "org.id"),
        ("latency_us", "us"),
    ];
    let spec = Spec::json(map).unwrap();
    let event = event(
        spec.clone(),
        r#"{"llm":{"name":"gpt-4o"},"code":"403","who":{"id":17},"org.id":"acme","us":2500}"#,
    );
    assert_eq!(event.action, Action::Request { tool: "gen_ai:gpt-4o".into(), model: Some("gpt-4o".into()) });
    assert_eq!(event.outcome.status, Status::Denied);
    assert_eq!((event.principal.as_deref(), event.tenant.as_deref()), (Some("17"), Some("acme")));
    assert_eq!(fact(&event, "upstream_ms").as_deref(), Some("2"));
    assert_eq!(read(spec, Rules::all(), r#"{"x":1}"#), Ok(Line::Preamble));
    assert!(Spec::json([("modell", "x")]).unwrap_err().to_string().contains("\"modell\" is no field"));
    assert!(Spec::json([("model", "")]).unwrap_err().to_string().contains("empty"));
}

#[test]
fn what_stands_for_no_answer_is_an_error() {
    for (status, kind, error_type) in [
        ("200", Status::Ok, None),
        ("304", Status::Ok, None),
        ("400", Status::Error, Some("400")),
        ("401", Status::Denied, Some("401")),
        ("403", Status::Denied, Some("403")),
        ("407", Status::Denied, Some("407")),
        ("429", Status::Error, Some("429")),
        ("499", Status::Error, Some("client_closed_request")),
        ("000", Status::Error, Some("client_closed_request")),
        ("599", Status::Error, Some("599")),
    ] {
        let line = format!(r#"a - - [22/Nov/2026:08:29:52 +0000] "POST /v1/messages HTTP/1.1" {status} 5"#);
        let event = event(Format::Combined.into(), &line);
        assert_eq!(
            (event.outcome.status, event.outcome.error_type.as_deref()),
            (kind, error_type),
            "{status}"
        );
    }
}

#[test]
fn a_number_that_is_no_status_is_rejected() {
    for status in ["1e999", "12", "\"1000\"", "-5", "99999999999999999999"] {
        let line = format!(r#"{{"path":"/v1/messages","status":{status}}}"#);
        assert_eq!(
            read(Format::Json.into(), Rules::all(), &line).unwrap_err(),
            "status: a number that is no HTTP status"
        );
    }
}

#[test]
fn lines_as_long_as_they_come_take_time_in_proportion() {
    let long = "A".repeat(4 << 20);
    for line in [
        format!(r#"a - - [22/Nov/2026:08:29:52 +0000] "GET /v1/messages?q={long} HTTP/1.1" 200 5"#),
        format!(
            r#"a - - [22/Nov/2026:08:29:52 +0000] "GET /v1/messages/{} HTTP/1.1" 200 5"#,
            "a/".repeat(1 << 16)
        ),
        format!(
            r#"a - - [22/Nov/2026:08:29:52 +0000] "GET /v1/messages?{} HTTP/1.1" 200 5"#,
            "a&".repeat(1 << 16)
        ),
        format!(
            r#"a - - [22/Nov/2026:08:29:52 +0000] "GET /v1/messages HTTP/1.1" 200 5 "-" "-" {}"#,
            "k=v ".repeat(1 << 17)
        ),
        format!(r#"{} [22/Nov/2026:08:29:52 +0000] "GET /v1/messages HTTP/1.1" 200 5"#, "[".repeat(1 << 17)),
    ] {
        let event = event(Format::Combined.into(), &line);
        assert_eq!(fact(&event, "http_status").as_deref(), Some("200"));
    }
    for line in [
        "\"".repeat(1 << 17),
        "[".repeat(1 << 17),
        "\\x".repeat(1 << 16),
        format!("{{\"a\":\"{}", "\\x41".repeat(1 << 17)),
    ] {
        for format in Format::ALL {
            let _ = read(format.into(), Rules::all(), &line);
        }
    }
}

#[test]
fn what_a_client_has_logged_for_its_path_ends_before_the_status() {
    let line = r#"[2026-11-25T22:02:36.890Z] "GET /v1/messages" 200 - 0 0 1 1 " HTTP/1.1" 503 UF 0 2 1 - "-" "-" "id" "host" "-""#;
    let event = event(Format::Envoy.into(), line);
    assert_eq!(fact(&event, "path").as_deref(), Some("/v1/messages\" 200 - 0 0 1 1 \""));
    assert_eq!(fact(&event, "http_status").as_deref(), Some("503"));
}

proptest! {
    /// What stands in a query, or before the host, is in nothing that a record is made of, whatever is
    /// around it and however the log has it.
    #[test]
    fn secrets_of_a_url_are_left_out(
        key in "[a-z_-]{1,12}", secret in "[A-Za-z0-9_-]{20,60}", before in "[a-z0-9=&._%-]{0,20}", after in "[a-z0-9=&._%/?-]{0,20}",
    ) {
        prop_assume!(!["model", "deployment"].contains(&key.as_str()));
        let secret = format!("S3CR3T{secret}");
        // Long enough that no parameter's value stays.
        let value = format!("{secret}{secret}");
        for target in [
            format!("/v1/messages?{before}&{key}={value}&{after}"),
            format!("/v1/messages#{key}={value}"),
            format!("https://user:{secret}@llm.example.com/v1/messages?{key}={value}"),
            format!("https://{secret}@llm.example.com"),
            format!("/v1/messages?{value}"),
        ] {
            let lines = [
                (Format::Combined, format!(r#"a - - [22/Nov/2026:08:29:52 +0000] "POST {target} HTTP/1.1" 200 5"#)),
                (Format::Haproxy, format!(r#"1.2.3.4:5 [06/Feb/2026:12:14:14.655] f b/s 1/0/3/6/10 200 27 - - ---- 1/1/1/1/0 0/0 "POST {} HTTP/1.1""#, target.replace('#', "#23"))),
                (Format::Envoy, format!(r#"[2026-11-22T20:17:00.310Z] "POST {target} HTTP/2" 200 - 1 2 3 4 "-" "x" "id" "host" "up""#)),
                (Format::Nginx, format!(r#"{{"method":"POST","request_uri":"{target}","status":200}}"#)),
                (Format::Json, format!(r#"{{"url":"{target}","status":200}}"#)),
                (Format::Kong, format!(r#"{{"request":{{"uri":"/v1/messages","url":"{target}"}},"response":{{"status":200}},"latencies":{{}}}}"#)),
            ];
            for (format, line) in lines {
                let event = event(format.into(), &line);
                let said = format!("{event:?}");
                prop_assert!(!said.contains(&secret), "{format}: {line}\n{said}");
            }
        }
    }

    /// A line of text comes to the same request whether its bytes were escaped or not.
    #[test]
    fn escaped_bytes_are_the_bytes(path in "[a-zäöü東/]{1,20}") {
        let escaped: String = path.bytes().map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("\\x{b:02X}") }).collect();
        let of = |path: &str| {
            event(Format::Nginx.into(), &format!(r#"a - - [22/Nov/2026:08:29:52 +0000] "GET /{path} HTTP/1.1" 200 5"#))
        };
        prop_assert_eq!(of(&path), of(&escaped));
        let object = |path: &str| event(Format::Nginx.into(), &format!(r#"{{"method":"GET","uri":"/{path}","status":200}}"#));
        prop_assert_eq!(object(&path), object(&escaped));
    }
}

#[test]
fn a_status_that_is_not_understood_never_says_ok() {
    let said = |status: &str| {
        let line =
            format!(r#"{{"time":"2026-11-29T10:00:00Z","method":"POST","uri":"/v1/messages",{status}}}"#);
        let event = event(Format::Json.into(), &line);
        (event.outcome.status, fact(&event, "http_status"))
    };
    let code = |code: &str| Some(code.to_owned());
    for (told, status, number) in [
        (r#""statusCode":502"#, Status::Error, code("502")),
        (r#""sc_status":"502""#, Status::Error, code("502")),
        (r#""responseCode":"403""#, Status::Denied, code("403")),
        (r#""code":502"#, Status::Error, code("502")),
        (r#""code":1001,"status":200"#, Status::Ok, code("200")),
        (r#""status":"502, 502""#, Status::Error, code("502")),
        (r#""status":"502, 200""#, Status::Ok, code("200")),
        (r#""status":"504 : 503""#, Status::Error, code("503")),
        (r#""status":"502 Bad Gateway""#, Status::Error, code("502")),
        (r#""status":"up""#, Status::Unknown, None),
        (r#""status":"5xx""#, Status::Unknown, None),
        (r#""status":true"#, Status::Unknown, None),
        (r#""status":"200""#, Status::Ok, code("200")),
    ] {
        assert_eq!(said(told), (status, number), "{told}");
    }
}

#[test]
fn what_stands_before_a_line_is_never_read_as_a_part_of_it() {
    let own = r#"203.0.113.7 - - [29/Nov/2026:10:00:00 +0000] "POST /v1/messages HTTP/1.1" 200 5 "-" "a/1""#;
    let docker =
        serde_json::json!({ "log": own, "stream": "stdout", "time": "2026-11-29T10:00:00Z" }).to_string();
    let prefixed = [
        ["2026-11-29T10:00:00.123456789Z stdout F ", own].concat(),
        ["Nov 29 10:00:00 host nginx: ", own].concat(),
        ["nginx-1  | ", own].concat(),
        docker,
    ];
    for line in &prefixed {
        let event = event(Format::Combined.into(), line);
        assert_eq!(
            (fact(&event, "client").as_deref(), event.principal),
            (Some("203.0.113.7"), None),
            "{line}"
        );
        assert_eq!(detect(&[line.as_bytes()]), Some(Format::Combined), "{line}");
    }
    assert!(read(Format::Combined.into(), Rules::all(), "2026-11-29T10:00:00Z stdout P 203.0.113").is_err());
    let json =
        r#"2026-11-29T10:00:00Z stdout F {"remote_addr":"203.0.113.7","uri":"/v1/messages","status":200}"#;
    assert_eq!(fact(&event(Format::Nginx.into(), json), "client").as_deref(), Some("203.0.113.7"));
}

#[test]
fn two_addresses_are_no_host_and_its_client() {
    let line = |before: &str| {
        format!(r#"{before} - - [29/Nov/2026:10:00:00 +0000] "POST /v1/messages HTTP/1.1" 200 5 "-" "a/1""#)
    };
    let told = event(Format::Combined.into(), &line("10.9.8.7 2001:db8:77:1::"));
    assert_eq!(fact(&told, "host"), None);
    assert_eq!(fact(&told, "client").as_deref(), Some("10.9.8.7"));
    assert_eq!(fact(&told, "forwarded_for").as_deref(), Some("2001:db8:77:1::"));
    let told = event(Format::Combined.into(), &line("llm.example:443 203.0.113.7"));
    assert_eq!(fact(&told, "host").as_deref(), Some("llm.example:443"));
    assert_eq!(fact(&told, "client").as_deref(), Some("203.0.113.7"));
}

#[test]
fn a_line_that_does_not_say_what_was_requested_is_rejected() {
    for key in ["RequestURI_", "resource", "location", "endpoint_of"] {
        let line = format!(
            r#"{{"remote_addr":"203.0.113.7","request_method":"POST","{key}":"/v1/messages","status":200}}"#
        );
        assert!(
            read(Format::Nginx.into(), Rules::all(), &line).unwrap_err().contains("what was requested"),
            "{key}"
        );
    }
    // A log writes an empty path for a request that its program could not read.
    for path in ["null", "\"\"", "\"-\""] {
        let line = format!(r#"{{"remote_addr":"203.0.113.7","uri":{path},"status":400}}"#);
        assert!(read(Format::Nginx.into(), Rules::all(), &line).is_ok(), "{path}");
    }
}

#[test]
fn caddys_times_and_durations_may_be_text() {
    let line = |ts: &str, duration: &str| {
        format!(
            r#"{{"ts":{ts},"logger":"http.log.access.log0","msg":"handled request","request":{{"uri":"/v1/messages"}},"duration":{duration},"status":200}}"#
        )
    };
    let told = event(Format::Caddy.into(), &line("\"2026/11/29 10:00:00.500\"", "0.5"));
    assert_eq!(told.ended, Some(1_795_946_400_500_000_000));
    for (text, millis) in
        [("1.2345s", 1234), ("12.5ms", 12), ("1m2.5s", 62_500), ("350\u{b5}s", 0), ("1h0m0s", 3_600_000)]
    {
        let told = event(Format::Caddy.into(), &line("1795946400.5", &format!("\"{text}\"")));
        let lasted = told.ended.zip(told.started).map(|(to, from)| (to - from) / 1_000_000);
        let stated = fact(&told, "duration_ms").and_then(|text| text.parse().ok());
        assert_eq!(stated.or(lasted), Some(millis), "{text}: {told:?}");
    }
}

#[test]
fn a_line_of_a_server_on_a_unix_socket_is_a_request() {
    let told = event(Format::Litellm.into(), r#"INFO:      - "POST /v1/messages HTTP/1.1" 200 OK"#);
    assert_eq!(fact(&told, "client"), None);
    assert_eq!(told.outcome.status, Status::Ok);
}

#[test]
fn nginx_leaves_out_quotes_and_lists_what_several_upstreams_did() {
    let json = |more: &str| {
        let line = format!(
            r#"{{"remote_addr":203.0.113.7,"request":"POST /v1/messages HTTP/1.1","status":502,{more},"request_time":0.250}}"#
        );
        assert_eq!(detect(&[line.as_bytes()]), Some(Format::Nginx));
        event(Format::Nginx.into(), &line)
    };
    let none = json(r#""upstream_response_time":-,"upstream_addr":-,"upstream_status":-"#);
    assert_eq!(
        ["upstream_ms", "upstream", "upstream_status"].map(|key| fact(&none, key)),
        [None, None, None]
    );
    assert_eq!(fact(&none, "client").as_deref(), Some("203.0.113.7"));
    assert_eq!(none.outcome.status, Status::Error);
    let line = |before: &str, more: &str| {
        let line = format!(
            r#"203.0.113.7 - - [29/Nov/2026:10:00:00 +0000] "POST /v1/messages HTTP/1.1" 200 5 {before}{more}"#
        );
        event(Format::Nginx.into(), &line)
    };
    let several = [
        json(
            r#""urt":0.001, 0.002 : 0.003,"upstream_addr":10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80,"upstream_status":502, 502 : 200"#,
        ),
        line(
            r#""-" "agent/1" "#,
            "urt=0.001, 0.002 : 0.003 ua=10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 us=502, 502 : 200",
        ),
        line(
            r#"- "agent/1" "#,
            "17 0.25 [a] [] 10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 1, 2 : 3 0.001, 0.002 : 0.003 502, 502 : 200 abc",
        ),
    ];
    for told in &several {
        assert_eq!(fact(told, "upstream").as_deref(), Some("10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80"));
        assert_eq!(fact(told, "upstream_status").as_deref(), Some("502, 502 : 200"));
        assert_eq!(fact(told, "upstream_ms").as_deref(), Some("6"));
    }
    let agents = [r#"- "agent/1""#, r#""-" "agent/1""#, "- -", "\"-\" -", ""];
    let agents = agents.map(|before| fact(&line(before, ""), "user_agent").unwrap_or_default());
    assert_eq!(agents, ["agent/1", "agent/1", "", "", ""]);
    let unread = r"203.0.113.7 - - [29/Nov/2026:10:00:00 +0000] - 400 0 - -";
    assert_eq!(fact(&event(Format::Nginx.into(), unread), "http_status").as_deref(), Some("400"));
}

#[test]
fn values_that_are_not_understood_are_told() {
    let unread = |more: &str| {
        let line =
            format!(r#"{{"remote_addr":"203.0.113.7","request":"POST /v1/messages HTTP/1.1",{more}}}"#);
        fact(&event(Format::Nginx.into(), &line), "unread")
    };
    let labels =
        |names: &[&str]| Some(format!("{:?}", Fact::Labels(names.iter().map(|n| (*n).into()).collect())));
    let bad =
        r#""status":"gone","time":"yesterday","request_time":"3 moons","upstream_response_time":"soon""#;
    assert_eq!(unread(bad), labels(&["duration", "status", "time", "upstream_time"]));
    assert_eq!(
        unread(&format!(r#"{bad},"time_iso8601":"2026-11-29T10:00:00Z","sc_status":502"#)),
        labels(&["duration", "upstream_time"])
    );
    // A value that says that there is nothing counts as understood.
    for none in [
        r#""status":502,"time":"-","request_time":"-","urt":"-, - : -""#,
        r#""status":200,"msec":"","rt":-1"#,
        r#""status":200"#,
    ] {
        assert_eq!(unread(none), None, "{none}");
    }
}
