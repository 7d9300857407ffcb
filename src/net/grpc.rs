//! Unary gRPC, framed here: what every service at the doors shares.
//!
//! gRPC over HTTP/2 ("Requests", "Responses"): one message is a flag byte, a length of four bytes
//! and so many bytes. Room for a message is taken as it comes.

use super::answer::{Form, Refused, grpc_error};
use super::body::Reader;
use super::coding::Coding;
use super::status::Fault;
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::refusal::{Large, Refusal};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Version};
use http_body::Body;
use tonic::server::NamedService;

/// Length of what stands before a message.
const PREFIX: usize = 5;

/// The one message of a call, as it came.
#[derive(Debug)]
pub struct Message {
    pub coding: Coding,
    pub body: Bytes,
    /// Covers `body`.
    pub permit: Permit,
}

/// Whether this is for gRPC: `application/grpc`, alone or with a subtype or parameters.
/// `application/grpc-web` is another protocol.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let Some((name, rest)) = value.split_at_checked(b"application/grpc".len()) else { return false };
    name.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The route of all methods of a service, as `tonic::service::Routes` has it. Its messages are read here, and not by
/// tonic's codec: that asks nobody for room, and answers an oversized message with a code after which OTLP's clients try
/// again.
#[must_use]
pub fn methods_of<S: NamedService>() -> String {
    format!("/{}/{{*method}}", S::NAME)
}

/// Whether a call can be one at all.
///
/// # Errors
/// It came over HTTP/1, or is no POST.
pub fn check(head: &Parts) -> Result<(), Fault> {
    if head.version != Version::HTTP_2 {
        return Err(Fault::NeedsHttp2);
    }
    if head.method != Method::POST {
        return Err(Fault::Method);
    }
    Ok(())
}

/// The answer to a call that is not served. `reader` is what is left of it.
#[must_use]
pub fn refuse<B>(fault: &Fault, reader: Reader<'_, B>) -> Response
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    match fault {
        // Without HTTP/2 there are no trailers to say it in.
        Fault::NeedsHttp2 => Refused(Form::Protobuf, fault).into_response(),
        _ => {
            reader.leave();
            grpc_error(fault)
        }
    }
}

/// Reads the one message of a unary call, and the end of the stream after it.
///
/// # Errors
/// It is framed wrongly, compressed in an unknown way, too large, or there is no room for it.
pub async fn read<B>(
    headers: &HeaderMap,
    reader: &mut Reader<'_, B>,
    intake: &Intake,
    limit: usize,
) -> Result<Message, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = declared_coding(headers)?;
    let Framed { compressed, body, permit } = read_message(reader, intake, limit).await?;
    let coding = match (compressed, declared) {
        (false, _) => Coding::Identity,
        (true, Coding::Gzip | Coding::Zstd) => declared,
        (true, Coding::Identity) => {
            return Err(Fault::Undecodable(
                "the message is compressed, but no grpc-encoding is named".into(),
            ));
        }
    };
    Ok(Message { coding, body, permit })
}

fn declared_coding(headers: &HeaderMap) -> Result<Coding, Fault> {
    match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(Coding::Identity),
        Some(b"gzip") => Ok(Coding::Gzip),
        Some(b"zstd") => Ok(Coding::Zstd),
        Some(_) => Err(Fault::Coding),
    }
}

struct Framed {
    compressed: bool,
    body: Bytes,
    permit: Permit,
}

async fn read_message<B>(reader: &mut Reader<'_, B>, intake: &Intake, limit: usize) -> Result<Framed, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut arriving = intake.arrive(None)?;
    let mut prefix = [0; PREFIX];
    let mut filled = 0;
    let mut piece = Bytes::new();
    while filled < PREFIX {
        if piece.is_empty() {
            piece = reader.next_of(&arriving).await?.ok_or_else(incomplete)?;
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
        return Err(Refusal::TooLarge { what: Large::Body, limit }.into());
    }
    arriving.expect_length(length)?;
    let whole = if piece.len() >= length { Some(piece.split_to(length)) } else { None };
    if whole.is_none() {
        let mut left = length;
        while left > 0 {
            let taken = piece.split_to(piece.len().min(left));
            left -= taken.len();
            reader.keep(&mut arriving, &taken).await?;
            drop(taken);
            if left > 0 {
                piece = reader.next_of(&arriving).await?.ok_or_else(incomplete)?;
            }
        }
    } else {
        arriving.hold(length).await?;
    }
    loop {
        if !piece.is_empty() {
            return Err(Fault::Undecodable("more than one message was sent to a unary method".into()));
        }
        match reader.next_of(&arriving).await? {
            Some(more) => piece = more,
            None => break,
        }
    }
    let (body, permit) = match whole {
        Some(body) => {
            let permit = arriving.finish_with(body.len()).await?;
            (body, permit)
        }
        None => arriving.finish()?,
    };
    Ok(Framed { compressed, body, permit })
}

fn incomplete() -> Fault {
    Fault::Undecodable("the stream ends before its message does".into())
}
