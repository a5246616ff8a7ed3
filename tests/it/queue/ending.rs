//! Ending runs: retries, twins, snoozes, fencing, revival.

use super::{
    MERCHANT, add, at, claim, claim_one, fetch, finish, held, new_job, queue, rows, states, tries,
};
use crate::support::databases;
use marketsink::{
    db::Db,
    domain::{Cause, ChannelId, JobKind, MerchantId, Retry, Work, backoff},
    queue::{Counts, Ended, JobFilter, JobState, Outcome, Queue, Revived, enqueue},
};
use std::time::Duration;

databases!(
    a_job_that_is_done_stays_done,
    a_failed_job_waits_its_backoff_and_its_attempts_are_kept,
    a_failure_that_cannot_be_helped_ends_the_job_at_once,
    a_job_is_dead_after_its_last_attempt,
    a_snooze_costs_no_attempt,
    a_time_named_by_the_other_side_costs_no_attempt,
    a_retry_that_meets_its_newer_twin_is_superseded,
    a_retry_that_meets_a_twin_not_yet_committed_is_superseded,
    many_endings_are_one_transaction_and_answered_in_order,
    who_lost_the_lease_changes_nothing,
    jobs_given_back_at_shutdown_are_due_at_once_and_lose_no_attempt,
    a_dead_job_can_be_revived_by_its_merchant_only,
    a_revived_job_whose_twin_waits_is_superseded,
    counts_say_what_waits,
    a_list_shows_one_merchants_jobs_newest_first,
);

fn failed(retry: Retry) -> Outcome {
    Outcome::Failed {
        error: "the shop answered 503".to_owned(),
        retry,
        cause: Cause::ServerError,
    }
}

async fn a_job_that_is_done_stays_done(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let first = finish(&queue, &job, Outcome::Done, at(1)).await;
    let second = finish(&queue, &job, failed(Retry::Backoff), at(2)).await;

    assert_eq!((first, second), (Ended::Done, Ended::LostLease));
    assert_eq!(states(&db).await, ["done"]);
    assert_eq!(tries(&queue, job.id).await, [(1, "done".to_owned(), None)]);
}

async fn a_failed_job_waits_its_backoff_and_its_attempts_are_kept(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let mut now = at(0);

    for attempt in 1..=4 {
        let job = claim_one(&queue, now).await;
        assert_eq!(job.attempt, i64::from(attempt));
        let Ended::Retrying { at } = finish(&queue, &job, failed(Retry::Backoff), now).await else {
            panic!("attempt {attempt} is not retried");
        };
        let wait = at.since(now);
        assert!(wait <= backoff(attempt, 0) && wait >= backoff(attempt, 255));
        assert!(
            claim(&queue, at - Duration::from_micros(1))
                .await
                .is_empty()
        );
        now = at;
    }

    let job = claim_one(&queue, now).await;
    finish(&queue, &job, Outcome::Done, now).await;
    let failure = |n| {
        (
            n,
            "failed".to_owned(),
            Some("the shop answered 503".to_owned()),
        )
    };
    let expected = [
        failure(1),
        failure(2),
        failure(3),
        failure(4),
        (5, "done".to_owned(), None),
    ];
    assert_eq!(tries(&queue, job.id).await, expected);
}

async fn a_failure_that_cannot_be_helped_ends_the_job_at_once(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let ended = finish(&queue, &job, failed(Retry::Never), at(1)).await;

    assert_eq!(ended, Ended::Dead);
    let row = &rows(&db).await[0];
    assert_eq!(row.state, "dead");
    assert_eq!(row.last_error, Some("the shop answered 503".to_owned()));
    assert_eq!(row.finished_at, Some(at(1).micros()));
}

async fn a_job_is_dead_after_its_last_attempt(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let mut now = at(0);

    let mut ended = Ended::LostLease;
    for _ in 1..=12 {
        let job = claim_one(&queue, now).await;
        ended = finish(&queue, &job, failed(Retry::Backoff), now).await;
        now = now + Duration::from_secs(3_600);
    }

    assert_eq!(ended, Ended::Dead);
    assert_eq!(states(&db).await, ["dead"]);
    assert!(claim(&queue, now).await.is_empty());
}

