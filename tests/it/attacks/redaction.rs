//! Credentials and personal data as people paste them into agents: through a real halod, as arguments, result,
//! error and prompt, and looked for in every file that it leaves behind. After public reports about scanners of
//! secrets; names and secrets are made up.

use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A case: its name, the text, what must be in no file, what must stay readable.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const SECRETS: [Case; 13] = [
    (
        "headers that carry a credential",
        "> Authorization: token zaun-nadel-48\n> Proxy-Authorization: brot-vogel-49\n> x-api-key: korb-wolke-50\n\
         > x-goog-api-key: lampe-ofen-51\n> Authorization: Bearer ZSB05dTVdEx4\n> Accept: text/plain",
        &["zaun-nadel-48", "brot-vogel-49", "korb-wolke-50", "lampe-ofen-51", "ZSB05dTVdEx4"],
        &["x-api-key", "text/plain"],
    ),
    (
        "an element of XML",
        "<server><id>zoe</id><password>birne-wanne-52</password></server> <add key='x' password='wolke-fuchs-53'/>",
        &["birne-wanne-52", "wolke-fuchs-53"],
        &["zoe"],
    ),
    (
        "pairs of key and value",
        r#"[{"key": "username", "value": "zoe"}, {"key": "password", "value": "lampe-ofen-31"}, {"name": "DB_PASSWORD", "value": "birne-wanne-32"}]"#,
        &["lampe-ofen-31", "birne-wanne-32"],
        &["zoe"],
    ),
    (
        "a quote inside of an assigned value",
        "export PGPASSWORD=wolke\"quitte77\nexport MY_SECRET=fuchs'quitte78 psql\n{\"password\": \"insel\\\"quitte79\"} tail",
        &["quitte77", "quitte78", "quitte79"],
        &["psql", "tail"],
    ),
    (
        "assignments without quotes",
        "SMTP_HOST=mail.example.net\nSMTP_PASS=gabel-zaun-35\nAPI_TOKEN=yvok56yK5\nCLIENT_SECRET=326aha8ee4f\nDEBUG=1",
        &["gabel-zaun-35", "yvok56yK5", "326aha8ee4f"],
        &["mail.example.net", "DEBUG=1"],
    ),
    (
        "a user and password for curl",
        "curl -u zoe:insel-gabel-36 https://api.example.net/v1 && curl --user \":leiter-regen-37\" https://api.example.net/v2",
        &["insel-gabel-36", "leiter-regen-37"],
        &["api.example.net"],
    ),
    (
        "a hexadecimal key",
        "curl https://zoe.openai.azure.com/openai/deployments/g/chat/completions -H \"api-key: \
         8131d962bf40334518a705d19c432d0f\"; openai.api_key = \"c70242ecd800ea542134d2d377dbede2\"",
        &["8131d962bf40334518a705d19c432d0f", "c70242ecd800ea542134d2d377dbede2"],
        &["zoe.openai.azure.com"],
    ),
    (
        "a value in quotes with a blank",
        "password = \"gabel wolke\" and passwd: 'korb, insel'\ndb_password: brot leiter",
        &["wolke", "insel", "leiter"],
        &["db_password"],
    ),
    (
        "flags of programs",
        "mysql -uroot -pwolke-77x app && deploy --api-token fuchs-78y --dry-run; sshpass -p insel-79z ssh h",
        &["wolke-77x", "fuchs-78y", "insel-79z"],
        &["--dry-run", "-uroot"],
    ),
    (
        "percent-encoded",
        "POST /cb?data=%7B%22password%22%3A%22fuchs-pinsel-54%22%7D then body user%3Dzoe%26password%3Dgabel-zaun-55",
        &["fuchs-pinsel-54", "gabel-zaun-55"],
        &["/cb"],
    ),
    (
        "account and card numbers with the signs of documents",
        "DE89\u{202f}3704\u{202f}0044\u{202f}0532\u{202f}0130\u{202f}00 | DE89\u{2009}3704\u{2009}0044\u{2009}0532\u{2009}0130\u{2009}00 | \
         4111\u{2011}1111\u{2011}1111\u{2011}1111 | 4111\u{2013}1111\u{2013}1111\u{2013}1111 | 4111.1111.1111.1111",
        &[
            "3704\u{202f}0044\u{202f}0532",
            "3704\u{2009}0044\u{2009}0532",
            "1111\u{2011}1111\u{2011}1111",
            "1111\u{2013}1111\u{2013}1111",
            "1111.1111.1111",
        ],
        &[],
    ),
    (
        "telephone numbers of other countries",
        "+49 30 5550 1234, +44 20 7946 0958, +33 1 55 50 12 34, +91 98765 43210, +14155550123",
        &["5550 1234", "7946 0958", "55 50 12 34", "98765 43210", "4155550123"],
        &[],
    ),
    (
        "cards of all issuers",
        "6011000990139424, 2223000048400011, 30569309025904, 6212345678901232, 3530111333300000",
        &["6011000990139424", "2223000048400011", "30569309025904", "6212345678901232", "3530111333300000"],
        &[],
    ),
];

