//! Statements and commits per webhook and per recorded sale: counts, which are the same on every machine.
//!
//! `cargo bench --bench per_webhook`; on PostgreSQL with `BENCH_DATABASE_URL`. It fails when a webhook takes
//! more than one commit, or when a batch takes more statements than a webhook alone.

mod place;

use anyhow::{Context, ensure};
use futures::future::join_all;
use marketsink::{
    app::Roles,
    catalog,
    clock::Clock,
    db::Reading,
    domain::{JobKind, Timestamp},
    inbox::Answer,
    marketplaces::{
        self, Marketplace, RawDelivery,
        simulation::{NewLine, ShopChange, SimDelivery, SimStatus},
    },
    sandbox::{Sandbox, SimShop, Weather},
    stock,
    sync::Connect,
};
use place::{Opened, Place};
use std::net::TcpListener;

/// 2026-11-23 02:20:00 UTC.
const START: Timestamp = Timestamp::from_secs(1_795_400_400);
const BATCH: usize = 64;
const UNITS: i64 = 1_000;

fn main() -> anyhow::Result<()> {
    // On one thread, so that a batch is handed over whole before the writer looks.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let place = Place::new().await?;
    let clock = Clock::standing(START);
    let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
    let shop = sandbox.open(tiktok_shop()?, 1, "Toko Contoh").await?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let opened = place.open(clock, |settings| {
        settings.http.listen.clone_from(&listen);
        settings.http.public_url = format!("http://{listen}");
        settings.sync.allow_private_hosts = true;
        shop.set_up(&mut settings.apps);
    });
    let opened = opened.await?;
    stock_and_connect(&opened, &shop).await?;
    let meter = opened.meter.clone();
    let running = opened.app.start(Roles::INGEST)?;
    let app = &running.app;
    let fetch = || async { app.worker_of(vec![JobKind::FetchOrder]).run_due().await };
    app.worker().run_due().await?;
    // The first look-up of the channel, and everything else that happens once.
    order(&shop)?;
    sandbox.courier().deliver_due().await;
    app.worker().run_due().await?;

    println!(
        "{}; BEGIN and COMMIT are not counted as statements",
        place.name()
    );
    println!("what | webhooks | select | write | commits");
    order(&shop)?;
    let start = meter.read();
    sandbox.courier().deliver_due().await;
    let alone = print("HTTP to acknowledged, alone", 1, meter.read().since(start));
    let start = meter.read();
    ensure!(fetch().await? == 1, "one order is fetched");
    print(
        "its job: claim, fetch, record, end",
        1,
        meter.read().since(start),
    );

    let deliveries = orders(&shop, app.clock.now())?;
    let start = meter.read();
    let answers = join_all(deliveries.iter().map(|delivery| {
        let raw = RawDelivery::new(delivery.headers.clone(), delivery.body.clone());
        app.inbox
            .receive(shop.marketplace(), None, raw, app.clock.now())
    }));
    let answers = answers.await;
    let is_stored = |answer: &Answer| matches!(answer, Answer::Acknowledged(_));
    ensure!(answers.iter().all(is_stored), "not all were acknowledged");
    let together = print(
        "received to acknowledged, together",
        BATCH,
        meter.read().since(start),
    );
    let start = meter.read();
    ensure!(fetch().await? == BATCH, "all orders are fetched");
    print(
        "their jobs: claim, fetch, record, end",
        BATCH,
        meter.read().since(start),
    );

    ensure!(
        alone.transactions == 1,
        "more than one commit for a webhook"
    );
    ensure!(together == alone, "a batch costs more than one webhook");
    sandbox.stop().await;
    running.stop().await?;
    place.close().await
}

fn tiktok_shop() -> anyhow::Result<&'static dyn Marketplace> {
    marketplaces::find("tiktok_shop").context("TikTok Shop is one of the marketplaces")
}

/// One mug, in the shop and in the books.
async fn stock_and_connect(opened: &Opened, shop: &SimShop) -> anyhow::Result<()> {
    let now = opened.app.clock.now();
    shop.with(|shop| shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, UNITS)], now));
    let tx = opened.app.db.write_tx().await?;
    let (sku, _) = catalog::create_sku(&tx, opened.merchant, "MUG", "Mug", now).await?;
    let at = (sku, opened.outlet);
    stock::set_on_hand(&tx, opened.merchant, at, UNITS, "opening count", now).await?;
    tx.commit().await?;
    let connect = Connect {
        merchant: opened.merchant,
        outlet: opened.outlet,
        marketplace: tiktok_shop()?,
        base_url: None,
        secrets: shop.credentials(),
        expires_at: None,
        name: None,
    };
    opened.app.sync.connect(connect).await?;
    Ok(())
}

/// A buyer orders a mug; the webhook waits.
fn order(shop: &SimShop) -> anyhow::Result<()> {
    let ordered = shop.place_order("tiktok_shop", SimStatus::Paid, &[mug(shop)?]);
    ordered.context("a mug is in stock")?;
    Ok(())
}

fn mug(shop: &SimShop) -> anyhow::Result<NewLine> {
    let variant = shop.with(|shop| shop.variant_by_sku("MUG").map(|found| found.id.clone()));
    Ok(NewLine {
        variant_id: variant.context("the shop lists the mug")?,
        quantity: 1,
    })
}

/// As many orders as a batch holds, and their webhooks, not sent.
fn orders(shop: &SimShop, now: Timestamp) -> anyhow::Result<Vec<SimDelivery>> {
    let line = [mug(shop)?];
    let simulator = shop.marketplace().simulator();
    let mut deliveries = Vec::new();
    for _ in 0..BATCH {
        let told = shop.with(|shop| {
            let order = shop.place_order("tiktok_shop", SimStatus::Paid, &line, now)?;
            Some(simulator.webhooks(shop, &ShopChange::OrderCreated(order), now))
        });
        deliveries.extend(told.context("a mug is in stock")?);
    }
    ensure!(deliveries.len() == BATCH, "one webhook per order");
    Ok(deliveries)
}

fn print(what: &str, n: usize, counted: Reading) -> Reading {
    println!(
        "{what:<38} | {n:>8} | {:>6} | {:>5} | {:>7}",
        counted.reads, counted.writes, counted.transactions
    );
    counted
}
