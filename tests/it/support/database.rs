//! Runs a test body on SQLite, in a file of its own, and on PostgreSQL, in a schema of its own.
//!
//! PostgreSQL is the one that `TEST_DATABASE_URL` names (`postgres://USER@HOST:PORT/NAME`). Without it the
//! PostgreSQL half of a test says that it was left out, and passes.

use marketsink::db::{DatabaseOptions, Db, migrate};
use sea_orm::{ConnectionTrait, Database};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

const VARIABLE: &str = "TEST_DATABASE_URL";

/// Makes two tests of each `async fn name(db: Db)`: `sqlite::name` and `postgres::name`. Once per module.
macro_rules! databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                crate::support::database::on_sqlite(super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                crate::support::database::on_postgres(super::$name);
            })+
        }
    };
}
pub(crate) use databases;

/// The same for `async fn name(url: String)`: scenarios open the database themselves, as the program does.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                crate::support::database::at_sqlite(super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                crate::support::database::at_postgres(super::$name);
            })+
        }
    };
}
pub(crate) use scenarios;

/// Runs scenarios, made by `scenarios!`, on every other marketplace as well: the same script, and at its end the
/// same books. On SQLite only; what PostgreSQL does differently does not depend on the marketplace.
macro_rules! everywhere {
    ($($name:ident),+ $(,)?) => {
        crate::support::database::everywhere!(@ shopee lazada shopify woocommerce standard_webhooks: $($name),+);
    };
    (@ $($slug:ident)+: $($name:ident),+) => {
        mod elsewhere {
            crate::support::database::everywhere!(@@ ($($slug)+) ($($name)+));
        }
    };
    (@@ ($slug:ident $($slugs:ident)*) ($($name:ident)+)) => {
        mod $slug {
            $(#[test]
            fn $name() {
                crate::scenarios::elsewhere(stringify!($slug), || {
                    crate::support::database::at_sqlite(super::super::$name);
                });
            })+
        }
        crate::support::database::everywhere!(@@ ($($slugs)*) ($($name)+));
    };
    (@@ () ($($name:ident)+)) => {};
}
pub(crate) use everywhere;

pub fn on_sqlite<F: Future<Output = ()>>(body: impl FnOnce(Db) -> F) {
    at_sqlite(|url| async { body(fresh(url).await).await });
}

pub fn on_postgres<F: Future<Output = ()>>(body: impl FnOnce(Db) -> F) {
    at_postgres(|url| async { body(fresh(url).await).await });
}

pub fn at_sqlite<F: Future<Output = ()>>(body: impl FnOnce(String) -> F) {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    runtime().block_on(async { body(url).await });
}

pub fn at_postgres<F: Future<Output = ()>>(body: impl FnOnce(String) -> F) {
    let Ok(url) = std::env::var(VARIABLE) else {
        eprintln!("left out: {VARIABLE} is not set");
        return;
    };
    let schema = format!("test_{}", uuid::Uuid::now_v7().simple());
    administer(&url, &format!("create schema {schema}"));
    let joint = if url.contains('?') { '&' } else { '?' };
    let own_url = format!("{url}{joint}options=-csearch_path%3D{schema}");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime().block_on(async { body(own_url).await });
    }));
    administer(&url, &format!("drop schema {schema} cascade"));
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Several threads, because a test of concurrency on one would prove little.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test")
}

async fn fresh(url: String) -> Db {
    let options = DatabaseOptions {
        url,
        connections: 8,
        // A server for tests may be set up to be fast instead of durable.
        allow_undurable: true,
    };
    let db = Db::connect(&options).await.expect("the database opens");
    migrate(&db).await.expect("the schema is made");
    db
}

fn administer(url: &str, statement: &str) {
    runtime().block_on(async {
        let mut options = sea_orm::ConnectOptions::new(url);
        options
            .max_connections(1)
            .sqlx_logging(false)
            .connect_timeout(Duration::from_secs(10));
        let connection = Database::connect(options)
            .await
            .expect("PostgreSQL answers");
        connection
            .execute_unprepared(statement)
            .await
            .expect("the schema is made or dropped");
        connection.close().await.expect("the connection closes");
    });
}
