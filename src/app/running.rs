//! The roles of a process, and stopping them in order.

use super::{App, looking_after};
use crate::inbox;
use crate::schedule;
use crate::web;
use anyhow::Context;
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Ticks between two looks for what came about erased orders.
const ERASE_EVERY: u64 = 60;
/// How often due schedules are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long requests in hand may take when the server stops.
const DRAIN_SECONDS: u64 = 15;

/// What this process does. Any number of processes on one PostgreSQL share each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Takes webhooks.
    pub ingest: bool,
    /// Works off jobs.
    pub worker: bool,
    /// Fires schedules.
    pub scheduler: bool,
}

impl Roles {
    pub const ALL: Self = Self {
        ingest: true,
        worker: true,
        scheduler: true,
    };
    /// Only serves requests: tests work off the jobs themselves.
    pub const INGEST: Self = Self {
        ingest: true,
        worker: false,
        scheduler: false,
    };
}

/// A running app.
#[derive(Debug)]
pub struct Running {
    pub app: App,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    server: actix_web::dev::ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    tasks: Vec<JoinHandle<()>>,
}

impl App {
    /// Starts the roles of this process, and the web server with the pages and health checks.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn start(self, roles: Roles) -> anyhow::Result<Running> {
        let listen = &self.settings.http.listen;
        let listener = TcpListener::bind(listen).with_context(|| {
            format!("cannot listen on http.listen = {listen}; is another marketsink running?")
        })?;
        self.start_on(listener, roles)
    }

    /// The same on a socket that listens already: one that a supervisor opened, or that must keep its address.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn start_on(self, listener: TcpListener, roles: Roles) -> anyhow::Result<Running> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = self.web_state(roles.ingest);
        let server = web::server(listener, state, self.settings.http.workers, DRAIN_SECONDS)?;
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        if roles.worker {
            let (worker, sync) = (self.worker(), self.sync.clone());
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move {
                // The keys of our own apps are settings: they may have been corrected before this start.
                if let Err(error) = sync.check_held().await {
                    tracing::warn!(%error, "refused deliveries could not be looked after");
                }
                worker.run(stop).await;
            }));
        }
        if roles.scheduler {
            tasks.push(tokio::spawn(tick_until(
                self.db.clone(),
                self.queue.clone(),
                self.clock.clone(),
                stop.clone(),
            )));
            tasks.push(tokio::spawn(looking_after::until(
                self.queue.clone(),
                self.settings.retention.clone(),
                self.clock.clone(),
                stop.clone(),
            )));
        }
        Ok(Running {
            address,
            stop,
            server: server.handle(),
            serving: tokio::spawn(server),
            tasks,
            app: self,
        })
    }
}

impl Running {
    /// Stops accepting requests, ends those in hand, drains the worker, gives back its leases, and closes
    /// the database.
    ///
    /// # Errors
    /// When something did not end well; the rest is ended all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.server.stop(true).await;
        let served = self.serving.await;
        self.stop.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task did not end well");
            }
        }
        self.app.close().await?;
        served.context("the web server did not end well")??;
        Ok(())
    }
}

async fn tick_until(
    db: crate::db::Db,
    queue: crate::queue::Queue,
    clock: crate::clock::Clock,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut n_ticks: u64 = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        n_ticks += 1;
        if n_ticks.is_multiple_of(ERASE_EVERY)
            && let Err(error) = inbox::erase_due(&db, clock.now()).await
        {
            tracing::error!(%error, "buyers could not be erased; trying again");
        }
        match schedule::fire_due(&db, clock.now()).await {
            Ok(fired) if fired.is_empty() => {}
            Ok(_) => queue.wake(),
            Err(error) => tracing::error!(%error, "schedules could not be fired; trying again"),
        }
    }
}