async fn a_snooze_costs_no_attempt(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;

    for turn in 0..20 {
        let job = claim_one(&queue, at(turn * 10)).await;
        assert_eq!(job.attempt, 1);
        let snoozed = Outcome::Snoozed {
            until: at(turn * 10 + 10),
            reason: "the channel is locked".to_owned(),
        };
        let ended = finish(&queue, &job, snoozed, at(turn * 10)).await;
        let until = at(turn * 10 + 10);
        assert_eq!(ended, Ended::Snoozed { until });
    }

    let row = &rows(&db).await[0];
    assert_eq!((row.state.as_str(), row.attempts), ("available", 0));
    assert_eq!(row.last_error, Some("the channel is locked".to_owned()));
}

async fn a_time_named_by_the_other_side_costs_no_attempt(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let job = claim_one(&queue, at(0)).await;

    let after = failed(Retry::After(Duration::from_secs(30)));
    let ended = finish(&queue, &job, after, at(1)).await;

    assert_eq!(ended, Ended::Snoozed { until: at(31) });
    assert!(claim(&queue, at(30)).await.is_empty());
    assert_eq!(claim_one(&queue, at(31)).await.attempt, 1);
    let expected = (
        1,
        "snoozed".to_owned(),
        Some("the shop answered 503".to_owned()),
    );
    assert_eq!(tries(&queue, job.id).await, [expected]);
}

async fn a_retry_that_meets_its_newer_twin_is_superseded(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let old = claim_one(&queue, at(0)).await;
    add(&db, &[fetch("1")], at(1)).await;

    let ended = finish(&queue, &old, failed(Retry::Backoff), at(2)).await;

    assert_eq!(ended, Ended::Superseded);
    assert_eq!(states(&db).await, ["superseded", "available"]);
    let twin = claim_one(&queue, at(2)).await;
    assert_eq!((twin.attempt, twin.id == old.id), (1, false));
    let expected = (
        1,
        "superseded".to_owned(),
        Some("the shop answered 503".to_owned()),
    );
    assert_eq!(tries(&queue, old.id).await, [expected]);
}

async fn a_retry_that_meets_a_twin_not_yet_committed_is_superseded(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1"), fetch("2")], at(0)).await;
    let jobs = claim(&queue, at(0)).await;
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &[new_job(fetch("1"))], at(1)).await.unwrap();

    let finishing = tokio::spawn(async move {
        let ended: Vec<_> = jobs
            .into_iter()
            .map(|job| (job, failed(Retry::Backoff)))
            .collect();
        queue.finish(&ended, "w1", at(0), 0, at(2)).await.unwrap()
    });
    tokio::task::yield_now().await;
    tx.commit().await.unwrap();

    let ended = finishing.await.unwrap();
    assert_eq!(ended[0], Ended::Superseded);
    assert!(matches!(ended[1], Ended::Retrying { .. }));
    assert_eq!(states(&db).await, ["superseded", "available", "available"]);
}

async fn many_endings_are_one_transaction_and_answered_in_order(db: Db) {
    let queue = queue(&db);
    let works: Vec<_> = ["1", "2", "3", "4"].map(fetch).into();
    add(&db, &works, at(0)).await;
    let jobs = claim(&queue, at(0)).await;
    add(&db, &[fetch("3")], at(0)).await;
    let snoozed = Outcome::Snoozed {
        until: at(9),
        reason: "later".to_owned(),
    };
    let outcomes = [
        failed(Retry::Never),
        Outcome::Done,
        failed(Retry::Backoff),
        snoozed,
    ];
    let mut pairs: Vec<_> = jobs.into_iter().zip(outcomes).collect();
    pairs.reverse();

    let ended = queue.finish(&pairs, "w1", at(0), 7, at(1)).await.unwrap();

    let until = at(9);
    let expected = [
        Ended::Snoozed { until },
        Ended::Superseded,
        Ended::Done,
        Ended::Dead,
    ];
    assert_eq!(ended, expected);
}

