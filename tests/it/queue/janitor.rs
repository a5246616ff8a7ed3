//! Tidying up: abandoned jobs, and jobs that are over.

use super::{MERCHANT, add, at, claim, claim_one, fetch, finish, queue, rows, states, tries};
use crate::support::databases;
use entity::job_attempts;
use marketsink::{
    db::Db,
    domain::{Cause, Retry},
    queue::{Outcome, Swept},
};
use sea_orm::{EntityTrait, PaginatorTrait};

const DAY: u64 = 24 * 3_600;

databases!(
    an_abandoned_job_waits_again_after_its_lease,
    a_job_that_kills_its_worker_every_time_ends,
    an_abandoned_job_whose_twin_waits_is_superseded,
    two_janitors_return_a_job_once,
    what_is_over_is_kept_for_its_time_and_then_deleted,
    a_sweep_of_many_rows_is_complete,
);

async fn an_abandoned_job_waits_again_after_its_lease(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let early = queue.janitor(at(59)).await.unwrap();
    let due = queue.janitor(at(60)).await.unwrap();

    assert_eq!((early.returned, due.returned), (0, 1));
    let error = "worker w1 stopped answering during attempt 1 of 12".to_owned();
    let lost = (1, "lost".to_owned(), Some(error));
    assert_eq!(tries(&queue, job.id).await, [lost]);
    let heir = claim_one(&queue, at(61)).await;
    assert_eq!((heir.id, heir.attempt), (job.id, 2));
    assert_ne!(heir.lease, job.lease);
}

async fn a_job_that_kills_its_worker_every_time_ends(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1"), fetch("2")], at(0)).await;
    let sound = claim(&queue, at(0)).await.pop().unwrap();
    finish(&queue, &sound, Outcome::Done, at(0)).await;

    let mut swept = Vec::new();
    for crash in 1..=12 {
        swept.push(queue.janitor(at(crash * 100)).await.unwrap());
        claim(&queue, at(crash * 100)).await;
    }

    let returned: u64 = swept.iter().map(|sweep| sweep.returned).sum();
    let last = swept.last().unwrap();
    assert_eq!((returned, last.dead), (11, 1));
    assert_eq!(states(&db).await, ["dead", "done"]);
    let job = marketsink::domain::JobId(rows(&db).await[0].id);
    assert_eq!(tries(&queue, job).await.len(), 12);
}

async fn an_abandoned_job_whose_twin_waits_is_superseded(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    claim_one(&queue, at(0)).await;
    add(&db, &[fetch("1")], at(5)).await;

    let swept = queue.janitor(at(61)).await.unwrap();

    assert_eq!((swept.superseded, swept.returned), (1, 0));
    assert_eq!(states(&db).await, ["superseded", "available"]);
}

async fn two_janitors_return_a_job_once(db: Db) {
    let queue = queue(&db);
    let works: Vec<_> = (0..20).map(|n| fetch(&n.to_string())).collect();
    add(&db, &works, at(0)).await;
    claim(&queue, at(0)).await;

    let (one, other) = tokio::join!(queue.janitor(at(61)), queue.janitor(at(61)));

    assert_eq!(one.unwrap().returned + other.unwrap().returned, 20);
    let attempts = job_attempts::Entity::find().count(db.read()).await.unwrap();
    assert_eq!(attempts, 20);
}

async fn what_is_over_is_kept_for_its_time_and_then_deleted(db: Db) {
    let queue = queue(&db);
    add(
        &db,
        &[fetch("done"), fetch("hopeless"), fetch("open")],
        at(0),
    )
    .await;
    for job in claim(&queue, at(0)).await {
        let outcome = match job.work.key(job.channel).as_str() {
            "42:done" => Outcome::Done,
            "42:hopeless" => Outcome::Failed {
                error: "gone".to_owned(),
                retry: Retry::Never,
                cause: Cause::UnknownOrder,
            },
            _ => Outcome::Snoozed {
                until: at(200 * DAY),
                reason: "later".to_owned(),
            },
        };
        finish(&queue, &job, outcome, at(0)).await;
    }

    let week = queue.janitor(at(7 * DAY)).await.unwrap();
    let past_week = queue.janitor(at(7 * DAY + 1)).await.unwrap();
    let quarter = queue.janitor(at(90 * DAY + 1)).await.unwrap();
    let again = queue.janitor(at(90 * DAY + 1)).await.unwrap();

    assert_eq!(
        [week.deleted, past_week.deleted, quarter.deleted],
        [0, 1, 1]
    );
    assert_eq!(again, Swept::default());
    assert_eq!(states(&db).await, ["available"]);
    let kept = job_attempts::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].merchant_id, MERCHANT.0);
}

async fn a_sweep_of_many_rows_is_complete(db: Db) {
    let queue = queue(&db);
    let works: Vec<_> = (0..1_200).map(|n| fetch(&n.to_string())).collect();
    add(&db, &works, at(0)).await;
    let jobs = queue.claim("w1", &[], 5_000, at(0)).await.unwrap();
    let ended: Vec<_> = jobs.into_iter().map(|job| (job, Outcome::Done)).collect();
    queue.finish(&ended, "w1", at(0), 0, at(1)).await.unwrap();

    let swept = queue.janitor(at(8 * DAY)).await.unwrap();

    assert_eq!((ended.len(), swept.deleted), (1_200, 1_200));
    assert!(rows(&db).await.is_empty());
    let attempts = job_attempts::Entity::find().count(db.read()).await.unwrap();
    assert_eq!(attempts, 0);
}
