//! Durable webhooks a second against the same server only verifying, in the same run.
//!
//! `cargo bench --bench ingest`; on PostgreSQL with `BENCH_DATABASE_URL`. Rounds are interleaved: only the
//! ratio between neighbours means something on a busy machine. Client and server share the processors and
//! the process, so CPU time holds both. A webhook that was acknowledged and is not in the database
//! afterwards, or is there twice, fails the run.

mod client;
mod place;
mod process;
mod webhooks;

use actix_web::{HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use anyhow::ensure;
use client::Round;
use entity::{deliveries, events};
use marketsink::{
    app::{App, Roles, Running},
    channels::{self, NewChannel},
    clock::Clock,
    domain::Timestamp,
    marketplaces::{RawDelivery, WebhookKeys},
};
use place::{Opened, Place};
use sea_orm::{EntityTrait, PaginatorTrait, QuerySelect};
use std::{
    collections::HashSet,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

/// Connections, and webhooks per round.
const LEVELS: [(usize, u64); 3] = [(8, 10_000), (64, 20_000), (256, 20_000)];
const ROUNDS: usize = 3;
/// How often the server that only verifies gets the same webhooks: it is many times as fast.
const TIMES_ONLY: usize = 4;
/// No round begins a request after this.
const LONGEST_ROUND: Duration = Duration::from_secs(10);
/// One in so many is a repeat of one that was sent shortly before.
const DUPLICATE: u64 = 10;
/// How far back the repeated one lies.
const BACK: u64 = 7;

/// One round, in figures.
struct Figures {
    per_second: f64,
    cpu_us: f64,
}

fn main() -> anyhow::Result<()> {
    let client = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    server.block_on(run(client.handle()))
}

async fn run(client: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let place = Place::new().await?;
    let clock = Clock::system();
    let opened = place.open(clock.clone(), webhooks::register_app).await?;
    connect_shop(&opened, clock.now()).await?;
    let meter = opened.meter.clone();
    let durable = opened.app.start(Roles::INGEST)?;
    let (verifying, verify_address) = only_verifying()?;
    println!("{}; client and server on the same processors", place.name());
    println!(
        "connections | durable/s | verify-only/s | ratio | p50 ms | p99 ms | CPU us durable | CPU us verify | per commit | statements per webhook"
    );
    let mut ledger = HashSet::new();
    let mut number = 0;
    for (connections, n) in LEVELS {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let numbers: Vec<u64> = (number..number + n).map(repeat_some).collect();
            number += n;
            let requests = prepare(&numbers, clock.now())?;
            let (before, tally) = (meter.read(), durable.app.inbox.tally());
            let (round, figures) =
                measured(client, durable.address, &requests, 1, connections).await?;
            let cost = meter.read().since(before);
            let acknowledged = note(&mut ledger, &numbers, &round)?;
            let told = durable.app.inbox.tally();
            let stored = told.accepted + told.duplicates - tally.accepted - tally.duplicates;
            ensure!(
                stored == acknowledged,
                "{acknowledged} were acknowledged, {stored} stored"
            );
            ensure!(cost.transactions <= stored, "more commits than webhooks");
            let (_, only) =
                measured(client, verify_address, &requests, TIMES_ONLY, connections).await?;
            let ratio = figures.per_second / only.per_second;
            ratios.push(ratio);
            println!(
                "{connections:>11} | {:>9.0} | {:>13.0} | {ratio:>5.2} | {:>6.1} | {:>6.1} | {:>14.0} | {:>13.0} | {:>10.1} | {:.3}",
                figures.per_second,
                only.per_second,
                percentile(&round, 50),
                percentile(&round, 99),
                figures.cpu_us,
                only.cpu_us,
                stored as f64 / cost.transactions as f64,
                cost.statements() as f64 / stored as f64,
            );
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{connections:>11} connections: median ratio {:.2}",
            ratios[ratios.len() / 2]
        );
    }
    verifying.stop(false).await;
    check_books(&durable, &ledger).await?;
    println!(
        "{} acknowledged webhooks, each in the database once",
        ledger.len()
    );
    durable.stop().await?;
    place.close().await
}

async fn connect_shop(opened: &Opened, now: Timestamp) -> anyhow::Result<()> {
    let tx = opened.app.db.write_tx().await?;
    let new = NewChannel {
        merchant: opened.merchant,
        outlet: opened.outlet,
        parent: None,
        marketplace: webhooks::marketplace()?,
        platform: "tiktok_shop",
        remote_id: &webhooks::SHOP.into(),
        name: "Toko Contoh",
        base_url: None,
        address: "bench",
    };
    channels::connect(&tx, &new, now).await?;
    tx.commit().await?;
    Ok(())
}

/// A server that reads a body, checks its signature, and forgets it.
fn only_verifying() -> anyhow::Result<(ServerHandle, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(|| {
        actix_web::App::new().route(webhooks::PATH, web::post().to(verify_only))
    });
    let server = server.disable_signals().listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((handle, address))
}

async fn verify_only(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let raw = RawDelivery::new(headers.collect(), body);
    let keys = WebhookKeys::one(webhooks::APP_KEY, webhooks::APP_SECRET);
    let verified = webhooks::marketplace().is_ok_and(|m| m.verify(raw, &keys).is_ok());
    if verified {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::Unauthorized().finish()
    }
}

/// Every tenth webhook is one that was sent a moment ago.
fn repeat_some(number: u64) -> u64 {
    if number % DUPLICATE == DUPLICATE - 1 {
        number - BACK
    } else {
        number
    }
}

fn prepare(numbers: &[u64], at: Timestamp) -> anyhow::Result<Arc<Vec<Vec<u8>>>> {
    let requests = numbers.iter().map(|number| webhooks::request(*number, at));
    Ok(Arc::new(requests.collect::<anyhow::Result<_>>()?))
}

/// Sends them with the clock running; all must be answered with 200.
async fn measured(
    client: &tokio::runtime::Handle,
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    times: usize,
    connections: usize,
) -> anyhow::Result<(Round, Figures)> {
    let cpu = process::cpu()?;
    let sending = client::send_all(
        address,
        Arc::clone(requests),
        times,
        connections,
        LONGEST_ROUND,
    );
    let round = client.spawn(sending).await??;
    let cpu = process::cpu()?.saturating_sub(cpu);
    let answered = round.exchanges.len();
    ensure!(answered > connections, "hardly anything was answered");
    let refused = round.exchanges.iter().find(|one| one.status != 200);
    ensure!(refused.is_none(), "answered otherwise: {refused:?}");
    let figures = Figures {
        per_second: answered as f64 / round.took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / answered as f64,
    };
    Ok((round, figures))
}

/// Notes what was acknowledged; returns how many answers there were.
fn note(ledger: &mut HashSet<u64>, numbers: &[u64], round: &Round) -> anyhow::Result<u64> {
    let answered: HashSet<usize> = round.exchanges.iter().map(|one| one.request).collect();
    ensure!(answered.len() == round.exchanges.len(), "sent twice");
    ledger.extend(answered.into_iter().map(|request| numbers[request]));
    Ok(round.exchanges.len() as u64)
}

fn percentile(round: &Round, percent: usize) -> f64 {
    let mut took: Vec<Duration> = round.exchanges.iter().map(|one| one.took).collect();
    took.sort_unstable();
    took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

/// Everything acknowledged is there once, with its event; nothing else is.
async fn check_books(durable: &Running, ledger: &HashSet<u64>) -> anyhow::Result<()> {
    let app: &App = &durable.app;
    let keys: Vec<String> = deliveries::Entity::find()
        .select_only()
        .column(deliveries::Column::DeliveryKey)
        .into_tuple()
        .all(app.db.read())
        .await?;
    let stored: HashSet<&str> = keys
        .iter()
        .filter_map(|key| Some(key.split_once(':')?.1))
        .collect();
    let lost = ledger
        .iter()
        .filter(|number| !stored.contains(webhooks::id(**number).as_str()))
        .count();
    ensure!(
        lost == 0,
        "{lost} acknowledged webhooks are not in the database"
    );
    ensure!(
        keys.len() == ledger.len() && stored.len() == keys.len(),
        "{} rows for {} webhooks",
        keys.len(),
        ledger.len()
    );
    let n_events = events::Entity::find().count(app.db.read()).await?;
    ensure!(
        n_events == keys.len() as u64,
        "{n_events} events for {} webhooks",
        keys.len()
    );
    Ok(())
}
