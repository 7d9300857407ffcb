//! Who may send: asked of each request before its body is read.

use super::gate::Receiver;
use crate::auth::{Authenticator, Identity, Shown};
use crate::ingest::claim::TenantRule;
use crate::net::status::Fault;
use http::request::Parts;
use std::sync::Arc;

/// Knows who may send to the receivers of one door. One without identities lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    identities: Option<Arc<Authenticator>>,
    tenant: Arc<TenantRule>,
}

const NOTHING: Fault =
    Fault::Unauthenticated("send `authorization: Bearer TOKEN`, with a token of this halod's");
const UNKNOWN: Fault = Fault::Unauthenticated("the credential is none of this halod's");
const RECEIVER: Fault = Fault::Forbidden("the credential is for other receivers");
const TENANT: Fault = Fault::Forbidden("the credential is for other tenants than the one in the headers");

impl Admission {
    #[must_use]
    pub fn new(identities: Option<Arc<Authenticator>>, tenant: Arc<TenantRule>) -> Self {
        Self { identities, tenant }
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
