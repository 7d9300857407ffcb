//! OTLP on the wire: one table of black-box cases, each with the row of the checklist it stands
//! for. Rows are named after the specification's parts: G gRPC, H HTTP, J JSON, D data; those with a
//! plus are more than the specification asks for.
//!
//! `HALOD_OTLP_TARGET=grpc=127.0.0.1:4317,http=127.0.0.1:4318 cargo test --test it protocol` measures
//! any OTLP endpoint with it and prints the table; what only halod's own chains, configuration or
//! signals could show is not counted then. Without it a real halod is started, and every case must
//! pass.

pub mod client;
mod data;
mod grpc;
mod http;
mod json;
mod own;
mod scopes;
mod standard;
mod strays;
mod unix;

use crate::support::chains::{npm_verify, of_tenant};
use crate::support::halod::{Halod, halod_verify};
use crate::support::spans::{key, request, span};
use client::{Call, H2, JSON, Outcome, Post, Seen, Status, grpc_request, h2_request, http1, whole};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// The rows of the checklist. Each must have a case.
const ROWS: &[(&str, u32)] = &[("G", 14), ("H", 13), ("J", 12), ("D", 9)];

/// What is sent and what is expected of any endpoint.
struct Case {
    row: &'static str,
    what: &'static str,
    does: Does,
    /// Records in the chain of the case's tenant afterwards, and what is to be said of them.
    keeps: Option<(usize, Check)>,
}

/// What is to be said of the records of a case.
type Check = fn(&[Value]) -> Outcome<()>;

enum Does {
    Grpc(Box<dyn Fn(&Ctx) -> Call>, Expect),
    Http(Box<dyn Fn(&Ctx) -> Post>, Expect),
    /// Several exchanges, or one that is no request; returns what was seen.
    Steps(fn(&Ctx, &Target) -> Outcome<String>),
    /// The same, and nobody waits for it until the end.
    Slowly(fn(SocketAddr, bool) -> Outcome<String>),
    /// What can only be seen with a halod of one's own.
    Own(fn(&Ctx) -> Outcome<String>),
}

/// How an answer must be.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// Success, and nothing to say: gRPC and protobuf 0 bytes, JSON `{}`.
    Full,
    /// Success with nothing rejected; there may be a warning.
    Taken,
    /// Success, but for so many items.
    Partial(i64),
    /// Refused for good, with this gRPC code or HTTP status.
    Refused(i32),
    /// Refused for good.
    RefusedSomehow,
    /// Refused for good, or success in which something is rejected.
    NotTakenWhole,
    /// Success or refusal for good.
    Settled,
    /// Refused for now, with a time to come back.
    Later,
}

fn grpc(
    row: &'static str,
    what: &'static str,
    expect: Expect,
    call: impl Fn(&Ctx) -> Call + 'static,
) -> Case {
    Case { row, what, does: Does::Grpc(Box::new(call), expect), keeps: None }
}

fn http(
    row: &'static str,
    what: &'static str,
    expect: Expect,
    post: impl Fn(&Ctx) -> Post + 'static,
) -> Case {
    Case { row, what, does: Does::Http(Box::new(post), expect), keeps: None }
}

fn steps(row: &'static str, what: &'static str, run: fn(&Ctx, &Target) -> Outcome<String>) -> Case {
    Case { row, what, does: Does::Steps(run), keeps: None }
}

fn own(row: &'static str, what: &'static str, run: fn(&Ctx) -> Outcome<String>) -> Case {
    Case { row, what, does: Does::Own(run), keeps: None }
}

fn slowly(row: &'static str, what: &'static str, run: fn(SocketAddr, bool) -> Outcome<String>) -> Case {
    Case { row, what, does: Does::Slowly(run), keeps: None }
}

impl Case {
    fn keeps(self, records: usize) -> Self {
        self.kept(records, |_| Ok(()))
    }

    fn kept(mut self, records: usize, check: Check) -> Self {
        self.keeps = Some((records, check));
        self
    }
}

