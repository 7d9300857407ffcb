//! Gates: codes by a real mail server, proxies, rates, forms of other origins, and that nothing is told before.

use super::stage::{Chain, Server, Visitor, done};
use crate::support::certificates::{Authority, EVERY, Secured, client};
use crate::support::clients::mail;
use crate::support::{root, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A mail server, and the mails that it took.
pub struct Mails {
    child: Child,
    pub port: String,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Mails {
    pub fn start() -> Self {
        let script = root().join("tests/clients/mail_server.py");
        let mut python = mail().script(&script, &[]);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, taken }
    }

    /// By which variables a server sends its codes here.
    pub fn env(&self) -> [(&str, &str); 3] {
        [
            ("HALO_SMTP_HOST", "127.0.0.1"),
            ("HALO_SMTP_PORT", &self.port),
            ("HALO_SMTP_FROM", "reports@vendor.example"),
        ]
    }

    pub fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// The code in mail number `n`, once it came.
    pub fn code(&self, n: usize, to: &str) -> String {
        wait_until("the mail came", Duration::from_secs(60), || self.count() > n);
        let mail = self.taken.lock().unwrap()[n].clone();
        assert_eq!((&mail["to"][0], &mail["from"]), (&to.into(), &"reports@vendor.example".into()));
        let text = mail["text"].as_str().unwrap();
        assert!(!text.contains("acme"), "the customer is not named: {text}");
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        body.chars().take(6).collect()
    }
}

impl Drop for Mails {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_code_by_mail_lets_in_whom_the_chain_is_shared_with() {
    let (dir, mails) = (tempfile::tempdir().unwrap(), Mails::start());
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 2);
    Chain::of(dir, "zeta", "zeta", 2);
    done(&["grant", "acme", "alice@shared.example"], dir);
    done(&["grant", "zeta", "alice@shared.example"], dir);
    let server = Server::behind_proxy(dir, &[], &mails.env());
    let (link, other) = (server.link("acme.jsonl"), server.link("zeta.jsonl"));
    let unknown = format!("/r/{}", "0".repeat(32));
    let post =
        |n: usize, to: &str, form: &str| Visitor::from(&format!("192.0.2.{n}")).post(&server, to, form);
    // The same is said to everybody, whatever there is.
    let answers: Vec<_> = [
        (1, &link, "eve@evil.example"),
        (2, &unknown, "eve@evil.example"),
        (3, &unknown, "alice@shared.example"),
    ]
    .map(|(n, to, email)| post(n, to, &format!("email={email}")))
    .into_iter()
    .map(|answer| (answer.status, answer.text().replace("alice@shared.example", "eve@evil.example")))
    .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
    let mut alice = Visitor::from("192.0.2.4");
    assert_eq!(alice.enter(&server, &link, "email=alice@shared.example"), 200);
    let code = mails.code(0, "alice@shared.example");
    let entered =
        |n: usize, to: &str, email: &str, code: &str| post(n, to, &format!("email={email}&code={code}"));
    let wrong: Vec<_> = [
        (5, &link, "alice@shared.example", "12345x"),
        (6, &link, "eve@evil.example", code.as_str()),
        (7, &other, "alice@shared.example", code.as_str()),
        (8, &unknown, "alice@shared.example", code.as_str()),
    ]
    .map(|(n, to, email, code)| entered(n, to, email, code))
    .into_iter()
    .map(|answer| (answer.status, answer.text().replace("alice@shared.example", "eve@evil.example")))
    .collect();
    assert!(wrong.iter().all(|answer| *answer == wrong[0] && answer.0 == 403), "{wrong:?}");
    assert_eq!(alice.enter(&server, &link, &format!("email=alice@shared.example&code={code}")), 303);
    assert_eq!(alice.get(&server, &format!("{link}/meta")).status, 200);
    assert_eq!(entered(9, &link, "alice@shared.example", &code).status, 403, "a code is good once");
    assert_eq!(mails.count(), 1, "nobody else was sent one");
    // What was let in without a code is not let in where one is asked for.
    drop(server);
    let lax = Server::behind_proxy(dir, &["--unverified"], &[]);
    let mut bob = Visitor::from("192.0.2.4");
    assert_eq!(bob.enter(&lax, &link, "email=alice@shared.example"), 303);
    assert_eq!(alice.get(&lax, &format!("{link}/meta")).status, 200);
    drop(lax);
    let strict = Server::behind_proxy(dir, &[], &mails.env());
    assert_eq!(bob.get(&strict, &format!("{link}/meta")).status, 401);
    assert_eq!(alice.get(&strict, &format!("{link}/meta")).status, 200);
    let viewers = done(&["viewers", "--json"], dir);
    assert!(viewers.contains(r#""by":"code","count":2"#), "{viewers}");
}

#[test]
fn five_codes_an_hour_go_to_an_address() {
    let (dir, mails) = (tempfile::tempdir().unwrap(), Mails::start());
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 1);
    done(&["grant", "acme", "shared.example"], dir);
    let server = Server::behind_proxy(dir, &[], &mails.env());
    let link = server.link("acme.jsonl");
    let post = |n: usize, email: &str| {
        let visitor = Visitor::from(&format!("192.0.2.{n}"));
        assert_eq!(visitor.post(&server, &link, &format!("email={email}")).status, 200);
    };
    for n in 0..7 {
        post(n, "alice@shared.example");
        wait_until("the mail came", Duration::from_secs(30), || mails.count() > n.min(4));
    }
    post(9, "bob@shared.example");
    mails.code(5, "bob@shared.example");
    assert_eq!(mails.count(), 6);
    wait_until("it is told", Duration::from_secs(10), || {
        server.said().contains("there were enough in this hour")
    });
}

#[test]
fn tries_are_few_and_forms_of_other_origins_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 1);
    done(&["grant", "acme", "shared.example"], dir);
    let server = Server::start(dir, &["--unverified"]);
    let link = server.link("acme.jsonl");
    let host = server.address.to_string();
    let own = format!("http://{host}");
    let post = |origin: &str, form: &str| {
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        server.connect().post(&link, &headers, form.as_bytes()).unwrap()
    };
    for foreign in ["https://evil.example", "null", own.as_str()] {
        // The plain client asks for the host `halod`.
        assert_eq!(post(foreign, "email=a@shared.example").status, 403, "{foreign}");
    }
    let answers: Vec<u16> = (0..12).map(|_| post("http://halod", "email=eve@evil.example").status).collect();
    assert_eq!(answers, [[403; 10].as_slice(), &[429; 2]].concat());
    let late = post("http://halod", "email=a@shared.example");
    assert_eq!((late.status, late.header("retry-after")), (429, Some("60")), "also who may");
    assert_eq!(server.connect().send("GET", "/", &[("host", "evil.example")], b"").unwrap().status, 403);
}

