//! What redaction costs: 1.2 KB of ordinary agent text, and hostile texts of 1 MiB per byte, beside
//! prose. With `HALO_PYTHON` set to a Python that has `halo-record`, the reference beside it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use halod_record::json::{Json, parse};
use halod_record::redact::{Findings, Redactor};
use std::hint::black_box;
use std::time::Instant;

const ORDINARY: &str = "I looked at the failing job on the main branch (run 4182 of 2025-07-14) and the cause is the new \
    pagination in src/api/orders.rs: the loop asks for page 2 before page 1 has been stored, so the cursor is lost. \
    The fix is small. First I read the handler, then the three callers; only list_orders() passes a limit above 100. \
    Next I will change the default to 50, add a test for an empty page, and run the suite again.\n\n\
    1. Open src/api/orders.rs and move the call to store_cursor() above the loop.\n\
    2. Update the two call sites in src/jobs/sync.rs, since they rely on the old order.\n\
    3. Run cargo test -p orders, and look at the timing of the slowest case (it was 1.8 s before).\n\n\
    The documentation at https://docs.example.com/api/orders#paging says that a page holds at most 200 items, which \
    matches what the server answers: {\"items\": 200, \"next\": \"abc\"}. The customer's export had 12,480 rows in 63 pages, \
    and took about 41 seconds; with the change it should take less than 30. I don't see another place that depends on it, \
    but the nightly report reads the same table, so it is worth a look tomorrow morning after the first run. \
    If the report is late, tell the team in the release channel before noon, please.";

fn main() {
    let redactor = Redactor::new();
    let ordinary: String = ORDINARY.chars().take(1200).collect();
    assert_eq!(ordinary.len(), 1200);
    println!("{:<34} {:>10} {:>9} {:>8}", "text", "ns", "ns/byte", "x prose");
    let once = |name: &str, text: &str, rounds: usize, f: &dyn Fn(&str)| {
        let ns = best(rounds, || f(black_box(text)));
        println!("{name:<34} {ns:>10.0} {:>9.2}", ns / text.len() as f64);
        ns
    };
    let scan = |text: &str| {
        let mut findings = Findings::default();
        redactor.scan_text(text, &mut findings);
        black_box(findings.is_empty());
    };
    let mask = |text: &str| drop(black_box(redactor.text(text)));
    let summary = |text: &str| drop(black_box(redactor.summary_input(&Json::str(text))));
    once("ordinary 1.2 KB, text", &ordinary, 20_000, &mask);
    once("ordinary 1.2 KB, scan", &ordinary, 20_000, &scan);
    once("ordinary 1.2 KB, summary_input", &ordinary, 20_000, &summary);
    let name = |text: &str| drop(black_box(redactor.named(text)));
    for text in NAMES {
        once(&format!("named: {text}"), text, 200_000, &name);
    }
    messages(&redactor);
    if let Ok(python) = std::env::var("HALO_PYTHON") {
        reference(&python, &ordinary);
    }
    let prose = ordinary.repeat((1 << 20) / ordinary.len());
    let base = best(5, || scan(black_box(&prose))) / prose.len() as f64;
    println!("{:<34} {:>10} {base:>9.2} {:>8.2}", "1 MiB of it, scan", "", 1.0);
    // One argument: only the hostile texts with that name.
    let only = std::env::args().nth(1).filter(|name| !name.starts_with('-')).unwrap_or_default();
    for (name, piece) in HOSTILE.into_iter().filter(|(name, _)| name.contains(&only)) {
        let text = piece.repeat((1 << 20) / piece.len());
        let cost = best(3, || scan(black_box(&text))) / text.len() as f64;
        println!("{name:<34} {:>10} {cost:>9.2} {:>8.2}", "", cost / base);
    }
    let base = best(5, || mask(black_box(&prose))) / 65_536.0;
    println!("{:<34} {:>10} {base:>9.2} {:>8.2}", "1 MiB of it, text (64 Ki kept)", "", 1.0);
    for (name, piece) in HOSTILE.into_iter().filter(|(name, _)| name.contains(&only)) {
        let text = piece.repeat((1 << 20) / piece.len());
        let cost = best(3, || mask(black_box(&text))) / 65_536.0;
        println!("{name:<34} {:>10} {cost:>9.2} {:>8.2}", "", cost / base);
    }
}

const NAMES: [&str; 6] = [
    "model.generate",
    "gpt-4o-mini",
    "claude-3-5-sonnet-20241022",
    "mcp__github__create_pull_request",
    "0af7651916cd43dd8448eb211c80319c",
    "550e8400-e29b-41d4-a716-446655440000",
];

