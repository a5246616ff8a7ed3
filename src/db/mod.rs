//! The database: connecting, the durability it is asked for, and the one way to write.
//!
//! Promises: a commit that returned is on disk (SQLite WAL with `synchronous=FULL`, PostgreSQL with
//! `synchronous_commit=on`), and a write transaction never fails for having read first.
//!
//! On SQLite all writes go through one connection that begins with `BEGIN IMMEDIATE`; readers have their
//! own connections and cannot write. On PostgreSQL both are one pool.

mod connect;
mod fuse;
mod meter;
mod prune;

pub use connect::{DatabaseOptions, DbError, migrate, pending_steps, undurable_settings};
pub use fuse::Fuse;
pub use meter::{Meter, Reading};
pub use prune::{Old, Pruned, Span, old_rows, prune_rows};

use sea_orm::{
    DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

/// A write transaction. Dropped without `commit` it is rolled back.
pub type Tx = DatabaseTransaction;

/// Both ends of the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    write: DatabaseConnection,
    read: DatabaseConnection,
    fuse: Option<Fuse>,
    meter: Option<Meter>,
}

impl Db {
    /// Opens the database. Does not migrate.
    ///
    /// # Errors
    /// When it cannot be reached, or does not promise durability.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, DbError> {
        connect::open(options).await
    }

    /// The same database behind a fuse: for tests of what a crash between two commits leaves.
    #[must_use]
    pub fn with_fuse(self, fuse: Fuse) -> Self {
        Self {
            fuse: Some(fuse),
            ..self
        }
    }

    /// The same database with a meter on both ends: for tests and benchmarks.
    #[must_use]
    pub fn with_meter(mut self, meter: Meter) -> Self {
        for end in [&mut self.write, &mut self.read] {
            let meter = meter.clone();
            end.set_metric_callback(move |query| meter.count_statement(query.statement));
        }
        Self {
            meter: Some(meter),
            ..self
        }
    }

    /// Begins a write transaction: the only way to write.
    ///
    /// # Errors
    /// When the database is unreachable or busy beyond its timeout.
    pub async fn write_tx(&self) -> Result<Tx, DbErr> {
        if let Some(fuse) = &self.fuse {
            fuse.burn()?;
        }
        if let Some(meter) = &self.meter {
            meter.count_transaction();
        }
        // A deferred transaction that reads before it writes fails with "database is locked"
        // whatever the busy timeout; PostgreSQL ignores the mode.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.write.begin_with_options(options).await
    }

    /// Where to read. On SQLite it refuses to write.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    pub fn is_postgres(&self) -> bool {
        self.write.get_database_backend() == DatabaseBackend::Postgres
    }

    /// Whether a statement runs now, on the connection that writes.
    ///
    /// # Errors
    /// The reason why not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.write.ping().await
    }

    /// Closes both ends; what was committed is on disk already.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.clone().close().await?;
        self.write.close().await
    }
}
