//! What the daemon answers on its socket: imports, each request a chunk of some file's rows, and captured records.
//!
//! The socket's file is for halod's user alone, and so is who connects; root may too, who can do all of it anyway.
//! Admission is that of every other door: an import waits when there is no room, and takes none from senders that
//! cannot wait.

use super::MAX_ROW;
use super::chunk::{Chunk, Taken};
use super::importer::{Importer, Turn};
use crate::ingest::requests::Transport;
use crate::net::answer::{Reply, json};
use crate::net::body::Reader;
use crate::net::limits::Limits;
use crate::net::peer::Peer;
use crate::net::status::Fault;
use crate::pipeline::intake::Intake;
use crate::spool::{self, taker::Taker};
use http::{Extensions, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use serde_json::json as value;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

/// Where chunks are posted. The number is that of their form: another halod's may differ.
pub const PATH: &str = "/import/3";

/// Answers every request on the socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImportDoor {
    importer: Arc<Importer>,
    taker: Arc<Taker>,
    intake: Intake,
    limits: Arc<Limits>,
}

impl ImportDoor {
    #[must_use]
    pub fn new(importer: Arc<Importer>, taker: Arc<Taker>, intake: Intake) -> Self {
        Self { importer, taker, intake, limits: Arc::new(limits()) }
    }

    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Reply> {
        let (head, body) = request.into_parts();
        let mut reader = Reader::new(body, &self.limits);
        let is_spool = head.uri.path() == spool::PATH;
        let mut entry = match is_spool {
            true => self.taker.begin(Transport::Http),
            false => self.importer.begin(Transport::Http),
        };
        let taken = if !is_ours(&head.extensions) {
            Err(Fault::Forbidden("the socket is for the processes of halod's own user"))
        } else if !is_spool && head.uri.path() != PATH {
            Err(Fault::Unserved(
                "this halod takes imports at /import/3 and captured records at /spool/1; use the command of the same \
                 version",
            ))
        } else if head.method != Method::POST {
            Err(Fault::Method)
        } else if is_spool {
            self.drafts(&mut reader).await
        } else {
            self.chunk(&mut reader).await.map(|taken| value!(taken))
        };
        let response = match taken {
            Ok(taken) => json(StatusCode::OK, &taken, None),
            Err(fault) => {
                entry.refuse_unless(reader.is_broken(), &fault);
                tracing::debug!(fault = fault.name(), "a request on the local socket is refused");
                reader.make_way(&head).await;
                let row = fault.row();
                // Whether it is for a row's sake only less of the same can show.
                let (status, delay) = match fault {
                    Fault::Crashed => (StatusCode::UNPROCESSABLE_ENTITY, None),
                    _ => (row.http, row.retry_after),
                };
                json(status, &value!({ "error": fault.to_string() }), delay)
            }
        };
        entry.answer();
        response
    }

    async fn drafts(&self, reader: &mut Reader<'_, Incoming>) -> Result<serde_json::Value, Fault> {
        let (body, permit) = reader.collect(&self.intake).await?;
        let records = self.taker.take_sent(body, permit).await?;
        Ok(value!({ "records": records }))
    }

    async fn chunk(&self, reader: &mut Reader<'_, Incoming>) -> Result<Taken, Fault> {
        let (body, permit) = reader.collect(&self.intake).await?;
        let chunk = Chunk::decode(&body)
            .map_err(|why| Fault::Undecodable(format!("not an import's chunk: {why}")))?;
        self.importer.take(chunk, Some(permit), Turn::default()).await
    }
}

fn is_ours(extensions: &Extensions) -> bool {
    let own = rustix::process::geteuid().as_raw();
    matches!(Peer::of(extensions), Some(Peer::Local { uid, .. }) if uid == own || uid == 0)
}

/// Few connections: an import needs one for each chunk that is under way.
fn limits() -> Limits {
    // An import is one request, however long it takes.
    let body = MAX_ROW + (8 << 20);
    Limits { connections: 64, body, idle_timeout: None, max_age: None, ..Limits::default() }
}

impl Service<Request<Incoming>> for ImportDoor {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { Ok(door.answer(request).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_halods_user_and_root_may_import() {
        let own = rustix::process::geteuid().as_raw();
        let by = |peer: Option<Peer>| {
            let mut extensions = Extensions::new();
            peer.map(|peer| extensions.insert(peer));
            is_ours(&extensions)
        };
        let local = |uid| Some(Peer::Local { uid, gid: 0 });
        assert!(by(local(own)) && by(local(0)));
        assert!(!by(local(own + 1)) && !by(None) && !by(Some(Peer::Ip([127, 0, 0, 1].into()))));
    }
}
