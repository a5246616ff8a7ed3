//! Settings in, running app out; shared by the program, the demo and the tests.
//!
//! [`App::build`] opens everything and starts nothing. [`App::start`] starts the roles that this process plays;
//! what it returns stops them in order: first no more requests, then the work in hand, then the leases.

mod looking_after;
mod running;
mod sealing;

pub use running::{Roles, Running};
pub use sealing::{key_files, sealer};

use crate::channels::{Directory, Sealer};
use crate::clock::Clock;
use crate::config::{AppSettings, Settings};
use crate::db::{self, DatabaseOptions, Db};
use crate::domain::JobKind;
use crate::inbox::{Inbox, Room, Writer, WriterOptions};
use crate::marketplaces::{self, Marketplace, Secrets, WebhookKeys};
use crate::queue::{Queue, QueueOptions};
use crate::sinks::{ANSWER_WITHIN, Sinks, SinksOptions};
use crate::sync::{Api, Apis, Sync, SyncOptions};
use crate::web::WebState;
use crate::worker::{Worker, WorkerOptions};
use anyhow::Context;
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use url::Url;

/// Everything, opened and not yet running.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub db: Db,
    pub queue: Queue,
    pub sync: Sync,
    pub sinks: Sinks,
    pub sealer: Sealer,
    pub clock: Clock,
    /// The writer behind it ends when this is dropped.
    pub inbox: Arc<Inbox>,
    writer: JoinHandle<()>,
}

impl App {
    /// Opens the database, brings its schema up to date, and puts the layers together.
    ///
    /// # Errors
    /// When a setting does not work in practice; the text says which and what to do.
    pub async fn build(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        Self::build_hasty(settings, clock, 1.0).await
    }

    /// The same, with request rates multiplied by `haste`: for simulated marketplaces.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_hasty(settings: Settings, clock: Clock, haste: f64) -> anyhow::Result<Self> {
        let db = open_database(&settings).await?;
        Self::build_on(db, settings, clock, haste).await
    }

    /// The same over a database that is open already: a test may hand in one that fails when it is told to.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_on(
        db: Db,
        settings: Settings,
        clock: Clock,
        haste: f64,
    ) -> anyhow::Result<Self> {
        db::migrate(&db).await?;
        let sealer = sealing::sealer_for(&db, &settings).await?;
        let options = QueueOptions {
            lease: settings.worker.lease,
            keep_finished: kept_for(settings.retention.jobs),
            keep_dead: kept_for(settings.retention.dead_jobs),
        };
        let queue = Queue::new(db.clone(), options);
        let options = SyncOptions {
            public_url: settings.http.public_url.clone(),
            first_download: settings.sync.first_download,
            haste,
            allow_private_hosts: settings.sync.allow_private_hosts,
            timeout: settings.sync.timeout,
        };
        let sync = Sync::new(
            queue.clone(),
            sealer.clone(),
            clock.clone(),
            apis(&settings)?,
            options,
        );
        let options = SinksOptions {
            allow_private_hosts: settings.sync.allow_private_hosts,
            timeout: settings.sync.timeout.min(ANSWER_WITHIN),
        };
        let sinks = Sinks::new(queue.clone(), sealer.clone(), clock.clone(), options);
        let directory = Directory::new(db.clone(), sealer.clone(), app_keys(&settings));
        let options = WriterOptions {
            queue: settings.inbox.queue,
            batch: settings.inbox.batch,
        };
        let (writer, task) = Writer::start(queue.clone(), options);
        let room = Room {
            requests: settings.inbox.quarantine_samples,
            bytes: settings.inbox.quarantine_bytes,
        };
        let inbox = Inbox::new(Arc::new(directory), writer, room);
        Ok(Self {
            settings,
            db,
            queue,
            sync,
            sinks,
            sealer,
            clock,
            inbox: Arc::new(inbox),
            writer: task,
        })
    }

    /// A worker of this process that takes all kinds of work.
    pub fn worker(&self) -> Worker {
        self.worker_of(Vec::new())
    }

    /// A worker of this process that takes these kinds of work only; all, when there are none.
    pub fn worker_of(&self, kinds: Vec<JobKind>) -> Worker {
        let settings = &self.settings.worker;
        let options = WorkerOptions {
            name: worker_name(),
            concurrency: settings.concurrency,
            claim: settings.claim,
            poll: settings.poll,
            kinds,
        };
        Worker::new(
            self.queue.clone(),
            self.sync.clone(),
            self.sinks.clone(),
            options,
        )
    }

    pub(crate) fn web_state(&self, ingest: bool) -> WebState {
        WebState {
            inbox: Arc::clone(&self.inbox),
            queue: self.queue.clone(),
            sync: self.sync.clone(),
            clock: self.clock.clone(),
            body_limit: self.settings.http.body_limit_bytes,
            ingest,
        }
    }

    /// Closes everything. What was acknowledged is on disk already, and renewals of tokens are waited for: what they
    /// bring exists nowhere else.
    ///
    /// # Errors
    /// When the database does not close.
    pub async fn close(self) -> anyhow::Result<()> {
        self.sync.renewals_ended().await;
        drop(self.inbox);
        self.writer
            .await
            .context("the writer of deliveries did not end well")?;
        drop((self.sync, self.sinks, self.queue));
        self.db.close().await.context("the database did not close")
    }
}

