//! Time-stamps: before which time checkpoints were there, whatever halod's clock said.

use super::chain::Signed;
use super::{CheckError, Grade, Report, Request, time};
use crate::tsa::Roots;
use halod_record::hash::sha256;
use halod_timestamp::{Imprint, MAX_BYTES, Policies, Token, TokenError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tokens that show nothing and are told one by one.
const TOLD: usize = 3;

/// A checkpoint that was there before a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Entries of the checkpoint.
    pub(super) size: u64,
    /// By the latest time that the token allows, to the second.
    before: String,
    authority: String,
}

/// Holds tokens, by the entries of their checkpoints, against what they should be of. `text` tells the text of the checkpoint with so
/// many entries, or why there is none in this log. Returns what holds, in the same order; nothing without roots.
pub(super) fn check(
    request: &Request,
    tokens: &[(u64, PathBuf)],
    mut text: impl FnMut(u64) -> Result<Result<String, String>, CheckError>,
    report: &mut Report,
) -> Result<Vec<Stamp>, CheckError> {
    let roots = request.tsa_roots.as_deref().map(Roots::read).transpose()?;
    let (mut stamps, mut wrong) = (Vec::new(), 0_usize);
    for (size, path) in tokens {
        let shown = match text(*size)? {
            Err(why) => Err(why),
            Ok(text) => shows(&read(path)?, *size, &text, roots.as_ref()).map_err(|error| error.to_string()),
        };
        match shown {
            Ok(stamp) => stamps.extend(stamp),
            Err(why) => {
                wrong += 1;
                if wrong <= TOLD {
                    report.say(Grade::Finding, None, nothing(*size, &why));
                }
            }
        }
    }
    if wrong > TOLD {
        report.say(Grade::Finding, None, format!("{} more time-stamps show nothing", wrong - TOLD));
    }
    say(roots.is_some(), tokens.len() - wrong, &stamps, report);
    Ok(stamps)
}

/// The same for one token, which is not in a file of its own.
pub(super) fn check_one(
    request: &Request,
    (size, token): (u64, &[u8]),
    text: Result<String, String>,
    report: &mut Report,
) -> Result<Option<Stamp>, CheckError> {
    let roots = request.tsa_roots.as_deref().map(Roots::read).transpose()?;
    let shown =
        text.and_then(|text| shows(token, size, &text, roots.as_ref()).map_err(|error| error.to_string()));
    match shown {
        Ok(stamp) => {
            say(roots.is_some(), 1, stamp.as_slice(), report);
            Ok(stamp)
        }
        Err(why) => {
            report.say(Grade::Finding, None, nothing(size, &why));
            Ok(None)
        }
    }
}

fn nothing(size: u64, why: &str) -> String {
    format!("The time-stamp of the checkpoint with {size} entries shows nothing: {why}")
}

fn say(has_roots: bool, right: usize, stamps: &[Stamp], report: &mut Report) {
    if !has_roots {
        if right > 0 {
            let text = format!(
                "Time-stamps of checkpoints of this log are here ({right}), by their own word. They were not checked: name the file \
                 with the root certificates that you trust for times by --tsa-roots"
            );
            report.say(Grade::Remark, None, text);
        }
        return;
    }
    if right > 2 {
        report.say(Grade::Shown, None, format!("{right} time-stamps hold; the oldest and the newest follow"));
    }
    let (oldest, newest) = (stamps.first(), stamps.last());
    for stamp in oldest.into_iter().chain(newest.filter(|newest| Some(*newest) != oldest)) {
        report.say(
            Grade::Shown,
            None,
            format!("The checkpoint with {} entries existed {}", stamp.size, stamp.when()),
        );
    }
    if right == 0 {
        report.say(Grade::Remark, None, "No time-stamp holds here: all times are by halod's own clock");
    }
}

/// What a token shows of the text of a checkpoint; without roots, nothing more than that it claims to be of it.
fn shows(token: &[u8], size: u64, text: &str, roots: Option<&Roots>) -> Result<Option<Stamp>, TokenError> {
    let Some(roots) = roots else {
        let digest = sha256(text.as_bytes());
        return match Token::read(token)?.claimed_imprint() {
            Some(imprint) if imprint == Imprint::sha256(&digest) => Ok(None),
            _ => Err(TokenError::Imprint("it is of something else".into())),
        };
    };
    let verified = roots.verify(token, text, None, Policies::Any)?;
    let latest = verified.latest();
    let seconds = latest.as_secs() + u64::from(latest > Duration::from_secs(latest.as_secs()));
    let readable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    Ok(Some(Stamp {
        size,
        before: time(seconds.saturating_mul(1000)),
        authority: verified.tsa.chars().map(readable).collect(),
    }))
}

/// A token that is too long is read so far that this is seen.
fn read(path: &Path) -> Result<Vec<u8>, CheckError> {
    let (mut bytes, most) = (Vec::new(), MAX_BYTES as u64 + 1);
    let file = File::open(path).map_err(CheckError::read(path))?;
    file.take(most).read_to_end(&mut bytes).map_err(CheckError::read(path))?;
    Ok(bytes)
}

impl Stamp {
    pub(super) fn when(&self) -> String {
        format!("before {} (time-stamping authority {})", self.before, self.authority)
    }
}

/// How many records were there before which time, by what was signed of their chain: the oldest bound and the newest. Of stamps over
/// the same records the first says more.
pub(super) fn bounds<'s>(stamps: &'s [Stamp], signed: &[Signed]) -> Vec<(u64, &'s Stamp)> {
    let mut bounds: Vec<(u64, &Stamp)> = Vec::new();
    for stamp in stamps {
        let before = signed.iter().filter(|signed| signed.index < stamp.size);
        let count = before.max_by_key(|signed| signed.index).map_or(0, |signed| signed.count);
        if bounds.last().map_or(0, |(count, _)| *count) < count {
            bounds.push((count, stamp));
        }
    }
    if bounds.len() > 2 {
        bounds.drain(1..bounds.len() - 1);
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stamp_over_records_bounds_them() {
        let stamp = |size: u64| Stamp { size, before: size.to_string(), authority: String::new() };
        let signed = |index: u64, count: u64| {
            let (head, root) = ([0; 32], [0; 32]);
            Signed { generation: 0, count, head, root, epoch: index + 1, index, millis: 0, retired: false }
        };
        let stamps: Vec<Stamp> = [2, 4, 5, 9].map(stamp).into();
        let bound = |signed: &[Signed]| -> Vec<(u64, u64)> {
            bounds(&stamps, signed).into_iter().map(|(count, stamp)| (count, stamp.size)).collect()
        };
        assert_eq!(bound(&[]), []);
        // An entry is in a checkpoint that has more entries than its number.
        assert_eq!(bound(&[signed(2, 7)]), [(7, 4)]);
        assert_eq!(bound(&[signed(1, 7), signed(3, 8), signed(8, 9), signed(9, 10)]), [(7, 2), (9, 9)]);
        assert_eq!(bound(&[signed(4, 3)]), [(3, 5)]);
    }
}
