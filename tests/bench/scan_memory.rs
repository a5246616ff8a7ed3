//! What a full scan costs: memory, calls, statements; and that a second one writes no listing.
//!
//! `cargo bench --bench scan_memory`. The marketplace is simulated in a process of its own, so that its
//! memory does not count, and each size is scanned in a new process. TikTok Shop shows the first 10,000
//! products of a search only: the larger catalogue must be walked in windows of update time.

mod memory;
mod place;
mod process;

use anyhow::{Context, bail, ensure};
use entity::listings;
use marketsink::{
    clock::Clock,
    db::Reading,
    domain::{ChannelId, ScanKind, ScanMethod, Source, Timestamp},
    marketplaces::{self, Marketplace},
    sandbox::{Sandbox, Weather},
    sync::{self, Connect, ScanRequest},
};
use place::{Opened, Place};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Listings of the catalogues that are scanned.
const SIZES: [usize; 2] = [10_000, 100_000];
const VARIANTS: usize = 3;
/// The products were last changed over this span, evenly.
const SPAN: Duration = Duration::from_secs(90 * 86_400);
/// The simulated shop's; its credentials follow from it.
const SEED: u32 = 1;
const SHOP: &str = "Toko Contoh";
/// The most that a process that scans may ever have.
const MOST_MEBIBYTES: f64 = 100.0;
/// What the larger catalogue may need beyond the smaller one.
const MOST_GROWTH: f64 = 24.0;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = |at: usize| {
        let text = arguments.get(at).context("a size")?;
        text.parse::<usize>().context("a size")
    };
    match arguments.first().map(String::as_str) {
        Some("simulate") => simulate(size(1)?),
        Some("scan") => {
            let origin = arguments.get(2).context("an address")?;
            Runtime::new()?.block_on(scan(size(1)?, origin))
        }
        _ => compare(),
    }
}

/// Scans each catalogue in a process of its own, and compares their memory.
fn compare() -> anyhow::Result<()> {
    println!("the marketplace in a process of its own; a new process for each size");
    println!(
        "listings | scan | seconds | CPU s | pages | calls | MiB before | MiB at most | added | changed | statements per page, of them writes | rows written"
    );
    let mut peaks = Vec::new();
    for size in SIZES {
        let mut shop = itself(&["simulate", &size.to_string()])?;
        let mut origin = String::new();
        let told = shop.stdout.take().context("what the shop says")?;
        BufReader::new(told).read_line(&mut origin)?;
        let scanned = itself(&["scan", &size.to_string(), origin.trim()])?.wait_with_output();
        drop(shop.stdin.take());
        shop.wait()?;
        let scanned = scanned?;
        let text = String::from_utf8(scanned.stdout)?;
        print!("{text}");
        ensure!(scanned.status.success(), "the scan failed");
        let peak = text.lines().last().context("a last line")?;
        peaks.push(peak.trim_start_matches("peak ").parse::<f64>()?);
    }
    let growth = peaks[1] - peaks[0];
    println!("ten times the listings: {growth:.1} MiB more at most");
    ensure!(
        growth < MOST_GROWTH && peaks[1] < MOST_MEBIBYTES,
        "the memory of a scan grows with the catalogue"
    );
    Ok(())
}

fn itself(arguments: &[&str]) -> anyhow::Result<Child> {
    let child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

fn tiktok_shop() -> anyhow::Result<&'static dyn Marketplace> {
    marketplaces::find("tiktok_shop").context("TikTok Shop is one of the marketplaces")
}

/// Serves a shop with so many listings until the standard input ends.
fn simulate(size: usize) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let clock = Clock::system();
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let shop = sandbox.open(tiktok_shop()?, SEED, SHOP).await?;
        let now = clock.now();
        let products = u32::try_from(size.div_ceil(VARIANTS))?;
        shop.with(|shop| {
            for n in 0..products {
                let skus = [0, 1, 2].map(|variant| format!("SKU-{n:06}-{variant}"));
                let names = ["Small", "Medium", "Large"];
                let variants: Vec<_> = names
                    .iter()
                    .zip(&skus)
                    .map(|(name, sku)| (*name, Some(sku.as_str()), 5_500_000, 10))
                    .take(size - VARIANTS * n as usize)
                    .collect();
                let title = format!("Batik shirt, long sleeves, pattern {n:06}");
                let at = now - SPAN + SPAN * n / products;
                shop.add_product(&title, &variants, at);
            }
        });
        println!("{}", shop.origin());
        let waited = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        waited.await??;
        sandbox.stop().await;
        Ok(())
    })
}

