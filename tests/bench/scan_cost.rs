//! What scans cost, from a thousand listings to a million: memory, calls, statements.
//!
//! `cargo bench --bench scan_cost`, or `cargo bench --bench scan_cost -- 1000 10000` for these sizes only. Each
//! catalogue is scanned whole, scanned again, and then for what was updated after one product in a thousand was:
//! the second scan may write no listing, and the third may cost calls for what changed only.
//!
//! The marketplace is simulated in a process of its own, so that its memory does not count, and each size is
//! scanned in a new process. TikTok Shop shows the first 10,000 products of a search only: larger catalogues must
//! be walked in windows of update time.

mod memory;
mod place;
mod process;

use anyhow::{Context, bail, ensure};
use entity::listings;
use marketsink::{
    clock::Clock,
    db::Reading,
    domain::{ChannelId, RemoteId, ScanKind, ScanMethod, Source, Timestamp},
    marketplaces::{self, Marketplace},
    sandbox::{Sandbox, SimShop, Weather},
    sync::{self, Connect, ScanRequest},
};
use place::{Opened, Place};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Listings of the catalogues that are scanned, when no sizes are named.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Of so many products one is edited before the scan for what was updated.
const EDITED: usize = 1_000;
const VARIANTS: usize = 3;
/// The products were last changed over this span, evenly.
const SPAN: Duration = Duration::from_secs(90 * 86_400);
/// The simulated shop's; its credentials follow from it.
const SEED: u32 = 1;
const SHOP: &str = "Toko Contoh";
/// The most that a process that scans may ever have.
const MOST_MEBIBYTES: f64 = 100.0;
/// What the largest catalogue may need beyond the smallest one.
const MOST_GROWTH: f64 = 40.0;
/// And have rested since: longer than a scan looks back, so that it finds the edited ones only.
const QUIET: Duration = Duration::from_secs(2 * 3_600);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| {
        let text: &String = arguments.get(at).context("a number")?;
        text.parse::<usize>().context("a number")
    };
    match arguments.first().map(String::as_str) {
        Some("simulate") => simulate(number(1)?),
        Some("scan") => {
            let origin = arguments.get(2).context("an address")?;
            Runtime::new()?.block_on(scan(number(1)?, origin))
        }
        _ => {
            let named = arguments.iter().filter_map(|text| text.parse().ok());
            let sizes: Vec<usize> = named.collect();
            compare(if sizes.is_empty() { &SIZES } else { &sizes })
        }
    }
}

/// Scans each catalogue in a process of its own, and compares their memory.
fn compare(sizes: &[usize]) -> anyhow::Result<()> {
    println!("the marketplace in a process of its own; a new process for each size");
    println!(
        "listings | scan | seconds | CPU s | pages | calls | MiB before | MiB at most | added | changed | statements per page, of them writes | rows written"
    );
    let mut peaks = Vec::new();
    for size in sizes {
        peaks.push(peak_of(*size)?);
    }
    let (first, last) = (peaks[0], peaks[peaks.len() - 1]);
    let growth = last - first;
    println!("the last against the first: {growth:.1} MiB more at most");
    ensure!(
        growth < MOST_GROWTH && last < MOST_MEBIBYTES,
        "the memory of a scan grows with the catalogue"
    );
    Ok(())
}

/// Scans a catalogue of `size` listings and returns the most memory that it took, in MiB.
fn peak_of(size: usize) -> anyhow::Result<f64> {
    let mut shop = itself(&["simulate", &size.to_string()])?;
    let mut told = BufReader::new(shop.stdout.take().context("what the shop says")?);
    let mut origin = String::new();
    told.read_line(&mut origin)?;
    let mut scanner = itself(&["scan", &size.to_string(), origin.trim()])?;
    let mut says = BufReader::new(scanner.stdout.take().context("what the scan says")?);
    let mut peak = None;
    loop {
        let mut line = String::new();
        if says.read_line(&mut line)? == 0 {
            break;
        }
        if line.trim() == EDIT {
            // The shop edits, says so, and the scanner hears it.
            writeln!(shop.stdin.as_mut().context("the shop listens")?, "{EDIT}")?;
            let mut done = String::new();
            told.read_line(&mut done)?;
            writeln!(
                scanner.stdin.as_mut().context("the scan listens")?,
                "{done}"
            )?;
            continue;
        }
        print!("{line}");
        peak = line
            .trim()
            .strip_prefix("peak ")
            .map(str::parse::<f64>)
            .or(peak);
    }
    drop(shop.stdin.take());
    shop.wait()?;
    ensure!(scanner.wait()?.success(), "the scan failed");
    Ok(peak.context("a peak")??)
}

