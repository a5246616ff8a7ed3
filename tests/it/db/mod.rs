//! What the database promises when it cannot keep what it is given.

mod steps;

use entity::quarantine;
use marketsink::db::{DatabaseOptions, Db, migrate};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
};

const LARGE: usize = 200_000;

async fn open(url: &str) -> Db {
    let options = DatabaseOptions {
        url: url.to_owned(),
        connections: 1,
        allow_undurable: false,
    };
    Db::connect(&options).await.unwrap()
}

async fn write(db: &Db, bytes: usize) -> Result<(), DbErr> {
    let tx = db.write_tx().await?;
    let row = quarantine::ActiveModel {
        marketplace: Set("m".to_owned()),
        reason: Set("r".to_owned()),
        headers: Set(String::new()),
        body: Set(vec![7; bytes]),
        body_bytes: Set(0),
        received_at: Set(0),
        ..Default::default()
    };
    row.insert(&tx).await?;
    tx.commit().await
}

async fn rows_on_disk(url: &str) -> u64 {
    // Another connection sees what a process that dies now would leave behind.
    let other = open(url).await;
    quarantine::Entity::find()
        .count(other.read())
        .await
        .unwrap()
}

/// SQLite refuses to let the file grow, as on a full disk; a new connection may again.
async fn fill_the_disk(db: &Db) {
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared("pragma max_page_count = 1")
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_committed_after_the_disk_was_full_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("full.db").display());
    let db = open(&url).await;
    migrate(&db).await.unwrap();
    let mut acknowledged = 0;
    fill_the_disk(&db).await;

    let refused = write(&db, LARGE).await;
    for bytes in [10, LARGE, 10] {
        acknowledged += u64::from(write(&db, bytes).await.is_ok());
    }

    assert!(refused.is_err(), "the disk was full");
    assert_eq!(rows_on_disk(&url).await, acknowledged);
}

#[tokio::test]
async fn a_transaction_that_sqlite_took_back_by_itself_leaves_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("back.db").display());
    let db = open(&url).await;
    migrate(&db).await.unwrap();

    // A commit that meets a full disk: SQLite rolls back, and the driver does not hear of it. Then one more
    // that fails in another way.
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared("rollback").await.unwrap();
    drop(tx);
    drop(db.write_tx().await.unwrap());
    write(&db, 10).await.unwrap();

    assert_eq!(rows_on_disk(&url).await, 1);
}
