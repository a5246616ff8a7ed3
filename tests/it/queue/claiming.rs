//! Taking work: order, limits, one worker per key, leases.

use super::{
    CHANNEL, LEASE, MERCHANT, add, at, claim, claim_one, fetch, finish, held, new_job, queue,
    rescan, rows, states, tries,
};
use crate::support::databases;
use entity::jobs;
use futures::FutureExt;
use marketsink::{
    db::Db,
    domain::{JobKind, ListingId, ScanKind, Work},
    queue::{Ended, NewJob, Outcome, Queue, enqueue},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::Mutex;

databases!(
    nothing_is_claimed_from_an_empty_queue,
    the_most_urgent_and_then_the_oldest_run_first,
    a_claim_takes_no_more_than_its_limit,
    a_claim_takes_only_the_kinds_it_asks_for,
    a_claim_tells_what_to_do_and_for_whom,
    a_job_waits_for_its_time,
    two_workers_never_run_one_key,
    eight_claimers_share_two_hundred_jobs_without_overlap,
    a_heartbeat_keeps_the_lease,
    a_heartbeat_with_another_lease_keeps_nothing,
    arguments_that_cannot_be_read_end_the_job_with_a_reason,
    kinds_of_a_newer_build_are_left_alone,
    wake_ends_a_wait,
);

async fn nothing_is_claimed_from_an_empty_queue(db: Db) {
    assert!(claim(&queue(&db), at(0)).await.is_empty());
}

async fn the_most_urgent_and_then_the_oldest_run_first(db: Db) {
    let scan = Work::RunScan {
        method: marketsink::domain::ScanMethod::Async,
        scan: ScanKind::Full,
    };
    let push = Work::PushStock {
        listing: ListingId(1),
    };
    add(&db, std::slice::from_ref(&scan), at(0)).await;
    add(&db, std::slice::from_ref(&push), at(1)).await;
    add(&db, &[fetch("late")], at(3)).await;
    add(&db, &[fetch("early")], at(2)).await;
    add(&db, &[Work::REFRESH_TOKEN], at(4)).await;

    let claimed = claim(&queue(&db), at(5)).await;

    let works: Vec<_> = claimed.into_iter().map(|job| job.work).collect();
    let expected = [
        Work::REFRESH_TOKEN,
        fetch("early"),
        fetch("late"),
        push,
        scan,
    ];
    assert_eq!(works, expected);
}

async fn a_claim_takes_no_more_than_its_limit(db: Db) {
    let queue = queue(&db);
    let works: Vec<_> = (0..10).map(|n| fetch(&n.to_string())).collect();
    add(&db, &works, at(0)).await;

    let first = queue.claim("w1", &[], 3, at(1)).await.unwrap();
    let none = queue.claim("w1", &[], 0, at(1)).await.unwrap();
    let rest = queue.claim("w1", &[], 100, at(1)).await.unwrap();

    assert_eq!((first.len(), none.len(), rest.len()), (3, 0, 7));
}

async fn a_claim_takes_only_the_kinds_it_asks_for(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1"), Work::REFRESH_TOKEN], at(0)).await;

    let claimed = queue
        .claim("w1", &[JobKind::FetchOrder], 10, at(1))
        .await
        .unwrap();

    let kinds: Vec<_> = claimed.iter().map(|job| job.work.kind()).collect();
    assert_eq!(kinds, [JobKind::FetchOrder]);
}

async fn a_claim_tells_what_to_do_and_for_whom(db: Db) {
    add(&db, &[fetch("576900000000000321")], at(0)).await;

    let job = claim_one(&queue(&db), at(1)).await;

    assert_eq!(job.merchant, MERCHANT);
    assert_eq!(job.channel, CHANNEL);
    assert_eq!(job.work, fetch("576900000000000321"));
    assert_eq!((job.attempt, job.max_attempts), (1, 12));
    let row = &rows(&db).await[0];
    assert_eq!(row.lease_until, Some((at(1) + LEASE).micros()));
    assert_eq!(row.lease_token.as_ref(), Some(&job.lease));
}

async fn a_job_waits_for_its_time(db: Db) {
    let queue = queue(&db);
    let later = NewJob {
        run_at: Some(at(30)),
        ..new_job(fetch("1"))
    };
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &[later], at(0)).await.unwrap();
    tx.commit().await.unwrap();

    assert!(claim(&queue, at(29)).await.is_empty());
    assert_eq!(claim(&queue, at(30)).await.len(), 1);
}