/// What a call of a model carries: about 1 KB of JSON in fourteen leaves.
const MESSAGES: &str = r#"{"model":"gpt-4o-mini","temperature":0.2,"max_tokens":512,"messages":[
    {"role":"system","content":"You are a support agent for an online shop. Answer in two sentences. Never promise a refund; offer to open a ticket instead. Use the tools when you need the order."},
    {"role":"user","content":"Hello, my parcel from last Tuesday has not arrived yet, and the tracking page says that it left the warehouse. Can you look where it is and tell me when it will be here? I will be away next week."},
    {"role":"assistant","content":null,"tool_calls":[{"id":"call_7","type":"function","function":{"name":"order_status","arguments":"{\"order\": \"A-1042\", \"fields\": [\"carrier\", \"state\"]}"}}]},
    {"role":"tool","tool_call_id":"call_7","content":"state: in transit; carrier: north post; expected: Friday; the parcel left the sorting centre this morning and is on the van"}]}"#;

fn messages(redactor: &Redactor) {
    let value = parse(MESSAGES).unwrap();
    let ns = |f: &dyn Fn(&mut Findings)| {
        let mut findings = Findings::default();
        best(20_000, || {
            findings.clear();
            f(black_box(&mut findings));
        })
    };
    let show = |name: &str, ns: f64| println!("{name:<34} {ns:>10.0} {:>9.2}", ns / MESSAGES.len() as f64);
    show("messages, scan", ns(&|findings| redactor.scan(&value, findings)));
    show("messages, summary_input", ns(&|_| drop(black_box(redactor.summary_input(&value)))));
    show(
        "messages, scan_and_summarise",
        ns(&|findings| drop(black_box(redactor.scan_and_summarise(&value, findings)))),
    );
    show(
        "messages, both",
        ns(&|findings| {
            redactor.scan(&value, findings);
            drop(black_box(redactor.summary_input(&value)));
        }),
    );
}

const HOSTILE: [(&str, &str); 37] = [
    ("eyJ", "eyJ"),
    ("eyJ.", "eyJaaaaaaaaaa."),
    ("a.", "a."),
    ("a@", "a@"),
    ("a.@", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"),
    ("digits", "1234567890"),
    ("digits and blanks", "4111 "),
    ("digits and dashes", "123-45-"),
    ("-----BEGIN", "-----BEGIN "),
    ("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"),
    ("headers of keys", "\nA: -----BEGIN PRIVATE KEY-----"),
    ("password=", "password="),
    ("password= with blanks", "password   "),
    ("quotes", "\""),
    ("separators", ":/;,.-_=&?"),
    ("accounts", "AA11 "),
    ("accounts of a country", "GB82 "),
    ("urls", "https://a:b/"),
    ("quoted credentials", "\"token\":"),
    ("names and signs", "token="),
    ("names that call", "token=f(token="),
    ("names and tuples", "auth=(\""),
    ("names in quotes", "\"auth: x"),
    ("names and colons", "secret: "),
    ("names of pairs", "\"name\":\"token\","),
    ("lists of pairs", "(\"token\",'x"),
    ("elements", "<token>"),
    ("elements of names", "<name>token</name>"),
    ("unclosed data", "<token><![CDATA["),
    ("flags", "mysql -p --token "),
    ("flags alone", " -p"),
    ("percent-encoded", "%22token%22%3A"),
    ("entities", "&quot;"),
    ("passwords in base64", "dXNlcjpwYXNzd29yZA== "),
    ("plus signs and digits", "+123 456 78"),
    ("names of numbers", "tel: 12 "),
    ("local addresses", "fd00:"),
];

/// The least time of several rounds, in nanoseconds.
fn best(rounds: usize, mut f: impl FnMut()) -> f64 {
    let batch = rounds.div_ceil(20);
    let time = |_| {
        let start = Instant::now();
        (0..batch).for_each(|_| f());
        start.elapsed().as_nanos() as f64 / batch as f64
    };
    (0..rounds.min(20)).map(time).fold(f64::INFINITY, f64::min)
}

fn reference(python: &str, text: &str) {
    let script = "import sys,time\nfrom halo_record import redact as r\nt=sys.argv[1]\nfor n,f in (('text',r.redact_text),('scan',r.scan)):\n \
        b=1e9\n for _ in range(20):\n  s=time.perf_counter(); [f(t) for _ in range(20)]; b=min(b,(time.perf_counter()-s)/20)\n \
        print(f'{\"reference, \"+n:<34} {b*1e9:>10.0f} {b*1e9/len(t):>9.2f}')";
    let output = std::process::Command::new(python).args(["-c", script, text]).output().expect("HALO_PYTHON");
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
