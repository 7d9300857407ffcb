//! gRPC `halo.ingest.v1.RecordService`: one unary method.

use super::{Encoding, NativeService};
use crate::net::answer::{Reply, grpc_ok};
use crate::net::body::Reader;
use crate::net::grpc;
use crate::net::status::Fault;
use ::http::{Request, Response};
use hyper::body::Incoming;

const WRITE: &str = "/halo.ingest.v1.RecordService/Write";

/// Answers one gRPC request.
pub(super) async fn answer(service: &NativeService, request: Request<Incoming>) -> Response<Reply> {
    match write(service, request).await {
        Ok(message) => grpc_ok(&message),
        Err(fault) => {
            service.delivery.stats().count(&fault);
            tracing::debug!(receiver = "native", transport = "grpc", fault = fault.name(), "request refused");
            grpc::refuse(&fault)
        }
    }
}

async fn write(service: &NativeService, request: Request<Incoming>) -> Result<Vec<u8>, Fault> {
    let (head, body) = request.into_parts();
    grpc::check(&head)?;
    if head.uri.path() != WRITE {
        return Err(Fault::Unserved("the gRPC method is Write of halo.ingest.v1.RecordService"));
    }
    let caller = service.caller(&head.headers)?;
    let delivery = &service.delivery;
    let mut reader = Reader::new(body, &delivery.limits);
    let message = grpc::read(&head.headers, &mut reader, &delivery.intake, delivery.limits.body).await?;
    let body = delivery.unpack(message.coding, message.body, message.permit).await?;
    Ok(service.write(body, caller, Encoding::Protobuf).await?.message())
}
