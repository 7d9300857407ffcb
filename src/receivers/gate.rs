//! Who may send: asked of each request before its body is read.

use crate::auth::identity::Receiver;
use crate::auth::{Authenticator, Identity, Shown};
use crate::ingest::claim::TenantRule;
use crate::net::status::Fault;
use http::{Extensions, HeaderMap};
use std::sync::Arc;

/// Lets requests through to the receivers of one door. One without identities lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    identities: Option<Arc<Authenticator>>,
    tenant: Arc<TenantRule>,
}

const NOTHING: Fault =
    Fault::Unauthenticated("send `authorization: Bearer TOKEN`, with a token of this halod's");
const UNKNOWN: Fault = Fault::Unauthenticated("the credential is none of this halod's");
const RECEIVER: Fault = Fault::Forbidden("the credential is for other receivers");
const TENANT: Fault = Fault::Forbidden("the credential is for other tenants than the one in the headers");

impl Gate {
    #[must_use]
    pub fn new(identities: Option<Arc<Authenticator>>, tenant: Arc<TenantRule>) -> Self {
        Self { identities, tenant }
    }

    /// Whose a request is. `vouches` tells whether the receiver knows its sender itself, by keys of its own.
    ///
    /// # Errors
    /// The sender shows nothing that is known, or may not send here or what its headers claim.
    pub async fn identify(
        &self,
        receiver: Receiver,
        (headers, extensions): (&HeaderMap, &Extensions),
        vouches: impl FnOnce() -> bool,
    ) -> Result<Option<Arc<Identity>>, Fault> {
        let Some(identities) = &self.identities else { return Ok(None) };
        match identities.identify(headers, extensions).await {
            Shown::Identity(identity) if !identity.receivers.includes(receiver) => Err(RECEIVER),
            Shown::Identity(identity) => match self.tenant.check(headers, &identity) {
                Ok(()) => Ok(Some(identity)),
                Err(_) => Err(TENANT),
            },
            _ if vouches() => Ok(None),
            Shown::Nothing => Err(NOTHING),
            Shown::Unknown => Err(UNKNOWN),
            Shown::Busy => Err(Fault::PasswordsBusy),
        }
    }
}
