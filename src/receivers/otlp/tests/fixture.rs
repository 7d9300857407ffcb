//! A service on a free loopback port, a writer under the test's command, and clients.

use crate::ingest::Ingest;
use crate::ingest::claim::TenantRule;
use crate::ingest::requests::Transport;
use crate::net::connections::ConnectionStats;
use crate::net::limits::Limits;
use crate::net::listener;
use crate::net::windows::Windows;
use crate::pipeline::batch::Receipt;
use crate::pipeline::intake::{Intake, Job};
use crate::pipeline::refusal::Refusal;
use crate::receivers::admission::Admission;
use crate::receivers::gate::Gate;
use crate::receivers::otlp::join::ContentJoin;
use crate::receivers::otlp::{OtlpService, OtlpState};
use crate::receivers::stats::Counters;
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use halod_record::build::Builder;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use prost::Message;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic_types::{BadRequest, RetryInfo, Status};

/// What the writer does with the next jobs.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Acknowledge,
    Refuse(Refusal),
    /// Dies with the job unanswered.
    Vanish,
    /// Keeps jobs until [`Fixture::release`].
    Hold,
}

pub(super) struct Fixture {
    pub(super) addr: SocketAddr,
    pub(super) intake: Intake,
    pub(super) counters: Arc<Counters>,
    pub(super) drain: watch::Sender<bool>,
    pub(super) server: Option<JoinHandle<()>>,
    pub(super) runtime: Runtime,
    verdict: Arc<Mutex<Verdict>>,
    held: Arc<Mutex<Vec<Job>>>,
    /// The subject of each draft, in the order they came.
    subjects: Arc<Mutex<Vec<Option<String>>>>,
}

pub(super) fn small_limits() -> Limits {
    Limits { body: 100_000, ..Limits::default() }
}

/// How long content waits for its span: in a test, until it is there.
const JOIN_WAIT: Duration = Duration::from_secs(3600);

/// What may be in flight behind every fixture.
pub(super) const IN_FLIGHT: usize = 10 << 20;

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(small_limits())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (jobs, queue) = mpsc::channel();
        let intake = Intake::with_writer(jobs, IN_FLIGHT);
        let counters = Arc::new(Counters::default());
        let (drain, drained) = watch::channel(false);
        let limits = Arc::new(limits);
        let joins = ContentJoin::new(JOIN_WAIT, IN_FLIGHT / 4, drained.clone());
        let builder = Arc::new(Builder::new(false));
        let state = OtlpState::new(TenantRule::default(), joins, Arc::default(), Arc::clone(&counters.otlp));
        let ingest = counters.otlp.signals.map(|stats| {
            let files = Ingest::of_files(intake.clone(), Arc::clone(&builder), Arc::clone(stats));
            Arc::new(Ingest { limits: Arc::clone(&limits), ..files })
        });
        let service = OtlpService::new(Arc::new(state), ingest);
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = socket.local_addr().unwrap();
        let gate = Gate::new(Arc::default(), Admission::default(), (Arc::clone(&limits), false));
        let router = TowerToHyperService::new(service.routes(axum::Router::new(), &gate));
        let door = listener::Door {
            socket: socket.into(),
            tls: None,
            limits,
            windows: Windows::default(),
            stats: ConnectionStats::default(),
        };
        let server = runtime.spawn(listener::serve(door, router, drained));
        let fixture = Self {
            addr,
            intake,
            counters,
            drain,
            server: Some(server),
            runtime,
            verdict: Arc::new(Mutex::new(Verdict::Acknowledge)),
            held: Arc::default(),
            subjects: Arc::default(),
        };
        fixture.start_writer(queue);
        fixture
    }

    fn start_writer(&self, queue: mpsc::Receiver<Job>) {
        let (verdict, held, subjects) =
            (Arc::clone(&self.verdict), Arc::clone(&self.held), Arc::clone(&self.subjects));
        std::thread::spawn(move || {
            while let Ok(job) = queue.recv() {
                let subject =
                    |draft: &halod_record::draft::Draft| draft.tenant().subject().map(str::to_owned);
                subjects.lock().unwrap().extend(job.batch.drafts.iter().map(subject));
                match verdict.lock().unwrap().clone() {
                    Verdict::Acknowledge => acknowledge(job),
                    Verdict::Refuse(refusal) => answer(job, Err(refusal)),
                    Verdict::Vanish => return,
                    Verdict::Hold => held.lock().unwrap().push(job),
                }
            }
        });
    }

    pub(super) fn set(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }

    /// Acknowledges what is held.
    pub(super) fn release(&self) {
        self.held.lock().unwrap().drain(..).for_each(acknowledge);
    }

    pub(super) fn wait_until_held(&self, jobs: usize) {
        wait_for("the writer to hold jobs", || self.held.lock().unwrap().len() == jobs);
    }

    pub(super) fn subjects(&self) -> Vec<Option<String>> {
        self.subjects.lock().unwrap().clone()
    }

    /// The items of a signal that are counted under this name.
    pub(super) fn items(&self, signal: Signal, name: &str) -> u64 {
        self.counters.otlp.signals.of(signal).items.counts()[name]
    }

    /// Requests that were answered, refused and abandoned.
    pub(super) fn requests(&self, transport: Transport) -> [u64; 3] {
        self.counters.otlp.signals.traces.requests(transport).ended()
    }

    /// One gRPC call on a connection of its own.
    pub(super) fn grpc(&self, call: Call<'_>) -> Answer {
        self.runtime.block_on(async {
            let mut client = connect_h2(self.addr).await;
            client.send(call.request()).await
        })
    }

    /// A traces call with one uncompressed message.
    pub(super) fn export(&self, message: &[u8]) -> Answer {
        self.grpc(Call { body: super::sender::frame(0, message), ..Call::default() })
    }

    /// One HTTP/1.1 request, byte for byte, and everything that comes back until the server closes
    /// or has answered.
    pub(super) fn http(&self, post: Post<'_>) -> Answer {
        self.runtime.block_on(async {
            let io = TokioIo::new(tokio::net::TcpStream::connect(self.addr).await.unwrap());
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Answer::read(sender.send_request(post.request()).await.unwrap()).await
        })
    }

    /// Writes `bytes` on a plain socket, and reads until the server closes it.
    pub(super) fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.addr).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn acknowledge(job: Job) {
    let sealed = u32::try_from(job.batch.drafts.len()).unwrap();
    answer(job, Ok(Receipt { sealed, ..Receipt::default() }));
}

