//! gRPC `halo.ingest.v1.RecordService`: one unary method.

use super::{Encoding, NativeService};
use crate::ingest::requests::RequestEntry;
use crate::net::answer::grpc_ok;
use crate::net::body::{Incoming, Reader};
use crate::net::grpc;
use crate::net::status::Fault;
use ::http::Request;
use ::http::request::Parts;
use axum::response::Response;

const WRITE: &str = "/halo.ingest.v1.RecordService/Write";

/// Answers one gRPC request.
pub(super) async fn answer(
    service: &NativeService,
    request: Request<Incoming>,
    entry: &mut RequestEntry,
) -> Response {
    let (head, body) = request.into_parts();
    let mut reader = Reader::new(body, &service.ingest.limits);
    match write(service, &head, &mut reader, entry).await {
        Ok(message) => grpc_ok(&message),
        Err(fault) => {
            entry.refuse_unless(reader.is_broken(), &fault);
            tracing::debug!(receiver = "native", transport = "grpc", fault = fault.name(), "request refused");
            grpc::refuse(&fault, reader)
        }
    }
}

async fn write(
    service: &NativeService,
    head: &Parts,
    reader: &mut Reader<'_, Incoming>,
    entry: &mut RequestEntry,
) -> Result<Vec<u8>, Fault> {
    grpc::check(head)?;
    if head.uri.path() != WRITE {
        return Err(Fault::Unserved("the gRPC method is Write of halo.ingest.v1.RecordService"));
    }
    let caller = service.caller(head)?;
    let ingest = &service.ingest;
    let message = grpc::read(&head.headers, reader, &ingest.intake, ingest.limits.body).await?;
    let body = ingest.unpack(message.coding, message.body, message.permit).await?;
    Ok(service.write(body, caller, Encoding::Protobuf, entry).await?.message())
}
