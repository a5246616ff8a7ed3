//! One search over everything: what is found, by which index, and at what cost however much there is.

use crate::support::{
    builders::{NOW, Shop, a_shop},
    database::databases,
};
use marketsink::{
    channels,
    db::{Db, Meter},
    domain::{ChannelId, RemoteId},
    queue::{Queue, QueueOptions},
    reports::{
        search::{self, Found, HitKind, SearchAnswer},
        trace,
    },
};
use sea_orm::{ConnectionTrait, Statement};

databases!(
    every_kind_is_found_whole_and_by_its_beginning,
    a_channel_that_a_person_may_not_see_is_not_searched,
    another_merchant_finds_nothing,
    a_search_costs_the_same_of_much_as_of_little_and_reads_no_table_whole,
);

/// So many orders with everything that hangs on them, in a few statements, past their owners.
async fn fill(db: &Db, shop: Shop, n: u64) {
    let (m, c, o, now) = (shop.merchant.0, shop.channel.0, shop.outlet.0, NOW.micros());
    let numbers = format!(
        "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {n})"
    );
    let statements = [
        format!(
            "insert into skus (merchant_id, code, name, created_at) \
             {numbers} select {m}, 'SKU-' || (100000 + n), 'Thing', {now} from numbers"
        ),
        format!(
            "insert into listings (merchant_id, channel_id, product_id, variant_id, seller_sku, title, state, \
             content_hash, remote_version, link_by, unlinked_by_hand, created_at, updated_at) \
             {numbers} select {m}, {c}, 'P' || (100000 + n), 'V' || (100000 + n), 'CODE-' || (100000 + n), 'Thing', \
             'active', '', 0, 'auto', false, {now}, {now} from numbers"
        ),
        format!(
            "insert into orders (merchant_id, channel_id, connection_id, outlet_id, remote_id, number, remote_status, \
             document, paid, fulfilment, invoice_number, currency, total_minor, tracking_number, version, content_hash, \
             placed_at, left_before, source, first_seen_at, recorded_at, fee_minor) \
             {numbers} select {m}, {c}, {c}, {o}, 'R' || (100000 + n), '#' || (100000 + n), 'PAID', 'invoice', false, \
             'unsent', 'INV/' || (100000 + n), 'IDR', 100, 'TRACK' || (100000 + n), 1, '', {now} + n, false, 'webhook', \
             {now}, {now}, 0 from numbers"
        ),
        format!(
            "insert into order_steps (merchant_id, order_id, step, detail, source, done_at) \
             select merchant_id, id, 'create_invoice', 'OLD' || invoice_number, 'webhook', {now} from orders \
             where merchant_id = {m}"
        ),
        format!(
            "insert into returns (merchant_id, order_id, remote_id, remote_status, state, version, credited_minor, \
             undecided, revision, source, first_seen_at, recorded_at) \
             select merchant_id, id, 'RET' || remote_id, 'X', 'requested', 1, 0, 0, 1, 'webhook', {now}, {now} \
             from orders where merchant_id = {m}"
        ),
        format!(
            "insert into readings (merchant_id, channel_id, remote_id, number, has_tracking, source, outcome, \
             content_hash, times, read_at, last_read_at) \
             {numbers} select {m}, {c}, 'U' || (100000 + n), 'N' || (100000 + n), false, 'webhook', 'nothing_to_book', \
             '', 1, {now}, {now} from numbers"
        ),
        format!(
            "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, body, \
             received_at, key_index) \
             {numbers} select {m}, {c}, 'tiktok_shop', 'K{m}-' || (100000 + n), 'type 1', 'accepted', '[]', \
             {body}, {now} + n, 0 from numbers",
            body = if db.is_postgres() { "''::bytea" } else { "x''" }
        ),
        format!(
            "insert into events (merchant_id, channel_id, delivery_id, kind, subject, state, created_at) \
             select merchant_id, channel_id, id, 'order_changed', 'E' || delivery_key, 'handled', {now} \
             from deliveries where merchant_id = {m}"
        ),
        format!(
            "insert into jobs (merchant_id, channel_id, kind, key, state, priority, source, args, run_at, waiting_since, \
             attempts, max_attempts, created_at) \
             {numbers} select {m}, {c}, 'fetch_order', '{c}:R' || (100000 + n), 'done', 10, 'webhook', '{{}}', {now}, \
             {now}, 1, 12, {now} from numbers"
        ),
        "analyze".to_owned(),
    ];
    let tx = db.write_tx().await.unwrap();
    for statement in &statements {
        let done = tx.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    tx.commit().await.unwrap();
}

async fn a_full_shop(db: &Db, n: u64) -> Shop {
    let shop = a_shop(db).await;
    let tx = db.write_tx().await.unwrap();
    let known = "update channels set marketplace = 'tiktok_shop', platform = 'tiktok_shop'";
    tx.execute_unprepared(known).await.unwrap();
    tx.commit().await.unwrap();
    fill(db, shop, n).await;
    shop
}

async fn find(db: &Db, shop: Shop, text: &str, only: Option<&[ChannelId]>) -> SearchAnswer {
    search::search(db, shop.merchant, text, only).await.unwrap()
}

async fn one(db: &Db, shop: Shop, text: &str) -> Found {
    let mut answer = find(db, shop, text, None).await;
    assert_eq!(answer.found.len(), 1, "{answer:?}");
    answer.found.remove(0)
}

async fn every_kind_is_found_whole_and_by_its_beginning(db: Db) {
    let shop = a_full_shop(&db, 120).await;
    let whole = [
        ("R100007", HitKind::OrderId),
        ("INV/100007", HitKind::Invoice),
        ("OLDINV/100007", HitKind::Invoice),
        ("TRACK100007", HitKind::Tracking),
        ("RETR100007", HitKind::Return),
        ("U100007", HitKind::Heard),
        ("N100007", HitKind::Heard),
        ("SKU-100007", HitKind::Sku),
        ("CODE-100007", HitKind::SellerSku),
        ("P100007", HitKind::Product),
        ("V100007", HitKind::Variant),
    ];
    for (text, kind) in whole {
        let found = one(&db, shop, &format!(" \"{text}\" ")).await;
        assert_eq!(found.hits.len(), 1, "{text}: {found:?}");
        assert_eq!((found.hits[0].kind, found.is_beginning), (kind, false));
        // Ten end in another digit.
        let beginning = &text[..text.len() - 1];
        let found = one(&db, shop, beginning).await;
        assert!(found.is_beginning, "{beginning}: {found:?}");
        assert_eq!(found.hits.len(), 9, "{beginning}: {found:?}");
        assert!(found.hits.iter().all(|hit| hit.text.starts_with(beginning)));
        let short = one(&db, shop, &text[..3]).await;
        assert!(short.hits.is_empty(), "{short:?}");
    }
    let many = one(&db, shop, "TRACK1").await;
    assert_eq!((many.hits.len(), many.has_more), (20, true));
    let key = format!("K{}-100007", shop.merchant);
    assert_eq!(
        one(&db, shop, &key).await.hits[0].kind,
        HitKind::DeliveryKey
    );
    let named = format!("EK{}-100007", shop.merchant);
    assert_eq!(one(&db, shop, &named).await.hits[0].kind, HitKind::Heard);
    let by_id = one(&db, shop, "7").await;
    let kinds: Vec<HitKind> = by_id.hits.iter().map(|hit| hit.kind).collect();
    assert_eq!(kinds, [HitKind::Delivery, HitKind::Job]);
    // Several pasted at once each get an answer.
    let several = find(&db, shop, "R100001, nothing;INV/100002\nR100001", None).await;
    let n_hits: Vec<(String, usize)> = several
        .found
        .into_iter()
        .map(|one| (one.text, one.hits.len()))
        .collect();
    let expected = [("R100001", 1), ("nothing", 0), ("INV/100002", 1)];
    assert_eq!(n_hits, expected.map(|(text, n)| (text.to_owned(), n)));
}

async fn a_channel_that_a_person_may_not_see_is_not_searched(db: Db) {
    let shop = a_full_shop(&db, 20).await;

    let theirs = find(&db, shop, "R100007", Some(&[shop.channel])).await;
    let others = find(&db, shop, "R100007 CODE-100007", Some(&[ChannelId(999)])).await;

    assert_eq!(theirs.found[0].hits.len(), 1);
    assert!(
        others.found.iter().all(|one| one.hits.is_empty()),
        "{others:?}"
    );
}

async fn another_merchant_finds_nothing(db: Db) {
    let shop = a_full_shop(&db, 20).await;
    let stranger = a_full_shop(&db, 1).await;

    let own = one(&db, stranger, "R100001").await;
    let theirs = find(
        &db,
        stranger,
        "R100007 INV/100007 RETR100007 U100007 TRACK1 7",
        None,
    )
    .await;

    assert_eq!(own.hits.len(), 1);
    assert_eq!(own.hits[0].channel, Some(stranger.channel));
    let hits: Vec<_> = theirs.found.iter().flat_map(|one| &one.hits).collect();
    assert!(
        hits.iter().all(|hit| hit.text.contains("100001")),
        "{hits:?}"
    );
    let channels = channels::list(&db, shop.merchant, true).await.unwrap();
    assert_eq!(channels.len(), 1);
}

async fn a_search_costs_the_same_of_much_as_of_little_and_reads_no_table_whole(db: Db) {
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let (small, large) = (a_full_shop(&db, 30).await, a_full_shop(&db, 20_000).await);
    let texts = [
        "R100007",
        "SKU-100007",
        "INV/10000",
        "TRACK1000",
        "nothing-of-it",
        "7",
    ];
    let mut costs = Vec::new();
    for shop in [small, large] {
        let before = meter.read();
        for text in texts {
            find(&db, shop, text, None).await;
        }
        let cost = meter.read().since(before);
        assert_eq!(cost.writes, 0);
        costs.push(cost.reads);
    }
    assert!(costs[1] <= costs[0] + 6, "{costs:?}");
    assert!(costs[1] <= 6 * 28, "{costs:?}");

    meter.keep_statements();
    for text in texts {
        find(&db, large, text, None).await;
    }
    let queue = Queue::new(db.clone(), QueueOptions::default());
    let traces = trace::trace(&queue, large.merchant, "R100007", NOW).await;
    assert!(traces.unwrap()[0].is_in_books());
    let subject = search::Subject {
        connection: large.channel,
        remote_id: RemoteId::from("EK-none").to_string(),
    };
    trace::trace_order(&queue, large.merchant, "EK-none", subject, NOW)
        .await
        .unwrap();
    let statements = meter.take_statements();
    assert!(statements.len() > 80, "{}", statements.len());
    let mut walks = Vec::new();
    for statement in &statements {
        for step in plan(&db, statement).await {
            if reads_whole(&db, &step) {
                walks.push(format!("{step}: {}", statement.sql));
            }
        }
    }
    walks.sort();
    walks.dedup();
    assert_eq!(walks, Vec::<String>::new(), "{walks:#?}");
}

/// Tables of a few rows are rightly read whole.
const FEW_ROWS: &[&str] = &[
    "channels",
    "merchants",
    "subscriptions",
    "silences",
    "endpoints",
    "completeness",
    "completeness_orders",
    "happenings",
    "movements",
    "conflicts",
    "quarantine",
    "downloads",
    "stock_pushes",
    "order_lines",
    "job_attempts",
    "return_lines",
    "replay_items",
    "replays",
];

fn reads_whole(db: &Db, step: &str) -> bool {
    let step = step.trim().trim_start_matches("->").trim();
    if db.is_postgres() {
        let table = step.strip_prefix("Seq Scan on ");
        let table = table.and_then(|rest| rest.split_whitespace().next());
        let removed = step.strip_prefix("Rows Removed by Filter: ");
        let removed = removed.and_then(|n| n.parse::<u64>().ok());
        return table.is_some_and(|table| !FEW_ROWS.contains(&table))
            || removed.is_some_and(|n| n > 1_000);
    }
    step.starts_with("SCAN ") && !step.contains(" USING ") && !step.contains("CONSTANT ROW")
}

async fn plan(db: &Db, statement: &Statement) -> Vec<String> {
    let mut explained = statement.clone();
    let how = if db.is_postgres() {
        "explain analyze"
    } else {
        "explain query plan"
    };
    explained.sql = format!("{how} {}", statement.sql);
    let column = if db.is_postgres() {
        "QUERY PLAN"
    } else {
        "detail"
    };
    let rows = db.read().query_all_raw(explained).await.unwrap();
    rows.iter()
        .map(|row| row.try_get::<String>("", column).unwrap())
        .collect()
}
