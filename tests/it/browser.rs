//! Pages in a real browser, at a real halod: what a page of another origin sends is not sealed, what it asks for it does not
//! read, and a page that may send does.

use crate::support::clients::chromium;
use crate::support::halod::Halod;
use crate::support::wait_until;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Serves one page at every path, to whoever asks.
fn serve(page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let page = Arc::new(page);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = Arc::clone(&page);
            // A browser opens connections ahead, and asks nothing on them.
            std::thread::spawn(move || {
                let mut stream = stream;
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let asked = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
                if asked > 0 {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        page.len()
                    );
                    let _ = stream.write_all(&[head.as_bytes(), page.as_bytes()].concat());
                }
            });
        }
    });
    address
}

/// What stands on the page when its scripts have run. Names under `test` and `evil.example` are those of this machine for the browser.
fn open(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut browser = chromium();
    browser
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--host-resolver-rules=MAP *.test 127.0.0.1,MAP evil.example 127.0.0.1")
        .args(["--timeout=20000", "--virtual-time-budget=10000", "--dump-dom", url]);
    let out = browser.output().expect("the tests need a browser");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("<html"), "{}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    text
}

fn start(dir: &Path, allowed: &str) -> Halod {
    let config = dir.join("halod.yaml");
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: , http: {{ cors: {{ allowed_origins: ['{allowed}'] }} }} }} }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    Halod::start_with(&dir.join("records"), &["--config", config.to_str().unwrap()])
}

/// A page that tries every way a page has to send, at every door that takes JSON, and to read the admin port.
fn page(http: SocketAddr, admin: SocketAddr) -> String {
    PAGE.replace("HTTP", &http.to_string()).replace("ADMIN", &admin.to_string())
}

const PAGE: &str = r#"<!doctype html><html><body><pre id="told"></pre><script>
const record = JSON.stringify({key: "k", action: {type: "tool_call", category: "security", tool: "t"}});
const doors = {"/v1/records": record, "/litellm": "[]", "/api/public/ingestion": '{"batch":[]}', "/runs/batch": '{"post":[]}',
               "/v1/traces/ingest": '{"data":[]}', "/v1/traces": '{"resourceSpans":[]}'};
const told = [];
const tell = (what, door, how) => told.push(what + " " + door + " " + how);
(async () => {
  for (const [door, body] of Object.entries(doors)) {
    const url = "http://HTTP" + door;
    for (const [what, type, mode] of [["plain", "text/plain", "no-cors"], ["json", "application/json", "cors"]]) {
      try {
        const answer = await fetch(url, {method: "POST", mode, headers: {"content-type": type}, body});
        tell(what, door, answer.type === "opaque" ? "opaque" : answer.status);
      } catch (error) { tell(what, door, "refused"); }
    }
    tell("beacon", door, navigator.sendBeacon(url, body));
    const frame = document.createElement("iframe");
    frame.name = "frame" + told.length;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action: url, target: frame.name, enctype: "text/plain"});
    const field = document.createElement("input");
    field.name = body.slice(0, -1) + ',"x":"'; field.value = '"}';
    form.append(field);
    document.body.append(form);
    form.submit();
  }
  for (const path of ["/status", "/metrics"]) {
    try { tell("read", path, (await (await fetch("http://ADMIN" + path)).text()).length); }
    catch (error) { tell("read", path, "refused"); }
  }
  document.getElementById("told").textContent = told.join("\n") + "\ndone";
})();
</script></body></html>"#;

#[test]
fn a_page_that_may_not_send_seals_nothing_and_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "https://app.test");
    let to = serve(page(halod.http, halod.admin));
    let told = open(&format!("http://evil.example:{}/", to.port()));
    assert!(told.contains("done"), "{told}");
    for door in
        ["/v1/records", "/litellm", "/api/public/ingestion", "/runs/batch", "/v1/traces/ingest", "/v1/traces"]
    {
        assert!(told.contains(&format!("json {door} refused")), "{told}");
    }
    assert!(told.contains("read /status refused") && told.contains("read /metrics refused"), "{told}");
    let refused = || halod.metric("halod_requests_total", "foreign_origin");
    // Three ways at six doors that the browser lets through; the fourth it asks for first.
    wait_until("each way was tried at each door", Duration::from_secs(10), || refused() >= 18);
    assert_eq!(halod.sealed(), 0);
    assert!(halod.terminate().success());
}

#[test]
fn a_page_that_may_send_does() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "http://app.test:*");
    let to = serve(page(halod.http, halod.admin));
    let told = open(&format!("http://app.test:{}/", to.port()));
    assert!(told.contains("json /v1/records 200") && told.contains("json /v1/traces 200"), "{told}");
    assert_eq!(halod.sealed(), 1);
    assert!(halod.terminate().success());
}

/// A page whose name was pointed to this machine is of halod's own origin for the browser: halod knows it by its name.
#[test]
fn a_name_that_was_pointed_here_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "https://app.test");
    for path in ["/status", "/metrics"] {
        let shown = open(&format!("http://evil.example:{}{path}", halod.admin.port()));
        assert!(shown.contains("allowed_hosts") && !shown.contains("halod_records"), "{shown}");
        let shown = open(&format!("http://127.0.0.1:{}{path}", halod.admin.port()));
        assert!(shown.contains("listening") || shown.contains("halod_records"), "{shown}");
    }
    assert!(halod.terminate().success());
}
