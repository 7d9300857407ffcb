//! Sharing the process's file descriptors between chains, followed logs and connections.

use super::Config;

/// Kept for everything else: listeners, the index, the journal, logs, the runtime.
const RESERVED: usize = 64;
/// A chain and its lock file.
const PER_CHAIN: usize = 2;
/// The fewest and the most chains kept open when the number is not configured. More open
/// chains save an open and a close per commit of a chain that was not used for a while; past some
/// thousands the kernel's own bookkeeping costs more than that.
const DERIVED: std::ops::RangeInclusive<usize> = 4..=8192;
/// The fewest and the most followed logs that are kept open; of more, each is opened for its turn. One that
/// is open can be read to its end after it was removed.
const LOGS: std::ops::RangeInclusive<usize> = 4..=4096;

/// How `available` descriptors are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Chain files kept open.
    pub chains: usize,
    /// Followed logs kept open.
    pub logs: usize,
    /// Connections that no longer fit; the doors' limits were lowered by this many.
    pub withheld: usize,
}

/// The configured number of open chains can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "storage.open_chains: {chains} chain files can't be open at once: this process may open {available} files and \
     needs some for connections; raise LimitNOFILE or ulimit -n, or write `auto`"
)]
pub struct TooFew {
    chains: usize,
    available: usize,
}

/// Gives chains their share, and lowers the doors' connection limits to what is left: a connection
/// beyond the limit waits in the listen queue, one beyond the descriptors would be an error.
///
/// # Errors
/// A configured number of chains leaves nothing for connections.
pub fn share(config: &mut Config, available: usize) -> Result<Share, TooFew> {
    let derived =
        ((available / 2).saturating_sub(RESERVED) / PER_CHAIN).clamp(*DERIVED.start(), *DERIVED.end());
    let logs =
        if config.file_logs.is_empty() { 0 } else { (available / 8).clamp(*LOGS.start(), *LOGS.end()) };
    let chains = config.storage.open_chains.unwrap_or(derived);
    if config.storage.open_chains.is_some() && chains.saturating_mul(PER_CHAIN) + RESERVED + logs >= available
    {
        return Err(TooFew { chains, available });
    }
    let left = available.saturating_sub(chains * PER_CHAIN + RESERVED + logs);
    let mut doors: Vec<_> = [&mut config.grpc, &mut config.http].into_iter().flatten().collect();
    let wanted: usize = doors.iter().map(|door| door.limits.connections).sum();
    let each = (left / doors.len().max(1)).max(1);
    if wanted > left {
        for door in &mut doors {
            door.limits.connections = door.limits.connections.min(each);
        }
    }
    let granted: usize = doors.iter().map(|door| door.limits.connections).sum();
    Ok(Share { chains, logs, withheld: wanted - granted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plenty_leaves_the_limits_alone() {
        let mut config = Config::default();
        assert_eq!(share(&mut config, 65_536), Ok(Share { chains: 8192, logs: 0, withheld: 0 }));
        assert_eq!(config, Config::default());
    }

    #[test]
    fn few_descriptors_are_split() {
        let mut config = Config::default();
        assert_eq!(share(&mut config, 256), Ok(Share { chains: 32, logs: 0, withheld: 2048 - 128 }));
        assert_eq!(config.grpc.map(|door| door.limits.connections), Some(64));
    }

    #[test]
    fn logs_have_their_share() {
        let mut config = Config::default();
        config.file_logs.push(crate::receivers::tail::Settings::default());
        assert_eq!(share(&mut config, 256), Ok(Share { chains: 32, logs: 32, withheld: 2048 - 96 }));
    }

    #[test]
    fn next_to_none_still_accepts() {
        let mut config = Config::default();
        assert_eq!(share(&mut config, 20).map(|share| share.chains), Ok(4));
        assert_eq!(config.http.map(|door| door.limits.connections), Some(1));
    }

    #[test]
    fn an_explicit_number_is_kept_or_refused() {
        let mut config = Config::default();
        config.storage.open_chains = Some(400);
        assert_eq!(share(&mut config, 1024).map(|share| share.chains), Ok(400));
        assert_eq!(share(&mut config, 512), Err(TooFew { chains: 400, available: 512 }));
    }
}