/// What makes a case's data its own.
struct Ctx {
    tenant: String,
    family: u32,
}

impl Ctx {
    fn of(index: usize) -> Self {
        Self { tenant: format!("case-{index:03}"), family: 0x7000 + u32::try_from(index).unwrap() }
    }

    /// A request of `n` good spans.
    fn proto(&self, n: u64) -> Vec<u8> {
        request(Some(&self.tenant), (1..=n).map(|n| span(self.family, n)).collect())
    }

    /// The same, of the spans as changed.
    fn changed(
        &self,
        n: u64,
        mut change: impl FnMut(u64, &mut opentelemetry_proto::tonic::trace::v1::Span),
    ) -> Vec<u8> {
        let spans = (1..=n).map(|n| {
            let mut span = span(self.family, n);
            change(n, &mut span);
            span
        });
        request(Some(&self.tenant), spans.collect())
    }

    /// One good span in JSON, as text to be edited.
    fn json(&self) -> String {
        let (trace, id) = key(&span(self.family, 1));
        json::REQUEST.replace("TENANT", &self.tenant).replace("TRACE", &trace).replace("SPAN_ID", &id)
    }

    /// The same with one part replaced by another.
    fn edited(&self, from: &str, to: &str) -> Post {
        let whole = self.json();
        assert!(whole.contains(from), "{from} is not in {whole}");
        Post::new(JSON, whole.replacen(from, to, 1))
    }
}

/// Rows about the form of answers. A peer is held to it in these alone, or one habit of its would
/// hide everything else; halod is in all.
const FORM: &[&str] = &["G5", "G6", "H4", "H5", "H6"];

/// The endpoint under test.
struct Target {
    /// Whether every answer must have the form that its protocol prescribes, wherever it comes.
    strict: bool,
    grpc: SocketAddr,
    http: SocketAddr,
    halod: Option<(Halod, tempfile::TempDir)>,
    runtime: Runtime,
}

impl Target {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let Ok(given) = std::env::var("HALOD_OTLP_TARGET") else {
            let dir = tempfile::tempdir().unwrap();
            let halod = Halod::start(dir.path());
            return Self {
                grpc: halod.grpc,
                http: halod.http,
                halod: Some((halod, dir)),
                runtime,
                strict: true,
            };
        };
        let door = |name: &str| {
            let mut parts = given.split(',').filter_map(|part| part.split_once('='));
            let address = parts.find(|(door, _)| *door == name).and_then(|(_, at)| at.parse().ok());
            address.expect("HALOD_OTLP_TARGET is grpc=ADDRESS:PORT,http=ADDRESS:PORT")
        };
        Self { grpc: door("grpc"), http: door("http"), halod: None, runtime, strict: false }
    }

    fn call(&self, call: Call) -> Outcome<Seen> {
        self.runtime.block_on(async {
            let mut h2 = H2::tcp(self.grpc).await?;
            h2.exchange(grpc_request(call.path, &call.headers, whole(call.body))).await
        })
    }

    fn post(&self, post: &Post) -> Outcome<Seen> {
        if !post.h2 {
            return http1(self.http, &post.bytes());
        }
        self.runtime.block_on(async { H2::tcp(self.http).await?.exchange(h2_request(post)).await })
    }

    /// Runs a case, except for the slow ones. `None` when it can't be measured here.
    fn run(&self, case: &Case, ctx: &Ctx) -> Option<Outcome<String>> {
        let judged = |seen: Outcome<Seen>, judge: &dyn Fn(&Seen) -> Outcome<()>| {
            let seen = seen?;
            judge(&seen).map(|()| seen.summary()).map_err(|why| format!("{why}; {}", seen.summary()))
        };
        let strict = self.strict || FORM.contains(&case.row);
        match &case.does {
            Does::Grpc(call, expect) => Some(judged(self.call(call(ctx)), &|seen| expect.grpc(seen, strict))),
            Does::Http(post, expect) => {
                let post = post(ctx);
                Some(judged(self.post(&post), &|seen| expect.http(post.form(), seen, strict)))
            }
            Does::Steps(run) => Some(run(ctx, self)),
            Does::Own(run) => self.halod.is_some().then(|| run(ctx)),
            Does::Slowly(_) => None,
        }
    }
}

