//! A first start on a full disk, where not even the directory can be made: the doors are served and refuse
//! everything, and readiness says why, until there is room.

use super::certificates::Certificates;
use super::doors::ADMIN;
use super::drain::LAST_WORDS;
use super::receiving::{Receiving, Taking};
use super::start::{FIRST_PAUSE, LONGEST_PAUSE};
use super::{Doors, StartError, announce};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::hold::Hold;
use crate::ingest::gaps::Gaps;
use crate::ingest::tap::Tap;
use crate::net::connections::ConnectionFamilies;
use crate::net::windows::Windows;
use crate::pipeline::quiet::Quiet;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer;
use crate::receivers::stats::Counters;
use crate::tee::Tees;
use crate::telemetry::admin;
use crate::telemetry::metrics::Metrics;
use halod_chain::directory::{self, DirectoryError, Lock};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What serves while there is no directory.
pub(super) struct Waiting<'a> {
    pub config: &'a Config,
    pub doors: &'a Doors,
    pub certificates: &'a Certificates,
    pub counting: (&'a Arc<Stats>, &'a Arc<Counters>, &'a ConnectionFamilies),
    /// Where losses wait for their chain.
    pub gaps: &'a Gaps,
    pub started: SystemTime,
    pub identities: Option<Arc<Authenticator>>,
}

impl Waiting<'_> {
    /// Serves until the directory can be made, and takes it; `None` when halod is asked to stop before.
    ///
    /// # Errors
    /// It can't be made for another reason.
    pub(super) async fn for_room(
        &self,
        why: DirectoryError,
        signals: &mut mpsc::Receiver<&'static str>,
    ) -> Result<Option<Lock>, StartError> {
        let (stats, counters, connections) = self.counting;
        stats.disk_low.store(true, Relaxed);
        let sockets = self.doors.twins().map_err(StartError::Twins)?;
        let metrics = Metrics::new(stats, &counters.otlp.filtered, self.started)
            .with(|registry| counters.register(registry))
            .with(|registry| connections.register(registry))
            .with(|registry| self.certificates.register(registry));
        let state = Arc::new(admin::State {
            doors: self.doors.addresses(),
            directory: self.config.storage.absolute(),
            started: self.started,
            starting: true.into(),
            stats: Arc::clone(stats),
            // Without a directory nothing is signed.
            checkpoints: Arc::default(),
            reloads: Arc::default(),
            metrics,
            connections: connections.of(ADMIN),
            web: self.config.web.clone(),
            identities: self.identities.clone().filter(|_| self.config.admin_access.asks),
        });
        let admin = tokio::spawn(admin::serve(sockets.admin.socket, sockets.admin.tls, Arc::clone(&state)));
        let max_in_flight = self.config.pipeline.max_in_flight;
        // Nothing comes this far: there is no admission on a full disk.
        let (intake, _jobs) = writer::intake(max_in_flight, stats);
        let (hold, _held) = Hold::new(Arc::default());
        let (drain, draining) = watch::channel(false);
        let taking = Taking {
            intake,
            hold,
            gaps: self.gaps.clone(),
            traces: Arc::default(),
            identities: self.identities.clone(),
            receipts: Arc::default(),
            tap: Tap::default(),
        };
        let tees = Tees::default();
        let receiving =
            Receiving::new(self.config, counters, &taking, &tees, (&draining, admin::readiness(&state)));
        let settings = [self.config.grpc.clone(), self.config.http.clone()];
        let windows = Windows::within(max_in_flight);
        let mut doors = JoinSet::new();
        receiving.serve(
            [sockets.grpc, sockets.http],
            settings,
            (connections, windows),
            &draining,
            &mut doors,
        );
        announce(&state);
        let lock = self.room(why, signals).await;
        let _ = drain.send(true);
        let _ = tokio::time::timeout(LAST_WORDS, async { while doors.join_next().await.is_some() {} }).await;
        doors.shutdown().await;
        admin.abort();
        let _ = admin.await;
        stats.disk_low.store(false, Relaxed);
        lock
    }

    async fn room(
        &self,
        mut why: DirectoryError,
        signals: &mut mpsc::Receiver<&'static str>,
    ) -> Result<Option<Lock>, StartError> {
        let mut pause = FIRST_PAUSE;
        let mut quiet = Quiet::default();
        loop {
            let error = why.to_string();
            quiet.say(&error, |_| {
                tracing::error!(
                    error,
                    "the disk is full: nothing is accepted, and the directory is made when there is room"
                );
            });
            tokio::select! {
                Some(signal) = signals.recv() => {
                    tracing::info!(signal, "halod was asked to stop before it accepted anything");
                    return Ok(None);
                }
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match directory::open(&self.config.storage.directory) {
                Ok(lock) => return Ok(Some(lock)),
                Err(error) if error.is_want_of_room() => why = error,
                Err(other) => return Err(other.into()),
            }
        }
    }
}