/// What the scanner says when the shop should edit.
const EDIT: &str = "edit";

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
                let at = now - QUIET - SPAN + SPAN * n / products;
                shop.add_product(&title, &variants, at);
            }
        });
        println!("{}", shop.origin());
        let waited = tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lines() {
                line?;
                println!("{}", edit(&shop, clock.now()));
            }
            Ok::<_, std::io::Error>(())
        });
        waited.await??;
        sandbox.stop().await;
        Ok(())
    })
}

/// Renames one product in a thousand, at least one, and returns how many.
fn edit(shop: &SimShop, now: Timestamp) -> usize {
    shop.with(|shop| {
        let products: Vec<RemoteId> = shop.products.keys().cloned().collect();
        let edited: Vec<_> = products.iter().step_by(EDITED).collect();
        for id in &edited {
            shop.edit_product(id, now, |product| product.title.push_str(", new"));
        }
        edited.len()
    })
}

/// Scans the shop at `origin` three times and prints what that took.
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
    let full = |name| Wanted {
        kind: ScanKind::Full,
        name,
        listings: size as u64,
    };
    let first = run_scan(&opened, channel, full("first")).await?;
    ensure!(first.added == size as u64, "{} were added", first.added);
    let second = run_scan(&opened, channel, full("again")).await?;
    ensure!(
        (second.added, second.changed, second.written) == (0, 0, 0),
        "an unchanged catalogue was written"
    );
    println!("{EDIT}");
    let mut edited = String::new();
    std::io::stdin().read_line(&mut edited)?;
    let edited: u64 = edited.trim().parse()?;
    let updated = Wanted {
        kind: ScanKind::Updated,
        name: "updated",
        listings: (edited * VARIANTS as u64).min(size as u64),
    };
    let third = run_scan(&opened, channel, updated).await?;
    ensure!(
        third.calls <= 3 + edited / 50,
        "{} calls for {edited} products that changed",
        third.calls
    );
    let peak = first.peak.max(second.peak).max(third.peak);
    println!("peak {peak:.1}");
    opened.app.close().await?;
    place.close().await
}

struct Wanted {
    kind: ScanKind,
    name: &'static str,
    /// It must see so many.
    listings: u64,
}

struct Scanned {
    added: u64,
    changed: u64,
    /// Listings with a row that was written.
    written: u64,
    calls: u64,
    peak: f64,
}

async fn run_scan(opened: &Opened, channel: ChannelId, wanted: Wanted) -> anyhow::Result<Scanned> {
    // Forgets the highest memory so far.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = memory::mebibytes("self", "VmRSS")?;
    let (begun_at, begun) = (opened.app.clock.now(), Instant::now());
    let (counted, cpu) = (opened.meter.read(), process::cpu()?);
    let request = ScanRequest {
        channel,
        kind: wanted.kind,
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
    ensure!(
        row.listings as u64 == wanted.listings,
        "{} were seen",
        row.listings
    );
    ensure!(row.gone == 0 && row.errors == 0, "some were not read");
    let written = written_since(opened, begun_at).await?;
    let memory = (before, peak);
    print_line(&wanted, (took, cpu), &row, memory, counted, written);
    Ok(Scanned {
        added: row.added as u64,
        changed: row.changed as u64,
        written,
        calls: row.api_calls as u64,
        peak,
    })
}

async fn written_since(opened: &Opened, at: Timestamp) -> anyhow::Result<u64> {
    let written = listings::Entity::find().filter(listings::Column::UpdatedAt.gte(at.micros()));
    Ok(written.count(opened.app.db.read()).await?)
}

fn print_line(
    wanted: &Wanted,
    (took, cpu): (Duration, Duration),
    row: &entity::scans::Model,
    (before, peak): (f64, f64),
    counted: Reading,
    written: u64,
) {
    let pages = row.pages as f64;
    println!(
        "{:>8} | {} | {:>7.1} | {:>5.1} | {:>5} | {:>5} | {before:>10.1} | {peak:>11.1} | {:>6} | {:>7} | {:>7.2}, {:.2} | {written}",
        row.listings,
        wanted.name,
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
