//! The operator's console: which chains there are, which are withheld and why, their links and whom they are shared with.
//!
//! The operator shows a key (`Authorization: Bearer`), or comes by a link that is printed at the start and works once.

use super::doors::{Client, error, json_of, unavailable};
use super::form::field;
use super::pages::{self, escaped};
use super::rates::Block;
use super::shelf::{Table, Told};
use super::{Serving, session};
use crate::reader::access::ChainKey;
use crate::reader::access::list::{AccessList, Shared};
use crate::reader::access::secret::{Secret, random};
use axum::extract::{Request, State};
use axum::response::Response;
use halod_record::hash::sha256;
use http::header::{AUTHORIZATION, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// How long an operator's session lasts.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Who came by the link, by the digests of what they show: nothing that lets anybody in is kept.
#[derive(Debug, Default)]
pub(super) struct Operators {
    invited: Mutex<HashSet<[u8; 32]>>,
    sessions: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Operators {
    /// Makes a link's code known, and returns it.
    pub(super) fn invite(&self, code: &str) -> String {
        self.invited.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256(code.as_bytes()));
        code.to_owned()
    }

    /// Ends all sessions.
    pub(super) fn forget(&self) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether this is a link's code, which it is once.
    fn came(&self, code: &str) -> bool {
        self.invited.lock().unwrap_or_else(PoisonError::into_inner).remove(&sha256(code.as_bytes()))
    }

    fn begin(&self, session: &str) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(sha256(session.as_bytes()), Instant::now() + LASTS);
    }

    fn knows(&self, session: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&sha256(session.as_bytes())).is_some_and(|until| *until > Instant::now())
    }
}

fn cookie_name(serving: &Serving) -> String {
    session::name("admin", serving.settings.is_secure())
}

/// Whether an operator asks. Wrong keys are counted as posts to a gate are.
fn is_operator(serving: &Serving, secret: &Secret, head: &Parts) -> Result<bool, Box<Response>> {
    if let Some(shown) = head.headers.get(AUTHORIZATION) {
        let key = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
        let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
        if key.is_some_and(|key| secret.is_admin(key.as_bytes())) {
            return Ok(true);
        }
        if !serving.posts.take(Block::of(Client::of(serving, head).address), Instant::now()) {
            let what = "too many tries from this address; try again in a minute";
            return Err(Box::new(error(StatusCode::TOO_MANY_REQUESTS, what)));
        }
        return Ok(false);
    }
    let cookie = session::cookie(&head.headers, &cookie_name(serving));
    Ok(cookie.is_some_and(|session| serving.operators.knows(session)))
}

/// `GET /`: the console; whoever is no operator is told nothing.
pub(super) async fn page(State(serving): State<Arc<Serving>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    if let Some(code) = head.uri.query().and_then(|query| field(query, "once")) {
        return come(&serving, &code);
    }
    match standing(&serving, &head).await {
        Ok(Some((secret, table, list, wrong))) => {
            let body = html(&serving, &secret, &table, &list, wrong.as_deref());
            pages::page(StatusCode::OK, "Reports that are shared from here", &body, true)
        }
        Ok(None) => {
            let body = "<p>Reports open by their own links. The operator comes by the link that the server prints when it starts.</p>\n";
            pages::page(StatusCode::OK, "Reports are served here", body, false)
        }
        Err(refused) => refused,
    }
}

