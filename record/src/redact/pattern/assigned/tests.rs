//! Each form in which a credential's name meets its value, and what looks like one.

use super::super::super::{Findings, Redactor};

/// A text and what is stored of it; the same where only the text is given.
#[track_caller]
fn all(rows: &[(&str, &str)]) {
    let redactor = Redactor::new();
    let mut wrong = Vec::new();
    for (given, expected) in rows {
        let masked = redactor.text(given);
        if masked != *expected {
            wrong.push(format!("{given:?}\n  is:     {masked:?}\n  wanted: {expected:?}"));
        }
        let again = redactor.text(&masked);
        if again != masked {
            wrong.push(format!("{given:?} again\n  once:  {masked:?}\n  twice: {again:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[track_caller]
fn readable(texts: &[&str]) {
    all(&texts.iter().map(|text| (*text, *text)).collect::<Vec<_>>());
    for text in texts {
        let mut findings = Findings::default();
        Redactor::new().scan_text(text, &mut findings);
        assert!(findings.is_empty(), "{text:?}: {findings:?}");
    }
}

#[test]
fn assignments_of_shells_and_programs() {
    all(&[
        ("SMTP_PASS=gabel-zaun-35\nDEBUG=1", "SMTP_PASS=****\nDEBUG=1"),
        ("export API_TOKEN=yvok56yK5 && run", "export API_TOKEN=**** && run"),
        ("PGPASSWORD=wolke\"quitte77", "PGPASSWORD=****"),
        ("export MY_SECRET=fuchs'quitte78 psql", "export MY_SECRET=**** psql"),
        ("openai.api_key = \"c70242ec\"", "openai.api_key = \"****\""),
        ("password = \"a b\"", "password = \"****\""),
        ("password = 'a, b'; x", "password = '****'; x"),
        ("client_secret: 'it\\'s', id: 4", "client_secret: '****', id: 4"),
        ("f(user='bob', api_key='k1, k2', n=2)", "f(user='bob', api_key='****', n=2)"),
        ("f(user=bob,api_key=k1-44,n=2)", "f(user=bob,api_key=****,n=2)"),
        ("config[\"db_password\"] = \"x y\"", "config[\"db_password\"] = \"****\""),
        ("apiKey := \"x y\"", "apiKey := \"****\""),
        ("{ :api_key => 'x y' }", "{ :api_key => '****' }"),
        ("Server=db;Uid=u;Pwd=Xy7;Database=app", "Server=db;Uid=u;Pwd=****;Database=app"),
        ("auth=('anna', 'geheim')", "auth=(****)"),
        ("token = \"\"\"a\nb\"\"\"", "token = \"\"\"****\"\"\""),
        ("HEROKU_KEY: x, api_key: 01234567-89ab-cdef-0123-456789abcdef", "HEROKU_KEY: x, api_key: ****"),
        ("app.secret_key = b'x y'", "app.secret_key = b'****'"),
    ]);
}

#[test]
fn headers() {
    all(&[
        (
            "> Authorization: token zaun-48\n> Accept: text/plain",
            "> Authorization: token ****\n> Accept: text/plain",
        ),
        ("> Proxy-Authorization: brot-vogel-49", "> Proxy-Authorization: ****"),
        ("x-api-key: korb-wolke-50", "x-api-key: ****"),
        ("Authorization: Bearer ZSB05dTVdEx4", "Authorization: Bearer ****"),
        ("curl -H \"api-key: 8131d962\"; ls", "curl -H \"api-key: ****\"; ls"),
        ("curl -H 'X-Auth-Token: a b' https://x.example", "curl -H 'X-Auth-Token: ****' https://x.example"),
        ("Cookie: sid=1; theme=dark\nHost: x", "Cookie: ****\nHost: x"),
        (
            "(\"X-Api-Key\", \"k1 k2\"), (\"Accept\", \"*/*\")",
            "(\"X-Api-Key\", \"****\"), (\"Accept\", \"*/*\")",
        ),
        ("[[\"authorization\",\"abc def\"]]", "[[\"authorization\",\"****\"]]"),
    ]);
}

#[test]
fn data_formats() {
    all(&[
        ("db:\n  user: anna\n  password: a b\n  port: 1", "db:\n  user: anna\n  password: ****\n  port: 1"),
        ("api_token: x1y2\n", "api_token: ****\n"),
        ("[db]\npassword = a b\nhost = h", "[db]\npassword = ****\nhost = h"),
        ("client_secret: |\n  abc\n  def\nnext: 1", "client_secret: |\n  ****\nnext: 1"),
        ("{\"api_key\": \"short\"", "{\"api_key\": \"****\""),
        ("{\"db_password\": 123456, \"n\": 1", "{\"db_password\": ****, \"n\": 1"),
        ("{\"password\": \"insel\\\"quitte79\"} tail", "{\"password\": \"****\"} tail"),
        ("{'token': 'a b'}", "{'token': '****'}"),
        ("\\\"client_secret\\\":\\\"a b\\\"", "\\\"client_secret\\\":\\\"****\\\""),
        (
            "x {\"name\": \"DB_PASSWORD\", \"value\": \"birne 32\"} y",
            "x {\"name\": \"DB_PASSWORD\", \"value\": \"****\"} y",
        ),
        ("- name: DB_PASSWORD\n  value: birne 32\n", "- name: DB_PASSWORD\n  value: ****\n"),
        ("<server><password>birne-52</password></server>", "<server><password>****</password></server>"),
        ("<add key='x' password='wolke 53'/>", "<add key='x' password='****'/>"),
        ("<add key=\"DbPassword\" value=\"w 53\"/>", "<add key=\"DbPassword\" value=\"****\"/>"),
        ("<entry key=\"db.password\">w 53</entry>", "<entry key=\"db.password\">****</entry>"),
        ("<name>DB_PASSWORD</name><value>w 53</value>", "<name>DB_PASSWORD</name><value>****</value>"),
        ("<password><![CDATA[a<b]]></password>", "<password><![CDATA[****]]></password>"),
    ]);
}

#[test]
fn arguments_of_programs() {
    all(&[
        ("curl -u zoe:insel-36 https://a.example", "curl -u zoe:**** https://a.example"),
        ("curl --user \":regen 37\" https://a.example", "curl --user \":****\" https://a.example"),
        ("mysql -uroot -pwolke-77 app", "mysql -uroot -p**** app"),
        ("deploy --api-token fuchs-78 --dry-run", "deploy --api-token **** --dry-run"),
        ("deploy --password 'a b' x", "deploy --password '****' x"),
        ("[\"sshpass\", \"-p\", \"a b\", \"ssh\"]", "[\"sshpass\", \"-p\", \"****\", \"ssh\"]"),
        ("docker login -u zoe -p insel-79 r.example", "docker login -u zoe -p **** r.example"),
    ]);
    readable(&[
        "mkdir -p src/pages",
        "mysql -p app",
        "ssh -p 2222 host; curl -u",
        "gh auth login --with-token < file",
        "run --password-stdin x --token $TOKEN",
        "cargo test -p record --no-token",
        "git push -u origin feature/x:y",
    ]);
}

#[test]
fn what_is_no_credential_stays_readable() {
    readable(&[
        "SyntaxError: Unexpected token: punc (})",
        "--- PASS: TestCheckout (0.00s)",
        "auth: failed",
        "token = get_token(user)",
        "token: String,",
        "const apiKey = process.env.API_KEY;",
        "api_key=api_key, token=self.token",
        "client_secret: ${CLIENT_SECRET}",
        "export API_TOKEN=$TOKEN",
        "the token: a word of a text",
        "max_tokens=100 input_token=5",
        "if token == other and token != third",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db",
        "Some(token) => run(token)",
        "Result<Token>: the token",
        "[\"username\", \"password\", \"email\"]",
        "{\"name\": \"username\", \"value\": \"zoe\"}",
        "https://example.com/token:list",
        "let secret: Option<String> = None;",
        "std::token::Token",
    ]);
}