/// gRPC codes and HTTP statuses after which a sender tries again (OTLP specification, "Failures",
/// "Retryable Response Codes"). RESOURCE_EXHAUSTED is one of them only with a `RetryInfo`.
const RETRYABLE_CODES: &[i32] = &[1, 4, 10, 11, 14, 15];
const RETRYABLE_STATUSES: &[u16] = &[429, 502, 503, 504];

impl Expect {
    fn grpc(self, seen: &Seen, strict: bool) -> Outcome<()> {
        let code = seen.code()?;
        let status = seen.grpc_status()?;
        let hinted = status.has("RetryInfo");
        if code == 0 {
            return self.success(seen, !strict || seen.grpc_message()?.is_empty());
        }
        if strict && status.code != code {
            return Err(format!("the details say {} and the code {code}", status.code));
        }
        let for_good = !RETRYABLE_CODES.contains(&code) && !hinted;
        match self {
            Self::Refused(wanted) if code != wanted => Err(format!("wanted grpc {wanted}")),
            Self::Refused(3) if strict && !status.has("BadRequest") => Err("no BadRequest detail".into()),
            Self::Refused(_) | Self::RefusedSomehow | Self::NotTakenWhole | Self::Settled => {
                if for_good {
                    Ok(())
                } else {
                    Err("its sender would try for ever".into())
                }
            }
            Self::Later if code == 14 && hinted => Ok(()),
            Self::Later => Err("wanted UNAVAILABLE with a RetryInfo".into()),
            Self::Full | Self::Taken | Self::Partial(_) => Err("refused".into()),
        }
    }

    fn http(self, form: Option<&str>, seen: &Seen, strict: bool) -> Outcome<()> {
        if seen.status < 300 {
            if seen.status != 200 {
                return Err("success is 200".into());
            }
            if strict && seen.header("content-type") != form {
                return Err("the answer's content type is not the request's".into());
            }
            let nothing = if form == Some(JSON) { seen.body == b"{}" } else { seen.body.is_empty() };
            return self.success(seen, !strict || nothing);
        }
        let status = if strict { seen.http_status(form)? } else { Status::default() };
        if strict && status.message.is_empty() {
            return Err("the Status has no message".into());
        }
        let hinted = seen.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok());
        let for_good = !RETRYABLE_STATUSES.contains(&seen.status) && !hinted;
        match self {
            Self::Refused(wanted) if i32::from(seen.status) != wanted => Err(format!("wanted HTTP {wanted}")),
            Self::Refused(400) if strict && !status.has("BadRequest") => Err("no BadRequest detail".into()),
            Self::Refused(405) if seen.header("allow") != Some("POST") => Err("no Allow: POST".into()),
            Self::Refused(_) | Self::RefusedSomehow | Self::NotTakenWhole | Self::Settled => {
                if for_good {
                    Ok(())
                } else {
                    Err("its sender would try for ever".into())
                }
            }
            Self::Later if seen.status == 503 && hinted => Ok(()),
            Self::Later => Err("wanted 503 with Retry-After".into()),
            Self::Full | Self::Taken | Self::Partial(_) => Err("refused".into()),
        }
    }

    fn success(self, seen: &Seen, nothing: bool) -> Outcome<()> {
        let partial = seen.partial()?;
        match self {
            Self::Full if !nothing || partial.rejected != 0 || !partial.message.is_empty() => {
                Err("full success has something to say".into())
            }
            Self::Taken if partial.rejected != 0 => Err(format!("{} rejected", partial.rejected)),
            Self::Partial(wanted) if partial.rejected != wanted => {
                Err(format!("{} rejected, wanted {wanted}", partial.rejected))
            }
            Self::Partial(_) if partial.message.is_empty() => Err("rejected without a reason".into()),
            Self::NotTakenWhole if partial.rejected == 0 => Err("taken whole".into()),
            Self::Refused(_) | Self::RefusedSomehow | Self::Later => Err("taken".into()),
            _ => Ok(()),
        }
    }
}