/// Days as time; for ever is a thousand years.
fn kept_for(days: u64) -> Duration {
    let days = if days == 0 { 365_000 } else { days };
    Duration::from_secs(days.saturating_mul(86_400))
}

/// Opens the database as the settings say, without migrating.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_database(settings: &Settings) -> anyhow::Result<Db> {
    let options = DatabaseOptions {
        url: settings.database.url.clone(),
        connections: settings.database.connections,
        allow_undurable: settings.database.allow_undurable,
    };
    Ok(Db::connect(&options).await?)
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.split('?').next()?))
}

fn apis(settings: &Settings) -> anyhow::Result<Apis> {
    let mut apis = Apis::new();
    for marketplace in marketplaces::all() {
        let slug = marketplace.slug();
        let Some(app) = settings.apps.get(slug) else {
            continue;
        };
        let url = |text: &Option<String>, name| {
            let parsed = text.as_deref().map(Url::parse).transpose();
            parsed.with_context(|| format!("{slug}.{name}"))
        };
        let api = Api {
            api: url(&app.api_url, "api_url")?,
            auth: url(&app.auth_url, "auth_url")?,
            consent: url(&app.consent_url, "consent_url")?,
            webhook_url: app.webhook_url.clone(),
            secrets: app_values(app),
        };
        apis.insert(slug, api);
    }
    Ok(apis)
}

fn app_values(app: &AppSettings) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in &app.values {
        secrets.set(name, value.expose());
    }
    secrets
}

/// The keys of marketplaces that sign with the app's key, current first.
fn app_keys(settings: &Settings) -> HashMap<&'static str, WebhookKeys> {
    let public = settings.http.public_url.trim_end_matches('/');
    let keys = |marketplace: &'static dyn Marketplace| {
        let slug = marketplace.slug();
        let app = settings.apps.get(slug);
        let told = app.and_then(|app| app.webhook_url.clone());
        let keys = WebhookKeys {
            keys: marketplace.app_keys(&app.map(app_values).unwrap_or_default()),
            address: told.unwrap_or_else(|| format!("{public}/webhooks/{slug}")),
        };
        (slug, keys)
    };
    let all = marketplaces::all().iter().copied();
    all.filter(|marketplace| marketplace.limits().webhook_address.is_per_app())
        .map(keys)
        .collect()
}

/// Which process this is, for people who read attempts.
pub(crate) fn worker_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned());
    format!("{host}:{}", std::process::id())
}