async fn who_lost_the_lease_changes_nothing(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1")], at(0)).await;
    let zombie = claim_one(&queue, at(0)).await;
    queue.janitor(at(61)).await.unwrap();
    let heir = claim_one(&queue, at(62)).await;
    let before = (rows(&db).await, tries(&queue, zombie.id).await);

    for outcome in [
        Outcome::Done,
        failed(Retry::Backoff),
        failed(Retry::Never),
        failed(Retry::After(Duration::ZERO)),
    ] {
        assert_eq!(
            finish(&queue, &zombie, outcome, at(63)).await,
            Ended::LostLease
        );
    }
    let released = queue.release(&held(&zombie), at(63)).await.unwrap();
    let kept = queue.heartbeat(&held(&zombie), at(63)).await.unwrap();

    assert!(released.is_empty() && kept.is_empty());
    assert_eq!((rows(&db).await, tries(&queue, heir.id).await), before);
    assert_eq!(heir.attempt, 2);
    assert_eq!(
        finish(&queue, &heir, Outcome::Done, at(64)).await,
        Ended::Done
    );
}

async fn jobs_given_back_at_shutdown_are_due_at_once_and_lose_no_attempt(db: Db) {
    let queue = queue(&db);
    add(&db, &[fetch("1"), fetch("2")], at(0)).await;
    let jobs = claim(&queue, at(0)).await;
    let held: Vec<_> = jobs.iter().map(|job| (job.id, job.lease.clone())).collect();

    let released = queue.release(&held, at(1)).await.unwrap();

    assert_eq!(released.len(), 2);
    let again = claim(&queue, at(1)).await;
    let attempts: Vec<_> = again.iter().map(|job| job.attempt).collect();
    assert_eq!(attempts, [1, 1]);
}

async fn dead_job(queue: &Queue) -> marketsink::domain::JobId {
    add(queue.db(), &[fetch("1")], at(0)).await;
    let job = claim_one(queue, at(0)).await;
    finish(queue, &job, failed(Retry::Never), at(1)).await;
    job.id
}

async fn a_dead_job_can_be_revived_by_its_merchant_only(db: Db) {
    let queue = queue(&db);
    let id = dead_job(&queue).await;

    let stranger = queue.revive(MerchantId(8), id, at(2)).await.unwrap();
    let owner = queue.revive(MERCHANT, id, at(2)).await.unwrap();
    let again = queue.revive(MERCHANT, id, at(3)).await.unwrap();

    assert_eq!(
        [stranger, owner, again],
        [Revived::NotDead, Revived::Waiting, Revived::NotDead]
    );
    assert_eq!(claim_one(&queue, at(3)).await.attempt, 1);
}

async fn a_revived_job_whose_twin_waits_is_superseded(db: Db) {
    let queue = queue(&db);
    let id = dead_job(&queue).await;
    add(&db, &[fetch("1")], at(2)).await;

    let revived = queue.revive(MERCHANT, id, at(3)).await.unwrap();

    assert_eq!(revived, Revived::Superseded);
    assert_eq!(states(&db).await, ["superseded", "available"]);
}

async fn counts_say_what_waits(db: Db) {
    let queue = queue(&db);
    dead_job(&queue).await;
    add(&db, &[fetch("2")], at(2)).await;
    claim_one(&queue, at(2)).await;
    add(&db, &[fetch("3"), fetch("4")], at(3)).await;
    add(&db, &[fetch("5")], at(9)).await;

    let counts = queue.waiting(at(5)).await.unwrap();

    let expected = Counts {
        due: 2,
        later: 1,
        running: 1,
        dead: 1,
    };
    assert_eq!(counts, expected);
}

async fn a_list_shows_one_merchants_jobs_newest_first(db: Db) {
    let queue = queue(&db);
    dead_job(&queue).await;
    add(&db, &[fetch("2"), Work::REFRESH_TOKEN], at(2)).await;
    let keys = async |merchant, filter: JobFilter, limit| {
        let rows = queue.list(merchant, &filter, limit).await.unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    let of = |filter| keys(MERCHANT, filter, 10);

    let fetches = JobFilter {
        kind: Some(JobKind::FetchOrder),
        ..JobFilter::default()
    };
    let dead = JobFilter {
        state: Some(JobState::Dead),
        channel: Some(ChannelId(42)),
        ..JobFilter::default()
    };
    let one = JobFilter {
        key: Some("42:2".to_owned()),
        ..JobFilter::default()
    };
    assert_eq!(of(fetches.clone()).await, ["42:2", "42:1"]);
    assert_eq!(of(dead).await, ["42:1"]);
    assert_eq!(of(one).await, ["42:2"]);
    assert_eq!(keys(MERCHANT, fetches, 1).await, ["42:2"]);
    assert!(
        keys(MerchantId(8), JobFilter::default(), 10)
            .await
            .is_empty()
    );
}
