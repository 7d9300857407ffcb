//! What drafts are built with.

use super::super::native::Capture;
use super::super::redact::Findings;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::Arc;

/// Buffers for building drafts, to be used for all of a request: a line is as large as a small
/// page, and an allocation for each, made by one thread and freed by another, is felt.
#[derive(Debug, Default)]
pub struct Scratch {
    /// By whom the drafts come: an identity that the operator gave to the sender.
    pub(in super::super) account: Option<Arc<str>>,
    pub(in super::super) content: Vec<u8>,
    pub(in super::super) findings: Findings,
    /// What is claimed of where the drafts are made.
    pub(in super::super) capture: Capture,
    pub(super) line: Vec<u8>,
    lines: BytesMut,
}

/// Bytes of lines that are allocated at once.
const LINES: usize = 64 << 10;

impl Scratch {
    /// Has drafts say that they came by the identity `account` (`principal.service_account`).
    pub fn come_by(&mut self, account: Arc<str>) {
        self.account = Some(account);
    }

    /// Has drafts say that they were captured where the action ran (`source.capture`).
    #[must_use]
    pub fn capturing() -> Self {
        Self { capture: Capture::Captured, ..Self::default() }
    }

    /// Does `work` for what came by another identity than the rest, or by none.
    pub(in super::super) fn of_account<T>(
        &mut self,
        account: Option<Cow<'_, str>>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = std::mem::replace(&mut self.account, account.map(Arc::from));
        let done = work(self);
        self.account = before;
        done
    }

    pub(super) fn keep(&mut self, line: Vec<u8>) -> Bytes {
        if self.lines.capacity() < line.len() {
            self.lines = BytesMut::with_capacity(LINES.max(line.len()));
        }
        self.lines.extend_from_slice(&line);
        self.line = line;
        self.lines.split().freeze()
    }
}