async fn two_workers_never_run_one_key(db: Db) {
    let queue = queue(&db);
    let running = Arc::new(Mutex::new(HashSet::new()));
    let runs = Arc::new(Mutex::new(0_u32));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (queue, running, runs) = (queue.clone(), running.clone(), runs.clone());
            tokio::spawn(async move {
                let name = format!("w{worker}");
                for _ in 0..25 {
                    // Every worker asks for the same key, and takes what it gets.
                    add(queue.db(), &[fetch("1")], at(0)).await;
                    for job in queue.claim(&name, &[], 10, at(1)).await.unwrap() {
                        let key = job.work.key(job.channel);
                        assert!(running.lock().await.insert(key.clone()), "{key} runs twice");
                        tokio::task::yield_now().await;
                        assert!(running.lock().await.remove(&key));
                        *runs.lock().await += 1;
                        finish(&queue, &job, Outcome::Done, at(1)).await;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }

    assert!(*runs.lock().await >= 1);
    let open = rows(&db)
        .await
        .into_iter()
        .filter(|row| row.state == "running");
    assert_eq!(open.count(), 0);
}

async fn eight_claimers_share_two_hundred_jobs_without_overlap(db: Db) {
    let queue = queue(&db);
    let works: Vec<_> = (0..200).map(|n| fetch(&n.to_string())).collect();
    add(&db, &works, at(0)).await;

    let claimers: Vec<_> = (0..8)
        .map(|worker| tokio::spawn(claim_until_empty(queue.clone(), format!("w{worker}"))))
        .collect();
    let mut claimed = Vec::new();
    for claimer in claimers {
        claimed.extend(claimer.await.unwrap());
    }

    let distinct: HashSet<_> = claimed.iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (200, 200));
    assert!(states(&db).await.iter().all(|state| state == "running"));
}

/// Stops after it found nothing three times: others may hold what it could not see.
async fn claim_until_empty(queue: Queue, worker: String) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut empty = 0;
    while empty < 3 {
        let jobs = queue.claim(&worker, &[], 7, at(1)).await.unwrap();
        empty = if jobs.is_empty() { empty + 1 } else { 0 };
        assert!(jobs.len() <= 7);
        ids.extend(jobs.iter().map(|job| job.id.0));
        tokio::task::yield_now().await;
    }
    ids
}

async fn a_heartbeat_keeps_the_lease(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let kept = queue.heartbeat(&held(&job), at(50)).await.unwrap();
    let swept = queue.janitor(at(70)).await.unwrap();

    assert_eq!(kept, [job.id]);
    assert_eq!(swept.returned, 0);
    assert_eq!(
        finish(&queue, &job, Outcome::Done, at(71)).await,
        Ended::Done
    );
}

async fn a_heartbeat_with_another_lease_keeps_nothing(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let kept = queue
        .heartbeat(&[(job.id, "stolen".to_owned())], at(50))
        .await
        .unwrap();

    assert!(kept.is_empty());
    assert_eq!(queue.janitor(at(61)).await.unwrap().returned, 1);
}

async fn arguments_that_cannot_be_read_end_the_job_with_a_reason(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1"), fetch("2"), rescan("3")], at(0)).await;
    spoil(&db, "42:1", jobs::Column::Args, r#"{"ordr":1}"#).await;
    spoil(&db, "42:3", jobs::Column::Args, &fetch("3").args()).await;

    let claimed = claim(&queue, at(10)).await;

    let works: Vec<_> = claimed.iter().map(|job| job.work.clone()).collect();
    assert_eq!(works, [fetch("2")]);
    let rows = rows(&db).await;
    let dead: Vec<_> = rows.iter().filter(|row| row.state == "dead").collect();
    assert_eq!(dead.len(), 2);
    for row in dead {
        let error = row.last_error.as_deref().unwrap();
        assert!(error.contains("arguments"), "{error}");
        assert!(row.lease_token.is_none());
    }
    let poisoned = marketsink::domain::JobId(rows[0].id);
    let written = tries(&queue, poisoned).await;
    assert_eq!((written[0].0, written[0].1.as_str()), (1, "failed"));
}

async fn kinds_of_a_newer_build_are_left_alone(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    spoil(&db, "42:1", jobs::Column::Kind, "walk_the_dog").await;

    assert!(claim(&queue, at(1)).await.is_empty());

    assert_eq!(states(&db).await, ["available"]);
    assert_eq!(queue.waiting(at(1)).await.unwrap().due, 1);
}

async fn spoil(db: &Db, key: &str, column: jobs::Column, value: &str) {
    let tx = db.write_tx().await.unwrap();
    jobs::Entity::update_many()
        .col_expr(column, Expr::val(value))
        .filter(jobs::Column::Key.eq(key))
        .exec(&tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn wake_ends_a_wait(db: Db) {
    let (queue, worker) = (queue(&db), queue(&db));
    let clone = queue.clone();
    queue.wake();

    let rung = clone.wait(Duration::from_secs(3_600)).now_or_never();
    let stranger = worker.wait(Duration::from_secs(3_600)).now_or_never();

    assert_eq!((rung, stranger), (Some(()), None));
}
