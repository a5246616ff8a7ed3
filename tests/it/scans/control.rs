//! Pausing, resuming, cancelling, joining, and giving up.

use super::Stage;
use crate::support::scenarios;
use marketsink::{
    domain::{JobKind, ScanKind, ScanMethod},
    queue::Outcome,
    sandbox::Fault::ServerError,
    sync::{self, ControlError},
    worker::{Worker, WorkerOptions},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

scenarios!(
    a_scan_that_is_paused_rests_after_its_page_and_goes_on_at_the_next,
    a_scan_that_is_cancelled_ends_after_its_page,
    a_second_request_joins_the_first_and_makes_it_go_first,
    requests_of_the_same_moment_make_one_scan,
    a_scan_that_somebody_waits_for_is_the_first_in_the_queue,
    a_scan_whose_tries_are_used_up_has_failed_and_is_resumed_at_its_page,
    a_scan_whose_worker_died_without_a_word_has_failed,
    a_schedule_leaves_a_paused_scan_alone,
    products_that_cannot_be_read_are_told_and_fail_no_page,
    a_scan_that_somebody_waits_for_finds_a_place_where_all_are_taken,
    a_product_that_a_webhook_asks_for_too_is_read_for_the_person_who_waits,
);

async fn a_scan_that_is_paused_rests_after_its_page_and_goes_on_at_the_next(url: String) {
    let stage = Stage::open(url).await;
    let sync = &stage.town.running.app.sync;
    let merchant = stage.town.merchant;
    let asked = stage.shop().n_requests();
    let id = stage.ask(ScanMethod::Async).await.scan;

    let work = stage.work();
    stage.pages(1).await;
    sync.pause_scan(merchant, id).await.unwrap();
    let twice = sync.pause_scan(merchant, id).await.unwrap_err();
    stage.gate.let_through(10_000);
    work.await.unwrap();
    let paused = stage.row(id).await;
    stage.town.clock.advance(Duration::from_secs(3_600));
    stage.work().await.unwrap();

    assert!(matches!(twice, ControlError::Paused(_)));
    assert_eq!((paused.state.as_str(), paused.pages), ("paused", 2));
    assert!(paused.paused_at.is_some() && paused.finished_at.is_none());
    assert_eq!(stage.shop().n_requests() - asked, 2, "it rests");
    sync.resume_scan(merchant, id).await.unwrap();
    stage.work().await.unwrap();
    let done = stage.row(id).await;
    assert_eq!(
        (
            done.state.as_str(),
            done.pages,
            done.listings,
            done.api_calls
        ),
        ("done", 4, 250, 4)
    );
    assert_eq!(
        stage.shop().n_requests() - asked,
        4,
        "no page was read twice"
    );
    let over = sync.resume_scan(merchant, id).await.unwrap_err();
    assert!(matches!(over, ControlError::Over { .. }), "{over}");
    stage.town.close().await;
}

async fn a_scan_that_is_cancelled_ends_after_its_page(url: String) {
    let stage = Stage::open(url).await;
    let (sync, merchant) = (&stage.town.running.app.sync, stage.town.merchant);
    let asked = stage.shop().n_requests();
    let id = stage.ask(ScanMethod::Async).await.scan;

    let work = stage.work();
    stage.pages(1).await;
    sync.cancel_scan(merchant, id).await.unwrap();
    stage.gate.let_through(10_000);
    work.await.unwrap();

    let row = stage.row(id).await;
    assert_eq!((row.state.as_str(), row.gone), ("cancelled", 0));
    assert_eq!(stage.shop().n_requests() - asked, 2);
    let next = stage.ask(ScanMethod::Async).await;
    assert!(!next.joined && next.scan != id, "it is over");
    stage.work().await.unwrap();
    assert_eq!(stage.row(next.scan).await.pages, 4, "from the start");
    stage.town.close().await;
}

async fn a_second_request_joins_the_first_and_makes_it_go_first(url: String) {
    let stage = Stage::open(url).await;
    let asked = stage.shop().n_requests();
    let done_before = stage.n_jobs("done").await;
    let first = stage.ask(ScanMethod::Async).await;

    let work = stage.work();
    stage.pages(1).await;
    let second = stage.ask(ScanMethod::Sync).await;
    stage.gate.let_through(10_000);
    work.await.unwrap();
    stage.work().await.unwrap();

    assert!(!first.joined && second.joined);
    assert_eq!(first.scan, second.scan);
    let row = stage.row(first.scan).await;
    assert_eq!((row.state.as_str(), row.method.as_str()), ("done", "sync"));
    assert_eq!(stage.shop().n_requests() - asked, 4, "one walk for both");
    assert_eq!(stage.n_jobs("done").await - done_before, 1);
    stage.town.close().await;
}

async fn requests_of_the_same_moment_make_one_scan(url: String) {
    let stage = Stage::open(url).await;
    let request = stage.request(ScanKind::Active, ScanMethod::Async);
    let mut asking = Vec::new();
    for _ in 0..8 {
        let (sync, request) = (stage.town.running.app.sync.clone(), request.clone());
        asking.push(tokio::spawn(
            async move { sync.request_scan(&request).await },
        ));
    }
    let mut scans = Vec::new();
    for asked in asking {
        scans.push(asked.await.unwrap().unwrap());
    }

    assert!(scans.iter().all(|asked| asked.scan == scans[0].scan));
    assert_eq!(scans.iter().filter(|asked| !asked.joined).count(), 1);
    assert_eq!(stage.n_jobs("available").await, 1);
    stage.town.close().await;
}

async fn a_scan_that_somebody_waits_for_is_the_first_in_the_queue(url: String) {
    let stage = Stage::open(url).await;
    let app = &stage.town.running.app;
    let (now, all) = (stage.town.clock.now(), JobKind::ALL);
    let order = marketsink::queue::NewJob {
        merchant: stage.town.merchant,
        channel: stage.channel,
        work: marketsink::domain::Work::FetchOrder { order: "7".into() },
        source: marketsink::domain::Source::Webhook,
        run_at: None,
    };
    let tx = app.db.write_tx().await.unwrap();
    marketsink::queue::enqueue(&tx, &[order], now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let updated = stage.request(ScanKind::Updated, ScanMethod::Async);
    app.sync.request_scan(&updated).await.unwrap();
    stage.ask(ScanMethod::Sync).await;

    let mut kinds = Vec::new();
    for _ in 0..3 {
        let claimed = app.queue.claim("test", all, 1, now).await.unwrap();
        kinds.push(claimed[0].work.key(stage.channel));
    }

    let of = |what: &str| format!("{}:{what}", stage.channel);
    assert_eq!(kinds, [of("full"), of("7"), of("updated")]);
    stage.town.close().await;
}

async fn a_scan_whose_tries_are_used_up_has_failed_and_is_resumed_at_its_page(url: String) {
    let stage = Stage::open(url).await;
    let (sync, merchant) = (&stage.town.running.app.sync, stage.town.merchant);
    stage.gate.let_through(10_000);
    let id = stage.ask(ScanMethod::Async).await.scan;
    let mut answers = vec![marketsink::sandbox::Fault::Fair; 2];
    answers.extend([ServerError; 12]);
    stage.shop().next_answers(answers);
    for _ in 0..30 {
        stage.work().await.unwrap();
        stage.town.clock.advance(Duration::from_secs(900));
    }

    let failed = stage.row(id).await;
    assert_eq!((failed.state.as_str(), failed.pages), ("failed", 2));
    assert!(failed.error.unwrap().contains("could not answer"));
    let told = sync::notices(&stage.town.running.app.db, merchant, 10).await;
    let told = told.unwrap();
    assert!(
        told[0].text.contains(&format!("scans resume {id}")),
        "{told:?}"
    );
    let asked = stage.shop().n_requests();
    sync.resume_scan(merchant, id).await.unwrap();
    stage.work().await.unwrap();
    let done = stage.row(id).await;
    assert_eq!(
        (done.state.as_str(), done.pages, done.error),
        ("done", 4, None)
    );
    assert_eq!(stage.shop().n_requests() - asked, 2);
    stage.town.close().await;
}

async fn a_scan_whose_worker_died_without_a_word_has_failed(url: String) {
    let stage = Stage::open(url).await;
    let app = &stage.town.running.app;
    let id = stage.ask(ScanMethod::Async).await.scan;
    let product = stage.request(ScanKind::Single, ScanMethod::Async);
    let product = sync::ScanRequest {
        product: Some("501".into()),
        ..product
    };
    let single = app.sync.request_scan(&product).await.unwrap().scan;
    let now = stage.town.clock.now();
    let claimed = app.queue.claim("dead", JobKind::ALL, 9, now).await.unwrap();
    assert_eq!(claimed.len(), 2);

    let while_it_lives = app.sync.tend_scans().await.unwrap();
    let ended: Vec<_> = claimed
        .into_iter()
        .map(|job| {
            let error = "the handler panicked; see the log".to_owned();
            let retry = marketsink::domain::Retry::Never;
            let cause = marketsink::domain::Cause::Bug;
            let failed = Outcome::Failed {
                error,
                retry,
                cause,
            };
            (job, failed)
        })
        .collect();
    app.queue.finish(&ended, "dead", now, 0, now).await.unwrap();
    stage.town.clock.advance(Duration::from_secs(90));
    let failed = app.sync.tend_scans().await.unwrap();

    assert_eq!((while_it_lives, failed), (0, 2));
    for id in [id, single] {
        let row = stage.row(id).await;
        assert_eq!(row.state, "failed");
        assert!(row.error.unwrap().contains("panicked"));
    }
    stage.gate.let_through(10_000);
    let (merchant, sync) = (stage.town.merchant, &app.sync);
    sync.resume_scan(merchant, id).await.unwrap();
    sync.resume_scan(merchant, single).await.unwrap();
    stage.work().await.unwrap();
    assert_eq!(stage.row(id).await.state, "done");
    assert_eq!(stage.row(single).await.state, "done");
    stage.town.close().await;
}

async fn a_schedule_leaves_a_paused_scan_alone(url: String) {
    let stage = Stage::open(url).await;
    let sync = &stage.town.running.app.sync;
    let id = stage.ask(ScanMethod::Async).await.scan;
    sync.pause_scan(stage.town.merchant, id).await.unwrap();
    let asked = stage.shop().n_requests();

    let scheduled = stage.request(ScanKind::Full, ScanMethod::Async);
    stage.gate.let_through(10_000);
    let rests = sync.run_scan(&scheduled).await.unwrap();
    assert_eq!((rests, stage.shop().n_requests() - asked), (id, 0));

    // A person who asks lets it go on.
    let joined = stage.ask(ScanMethod::Async).await;
    assert!(joined.joined && joined.resumed && joined.scan == id);
    stage.work().await.unwrap();
    assert_eq!(stage.row(id).await.state, "done");
    stage.town.close().await;
}

/// The first product of every page of the list has something else in the place of its SKUs.
fn broken(path: &str, text: String) -> String {
    if path.ends_with("/search") {
        return text.replacen("\"skus\":[", "\"skus\":\"WHAT\",\"were\":[", 1);
    }
    text
}

async fn products_that_cannot_be_read_are_told_and_fail_no_page(url: String) {
    let stage = Stage::open(url).await;
    let vanished = stage.shop().with(|shop| {
        let id = shop.products.keys().nth(20).unwrap().clone();
        shop.products.remove(&id);
        id
    });
    stage.gate.changes_answers(broken);
    stage.gate.let_through(10_000);

    let id = stage.ask(ScanMethod::Async).await.scan;
    stage.work().await.unwrap();

    let row = stage.row(id).await;
    assert_eq!(
        (row.state.as_str(), row.errors, row.gone, row.listings),
        ("done", 3, 1, 249)
    );
    let db = &stage.town.running.app.db;
    let all = (0, 100);
    let found = sync::scan_changes(db, stage.town.merchant, id, None, all).await;
    let found = found.unwrap();
    let errors: Vec<_> = found
        .iter()
        .filter(|change| change.kind == "error")
        .collect();
    assert_eq!(errors.len(), 3);
    assert!(
        errors[0].after.as_ref().unwrap().contains("WHAT"),
        "{errors:?}"
    );
    let gone: Vec<_> = found
        .iter()
        .filter(|change| change.kind == "gone")
        .collect();
    assert_eq!(gone[0].product_id, vanished.as_str());
    stage.town.close().await;
}

async fn a_scan_that_somebody_waits_for_finds_a_place_where_all_are_taken(url: String) {
    let stage = Stage::open(url).await;
    let app = &stage.town.running.app;
    let options = WorkerOptions {
        name: "narrow".to_owned(),
        concurrency: 1,
        claim: 1,
        poll: Duration::from_millis(20),
        kinds: Vec::new(),
    };
    let worker = Worker::new(
        app.queue.clone(),
        app.sync.clone(),
        app.sinks.clone(),
        options,
    );
    let stop = CancellationToken::new();
    let until = stop.clone();
    stage.ask(ScanMethod::Async).await;
    let working = tokio::spawn(async move { worker.run(until).await });
    stage.gate.one_arrives().await;

    // The one place is taken by a scan that waits at the gate; nothing else in the background finds one.
    let updated = stage.request(ScanKind::Updated, ScanMethod::Async);
    app.sync.request_scan(&updated).await.unwrap();
    let active = stage.request(ScanKind::Active, ScanMethod::Sync);
    let active = app.sync.request_scan(&active).await.unwrap().scan;
    stage.gate.one_arrives().await;

    assert_eq!(stage.row(active).await.state, "running");
    assert_eq!(stage.n_jobs("running").await, 2);
    assert_eq!(stage.n_jobs("available").await, 1);
    stage.gate.let_through(10_000);
    stop.cancel();
    working.await.unwrap();
    stage.town.close().await;
}

async fn a_product_that_a_webhook_asks_for_too_is_read_for_the_person_who_waits(url: String) {
    let stage = Stage::open(url).await;
    let app = &stage.town.running.app;
    stage.gate.let_through(10_000);
    let product = stage
        .shop()
        .with(|shop| shop.products.keys().next().unwrap().clone());
    let webhook = marketsink::queue::NewJob {
        merchant: stage.town.merchant,
        channel: stage.channel,
        work: marketsink::domain::Work::RescanProduct {
            product: product.clone(),
        },
        source: marketsink::domain::Source::Webhook,
        run_at: None,
    };
    let tx = app.db.write_tx().await.unwrap();
    let now = stage.town.clock.now();
    marketsink::queue::enqueue(&tx, &[webhook], now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let asked = stage.shop().n_requests();

    let request = sync::ScanRequest {
        product: Some(product),
        ..stage.request(ScanKind::Single, ScanMethod::Sync)
    };
    let id = app.sync.request_scan(&request).await.unwrap().scan;
    stage.work().await.unwrap();

    assert_eq!(stage.row(id).await.state, "done");
    assert_eq!(stage.shop().n_requests() - asked, 1, "one reading for both");
    stage.town.close().await;
}
