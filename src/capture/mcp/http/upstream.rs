//! Connections to the server, used again where they can be.

use super::body::Sent;
use crate::tee::settings::Target;
use crate::tee::way::Way;
use http::HeaderValue;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Connections that are kept.
const MOST_IDLE: usize = 32;

/// Why nothing came back, and the request, where nothing of it was sent.
pub(super) struct Failed {
    pub(super) why: String,
    pub(super) unsent: Option<Request<Sent>>,
}

pub(super) struct Upstream {
    way: Way,
    idle: Arc<Mutex<Vec<SendRequest<Sent>>>>,
}

impl Upstream {
    pub(super) fn new(to: Target, ca_file: Option<&Path>) -> Result<Self, String> {
        let way = Way::new(to, ca_file).map_err(|error| error.to_string())?;
        Ok(Self { way, idle: Arc::default() })
    }

    /// What the `Host` header says.
    pub(super) fn host(&self) -> HeaderValue {
        self.way.host.clone()
    }

    pub(super) fn target(&self) -> &Target {
        &self.way.target
    }

    /// Sends a request, on a connection that is open where there is one.
    ///
    /// # Errors
    /// Nothing came back.
    pub(super) async fn send(&self, mut request: Request<Sent>) -> Result<Response<Incoming>, Failed> {
        while let Some(mut open) = self.take() {
            match open.try_send_request(request).await {
                Ok(response) => {
                    self.keep(open);
                    return Ok(response);
                }
                // The server has closed it meanwhile.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failed { why: chain(error.error()), unsent: None }),
                },
            }
        }
        let mut open = match self.open().await {
            Ok(open) => open,
            Err(why) => return Err(Failed { why, unsent: Some(request) }),
        };
        let sent = open.send_request(request).await;
        let response = sent.map_err(|error| Failed { why: chain(&error), unsent: None })?;
        self.keep(open);
        Ok(response)
    }

    async fn open(&self) -> Result<SendRequest<Sent>, String> {
        match tokio::time::timeout(CONNECT, self.way.connect()).await {
            Ok(open) => open.map_err(|error| chain(&*error)),
            Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
        }
    }

    fn take(&self) -> Option<SendRequest<Sent>> {
        let mut idle = self.idle.lock().ok()?;
        while let Some(open) = idle.pop() {
            if open.is_ready() {
                return Some(open);
            }
        }
        None
    }

    /// Keeps a connection for others once its answer has been read.
    fn keep(&self, mut open: SendRequest<Sent>) {
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            if open.ready().await.is_ok()
                && let Ok(mut idle) = idle.lock()
                && idle.len() < MOST_IDLE
            {
                idle.push(open);
            }
        });
    }
}

/// An error and what it comes from.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let why = error.to_string();
        if !said.contains(&why) {
            said = format!("{said}: {why}");
        }
        source = error.source();
    }
    said
}
