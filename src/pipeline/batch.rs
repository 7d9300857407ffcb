//! What crosses from a receiver to the writer, and what comes back.

use crate::chain::commit::Detail;
use crate::pipeline::intake::Permit;
use crate::record::draft::Draft;

/// Everything one request asks to seal. The permit is held until it is durable.
#[derive(Debug)]
pub struct Batch {
    pub drafts: Vec<Draft>,
    pub permit: Permit,
}

/// The drafts of one batch are linked and on disk, or were there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    pub sealed: u32,
    /// Sealed before: nothing was written for these.
    pub duplicate: u32,
    /// Of the sealed ones, how many contradict an earlier record of the same origin.
    pub conflict: u32,
    /// Draft by draft, where that was asked for.
    pub detail: Option<Box<Detail>>,
}