fn table() -> Vec<Case> {
    let mut cases = grpc::cases();
    cases.extend(http::cases());
    cases.extend(json::cases());
    cases.extend(data::cases());
    cases.extend(own::cases());
    cases
}

#[test]
fn every_row_has_a_case() {
    let named: BTreeSet<&str> = table().iter().map(|case| case.row).collect();
    for (letter, last) in ROWS {
        for n in 1..=*last {
            assert!(named.contains(format!("{letter}{n}").as_str()), "{letter}{n}");
        }
    }
}

/// The results of a run, by case.
type Results = Vec<Option<Outcome<String>>>;

#[test]
fn every_row_of_the_checklist() {
    let cases = table();
    let target = Target::new();
    let contexts: Vec<Ctx> = (0..cases.len()).map(Ctx::of).collect();
    let mut results: Results = std::thread::scope(|scope| {
        let slow: BTreeMap<usize, _> = cases
            .iter()
            .enumerate()
            .filter_map(|(at, case)| match case.does {
                Does::Slowly(run) => Some((at, scope.spawn(move || run(target.http, target.strict)))),
                _ => None,
            })
            .collect();
        let mut results: Results =
            cases.iter().zip(&contexts).map(|(case, ctx)| target.run(case, ctx)).collect();
        for (at, thread) in slow {
            results[at] = Some(thread.join().unwrap_or_else(|_| Err("panicked".into())));
        }
        results
    });
    if let Some((halod, dir)) = target.halod {
        let memory = halod.peak_memory_mib();
        assert!(memory < 384, "{memory} MiB");
        assert!(halod.terminate().success());
        check_chains(&cases, &contexts, &mut results, dir.path());
        assert_eq!(print(&cases, &results), 0, "cases failed");
    } else {
        print(&cases, &results);
    }
}

/// What the cases' tenants have in their chains.
fn check_chains(cases: &[Case], contexts: &[Ctx], results: &mut Results, dir: &std::path::Path) {
    for ((case, ctx), result) in cases.iter().zip(contexts).zip(results) {
        let (Some((wanted, check)), Some(Ok(_))) = (case.keeps, &result) else { continue };
        let records = of_tenant(dir, Some(&ctx.tenant));
        if records.len() != wanted {
            *result = Some(Err(format!("{} records are kept, wanted {wanted}", records.len())));
        } else if let Err(why) = check(&records) {
            *result = Some(Err(format!("{why}; kept: {records:?}")));
        }
    }
    halod_verify(dir);
    npm_verify(&crate::support::chains::files(dir));
}

/// Prints past the harness, which shows what a test prints only when it fails. Returns how many
/// failed.
fn print(cases: &[Case], results: &Results) -> usize {
    let mut err = std::io::stderr().lock();
    let (mut passed, mut failed) = (0, 0);
    for (case, result) in cases.iter().zip(results) {
        let (verdict, seen) = match result {
            Some(Ok(seen)) => ("pass", seen.as_str()),
            Some(Err(seen)) => ("FAIL", seen.as_str()),
            None => ("-", "not measurable here"),
        };
        passed += usize::from(verdict == "pass");
        failed += usize::from(verdict == "FAIL");
        writeln!(err, "{:<4} {verdict:<5} {}: {seen}", case.row, case.what).unwrap();
    }
    let unmeasured = cases.len() - passed - failed;
    writeln!(err, "{passed} passed, {failed} failed, {unmeasured} not measurable here").unwrap();
    failed
}
