//! The schema can be taken back, and made again.

use super::{add, at, claim_one, fetch, queue};
use crate::support::databases;
use marketsink::db::{Db, migrate};
use migration::{Migrator, MigratorTrait};

databases!(a_schema_that_was_taken_back_works_after_it_is_made_again);

async fn a_schema_that_was_taken_back_works_after_it_is_made_again(db: Db) {
    add(&db, &[fetch("1")], at(0)).await;

    let tx = db.write_tx().await.unwrap();
    Migrator::down(&tx, None).await.unwrap();
    tx.commit().await.unwrap();
    let taken_back = add_fails(&db).await;
    migrate(&db).await.unwrap();

    assert!(taken_back);
    add(&db, &[fetch("2")], at(1)).await;
    assert_eq!(claim_one(&queue(&db), at(1)).await.work, fetch("2"));
}

async fn add_fails(db: &Db) -> bool {
    let tx = db.write_tx().await.unwrap();
    let job = super::new_job(fetch("1"));
    let answer = marketsink::queue::enqueue(&tx, &[job], at(0)).await;
    tx.rollback().await.unwrap();
    answer.is_err()
}
