//! Chunks to the running daemon, over its Unix socket.

use super::chunk::{Chunk, Taken};
use super::door::PATH;
use super::sink::Trouble;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;

/// Bytes of an answer: reasons for a hundred rows.
const ANSWER: usize = 1 << 20;

type Sender = SendRequest<Full<Bytes>>;

/// Connections to the daemon, as many as chunks are under way.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    idle: Mutex<Vec<Sender>>,
}

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, idle: Mutex::default() }
    }

    pub(super) async fn take(&self, chunk: &Chunk) -> Result<Taken, Trouble> {
        let gone = |what: String| {
            Trouble::Gone(format!(
                "the halod that owns the directory does not answer at {} ({what}); import again when it runs, or \
                 when it is stopped",
                self.socket.display()
            ))
        };
        let mut sender = self.sender().await.map_err(|error| gone(error.to_string()))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(HOST, "halod")
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(Bytes::from(chunk.encode())))
            .map_err(|error| Trouble::Failed(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| gone(error.to_string()))?;
        let (status, delay) = (response.status(), delay(&response));
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| gone(error.to_string()))?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        if status == StatusCode::OK {
            return serde_json::from_slice(&body)
                .map_err(|error| Trouble::Failed(format!("the daemon's answer can't be read: {error}")));
        }
        let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let said = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or("it does not say why");
        Err(match (status, delay) {
            (_, Some(delay)) => Trouble::Wait(delay, said.to_owned()),
            (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, None) => {
                Trouble::Smaller(said.to_owned())
            }
            _ => Trouble::Failed(format!("the daemon refuses the import: {said}")),
        })
    }

    /// A connection that is ready.
    async fn sender(&self) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = UnixStream::connect(&self.socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with its sender, or when the daemon is gone, which the next request notices.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn delay(response: &Response<Incoming>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
