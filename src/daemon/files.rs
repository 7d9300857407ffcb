//! What comes in as files, and on the local socket: imports, captured records, watched folders, followed logs.

use super::socket;
use crate::import::door::ImportDoor;
use crate::import::folder::{Folders, Watch};
use crate::import::importer::Importer;
use crate::import::{SOCKET, STATE};
use crate::ingest::Ingest;
use crate::net::connections::ConnectionStats;
use crate::net::listener;
use crate::net::windows::Windows;
use crate::pipeline::intake::Intake;
use crate::receivers::lines::read::Reader;
use crate::receivers::tail::{self, Tail, TailStats};
use crate::spool::drain::Drain;
use crate::spool::place::Place;
use crate::spool::taker::Taker;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Who takes what comes so.
pub(super) struct Takers {
    pub importer: Arc<Importer>,
    pub taker: Arc<Taker>,
    pub intake: Intake,
}

/// Takes imports and captured records: those of the commands, on a socket of halod's own, what waits in the spool, and
/// what is dropped into folders. Without any of them the daemon does all else.
pub(super) async fn local(
    (directory, rules): (&Path, &str),
    folders: Option<Folders>,
    takers: Takers,
    draining: &watch::Receiver<bool>,
    doors: &mut JoinSet<()>,
    connections: ConnectionStats,
) {
    let Takers { importer, taker, intake } = takers;
    // Whoever captures reads the rules before it sends.
    match Place::make(directory).and_then(|place| place.write_rules(rules).map(|()| Arc::new(place))) {
        Ok(place) => {
            let drain = Drain { place, taker: Arc::clone(&taker), draining: draining.clone() };
            doors.spawn(drain.run());
        }
        Err(error) => tracing::error!(%error, "captured records can be neither sent nor kept"),
    }
    match socket::bind(&directory.join(SOCKET), socket::PRIVATE).await {
        Ok(socket) => {
            let door = ImportDoor::new(Arc::clone(&importer), taker, intake.clone());
            let limits = door.limits();
            let windows = Windows::default();
            let own = listener::Door { socket, tls: None, limits, windows, stats: connections };
            doors.spawn(listener::serve(own, door, draining.clone()));
        }
        Err(error) => {
            tracing::warn!(%error, "halod import and halod hook can't reach this daemon: its socket can't be opened");
        }
    }
    let Some(folders) = folders else { return };
    match Watch::new(folders, importer, intake, &directory.join(STATE)) {
        Ok(watch) => drop(doors.spawn(watch.run(draining.clone()))),
        Err(error) => tracing::error!(%error, "folders are not watched: .halod/import can't be used"),
    }
}

/// How many logs may be open, and how much of what they hold in flight.
pub(super) struct Bounds {
    pub open: usize,
    pub in_flight: usize,
}

/// Follows the configured logs until it is drained.
pub(super) fn follow(
    logs: Vec<tail::Settings>,
    ingest: Arc<Ingest>,
    stats: Arc<TailStats>,
    directory: &Path,
    bounds: Bounds,
    draining: watch::Receiver<bool>,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let instance = |settings: tail::Settings| {
        let reader = Reader::new(settings.manner());
        // The configuration has been checked.
        let reader =
            reader.map_err(|(key, what)| io::Error::other(format!("{}.{key}: {what}", settings.name)))?;
        Ok((settings, reader))
    };
    tail::start(Tail {
        instances: logs.into_iter().map(instance).collect::<io::Result<_>>()?,
        ingest,
        stats,
        directory: directory.join(".halod/tail"),
        max_open: bounds.open,
        max_in_flight: bounds.in_flight,
        draining,
    })
}
