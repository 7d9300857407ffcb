//! `Content-Encoding`: how a body is compressed, and undoing it within bounds.

use super::gzip::gunzip;
use super::status::Fault;
use super::zstd::unzstd;
use crate::pipeline::intake::Permit;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// What the request's headers say.
    ///
    /// # Errors
    /// A coding that is not known here, or several.
    pub fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        let value = value.as_bytes().trim_ascii();
        if values.next().is_some() {
            Err(Fault::Coding)
        } else if value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip") {
            Ok(Self::Gzip)
        } else if value.eq_ignore_ascii_case(b"zstd") {
            Ok(Self::Zstd)
        } else if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
            Ok(Self::Identity)
        } else {
            Err(Fault::Coding)
        }
    }

    /// As `Content-Encoding` says it; `None` for none.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Whether handling a body of `bytes` takes long enough, about a millisecond, to keep other
    /// requests of the same worker waiting. Compressed telemetry grows ten to twenty times.
    #[must_use]
    pub fn is_heavy(self, bytes: usize) -> bool {
        let threshold = match self {
            Self::Identity => 1 << 20,
            Self::Gzip | Self::Zstd => 64 << 10,
        };
        bytes > threshold
    }

    /// The body without compression, covered by `permit`; `limit` bounds it, in bytes.
    ///
    /// # Errors
    /// As [`gunzip`] and [`unzstd`].
    pub fn decode(self, body: Bytes, limit: usize, permit: &mut Permit) -> Result<Bytes, Fault> {
        let plain = match self {
            Self::Identity => return Ok(body),
            Self::Gzip => gunzip(&body, limit, permit)?,
            Self::Zstd => unzstd(&body, limit, permit)?,
        };
        permit.shrink_to(plain.capacity());
        Ok(plain.into())
    }
}
