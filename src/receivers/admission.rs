//! Who may send: asked of each request before its body is read.

use super::gate::Receiver;
use crate::auth::{Authenticator, Identity, Shown};
use crate::ingest::claim::TenantRule;
use crate::net::peer::Peer;
use crate::net::status::Fault;
use crate::pipeline::quiet::Rationed;
use http::request::Parts;
use std::sync::{Arc, Mutex, PoisonError};

/// Knows who may send to the receivers of one door. One without identities lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    identities: Option<Arc<Authenticator>>,
    tenant: Arc<TenantRule>,
    turned_away: Arc<TurnedAway>,
}

/// What the log was told of senders that were turned away.
#[derive(Debug)]
struct TurnedAway(Mutex<Rationed>);

/// Lines in a minute, over all senders.
const LINES: u32 = 20;

impl Default for TurnedAway {
    fn default() -> Self {
        Self(Mutex::new(Rationed::new(LINES)))
    }
}

impl TurnedAway {
    /// Logs it once a minute for each receiver, peer and reason: an exporter with a wrong token sends again and again.
    fn tell(&self, receiver: &'static str, peer: Option<Peer>, fault: &Fault) {
        let peer = peer.map(Peer::name).unwrap_or_default();
        let line = format!("{receiver} {peer} {fault}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).say(&line, |left_out| {
            tracing::warn!(receiver, peer, left_out, "a sender was turned away: {fault}");
        });
    }
}

const NOTHING: Fault =
    Fault::Unauthenticated("send `authorization: Bearer TOKEN`, with a token of this halod's");
const UNKNOWN: Fault = Fault::Unauthenticated("the credential is none of this halod's");
const RECEIVER: Fault = Fault::Forbidden("the credential is for other receivers");
const TENANT: Fault = Fault::Forbidden("the credential is for other tenants than the one in the headers");

impl Admission {
    #[must_use]
    pub fn new(identities: Option<Arc<Authenticator>>, tenant: Arc<TenantRule>) -> Self {
        Self { identities, tenant, turned_away: Arc::default() }
    }

    /// Whether senders are asked who they are.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.identities.is_some()
    }

    /// Whose a request is, where that is asked.
    ///
    /// # Errors
    /// The sender shows nothing that is known, or may not send here or what its headers claim.
    pub async fn identify<R: Receiver>(
        &self,
        receiver: &R,
        head: &Parts,
    ) -> Result<Option<Arc<Identity>>, Fault> {
        let Some(identities) = &self.identities else { return Ok(None) };
        let known = self.known(identities, receiver, head).await;
        known.inspect_err(|fault| self.turned_away.tell(R::NAME, Peer::of(&head.extensions), fault))
    }

    async fn known<R: Receiver>(
        &self,
        identities: &Authenticator,
        receiver: &R,
        head: &Parts,
    ) -> Result<Option<Arc<Identity>>, Fault> {
        match identities.identify(&head.headers, &head.extensions).await {
            Shown::Identity(identity) if !identity.receivers.includes(R::NAME) => Err(RECEIVER),
            Shown::Identity(identity) => match self.tenant.check(&head.headers, &identity) {
                Ok(()) => Ok(Some(identity)),
                Err(_) => Err(TENANT),
            },
            _ if receiver.vouches(head) => Ok(None),
            Shown::Nothing => Err(NOTHING),
            Shown::Unknown => Err(UNKNOWN),
            Shown::Busy => Err(Fault::PasswordsBusy),
        }
    }
}