#[test]
fn a_proxy_says_who_comes_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 1);
    done(&["grant", "acme", "alice@shared.example"], dir);
    let server = Server::behind_proxy(dir, &["--proxy-auth", "X-Forwarded-Email"], &[]);
    let (link, unknown) = (server.link("acme.jsonl"), format!("/r/{}", "0".repeat(32)));
    let ask =
        |to: &str, who: &str| Visitor::from("192.0.2.1").get_with(&server, to, &[("x-forwarded-email", who)]);
    assert_eq!(ask(&link, "Alice@shared.example").status, 200);
    let shown = ask(&link, "Alice@shared.example");
    assert_eq!(shown.header("strict-transport-security"), Some("max-age=31536000"));
    for who in ["bob@shared.example", "", "alice@shared.example, bob@shared.example"] {
        let (known, other) = (ask(&link, who), ask(&unknown, who));
        assert_eq!((known.status, &known.body), (404, &other.body), "{who}");
    }
    drop(server);
    // The request comes from no listed proxy, whatever it says.
    let server = Server::start(dir, &["--proxy-auth", "X-Forwarded-Email", "--behind-proxy", "192.0.2.7"]);
    let answer = server.get(&link, &[("x-forwarded-email", "alice@shared.example")]);
    assert_eq!(answer.status, 403);
    assert_eq!(server.get("/healthz", &[]).text(), "ok\n");
}

#[test]
fn tls_has_secure_cookies_and_the_headers_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    Chain::of(dir.path(), "acme", "acme", 1);
    done(&["grant", "acme", "alice@shared.example"], dir.path());
    let authority = Authority::new(&keys, "root");
    let pair = authority.server("serve", 30);
    let [certificate, key] = [&pair.certificate, &pair.key].map(|path| path.to_str().unwrap());
    let server = Server::start(dir.path(), &["--unverified", "--tls-cert", certificate, "--tls-key", key]);
    let config = client(&authority.own.certificate, None, EVERY, &["http/1.1"]);
    let mut session = Secured::connect(server.address, &config).unwrap();
    let (status, _) = session.ask("GET", &format!("/r/{}", "0".repeat(32)), b"").unwrap();
    assert_eq!(status, 200);
    let plain = server.connect().get("/healthz");
    assert!(plain.is_ok_and(|answer| answer.status == 400), "no request is answered without TLS");
    drop(server);
    let server = Server::start(dir.path(), &["--open"]);
    let link = server.link("acme.jsonl");
    for path in [link.as_str(), "/", "/api/console", &format!("{link}/meta"), "/nowhere"] {
        let answer = server.get(path, &[]);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(
            answer.header("permissions-policy").is_some_and(|policy| policy.contains("interest-cohort=()"))
        );
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        let data = path.ends_with("/meta");
        assert_eq!(answer.header("cache-control"), Some(if data { "private, no-cache" } else { "no-store" }));
    }
    let page = server.get(&link, &[]);
    assert!(page.header("content-security-policy").unwrap().contains("connect-src 'self'"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
}

/// Coarsely: the fastest of many, which other work on the machine disturbs least.
#[test]
fn unknown_links_and_addresses_take_as_long_as_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 300);
    done(&["grant", "acme", "alice@shared.example"], dir);
    // No mail server is there; the answer does not wait for one.
    let env =
        [("HALO_SMTP_HOST", "127.0.0.1"), ("HALO_SMTP_PORT", "1"), ("HALO_SMTP_FROM", "r@vendor.example")];
    let server = Server::behind_proxy(dir, &[], &env);
    let (link, unknown) = (server.link("acme.jsonl"), format!("/r/{}", "0".repeat(32)));
    let mut fastest = [Duration::MAX; 3];
    for n in 0..60 {
        for (at, (to, email)) in
            [(&link, "alice"), (&link, "eve"), (&unknown, "alice")].into_iter().enumerate()
        {
            let visitor = Visitor::from(&format!("10.0.{n}.{at}"));
            let begun = Instant::now();
            assert_eq!(visitor.post(&server, to, &format!("email={email}@shared.example")).status, 200);
            fastest[at] = fastest[at].min(begun.elapsed());
        }
    }
    let (least, most) = (fastest.iter().min().unwrap(), fastest.iter().max().unwrap());
    assert!(*most < *least * 3 + Duration::from_millis(2), "{fastest:?}");
}
