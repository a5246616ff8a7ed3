//! Work that fails: its causes, its issues, and taking it up again.

use super::{a_shop, at, list, look, open, queue, run};
use crate::support::{builders::Shop, databases};
use entity::{job_attempts, jobs};
use marketsink::{
    db::Db,
    domain::{Cause, Retry, Source, Timestamp, Work},
    issues::{self, Filter},
    queue::{NewJob, Outcome, enqueue},
};
use sea_orm::{EntityTrait, QueryOrder};

databases!(
    a_failure_leaves_its_cause_in_the_job_and_in_each_try,
    one_failed_try_is_no_issue_and_three_are,
    what_was_given_up_waits_again_when_its_kind_works_again,
    nothing_is_taken_up_again_more_than_thrice,
    what_was_refused_stays_given_up,
    work_that_a_newer_job_has_done_is_not_missed,
    new_credentials_take_up_what_failed_for_want_of_rights,
    a_start_takes_up_what_failed_because_of_ourselves,
);

async fn add(db: &Db, shop: Shop, order: &str, now: Timestamp) {
    let job = NewJob {
        merchant: shop.merchant,
        channel: shop.channel,
        work: Work::FetchOrder {
            order: order.into(),
        },
        source: Source::Webhook,
        run_at: None,
    };
    let tx = db.write_tx().await.unwrap();
    enqueue(&tx, &[job], now).await.unwrap();
    tx.commit().await.unwrap();
}

fn failed(cause: Cause, retry: Retry) -> Outcome {
    Outcome::Failed {
        error: format!("it failed: {cause}"),
        retry,
        cause,
    }
}

/// Runs every due job, all with this end.
async fn work(db: &Db, outcome: &Outcome, now: Timestamp) {
    let queue = queue(db);
    let claimed = queue.claim("w", &[], 100, now).await.unwrap();
    let ended: Vec<_> = claimed
        .into_iter()
        .map(|job| (job, outcome.clone()))
        .collect();
    queue.finish(&ended, "w", now, 0, now).await.unwrap();
}

async fn rows(db: &Db) -> Vec<jobs::Model> {
    let rows = jobs::Entity::find().order_by_asc(jobs::Column::Id);
    rows.all(db.read()).await.unwrap()
}

async fn states(db: &Db) -> Vec<String> {
    rows(db).await.into_iter().map(|row| row.state).collect()
}

async fn a_failure_leaves_its_cause_in_the_job_and_in_each_try(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1", at(0)).await;
    work(&db, &failed(Cause::Unreachable, Retry::Backoff), at(0)).await;
    let retried = rows(&db).await[0].cause.clone();

    work(&db, &failed(Cause::Refused, Retry::Never), at(60)).await;

    assert_eq!(retried.as_deref(), Some("unreachable"));
    assert_eq!(rows(&db).await[0].cause.as_deref(), Some("refused"));
    let tries = job_attempts::Entity::find().order_by_asc(job_attempts::Column::Id);
    let causes: Vec<_> = tries.all(db.read()).await.unwrap();
    let causes: Vec<_> = causes.iter().map(|row| row.cause.as_deref()).collect();
    assert_eq!(causes, [Some("unreachable"), Some("refused")]);
}

async fn one_failed_try_is_no_issue_and_three_are(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1042", at(0)).await;
    work(&db, &failed(Cause::ServerError, Retry::Backoff), at(0)).await;
    let after_one = look(&db, shop, at(1)).await;
    for minute in 1..3 {
        work(
            &db,
            &failed(Cause::ServerError, Retry::Backoff),
            at(60 * minute),
        )
        .await;
    }

    let after_three = look(&db, shop, at(130)).await;
    work(&db, &Outcome::Done, at(600)).await;
    let after_success = look(&db, shop, at(601)).await;

    assert_eq!(after_one.open, 0);
    assert_eq!(after_three.opened, 1);
    assert_eq!((after_success.closed, after_success.open), (1, 0));
    let all = Filter {
        closed: true,
        ..Filter::default()
    };
    let issue = list(&db, shop, &all).await.remove(0);
    assert_eq!(issue.cause, Cause::ServerError);
    assert_eq!((issue.orders, issue.blocked), (1, 1));
    assert_eq!(issue.sample, ["1042"]);
    assert!(issue.found.contains("it failed"), "{}", issue.found);
}

