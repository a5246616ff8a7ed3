//! Opening SQLite and PostgreSQL with the settings that make a commit durable, and checking that they hold.

use super::Db;
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, FromQueryResult,
    Statement,
    sqlx::{
        Connection,
        sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};
use std::time::Duration;
use thiserror::Error;

/// How long a SQLite connection waits for the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Any number that other programs on the same PostgreSQL are unlikely to lock.
const MIGRATION_LOCK: i64 = 0x6d61_726b_6574;

#[derive(Debug, Error)]
pub enum DbError {
    #[error(
        "database url `{0}` is not understood; use `sqlite:PATH` or `postgres://USER@HOST/NAME`"
    )]
    Url(String),
    #[error("cannot open the database: {0}")]
    Open(#[source] DbErr),
    #[error("cannot bring the database schema up to date: {0}")]
    Migrate(#[source] DbErr),
    #[error(
        "the database would acknowledge what it may lose ({0}); turn that off, or set \
         database.allow_undurable = true if this is only a trial"
    )]
    Undurable(String),
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// `sqlite:PATH`, or `postgres://...`.
    pub url: String,
    /// Connections: all of them on PostgreSQL, readers on SQLite (which has one writer besides).
    pub connections: u32,
    /// Start although the server would acknowledge what a power loss takes away.
    pub allow_undurable: bool,
}

pub(super) async fn open(options: &DatabaseOptions) -> Result<Db, DbError> {
    if options.url.starts_with("sqlite:") {
        open_sqlite(options).await
    } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
        open_postgres(options).await
    } else {
        let scheme = options.url.split(':').next().unwrap_or_default();
        Err(DbError::Url(format!("{scheme}:…")))
    }
}

async fn open_sqlite(options: &DatabaseOptions) -> Result<Db, DbError> {
    let path = options.url.trim_start_matches("sqlite:");
    let url = format!("sqlite:{}?mode=rwc", path.split('?').next().unwrap_or(path));
    let connect = |connections: u32, read_only: bool| {
        let mut connect = ConnectOptions::new(url.clone());
        connect
            .max_connections(connections)
            .min_connections(1)
            .sqlx_logging(false)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(false)
            .map_sqlx_sqlite_before_acquire(|connection, _| {
                Box::pin(std::future::ready(Ok(is_clean(connection))))
            })
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(BUSY_TIMEOUT)
                    .pragma("journal_size_limit", "67108864")
                    .pragma("query_only", if read_only { "on" } else { "off" })
            });
        Database::connect(connect)
    };
    // The writer first: it creates the file and sets its journal mode.
    let write = connect(1, false).await.map_err(DbError::Open)?;
    let read = connect(options.connections.max(1), true)
        .await
        .map_err(DbError::Open)?;
    let faults = undurable_settings(&write).await.map_err(DbError::Open)?;
    refuse_undurable(&faults, options)?;
    Ok(Db {
        write,
        read,
        fuse: None,
        meter: None,
    })
}

/// Whether no transaction is left on a connection; one that has any is closed and replaced.
///
/// When the disk is full SQLite rolls back by itself, the rollback that follows fails, and the driver goes on
/// believing that a transaction is open. The next one would be a savepoint inside it, and its commit would
/// leave everything in memory: acknowledged, and lost.
fn is_clean(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

async fn open_postgres(options: &DatabaseOptions) -> Result<Db, DbError> {
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(options.connections.max(2))
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false);
    let pool = Database::connect(connect).await.map_err(DbError::Open)?;
    let faults = undurable_settings(&pool).await.map_err(DbError::Open)?;
    refuse_undurable(&faults, options)?;
    Ok(Db {
        write: pool.clone(),
        read: pool,
        fuse: None,
        meter: None,
    })
}

fn refuse_undurable(faults: &[String], options: &DatabaseOptions) -> Result<(), DbError> {
    if faults.is_empty() {
        return Ok(());
    }
    let faults = faults.join(", ");
    if !options.allow_undurable {
        return Err(DbError::Undurable(faults));
    }
    tracing::warn!(faults, "the database may lose what it acknowledges");
    Ok(())
}

#[derive(FromQueryResult)]
struct Setting {
    value: String,
}

/// Settings under which a committed transaction could vanish, such as `fsync=off`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn undurable_settings(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    // Settings cannot be asked through the query builder; each line is one setting and what it must be.
    let wanted: &[(&str, &str, &[&str])] = match backend {
        sea_orm::DatabaseBackend::Postgres => &[
            ("fsync", "select current_setting('fsync') as value", &["on"]),
            (
                "full_page_writes",
                "select current_setting('full_page_writes') as value",
                &["on"],
            ),
            (
                "synchronous_commit",
                "select current_setting('synchronous_commit') as value",
                &["on", "remote_write", "remote_apply"],
            ),
        ],
        _ => &[
            (
                "journal_mode",
                "select journal_mode as value from pragma_journal_mode",
                &["wal"],
            ),
            (
                "synchronous",
                "select cast(synchronous as text) as value from pragma_synchronous",
                &["2", "3"],
            ),
        ],
    };
    let mut faults = Vec::new();
    for (name, sql, allowed) in wanted {
        let row = Setting::find_by_statement(Statement::from_string(backend, *sql))
            .one(db)
            .await?;
        let value = row.map(|setting| setting.value).unwrap_or_default();
        if !allowed.contains(&value.as_str()) {
            faults.push(format!("{name}={value}"));
        }
    }
    Ok(faults)
}

/// The steps that [`migrate`] would take now, in order. Writes nothing.
///
/// # Errors
/// When the database cannot be asked.
pub async fn pending_steps(db: &Db) -> Result<Vec<String>, DbError> {
    let pending = Migrator::get_pending_migrations_read_only(&db.read)
        .await
        .map_err(DbError::Migrate)?;
    Ok(pending.iter().map(|step| step.name().to_owned()).collect())
}

/// Brings the schema up to date; safe to run from many processes at once.
///
/// # Errors
/// When a step fails; on PostgreSQL it is rolled back.
pub async fn migrate(db: &Db) -> Result<(), DbError> {
    migrate_locked(db).await.map_err(DbError::Migrate)
}

async fn migrate_locked(db: &Db) -> Result<(), DbErr> {
    if !db.is_postgres() {
        return Migrator::up(&db.write, None).await;
    }
    // Two processes that migrate at once fail on PostgreSQL's own catalogue. The lock belongs to this
    // transaction's connection and ends with it, whatever happens.
    let guard = db.write_tx().await?;
    guard
        .execute_raw(Statement::from_string(
            sea_orm::DatabaseBackend::Postgres,
            format!("select pg_advisory_xact_lock({MIGRATION_LOCK})"),
        ))
        .await?;
    let outcome = Migrator::up(&db.write, None).await;
    guard.rollback().await?;
    outcome
}