/// The permit goes back before the answer, so that tests can count what is left.
fn answer(job: Job, result: Result<Receipt, Refusal>) {
    drop(job.batch);
    job.reply.send(result);
}

pub(super) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain for {what}");
}

/// One gRPC call.
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: Vec<u8>,
}

pub(super) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(super) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
pub(super) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

impl Default for Call<'_> {
    fn default() -> Self {
        Self { path: TRACES, headers: Vec::new(), body: Vec::new() }
    }
}

impl Call<'_> {
    pub(super) fn request(self) -> Request<Full<Bytes>> {
        let mut request = Request::post(format!("http://halod{}", self.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.into())).unwrap()
    }
}

/// One HTTP request.
pub(super) struct Post<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: Vec<(&'a str, &'a [u8])>,
    pub(super) body: Vec<u8>,
}

impl<'a> Post<'a> {
    pub(super) fn protobuf(body: Vec<u8>) -> Self {
        Self::of("application/x-protobuf", body)
    }

    pub(super) fn json(body: &str) -> Self {
        Self::of("application/json", body.as_bytes().to_vec())
    }

    pub(super) fn of(content_type: &'a str, body: Vec<u8>) -> Self {
        let headers = vec![("content-type", content_type.as_bytes())];
        Self { method: Method::POST, path: "/v1/traces", headers, body }
    }

    pub(super) fn gzip(mut self) -> Self {
        self.headers.push(("content-encoding", b"gzip"));
        self
    }

    pub(super) fn to(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    pub(super) fn request(self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(self.path).header("host", "halod");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.into())).unwrap()
    }
}

pub(super) struct H2 {
    sender: http2::SendRequest<Full<Bytes>>,
    pub(super) connection: JoinHandle<()>,
}

pub(super) async fn connect_h2(addr: SocketAddr) -> H2 {
    let io = TokioIo::new(tokio::net::TcpStream::connect(addr).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    H2 { sender, connection }
}

impl H2 {
    pub(super) fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static {
        self.sender.send_request(request)
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        Answer::read(self.begin(request).await.unwrap()).await
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Answer {
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Self { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).or_else(|| self.trailers.get(name)).map_or("", |value| value.to_str().unwrap())
    }

    /// The gRPC status of a call.
    pub(super) fn grpc_status(&self) -> i32 {
        assert_eq!(self.status, 200);
        assert_eq!(self.header("content-type"), "application/grpc");
        self.header("grpc-status").parse().unwrap()
    }

    /// The status a gRPC error carries in its headers.
    pub(super) fn grpc_details(&self) -> Status {
        assert!(self.body.is_empty() && self.trailers.is_empty(), "errors are trailers-only: {self:?}");
        assert!(!self.header("grpc-message").is_empty());
        Status::decode(&*unbase64(self.header("grpc-status-details-bin"))).unwrap()
    }

    /// The status in the body of an HTTP error, whichever encoding it has, as protobuf.
    pub(super) fn http_details(&self) -> Status {
        if self.header("content-type") == "application/x-protobuf" {
            return Status::decode(&*self.body).unwrap();
        }
        assert_eq!(self.header("content-type"), "application/json");
        let json: Value = serde_json::from_slice(&self.body).unwrap();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let mut status = Status {
            code: i32::try_from(json["code"].as_i64().unwrap()).unwrap(),
            message: json["message"].as_str().unwrap().to_owned(),
            ..Status::default()
        };
        for detail in details {
            status.details.push(Default::default());
            detail["@type"].as_str().unwrap().clone_into(&mut status.details.last_mut().unwrap().type_url);
        }
        status
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(super) fn has_retry_info(status: &Status) -> bool {
    status.details.iter().any(|detail| detail.type_url == RetryInfo::TYPE_URL)
}

pub(super) fn has_bad_request(status: &Status) -> bool {
    status.details.iter().any(|detail| detail.type_url == BadRequest::TYPE_URL)
}

fn unbase64(text: &str) -> Vec<u8> {
    data_encoding::BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).unwrap()
}
