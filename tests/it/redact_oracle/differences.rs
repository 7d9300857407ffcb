//! Every row of `ARCHITECTURE.md` about redaction, by example: what the live reference makes of it, and what halod does.

use crate::support::reference;
use halod_record::json::parse;
use halod_record::redact::{Findings, MAX_TEXT, Redactor};
use serde_json::{Value, json};

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    /// A text by all rules.
    Text,
    /// A name: the reference's patterns without its entropy rule.
    Name,
    /// A name in a field where the reference applies all rules.
    Scrubbed,
    /// The samples of a text's findings.
    Samples,
    /// The summaries of a value.
    Input,
    Literal,
    Outcome,
    /// The types of a value's findings.
    Types,
}

/// Beginning of the row in `ARCHITECTURE.md`, what is compared, what is given, theirs, ours.
type Example = (&'static str, Of, String, String, String);

fn example(row: &'static str, of: Of, given: &str, theirs: &str, ours: &str) -> Example {
    (row, of, given.to_owned(), theirs.to_owned(), ours.to_owned())
}

fn examples() -> Vec<Example> {
    let mut all = names_and_forms();
    all.extend(secrets());
    all.extend(values());
    all
}

fn names_and_forms() -> Vec<Example> {
    use Of::{Literal, Name, Scrubbed, Text};
    let same = |row, of, name: &str, theirs: &str| example(row, of, name, theirs, name);
    let key = format!("risk-{}", "0a1b2c3d".repeat(4));
    let aws = "b12aB/A+a11bA/2b+B1aA2b/a1B+2aB1/bA2a+1";
    let long = "xY7!".repeat(80);
    vec![
        same("names from", Scrubbed, "claude-3-5-sonnet-20241022", "cla****"),
        same("names from", Scrubbed, "mcp__github__create_pull_request_review_comment_v2", "mcp****"),
        same("`sk-` inside", Name, "mcp__task-master-ai__analyze_project_complexity", "mcp__task-m****"),
        same("`sk-` inside", Name, "task-manager__getTaskListing-v12", "task-m****"),
        example("`sk-` inside", Name, &key, "risk-0****", "risk-0****"),
        example("`sk-` inside", Name, "task-managementASSISTANTservice", "task-m****", "task-m****"),
        same("`sk-` inside", Text, "task-management-assistant", "task-m****"),
        same("names of words", Text, "open getInvoiceTotalsByCustomerV2", "open get****"),
        same("names of words", Text, "a/src/CheckoutForm/PaymentMethodSelector.tsx", "a/s****.tsx"),
        same("names of words", Text, "checkout-service-7d9f8b6c5d-x2x9q", "che****"),
        same("issued ids", Text, "tool_call_id=call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P", "too****"),
        example(
            "summary of an input",
            Literal,
            r#"{"a":[1,true,null],"b":"x"}"#,
            "{'a': [1, True, None], 'b': 'x'}",
            r#"{"a":[1,true,null],"b":"x"}"#,
        ),
        example(
            "masking again",
            Text,
            "4222222222222.415-555-2671",
            "4222222222222.***-***-2671",
            "****2222.***-***-2671",
        ),
        example(
            "AWS secret key",
            Text,
            &format!("aws_secret_access_key={aws}="),
            "aws********",
            "aws_secret_access_key=****",
        ),
        example(
            "password of more",
            Text,
            &format!("password={long}"),
            &format!("password=****{}", &long[256..]),
            "password=****",
        ),
    ]
}

fn secrets() -> Vec<Example> {
    use Of::{Name, Samples, Text};
    let readable = |row, of, given: &str, ours: &str| example(row, of, given, given, ours);
    let body = "aB3dE5gH".repeat(5);
    let glued = "number, address";
    let dynatrace = format!("dt0c01.ST2EY72KQINMH574WMNVI7YN.{}", "0a1b2c3d".repeat(8));
    vec![
        readable(glued, Text, "邮箱bob@example.com", "邮箱b****@example.com"),
        readable(glued, Text, "卡4111111111111111号", "卡****1111号"),
        readable(glued, Text, "号123-45-6789号", "号***-**-6789号"),
        readable(glued, Text, "在10.1.2.3上", "在10.1.*.*上"),
        readable(glued, Text, "电话415-555-2671号", "电话***-***-2671号"),
        readable(glued, Text, "号DE89370400440532013000号", "号DE****号"),
        readable("IBAN inside", Text, "XX00 BE68539007547034", "XX00 BE****"),
        readable("invisible characters", Text, "a\u{200b}@\u{200b}example.com", "a****@example.com"),
        readable("providers' tokens", Name, &format!("npm_{body}"), "npm_****"),
        example(
            "providers' tokens",
            Text,
            &dynatrace,
            &format!("dt0c01.ST2****.{}", "0a1b2c3d".repeat(8)),
            "dt0****",
        ),
        readable("`aws_session_key`", Text, "ASIAQWERTYUIOPASDFGH", "ASIA****"),
        readable("`azure_key`", Name, &format!("AccountKey={body}=="), "AccountKey=****"),
        readable("`putty_key`", Name, &format!("Private-Lines: 1\n{body}\n"), "[PRIVATE KEY REDACTED]\n"),
        readable(
            "other chat webhooks",
            Text,
            "https://ptb.discord.com/api/webhooks/1/aB3",
            "https://ptb.discord.com/api/****",
        ),
        readable("URLs with", Text, "https://u:pw@git/x", "https://u:****@git/x"),
        readable("secrets in a query", Text, "https://a.b/?sig=abc123", "https://a.b/?sig=****"),
        readable("`basic_auth`", Text, "Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ****"),
        readable("numbers of people", Text, "+49 30 5550 1234", "***-***-1234"),
        readable("numbers of people", Text, "2223000048400011", "****0011"),
        readable("numbers of people", Text, "SSN: 123456789", "SSN: ***-**-6789"),
        readable("numbers of people", Text, "anna@m\u{fc}nchen.de", "a****@m\u{fc}nchen.de"),
        readable("numbers of people", Text, "fd12:3456:789a::1", "fd12:****"),
        readable("what is encoded", Text, "user%3Dzoe%26api_key%3Dx-55", "user%3Dzoe%26api_key%3D****"),
        readable("what is encoded", Text, "4111\u{2011}1111\u{2011}1111\u{2011}1111", "****1111"),
        readable("a credential's name", Text, "{\"api_key\": \"short\"", "{\"api_key\": \"****\""),
        readable("a credential's name", Text, "SMTP_PASS=gabel-35", "SMTP_PASS=****"),
        readable("a credential's name", Text, "Authorization: token zaun-48", "Authorization: token ****"),
        readable("a credential's name", Text, "<token>zaun-48</token>", "<token>****</token>"),
        readable("arguments of programs", Text, "curl -u zoe:zaun-48 a.b", "curl -u zoe:**** a.b"),
        example(
            "a password in quotes",
            Text,
            "password = \"a b\"",
            "password = \"**** b\"",
            "password = \"****\"",
        ),
        example(
            "sample of a finding",
            Samples,
            "sqlserver://h;user=a;password=b",
            "sqlserver://h;user=a;password=b password=****",
            "sqlserver://h;user=a;password=**** password=****",
        ),
    ]
}

fn values() -> Vec<Example> {
    use Of::{Input, Outcome, Types};
    let inner = r#"{"a":"{\"auth\": {\"pass\": \"x y z\"}}"}"#;
    let patch = "\"*** Begin Patch\\n*** Update File: a/b/Mn1TpZtQNVfFs0ZSlpRdX4Ts b\\n*** End Patch\"";
    let deep = format!("{}{patch}{}", "[".repeat(8), "]".repeat(8));
    vec![
        example("JSON inside", Input, inner, inner, r#"{"a":"{\"auth\": {\"pass\": \"****\"}}"}"#),
        example(
            "JSON inside",
            Outcome,
            inner,
            r#"{"auth": {"pass": "x y z"}}"#,
            r#"{"auth": {"pass": "****"}}"#,
        ),
        example(
            "names of credentials",
            Input,
            r#"{"cookie":"a b"}"#,
            r#"{"cookie":"a b"}"#,
            r#"{"cookie":"****"}"#,
        ),
        example("names of credentials", Types, r#"{"signing_key":"a b"}"#, "", "credential_field"),
        example(
            "pairs of a name",
            Input,
            r#"{"name":"DB_PASSWORD","value":"a b"}"#,
            r#"{"name":"DB_PASSWORD","value":"a b"}"#,
            r#"{"name":"DB_PASSWORD","value":"****"}"#,
        ),
        example("tokens of pages", Types, r#"{"next_page_token":"page-2"}"#, "credential_field", ""),
        example("base64 of JSON", Types, "\"dXNlcjpwYXNzd29yZA\"", "", "basic_auth"),
        example(
            "base64 of JSON",
            Input,
            "[\"dXNlcjpwYXNzd29yZA\"]",
            "[\"dXNlcjpwYXNzd29yZA\"]",
            "[\"****\"]",
        ),
        example("issued ids", Types, r#"{"id":"call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P"}"#, "high_entropy_secret", ""),
        example("patch without", Types, "\"*** Begin Patch\\nmail bob@example.com\"", "", "email"),
        example("values nested", Types, &deep, "", "high_entropy_secret"),
    ]
}

#[test]
fn every_deliberate_difference_by_example() {
    let examples = examples();
    let (_, section) = ARCHITECTURE.split_once("\n## Differences of redaction").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let rows: Vec<&str> = rows.collect();
    let named = |row: &str| examples.iter().any(|(name, ..)| row.starts_with(name));
    let without: Vec<&&str> =
        rows.iter().filter(|row| !named(row) && !row.starts_with("text beyond")).collect();
    assert!(rows.len() >= 20 && without.is_empty(), "no example of: {without:?}");
    let question = |(_, of, given, ..): &Example| match of {
        Of::Text | Of::Name | Of::Scrubbed | Of::Samples => json!(["text", given]).to_string(),
        _ => format!("[\"value\",{given}]"),
    };
    let lines: Vec<String> = examples.iter().map(question).collect();
    let answers = reference::ask_python("redactions.py", &[], &(lines.join("\n") + "\n"));
    let redactor = Redactor::new();
    let mut wrong = Vec::new();
    for ((row, of, given, theirs, ours), answer) in examples.iter().zip(answers.lines()) {
        assert!(rows.iter().any(|known| known.starts_with(row)), "no such row: {row}");
        let answer = reference_says(*of, &serde_json::from_str(answer).unwrap());
        let said = halod_says(&redactor, *of, given);
        if answer != *theirs || said != *ours {
            wrong.push(format!("{row}: {of:?} {given:?}\n  theirs: {answer:?}\n  ours:   {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_mark_of_a_long_text_is_within_the_cap() {
    let text = "plain words in a row ".repeat(4_000);
    let answer = reference::ask_python("redactions.py", &[], &(json!(["text", text]).to_string() + "\n"));
    let theirs = serde_json::from_str::<Value>(&answer).unwrap();
    assert!(theirs["text"].as_str().unwrap().chars().count() > MAX_TEXT);
    assert!(Redactor::new().text(&text).chars().count() <= MAX_TEXT);
}

fn strings<'v>(list: &'v Value, of: impl Fn(&'v Value) -> &'v Value) -> String {
    list.as_array().unwrap().iter().map(|item| of(item).as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn reference_says(of: Of, answer: &Value) -> String {
    let name = match of {
        Of::Samples => return strings(&answer["samples"], |sample| sample),
        Of::Types => return strings(&answer["findings"], |finding| &finding[0]),
        Of::Text | Of::Scrubbed => "text",
        Of::Name => "named",
        Of::Input => "input",
        Of::Literal => "literal",
        Of::Outcome => "outcome",
    };
    answer[name].as_str().unwrap().to_owned()
}

fn halod_says(redactor: &Redactor, of: Of, given: &str) -> String {
    let mut findings = Findings::default();
    match of {
        Of::Text => redactor.text(given).into_owned(),
        Of::Name | Of::Scrubbed => redactor.named(given).into_owned(),
        Of::Input | Of::Literal => redactor.summary_input(&parse(given).unwrap()).unwrap_or_default(),
        Of::Outcome => redactor.summary_outcome(&parse(given).unwrap()).unwrap_or_default(),
        Of::Samples => {
            redactor.scan_text(given, &mut findings);
            findings.iter().map(|finding| finding.sample.as_str()).collect::<Vec<_>>().join(" ")
        }
        Of::Types => {
            redactor.scan(&parse(given).unwrap(), &mut findings);
            findings.iter().map(|finding| &*finding.kind).collect::<Vec<_>>().join(" ")
        }
    }
}