/// Takes the link that works once: a cookie in its place, and no code in the address.
fn come(serving: &Serving, code: &str) -> Response {
    if !serving.operators.came(code) {
        let body = "<p>This link was used, or is another server's. A new one is printed when the server starts.</p>\n";
        return pages::page(StatusCode::FORBIDDEN, "This link opens nothing", body, false);
    }
    let Ok(session) = random() else { return unavailable(&"the system gives no random numbers") };
    serving.operators.begin(&session);
    let secure = if serving.settings.is_secure() { "; Secure" } else { "" };
    let cookie = format!(
        "{}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        cookie_name(serving),
        LASTS.as_secs()
    );
    let mut response = super::doors::text(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
    response
        .headers_mut()
        .extend(HeaderValue::from_str(&cookie).into_iter().map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// `GET /api/console`: the same as JSON.
pub(super) async fn json(State(serving): State<Arc<Serving>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    match standing(&serving, &head).await {
        Ok(Some((secret, table, list, wrong))) => {
            let chains: Vec<Value> = rows(&serving, &secret, &table, &list).map(|row| row.json()).collect();
            let body = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "directory": serving.settings.directory.display().to_string(),
                "gate": serving.settings.gate.to_string(),
                "access_problem": wrong,
                "chains": chains,
                "grants_without_chain": without_chain(&table, &list),
            });
            json_of(StatusCode::OK, &body)
        }
        Ok(None) => {
            let mut refused =
                error(StatusCode::UNAUTHORIZED, "send `authorization: Bearer KEY` with the operator's key");
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refused
        }
        Err(refused) => refused,
    }
}

type Standing = (Arc<Secret>, Arc<Table>, Arc<AccessList>, Option<String>);

/// What there is, for an operator; for nobody else.
async fn standing(serving: &Arc<Serving>, head: &Parts) -> Result<Option<Standing>, Response> {
    let own = Arc::clone(serving);
    let secret = spawn_blocking(move || own.secret()).await;
    let secret = secret.map_err(|failed| unavailable(&failed))?.map_err(|error| unavailable(&error))?;
    if !is_operator(serving, &secret, head).map_err(|refused| *refused)? {
        return Ok(None);
    }
    // What is told is what the last look came to; the next time it is newer.
    super::warm(serving, false);
    let own = Arc::clone(serving);
    let found = spawn_blocking(move || {
        let table = own.shelf.table(&secret)?;
        let (list, wrong) = own.list();
        Ok::<_, crate::reader::access::AccessError>((secret, table, list, wrong))
    });
    let found = found.await.map_err(|failed| unavailable(&failed))?;
    found.map(Some).map_err(|error| unavailable(&error))
}

/// One chain as the operator sees it.
struct Row {
    key: ChainKey,
    file: String,
    bytes: u64,
    link: String,
    told: Told,
    shared: Vec<Shared>,
}

impl Row {
    fn json(&self) -> Value {
        let (status, why, count, head) = match &self.told {
            Told::Unread => ("unread", None, None, None),
            Told::Shown { count, head } => ("served", None, Some(count), head.as_ref()),
            Told::Withheld(why) => ("withheld", Some(why), None, None),
        };
        let recipient = |shared: &Shared| json!({ "recipient": shared.recipient, "until": shared.until, "by_whom": shared.by_whom, "is_over": shared.is_over });
        json!({
            "chain": self.key.text(),
            "by": if matches!(self.key, ChainKey::Subject(_)) { "subject" } else { "file" },
            "file": self.file,
            "bytes": self.bytes,
            "link": self.link,
            "status": status,
            "why": why,
            "records": count,
            "head": head,
            "recipients": self.shared.iter().map(recipient).collect::<Vec<_>>(),
        })
    }
}

fn rows<'t>(
    serving: &'t Serving,
    secret: &'t Secret,
    table: &'t Table,
    list: &'t AccessList,
) -> impl Iterator<Item = Row> + 't {
    table.entries.iter().map(move |entry| {
        let told = match list.bar(&entry.key) {
            Some(why) => Told::Withheld(why),
            None => serving.shelf.told(entry),
        };
        Row {
            key: entry.key.clone(),
            file: format!("{}.jsonl", entry.stem),
            bytes: entry.bytes,
            link: format!("/r/{}", secret.token(entry.key.text())),
            told,
            shared: list.shared(&entry.key),
        }
    })
}

/// Entries of the list that let nobody in, since no chain has their key.
fn without_chain(table: &Table, list: &AccessList) -> Vec<String> {
    let keys: HashSet<&ChainKey> = table.entries.iter().map(|entry| &entry.key).collect();
    list.all().filter(|(key, _)| !keys.contains(key)).map(|(key, _)| key.text().to_owned()).collect()
}

fn html(serving: &Serving, secret: &Secret, table: &Table, list: &AccessList, wrong: Option<&str>) -> String {
    let mut html = String::new();
    if let Some(wrong) = wrong {
        let _ = writeln!(html, "<p class=\"note\" role=\"alert\">Nobody is let in: {}</p>", escaped(wrong));
    }
    let _ = writeln!(html, "<p>Readers are let in by {}.</p>", escaped(&serving.settings.gate.to_string()));
    html.push_str("<table>\n<thead><tr><th>Chain</th><th>File</th><th>Records</th><th>State</th><th>Shared with</th></tr></thead>\n<tbody>\n");
    for row in rows(serving, secret, table, list) {
        let (records, state) = match &row.told {
            Told::Unread => (String::new(), "not verified yet".to_owned()),
            Told::Shown { count, .. } => {
                (count.to_string(), format!("<a href=\"{}\">served by its link</a>", escaped(&row.link)))
            }
            Told::Withheld(why) => (
                String::new(),
                format!("<span class=\"withheld\">withheld from everybody: {}</span>", escaped(why)),
            ),
        };
        let shared: Vec<String> = row
            .shared
            .iter()
            .map(|shared| {
                let until =
                    shared.until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
                let over = if shared.is_over { " (over)" } else { "" };
                escaped(&format!("{}{until}{over}", shared.recipient))
            })
            .collect();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{records}</td><td>{state}</td><td>{}</td></tr>",
            escaped(row.key.text()),
            escaped(&row.file),
            shared.join("<br>")
        );
    }
    html.push_str("</tbody>\n</table>\n");
    for key in without_chain(table, list) {
        let _ =
            writeln!(html, "<p>A grant for {} lets nobody in: there is no such chain.</p>", escaped(&key));
    }
    html
}
