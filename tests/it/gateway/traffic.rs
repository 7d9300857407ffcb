//! What clients of a gateway send: calls of agents, and what else comes along.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the tests look for in halod's directory, to find it nowhere.
pub(super) const KEY: &str = "sk-proj-FAKE1111aaaabbbbccccddddeeeeffff87654321";
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A request that was sent, told from every other one by its path: `/t<number>/...`.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: usize,
    pub(super) method: &'static str,
    /// The status of the answer that came back.
    pub(super) saw: Option<u16>,
    /// Every gateway takes it, and logs it.
    pub(super) ordinary: bool,
}

pub(super) struct Client {
    to: SocketAddr,
    pub(super) sent: Vec<Sent>,
    next: usize,
}

impl Client {
    pub(super) fn new(to: SocketAddr, first: usize) -> Self {
        Self { to, sent: Vec::new(), next: first }
    }

    /// A request for a path below its own.
    fn request(
        &mut self,
        method: &'static str,
        path: impl AsRef<[u8]>,
        body: &str,
        ordinary: bool,
        abort: bool,
    ) {
        let number = self.next;
        self.next += 1;
        let target = [format!("/t{number}/").as_bytes(), path.as_ref()].concat();
        let saw = self.raw(&head(method, &target, "", body), Duration::from_secs(20), abort);
        self.sent.push(Sent { number, method, saw, ordinary });
    }

    /// A request for a target and with headers that have its number in them.
    fn odd(
        &mut self,
        method: &'static str,
        target: impl FnOnce(usize) -> String,
        headers: impl FnOnce(usize) -> String,
        body: &str,
    ) {
        let number = self.next;
        self.next += 1;
        let head = head(method, target(number).as_bytes(), &headers(number), body);
        let saw = self.raw(&head, Duration::from_secs(20), false);
        self.sent.push(Sent { number, method, saw, ordinary: false });
    }

    /// Sends bytes; the status that comes back.
    fn raw(&self, bytes: &[u8], patience: Duration, abort: bool) -> Option<u16> {
        let mut stream = TcpStream::connect(self.to).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        // Whoever refuses early may close before all is sent.
        let _ = stream.write_all(bytes);
        if abort {
            // So that the gateway has it.
            std::thread::sleep(Duration::from_millis(100));
            return None;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        std::str::from_utf8(status).ok()?.parse().ok()
    }

    /// One round of everything.
    pub(super) fn round(&mut self) {
        let chat = |model: &str, rest: &str| {
            format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello Zoë"}}]{rest}}}"#)
        };
        self.request("POST", "v1/chat/completions", &chat("gpt-4o", ""), true, false);
        self.request("POST", "v1/chat/completions", &chat("gpt-4o", r#","stream":true"#), true, false);
        self.request(
            "POST",
            "v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":["x"]}"#,
            true,
            false,
        );
        for model in ["fail-429", "fail-500", "fail-400"] {
            self.request("POST", "v1/chat/completions", &chat(model, ""), true, false);
        }
        let azure =
            format!("openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21&api-key={KEY}");
        self.request("POST", azure, &chat("gpt-4o-mini", ""), true, false);
        let gemini = format!("v1beta/models/gemini-2.5-flash:generateContent?key={KEY}");
        self.request("POST", gemini, r#"{"contents":[]}"#, true, false);
        self.request("POST", "private/v1/messages", &chat("claude", ""), true, false);
        self.request("POST", "dead/v1/messages", &chat("claude", ""), true, false);
        self.request("POST", "hang/v1/messages", &chat("claude", ""), true, false);
        self.hostile(&chat("gpt-4o", ""));
    }

    fn hostile(&mut self, chat: &str) {
        self.request("POST", "hang/v1/messages", chat, false, true);
        self.request("POST", "v1/ch%61t/completions", chat, false, false);
        self.request("GET", "v1/messages/ü東?x=🚀", "", false, false);
        self.request("GET", b"v1/messages/latin1-\xfc\xff?x=\x80", "", false, false);
        self.request("GET", "v1/messages/a\"b'c\\d<e>?x=\"|{}", "", false, false);
        self.request("GET", "v1/messages/%22%5C%00%0a%ff", "", false, false);
        let long = format!("v1/messages?q={}&api_key={KEY}", "A".repeat(7000));
        self.request("GET", long, "", false, false);
        self.request(
            "POST",
            "v1/chat/completions",
            &chat.replace("hello", &"x".repeat(70_000)),
            false,
            false,
        );
        self.request("BREW", "v1/messages", "", false, false);
        self.odd(
            "GET",
            |number| format!("http://user:{KEY}@llm.example.internal/t{number}/v1/messages?token={KEY}"),
            |_| String::new(),
            "",
        );
        // What would pass for another request where it is logged as it is.
        let user = "x%20%5B22%2FNov%2F2026%3A08%3A29%3A52%20%2B0000%5D%20%22GET%20%2Ft0%2Ffake%20HTTP%2F1.1%22%20200";
        self.odd(
            "GET",
            |number| format!("http://{user}@llm.example.internal/t{number}/v1/messages"),
            |_| String::new(),
            "",
        );
        self.odd(
            "POST",
            |number| format!("/t{number}/v1/chat/completions"),
            |number| format!("x-envoy-original-path: /t{number}/v1/messages\" 200 - 0 0 1 1 \"\r\n"),
            &chat.replace("gpt-4o", "fail-429"),
        );
        // What is no request for any path.
        for bytes in [
            &b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"[..],
            b"GET v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /favicon.ico HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"nonsense \xff\x00\r\n\r\n",
            b"GET /v1/messages\r\n\r\n",
            b"POST /v1/messages HTTP/9.9\r\n\r\n",
            b"",
        ] {
            // Some gateways wait for more: what comes back does not matter.
            let _ = self.raw(bytes, Duration::from_millis(300), bytes.is_empty());
        }
    }
}

fn head(method: &str, target: &[u8], headers: &str, body: &str) -> Vec<u8> {
    let mut bytes = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    let length = body.len();
    bytes.extend_from_slice(
        format!(
            "Host: llm.example.internal\r\nConnection: close\r\nUser-Agent: weird \"quoted\" agent\\back (Zoë)\r\n\
             X-Session-Id: sess-7\r\nAuthorization: Bearer {KEY}\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n\
             {headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    bytes
}
