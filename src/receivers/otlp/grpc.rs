//! OTLP/gRPC: the unary `Export` of three services, framed here.
//!
//! gRPC over HTTP/2 ("Requests", "Responses"): one message is a flag byte, a length of four bytes
//! and so many bytes. Nothing of a message is read before its length is admitted.

use super::Shared;
use super::decode::{Arrival, Encoding};
use super::stats::Transport;
use crate::net::answer::{Form, Reply, grpc_error, grpc_ok, http_error};
use crate::net::body::Reader;
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::refusal::Refusal;
use bytes::{Buf, Bytes};
use halo_adapters::otlp::Signal;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use std::sync::Arc;

/// Length of what stands before a message.
const PREFIX: usize = 5;

/// Whether this is for gRPC: `application/grpc`, alone or with a subtype or parameters.
/// `application/grpc-web` is another protocol.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let Some((name, rest)) = value.split_at_checked(b"application/grpc".len()) else { return false };
    name.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// Answers one gRPC request.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Reply> {
    let (head, body) = request.into_parts();
    let mut reader = Reader::new(body, &shared.limits);
    let fault = match call(shared, &head, &mut reader).await {
        Ok(message) => return grpc_ok(&message),
        Err(fault) => fault,
    };
    shared.stats().count(Transport::Grpc, &fault);
    shared.lost(&fault, &head.headers, &reader);
    tracing::debug!(transport = "grpc", fault = fault.name(), "request refused");
    match fault {
        // Without HTTP/2 there are no trailers to say it in.
        Fault::NeedsHttp2 => http_error(Form::Protobuf, &fault),
        // The rest of the body, if any, is not read: HTTP/2 resets the stream after the answer.
        _ => grpc_error(&fault),
    }
}

async fn call(
    shared: &Arc<Shared>,
    head: &Parts,
    reader: &mut Reader<'_, Incoming>,
) -> Result<Vec<u8>, Fault> {
    if head.version != Version::HTTP_2 {
        return Err(Fault::NeedsHttp2);
    }
    if head.method != Method::POST {
        return Err(Fault::Method);
    }
    let signal = signal(head.uri.path())?;
    let declared = declared_coding(&head.headers)?;
    let message = read_message(reader, &shared.intake, shared.limits.body).await?;
    let coding = match (message.compressed, declared) {
        (false, _) => Coding::Identity,
        (true, Coding::Gzip | Coding::Zstd) => declared,
        (true, Coding::Identity) => {
            return Err(Fault::Undecodable(
                "the message is compressed, but no grpc-encoding is named".into(),
            ));
        }
    };
    let arrival = Arrival {
        signal,
        encoding: Encoding::Protobuf,
        coding,
        body: message.body,
        permit: message.permit,
        claim: shared.reading.tenant.header_claim(&head.headers),
    };
    let partial = shared.export(Transport::Grpc, arrival).await?;
    Ok(partial.encode(Form::Protobuf, signal))
}

fn signal(path: &str) -> Result<Signal, Fault> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Ok(Signal::Traces),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Ok(Signal::Logs),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Ok(Signal::Metrics),
        _ => Err(Fault::Unserved("the gRPC methods are Export of OTLP's trace, logs and metrics services")),
    }
}

fn declared_coding(headers: &HeaderMap) -> Result<Coding, Fault> {
    match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(Coding::Identity),
        Some(b"gzip") => Ok(Coding::Gzip),
        Some(b"zstd") => Ok(Coding::Zstd),
        Some(_) => Err(Fault::Coding),
    }
}

struct Message {
    compressed: bool,
    body: Bytes,
    permit: Permit,
}

/// Reads the one message of a unary call, and the end of the stream after it.
async fn read_message<B>(reader: &mut Reader<'_, B>, intake: &Intake, limit: usize) -> Result<Message, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut prefix = [0; PREFIX];
    let mut filled = 0;
    let mut piece = Bytes::new();
    while filled < PREFIX {
        if piece.is_empty() {
            piece = reader.next().await?.ok_or_else(incomplete)?;
        }
        let taken = piece.len().min(PREFIX - filled);
        piece.copy_to_slice(&mut prefix[filled..filled + taken]);
        filled += taken;
    }
    let [flag, length @ ..] = prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let compressed = match flag {
        0 => false,
        1 => true,
        _ => return Err(Fault::Undecodable("the flag before the message is neither 0 nor 1".into())),
    };
    if length > limit {
        return Err(Refusal::TooLarge { limit }.into());
    }
    let permit = intake.admit(length)?;
    let body = if piece.len() >= length {
        piece.split_to(length)
    } else {
        let mut body = Vec::with_capacity(length);
        while body.len() < length {
            let taken = piece.split_to(piece.len().min(length - body.len()));
            body.extend_from_slice(&taken);
            if body.len() < length {
                piece = reader.next().await?.ok_or_else(incomplete)?;
            }
        }
        body.into()
    };
    loop {
        if !piece.is_empty() {
            return Err(Fault::Undecodable("more than one message was sent to a unary method".into()));
        }
        match reader.next().await? {
            Some(more) => piece = more,
            None => return Ok(Message { compressed, body, permit }),
        }
    }
}

fn incomplete() -> Fault {
    Fault::Undecodable("the stream ends before its message does".into())
}
