//! Receipts: what a request's records came to, signed by the log's key.

use crate::clock::unix_millis;
use halod_chain::placed::Placed;
use halod_evidence::note::Signer;
use halod_evidence::receipt::{Entry, Listing, Place, SignedReceipt};
use halod_tlog::key::Keys;
use std::sync::{Arc, OnceLock};

/// Who signs receipts, once the log's key is open.
#[derive(Debug, Default)]
pub struct ReceiptSigner {
    /// The key that signs, and the one before it while that signs as well.
    signers: OnceLock<(Arc<Signer>, Option<Arc<Signer>>)>,
}

/// How the requests of one receiver get receipts.
#[derive(Clone, Debug)]
pub struct Receipts {
    pub signer: Arc<ReceiptSigner>,
    /// Records that a receipt lists; of longer ones the root alone is kept.
    pub most: usize,
}

impl ReceiptSigner {
    /// From here on there are receipts. A log has one key for as long as the daemon runs.
    pub(super) fn open(&self, keys: &Keys) {
        self.signers.get_or_init(|| (Arc::clone(&keys.signer), keys.old.clone()));
    }
}

impl Receipts {
    /// A list of records, still without any.
    #[must_use]
    pub fn listing(&self) -> Listing {
        Listing::keeping(self.most)
    }

    /// Signs what is listed; nothing where nothing is, or the log's key is not open.
    #[must_use]
    pub fn sign(&self, listing: Listing) -> Option<SignedReceipt> {
        let (signer, old) = self.signer.signers.get().filter(|_| !listing.is_empty())?;
        listing.sign(signer, old.as_deref(), unix_millis()).ok()
    }
}

/// Lists the records that drafts came to.
pub fn list(listing: &mut Listing, placed: &[Placed]) {
    for one in placed {
        let place = if one.is_new { Place::At(one.number) } else { Place::Within(one.number) };
        let Placed { tenant, record, hash, prev, micros, .. } = one.clone();
        listing.push(&Entry { tenant, record, hash, prev, place, micros });
    }
}