/// What is no secret: readable, and no finding.
const NAMES: [Case; 3] = [
    (
        "long names of functions",
        "renamed getInvoiceTotalsByCustomerV2 in tests/test_invoice_rounding_half_even_2026.py",
        &[],
        &["getInvoiceTotalsByCustomerV2", "test_invoice_rounding_half_even_2026"],
    ),
    (
        "names of variables, tokens of pages",
        r#"{"api_key_env":"MY_SECRET1","items":[1,2],"next_page_token":"page-2"}"#,
        &[],
        &["MY_SECRET1", "page-2"],
    ),
    (
        "paths, pods and names of agents",
        "open /srv/agent/src/CheckoutForm/PaymentMethodSelector.tsx failed on checkout-service-7d9f8b6c5d-x2x9q \
         for task-planner-with-long-term-memory",
        &[],
        &[
            "PaymentMethodSelector.tsx",
            "checkout-service-7d9f8b6c5d-x2x9q",
            "task-planner-with-long-term-memory",
        ],
    ),
];

/// One span of each kind that carries content, for a tenant of its own.
fn spans(text: &str) -> [(&'static str, Value); 4] {
    let tool = |more: Value| {
        let mut attributes = vec![
            json!({"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}}),
            json!({"key": "gen_ai.tool.name", "value": {"stringValue": "run_shell"}}),
        ];
        attributes.push(more);
        json!({"name": "execute_tool run_shell", "attributes": attributes})
    };
    let attribute = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let prompt = json!([{"role": "user", "parts": [{"type": "text", "content": text}]}]).to_string();
    let mut error = tool(attribute("error.type", "ToolError"));
    error["status"] = json!({"code": 2, "message": text});
    error["events"] = json!([{"timeUnixNano": "1795952706364401969", "name": "exception", "attributes": [
        attribute("exception.message", text),
        attribute("exception.stacktrace", &format!("Traceback\n  {text}")),
    ]}]);
    let chat = json!({"name": "chat", "attributes": [
        attribute("gen_ai.operation.name", "chat"),
        attribute("gen_ai.provider.name", "openai"),
        attribute("gen_ai.request.model", "gpt-4o-mini"),
        attribute("gen_ai.input.messages", &prompt),
    ]});
    [
        ("args", tool(attribute("gen_ai.tool.call.arguments", &json!({"cmd": text}).to_string()))),
        ("result", tool(attribute("gen_ai.tool.call.result", text))),
        ("error", error),
        ("prompt", chat),
    ]
}

/// Sends the text of each case in each place; returns the directory that a halod left behind.
fn sealed(cases: &[Case]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut connection = halod.connect();
    for (case, (_, text, ..)) in cases.iter().enumerate() {
        for (n, (place, mut span)) in spans(text).into_iter().enumerate() {
            span["traceId"] = json!(format!("a9b584855b139c0f8a1474f8d58{case:03x}{n:02x}"));
            span["spanId"] = json!(format!("43cfe002cb2{case:03x}{n:02x}"));
            span["startTimeUnixNano"] = json!("1795952706352063287");
            span["endTimeUnixNano"] = json!("1795952706362063287");
            let tenant = json!({"stringValue": format!("{place}-{case}")});
            let resource = json!({"attributes": [{"key": "tenant.id", "value": tenant}]});
            let body = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]});
            let body = body.to_string();
            let answer = connection.post("/v1/traces", &[("content-type", JSON)], body.as_bytes());
            assert_eq!(answer.unwrap().status, 200);
        }
    }
    assert!(halod.terminate().success());
    assert_verified(dir.path());
    dir
}

/// Every file below `dir` that holds `needle`.
fn holding(dir: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, needle, found);
        } else if path.is_file() && memchr::memmem::find(&fs::read(&path).unwrap(), needle).is_some() {
            found.push(path.display().to_string());
        }
    }
}

/// What is wrong with what was sealed of `cases`.
fn wrong(cases: &[Case]) -> String {
    let dir = sealed(cases);
    let mut wrong = Vec::new();
    for (case, (name, _, needles, keep)) in cases.iter().enumerate() {
        for needle in *needles {
            let mut found = Vec::new();
            holding(dir.path(), needle.as_bytes(), &mut found);
            if !found.is_empty() {
                wrong.push(format!("{name}: {needle} stands in {found:?}"));
            }
        }
        let record = &of_tenant(dir.path(), Some(&format!("result-{case}")))[0];
        let shown = record["outcome"]["summary"].as_str().unwrap_or_default();
        let hidden: Vec<_> = keep.iter().filter(|word| !shown.contains(**word)).collect();
        if !hidden.is_empty() {
            wrong.push(format!("{name}: {hidden:?} can't be read in {shown:?}"));
        }
        if needles.is_empty() && record["findings"].as_array().is_some_and(|found| !found.is_empty()) {
            wrong.push(format!("{name}: {}", record["findings"]));
        }
    }
    wrong.join("\n")
}

#[test]
fn secrets_as_they_are_pasted_are_in_no_file() {
    assert_eq!(wrong(&SECRETS), "");
}

#[test]
fn names_that_only_look_random_stay_readable() {
    assert_eq!(wrong(&NAMES), "");
}
