//! One consumer per app, however many of its shops are connected.

use crate::support::{
    builders::{NOW, a_shop},
    database::databases,
};
use entity::jobs;
use marketsink::{
    db::Db,
    domain::{JobKind, Source, Work},
    queue::{NewJob, Queue, QueueOptions, enqueue},
};
use sea_orm::{EntityTrait, PaginatorTrait};

databases!(two_channels_of_a_marketplace_ask_once_and_never_at_the_same_time);

async fn two_channels_of_a_marketplace_ask_once_and_never_at_the_same_time(db: Db) {
    let (first, second) = (a_shop(&db).await, a_shop(&db).await);
    let queue = Queue::new(db.clone(), QueueOptions::default());
    let job = |shop: crate::support::builders::Shop| NewJob {
        merchant: shop.merchant,
        channel: shop.channel,
        work: Work::FetchMissed {
            missed: "shopee".to_owned(),
        },
        source: Source::Schedule,
        run_at: None,
    };
    let ask = async |shops: &[crate::support::builders::Shop]| {
        let tx = db.write_tx().await.unwrap();
        let asked: Vec<_> = shops.iter().copied().map(job).collect();
        enqueue(&tx, &asked, NOW).await.unwrap();
        tx.commit().await.unwrap();
    };
    let claim = async || {
        queue
            .claim("w", &[JobKind::FetchMissed], 10, NOW)
            .await
            .unwrap()
    };

    ask(&[first, second]).await;
    let n_waiting = jobs::Entity::find().count(db.read()).await.unwrap();
    let running = claim().await;
    ask(&[second]).await;
    let meanwhile = claim().await;

    assert_eq!((n_waiting, running.len()), (1, 1));
    assert!(
        meanwhile.is_empty(),
        "the other channel's waits for the end of the first"
    );
}