async fn what_was_given_up_waits_again_when_its_kind_works_again(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1", at(0)).await;
    add(&db, shop, "2", at(0)).await;
    work(&db, &failed(Cause::Unreachable, Retry::Never), at(0)).await;
    let before = look(&db, shop, at(1)).await;
    add(&db, shop, "3", at(2)).await;
    work(&db, &Outcome::Done, at(3)).await;

    let after = look(&db, shop, at(4)).await;

    assert_eq!((before.opened, before.revived), (1, 0));
    assert_eq!((after.revived, after.closed, after.open), (2, 1, 0));
    assert_eq!(states(&db).await, ["available", "available", "done"]);
    work(&db, &Outcome::Done, at(10)).await;
    assert_eq!(states(&db).await, ["done", "done", "done"]);
}

async fn nothing_is_taken_up_again_more_than_thrice(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "poison", at(0)).await;
    let mut revived = Vec::new();
    for round in 0..5_u64 {
        let now = round * 1_000;
        work(&db, &failed(Cause::ServerError, Retry::Never), at(now)).await;
        add(&db, shop, &format!("{round}"), at(now + 1)).await;
        work(&db, &Outcome::Done, at(now + 2)).await;
        revived.push(look(&db, shop, at(now + 3)).await.revived);
    }

    assert_eq!(revived, [1, 1, 1, 0, 0]);
    assert_eq!(open(&db, shop).await[0].cause, Cause::ServerError);
}

async fn what_was_refused_stays_given_up(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1", at(0)).await;
    work(&db, &failed(Cause::Refused, Retry::Never), at(0)).await;
    add(&db, shop, "2", at(1)).await;
    work(&db, &Outcome::Done, at(2)).await;

    let looked = look(&db, shop, at(3)).await;

    assert_eq!((looked.open, looked.revived), (1, 0));
    assert_eq!(states(&db).await, ["dead", "done"]);
}

async fn work_that_a_newer_job_has_done_is_not_missed(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1", at(0)).await;
    work(&db, &failed(Cause::Refused, Retry::Never), at(0)).await;
    assert_eq!(look(&db, shop, at(1)).await.open, 1);
    add(&db, shop, "1", at(2)).await;
    work(&db, &Outcome::Done, at(3)).await;

    let looked = look(&db, shop, at(4)).await;

    assert_eq!((looked.closed, looked.open), (1, 0));
    assert_eq!(states(&db).await, ["superseded", "done"]);
}

async fn new_credentials_take_up_what_failed_for_want_of_rights(db: Db) {
    let shop = a_shop(&db).await;
    run(
        &db,
        shop,
        "insert into credentials (channel_id, merchant_id, sealed, version, refreshed_at) \
         values ({c}, {m}, 'x', 1, {old})",
    )
    .await;
    add(&db, shop, "1", at(0)).await;
    work(&db, &failed(Cause::MissingScope, Retry::Never), at(0)).await;
    let before = look(&db, shop, at(1)).await;
    run(
        &db,
        shop,
        "update credentials set refreshed_at = {soon} where channel_id = {c}",
    )
    .await;

    let after = look(&db, shop, at(4 * 86_400)).await;

    assert_eq!((before.open, before.revived), (1, 0));
    assert_eq!((after.open, after.revived), (0, 1));
    assert_eq!(states(&db).await, ["available"]);
}

async fn a_start_takes_up_what_failed_because_of_ourselves(db: Db) {
    let shop = a_shop(&db).await;
    add(&db, shop, "1", at(0)).await;
    work(&db, &failed(Cause::Bug, Retry::Never), at(0)).await;
    add(&db, shop, "2", at(0)).await;
    work(&db, &failed(Cause::Refused, Retry::Never), at(0)).await;

    let done = issues::take_up_after_start(&queue(&db), shop.merchant, at(60))
        .await
        .unwrap();

    assert_eq!(done.revived, 1);
    assert_eq!(states(&db).await, ["available", "dead"]);
}