/// Scans the shop at `origin` twice and prints what that took.
async fn scan(size: usize, origin: &str) -> anyhow::Result<()> {
    let place = Place::new().await?;
    println!("{}", place.name());
    let clock = Clock::system();
    let shop = tiktok_shop()?
        .simulator()
        .open_shop(SEED, SHOP, clock.now());
    let credentials = tiktok_shop()?.simulator().credentials(&shop);
    let opened = place.open(clock.clone(), |settings| {
        settings.sync.allow_private_hosts = true;
        let app = settings.apps.at("tiktok_shop");
        for name in ["app_key", "app_secret"] {
            let value = credentials.get(name).unwrap_or_default();
            app.values
                .insert(name, marketsink::config::Secret::new(value));
        }
        app.api_url = Some(origin.to_owned());
        app.auth_url = Some(origin.to_owned());
    });
    let opened = opened.await?;
    let connect = Connect {
        merchant: opened.merchant,
        outlet: opened.outlet,
        marketplace: tiktok_shop()?,
        base_url: None,
        secrets: credentials,
        expires_at: None,
        name: None,
    };
    let connected = opened.app.sync.connect(connect).await?.connected;
    let channel = connected[0].channels[0].id;
    let first = full_scan(&opened, channel, "first", size).await?;
    ensure!(first.added == size as u64, "{} were added", first.added);
    let second = full_scan(&opened, channel, "again", size).await?;
    ensure!(
        (second.added, second.changed, second.written) == (0, 0, 0),
        "an unchanged catalogue was written"
    );
    println!("peak {:.1}", first.peak.max(second.peak));
    opened.app.close().await?;
    place.close().await
}

struct Scanned {
    added: u64,
    changed: u64,
    /// Listings with a row that was written.
    written: u64,
    peak: f64,
}

async fn full_scan(
    opened: &Opened,
    channel: ChannelId,
    name: &str,
    size: usize,
) -> anyhow::Result<Scanned> {
    // Forgets the highest memory so far.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = memory::mebibytes("self", "VmRSS")?;
    let (begun_at, begun) = (opened.app.clock.now(), Instant::now());
    let (counted, cpu) = (opened.meter.read(), process::cpu()?);
    let request = ScanRequest {
        channel,
        kind: ScanKind::Full,
        method: ScanMethod::Sync,
        source: Source::Manual,
        product: None,
    };
    let id = opened.app.sync.run_scan(&request).await?;
    let (took, counted) = (begun.elapsed(), opened.meter.read().since(counted));
    let cpu = process::cpu()?.saturating_sub(cpu);
    let peak = memory::mebibytes("self", "VmHWM")?;
    let rows = sync::scans(&opened.app.db, opened.merchant, 10).await?;
    let Some(row) = rows.into_iter().find(|row| row.id == id.0) else {
        bail!("the scan is not in the database");
    };
    ensure!(row.listings as usize == size, "{} were seen", row.listings);
    ensure!(row.gone == 0 && row.errors == 0, "some were not read");
    let written = written_since(opened, begun_at).await?;
    print_line(
        name,
        size,
        (took, cpu),
        &row,
        (before, peak),
        counted,
        written,
    );
    Ok(Scanned {
        added: row.added as u64,
        changed: row.changed as u64,
        written,
        peak,
    })
}

async fn written_since(opened: &Opened, at: Timestamp) -> anyhow::Result<u64> {
    let written = listings::Entity::find().filter(listings::Column::UpdatedAt.gte(at.micros()));
    Ok(written.count(opened.app.db.read()).await?)
}

fn print_line(
    name: &str,
    size: usize,
    (took, cpu): (Duration, Duration),
    row: &entity::scans::Model,
    (before, peak): (f64, f64),
    counted: Reading,
    written: u64,
) {
    let pages = row.pages as f64;
    println!(
        "{size:>8} | {name} | {:>7.1} | {:>5.1} | {:>5} | {:>5} | {before:>10.1} | {peak:>11.1} | {:>6} | {:>7} | {:>7.2}, {:.2} | {written}",
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        row.pages,
        row.api_calls,
        row.added,
        row.changed,
        counted.statements() as f64 / pages,
        counted.writes as f64 / pages,
    );
}
