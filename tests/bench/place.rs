//! Where a benchmark works: a database of its own, gone afterwards, and the app over it.
//!
//! The database is a new SQLite file below `BENCH_DIR` (the system's directory for temporary files, when
//! that is not set), or a new schema of the PostgreSQL that `BENCH_DATABASE_URL` names. Both must be
//! durable: nothing here allows anything else.

use anyhow::Context;
use marketsink::{
    accounts,
    app::App,
    clock::Clock,
    config::{Secret, Settings},
    db::{DatabaseOptions, Db, Meter},
    domain::{MerchantId, OutletId, Timestamp},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use tempfile::TempDir;

/// Request rates are those of a simulated marketplace: this many times what the real one allows.
const HASTE: f64 = 1_000.0;

/// A database of its own.
pub struct Place {
    url: String,
    kind: Kind,
}

enum Kind {
    /// Deleted when it is dropped.
    Sqlite(TempDir),
    Postgres {
        url: String,
        schema: String,
    },
}

/// An app over a metered database, with one merchant and one outlet; nothing of it is started.
pub struct Opened {
    pub app: App,
    pub meter: Meter,
    pub merchant: MerchantId,
    pub outlet: OutletId,
}

impl Place {
    pub async fn new() -> anyhow::Result<Self> {
        let Ok(url) = std::env::var("BENCH_DATABASE_URL") else {
            let dir = match std::env::var("BENCH_DIR") {
                Ok(parent) => TempDir::new_in(parent)?,
                Err(_) => TempDir::new()?,
            };
            let url = format!("sqlite:{}", dir.path().join("bench.db").display());
            let kind = Kind::Sqlite(dir);
            return Ok(Self { url, kind });
        };
        let schema = format!("bench_{}", uuid::Uuid::now_v7().simple());
        administer(&url, &format!("create schema {schema}")).await?;
        let joint = if url.contains('?') { '&' } else { '?' };
        Ok(Self {
            url: format!("{url}{joint}options=-csearch_path%3D{schema}"),
            kind: Kind::Postgres { url, schema },
        })
    }

    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite(_) => "SQLite, WAL, synchronous=FULL",
            Kind::Postgres { .. } => "PostgreSQL, synchronous_commit=on",
        }
    }

    /// Opens the app as a deployment has it, but for what `adjust` changes.
    pub async fn open(
        &self,
        clock: Clock,
        adjust: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Opened> {
        let mut settings = Settings::default();
        settings.database.url.clone_from(&self.url);
        "127.0.0.1:0".clone_into(&mut settings.http.listen);
        settings.secrets.key = Some(Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
        adjust(&mut settings);
        let options = DatabaseOptions {
            url: self.url.clone(),
            connections: settings.database.connections,
            allow_undurable: false,
        };
        let meter = Meter::default();
        let db = Db::connect(&options).await?.with_meter(meter.clone());
        let now = clock.now();
        let app = App::build_on(db, settings, clock, HASTE).await?;
        let (merchant, outlet) = found(&app, now).await?;
        Ok(Opened {
            app,
            meter,
            merchant,
            outlet,
        })
    }

    pub async fn close(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Sqlite(dir) => dir.close().context("the directory is not deleted"),
            Kind::Postgres { url, schema } => {
                administer(&url, &format!("drop schema {schema} cascade")).await
            }
        }
    }
}

async fn found(app: &App, now: Timestamp) -> anyhow::Result<(MerchantId, OutletId)> {
    let tx = app.db.write_tx().await?;
    let merchant = accounts::open_merchant(&tx, "default", "Asia/Jakarta", now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, "Main", now).await?;
    tx.commit().await?;
    Ok((merchant, outlet))
}

async fn administer(url: &str, statement: &str) -> anyhow::Result<()> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    connection.execute_unprepared(statement).await?;
    Ok(connection.close().await?)
}
