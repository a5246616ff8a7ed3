//! Asking for work: unique while waiting, merged, debounced.

use super::{add, at, claim, claim_one, fetch, finish, new_job, queue, rescan, rows, states};
use crate::support::databases;
use marketsink::{
    db::Db,
    domain::{ScanKind, Source, Work},
    queue::{NewJob, Outcome, cancel_waiting, enqueue, hurry},
};

databases!(
    a_job_is_unique_while_waiting,
    duplicates_in_one_call_become_one_job,
    the_earlier_time_holds_when_jobs_merge,
    a_later_request_does_not_delay_a_waiting_job,
    jobs_of_a_rolled_back_transaction_do_not_exist,
    an_event_during_a_run_makes_a_new_job_that_runs_after_it,
    a_storm_of_edits_becomes_one_job_after_the_quiet_time,
    a_debounced_job_waits_no_longer_than_its_maximum,
    more_rows_than_a_statement_binds_are_enqueued,
    the_waiting_jobs_of_a_channel_can_be_hurried,
    the_waiting_jobs_of_a_channel_can_be_cancelled,
);

async fn a_job_is_unique_while_waiting(db: Db) {
    add(&db, &[fetch("1"), fetch("2")], at(0)).await;

    add(&db, &[fetch("1")], at(1)).await;

    let keys: Vec<_> = rows(&db).await.into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["42:1", "42:2"]);
}

async fn duplicates_in_one_call_become_one_job(db: Db) {
    let later = NewJob {
        run_at: Some(at(50)),
        ..new_job(fetch("1"))
    };
    let sooner = NewJob {
        run_at: Some(at(20)),
        source: Source::Scan,
        ..new_job(fetch("1"))
    };
    let tx = db.write_tx().await.unwrap();

    let written = enqueue(&tx, &[later, sooner], at(0)).await.unwrap();
    tx.commit().await.unwrap();

    let rows = rows(&db).await;
    assert_eq!((written, rows.len()), (1, 1));
    assert_eq!(rows[0].run_at, at(20).micros());
    assert_eq!(rows[0].source, "webhook");
}

async fn the_earlier_time_holds_when_jobs_merge(db: Db) {
    let later = NewJob {
        run_at: Some(at(50)),
        ..new_job(fetch("1"))
    };
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &[later], at(0)).await.unwrap();
    tx.commit().await.unwrap();

    let written = add(&db, &[fetch("1")], at(10)).await;

    let row = &rows(&db).await[0];
    assert_eq!(written, 1);
    assert_eq!(row.run_at, at(10).micros());
    assert_eq!(row.waiting_since, at(0).micros());
}

async fn a_later_request_does_not_delay_a_waiting_job(db: Db) {
    add(&db, &[fetch("1")], at(0)).await;

    let written = add(&db, &[fetch("1")], at(10)).await;

    assert_eq!(written, 0);
    assert_eq!(rows(&db).await[0].run_at, at(0).micros());
}

async fn jobs_of_a_rolled_back_transaction_do_not_exist(db: Db) {
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &[new_job(fetch("1"))], at(0)).await.unwrap();

    tx.rollback().await.unwrap();

    assert!(rows(&db).await.is_empty());
}

async fn an_event_during_a_run_makes_a_new_job_that_runs_after_it(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let first = claim_one(&queue, at(0)).await;

    add(&db, &[fetch("1"), fetch("1")], at(1)).await;
    add(&db, &[fetch("1")], at(2)).await;

    assert_eq!(states(&db).await, ["running", "available"]);
    assert!(claim(&queue, at(3)).await.is_empty(), "one key, one run");
    finish(&queue, &first, Outcome::Done, at(4)).await;
    let second = claim_one(&queue, at(5)).await;
    assert_ne!(second.id, first.id);
    assert_eq!(second.attempt, 1);
}

async fn a_storm_of_edits_becomes_one_job_after_the_quiet_time(db: Db) {
    for second in 0..5 {
        add(&db, &[rescan("9"), rescan("9")], at(second)).await;
    }

    let rows = rows(&db).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].run_at, at(4 + 2).micros());
    assert!(claim(&queue(&db), at(5)).await.is_empty());
    assert_eq!(claim(&queue(&db), at(6)).await.len(), 1);
}

async fn a_debounced_job_waits_no_longer_than_its_maximum(db: Db) {
    for second in 0..60 {
        add(&db, &[rescan("9")], at(second)).await;
    }

    let rows = rows(&db).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].run_at, at(20).micros());
}

async fn more_rows_than_a_statement_binds_are_enqueued(db: Db) {
    let works: Vec<Work> = (0..2_500).map(|n| fetch(&n.to_string())).collect();
    let scan = Work::RunScan {
        method: marketsink::domain::ScanMethod::Async,
        scan: ScanKind::Full,
    };

    let written = add(&db, &[works, vec![scan]].concat(), at(0)).await;

    assert_eq!(written, 2_501);
    assert_eq!(rows(&db).await.len(), 2_501);
}

async fn the_waiting_jobs_of_a_channel_can_be_hurried(db: Db) {
    let later = |work| NewJob {
        run_at: Some(at(900)),
        ..new_job(work)
    };
    let jobs = [later(fetch("1")), later(fetch("2"))];
    let channel = jobs[0].channel;
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &jobs, at(0)).await.unwrap();

    let moved = hurry(&tx, channel, at(5)).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(moved, 2);
    assert_eq!(claim(&queue(&db), at(5)).await.len(), 2);
}

async fn the_waiting_jobs_of_a_channel_can_be_cancelled(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let running = claim_one(&queue, at(0)).await;
    let elsewhere = NewJob {
        channel: marketsink::domain::ChannelId(43),
        ..new_job(fetch("1"))
    };
    let tx = db.write_tx().await.unwrap();
    let waiting = [new_job(fetch("1")), new_job(fetch("2")), elsewhere];
    enqueue(&tx, &waiting, at(0)).await.unwrap();

    let n = cancel_waiting(&tx, &[running.channel], "removed", at(1)).await;
    tx.commit().await.unwrap();

    assert_eq!(n.unwrap(), 2);
    assert_eq!(
        states(&db).await,
        ["running", "cancelled", "cancelled", "available"]
    );
    let rows = rows(&db).await;
    assert_eq!(rows[1].last_error.as_deref(), Some("removed"));
    assert_eq!(rows[1].finished_at, Some(at(1).micros()));
    assert_eq!(claim_one(&queue, at(1)).await.channel.0, 43);
}
