//! `stock`: levels per SKU and outlet, and counting.

mod deeds;
mod history;
mod named;
mod pushes;
mod rules;

pub use named::{channel_names, outlet_named, sku_named};

use super::{
    context::{Context, Session},
    output::{Table, dash, money, or_dash, say, say_json},
};
use crate::accounts::{self, Deed};
use crate::catalog;
use crate::db::Tx;
use crate::domain::{Currency, MerchantId, Money, OutletId, SkuId, Source, Work};
use crate::prices;
use crate::queue::{self, NewJob};
use crate::sales;
use crate::stock::{self, LevelView};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use entity::{listings, skus};
use serde_json::{Value, json};
use std::{collections::HashMap, process::ExitCode};

/// Levels per SKU and outlet, their history, what channels are told of them and by which rules
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink stock show\n  marketsink stock set --sku KOPI-GAYO-250 --units 40"
)]
pub enum StockCommand {
    Show(ShowArgs),
    Set(SetArgs),
    Price(PriceArgs),
    History(history::HistoryArgs),
    Adjust(deeds::AdjustArgs),
    Transfer(deeds::TransferArgs),
    Reserve(deeds::ReserveArgs),
    Release(deeds::ReleaseArgs),
    Oversold(history::OversoldArgs),
    Pushes(pushes::PushesArgs),
    Compared(pushes::ComparedArgs),
    #[command(subcommand)]
    Rules(rules::RulesCommand),
}

/// Shows levels; with --sku also the listings that show them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock show\n  marketsink stock show --sku KOPI-GAYO-250 --json"
)]
pub struct ShowArgs {
    /// Only this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
}

/// Sets the units on hand, as a person counted them, and tells every channel
///
/// A SKU that is new is made: listings with its code are linked to it, and orders that waited for it are
/// read again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock set --sku KOPI-GAYO-250 --units 40\n  marketsink stock set --sku MUG --units 12 --name 'Enamel mug' --outlet Main --note 'counted on Monday'"
)]
pub struct SetArgs {
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// Units on hand, those sold and not yet sent included
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..=1_000_000_000))]
    units: i64,
    /// Where they are; opened if there is no such outlet
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
    /// The name of a new SKU
    #[arg(long)]
    name: Option<String>,
    /// Why, for whoever reads the ledger
    #[arg(long, default_value = "counted")]
    note: String,
}

/// Says what one unit of a SKU costs: `marketsink drift` compares it with what channels show
///
/// `marketsink stock price` and `marketsink prices set` are the same. Channels with the setting push_prices are told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock price --sku MUG 55000 --currency IDR\n  marketsink prices set --sku MUG 55000 --currency IDR"
)]
pub(super) struct PriceArgs {
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// In major units, such as 55000 or 19.98
    amount: String,
    /// Its ISO 4217 code
    #[arg(long, value_name = "CODE")]
    currency: String,
}

pub async fn run(context: &Context, command: StockCommand) -> anyhow::Result<ExitCode> {
    match command {
        StockCommand::Show(args) => show(context, args.sku.as_deref()).await?,
        StockCommand::Set(args) => set(context, &args).await?,
        StockCommand::Price(args) => price(context, &args).await?,
        StockCommand::History(args) => history::history(context, &args).await?,
        StockCommand::Adjust(args) => deeds::adjust(context, &args).await?,
        StockCommand::Transfer(args) => deeds::transfer(context, &args).await?,
        StockCommand::Reserve(args) => deeds::reserve(context, &args).await?,
        StockCommand::Release(args) => deeds::release(context, &args).await?,
        StockCommand::Oversold(args) => history::oversold(context, &args).await?,
        StockCommand::Pushes(args) => pushes::pushes(context, &args).await?,
        StockCommand::Compared(args) => pushes::compared(context, &args).await?,
        StockCommand::Rules(command) => rules::run(context, command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn price(context: &Context, args: &PriceArgs) -> anyhow::Result<()> {
    let price = Money::parse(&args.amount, Currency::from_code(&args.currency)?)?;
    let session = context.session().await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    let before = price_of(&tx, session.merchant, &args.sku).await?;
    if !catalog::set_price(&tx, session.merchant, &args.sku, price, now).await? {
        return Err(unknown(&args.sku));
    }
    let deed = Deed::new("sku.price_set", "sku", &args.sku);
    session
        .record(
            &tx,
            deed.from(json!({"price": before}))
                .to(json!({"price": price})),
        )
        .await?;
    let sku = named::sku_named(&session, &args.sku).await?;
    let which = (Some(&[sku][..]), None);
    let pushes =
        prices::enqueue_price_pushes(&tx, session.merchant, which, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"sku": args.sku, "price": price, "pushes_enqueued": pushes}));
    }
    say(format!(
        "{} costs {price}; {pushes} pushes are enqueued",
        args.sku
    ));
    Ok(())
}

fn unknown(code: &str) -> anyhow::Error {
    anyhow!("no SKU is called `{code}`; `marketsink stock set --sku {code} --units N` makes it")
}

async fn show(context: &Context, code: Option<&str>) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (&session.app.db, session.merchant);
    let mut skus = catalog::list_skus(db.read(), merchant).await?;
    if let Some(code) = code {
        skus.retain(|sku| sku.code == code);
        if skus.is_empty() {
            return Err(unknown(code));
        }
    }
    let rows = rows(&session, &skus).await?;
    let ids: Vec<SkuId> = skus.iter().map(|sku| SkuId(sku.id)).collect();
    let listings = match code {
        Some(_) => catalog::listings_of(db.read(), merchant, &ids).await?,
        None => Vec::new(),
    };
    session.close().await?;
    if context.json {
        return say_shown_json(code, &rows, &listings);
    }
    let heading = [
        "sku",
        "outlet",
        "on hand",
        "allocated",
        "reserved",
        "available",
        "name",
    ];
    let mut table = Table::new(&heading);
    for row in &rows {
        let number = |of: fn(&LevelView) -> i64| or_dash(row.level.as_ref().map(of));
        table.row([
            row.code.clone(),
            row.outlet.clone(),
            number(|level| level.on_hand),
            number(|level| level.allocated),
            number(|level| level.reserved),
            number(|level| level.available),
            row.name.clone(),
        ]);
    }
    table.say("nothing is counted yet; `marketsink stock set --sku CODE --units N` begins");
    if code.is_some() {
        say_listings(&listings);
    }
    Ok(())
}

/// A SKU at an outlet; a SKU that was never counted has no level.
struct Row {
    code: String,
    name: String,
    outlet: String,
    level: Option<LevelView>,
}

async fn rows(session: &Session, skus: &[skus::Model]) -> anyhow::Result<Vec<Row>> {
    let (db, merchant) = (&session.app.db, session.merchant);
    let outlets: HashMap<OutletId, String> = accounts::outlets(db, merchant)
        .await?
        .into_iter()
        .map(|outlet| (OutletId(outlet.id), outlet.name))
        .collect();
    let levels = stock::levels(db.read(), merchant).await?;
    let mut rows = Vec::new();
    for sku in skus {
        let row = |outlet: String, level: Option<LevelView>| Row {
            code: sku.code.clone(),
            name: sku.name.clone(),
            outlet,
            level,
        };
        let own: Vec<&LevelView> = levels.iter().filter(|l| l.sku.0 == sku.id).collect();
        for level in &own {
            let outlet = or_dash(outlets.get(&level.outlet));
            rows.push(row(outlet, Some((*level).clone())));
        }
        if own.is_empty() {
            rows.push(row(dash(), None));
        }
    }
    Ok(rows)
}

fn say_shown_json(
    code: Option<&str>,
    rows: &[Row],
    listings: &[listings::Model],
) -> anyhow::Result<()> {
    let levels: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "sku": row.code,
                "name": row.name,
                "outlet": row.outlet,
                "on_hand": row.level.as_ref().map(|level| level.on_hand),
                "allocated": row.level.as_ref().map(|level| level.allocated),
                "reserved": row.level.as_ref().map(|level| level.reserved),
                "available": row.level.as_ref().map(|level| level.available),
            })
        })
        .collect();
    if code.is_none() {
        return say_json(&levels);
    }
    say_json(&json!({"levels": levels, "listings": listings}))
}

fn say_listings(listings: &[listings::Model]) {
    let mut table = Table::new(&["channel", "listing", "state", "shows", "told", "title"]);
    for listing in listings {
        table.row([
            listing.channel_id.to_string(),
            listing.variant_id.clone(),
            listing.state.clone(),
            or_dash(listing.quantity),
            or_dash(listing.pushed_quantity),
            listing.title.clone(),
        ]);
    }
    table.say("no channel lists it");
}

async fn price_of(tx: &Tx, merchant: MerchantId, code: &str) -> anyhow::Result<Option<String>> {
    let Some(sku) = catalog::find_sku(tx, merchant, code).await? else {
        return Ok(None);
    };
    let known = catalog::skus_by_id(tx, merchant, &[sku]).await?;
    let row = known.get(&sku);
    let price = row.and_then(|row| Some(money(row.price_minor?, row.currency.as_deref()?)));
    Ok(price)
}

/// What setting a level did.
struct Set {
    is_new: bool,
    linked: u64,
    difference: i64,
    pushes: u64,
    orders: usize,
}

async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let app = context.open().await?;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let zone = accounts::DEFAULT_TIME_ZONE;
    let merchant = accounts::open_merchant(&tx, &context.merchant, zone, now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, &args.outlet, now).await?;
    let known = catalog::find_sku(&tx, merchant, &args.sku).await?;
    let name = args.name.as_deref().unwrap_or(&args.sku);
    let (sku, linked) = catalog::create_sku(&tx, merchant, &args.sku, name, now).await?;
    let at = (sku, outlet);
    let difference = stock::set_on_hand(&tx, merchant, at, args.units, &args.note, now).await?;
    let pushes = stock::enqueue_pushes(&tx, merchant, &[sku], None, Source::Manual, now).await?;
    let waiting = waiting_orders(&tx, merchant, &args.sku).await?;
    queue::enqueue(&tx, &waiting, now).await?;
    let deed = Deed::new("stock.set", "sku", &args.sku)
        .from(json!({"on_hand": args.units - difference, "outlet": args.outlet}))
        .to(json!({"on_hand": args.units, "outlet": args.outlet, "note": args.note}));
    context.record(&tx, Some(merchant), deed, now).await?;
    tx.commit().await?;
    app.queue.wake();
    app.close().await?;
    let done = Set {
        is_new: known.is_none(),
        linked,
        difference,
        pushes,
        orders: waiting.len(),
    };
    report(context, args, &done)
}

/// Orders with a line that waited for this SKU are read again.
async fn waiting_orders(
    tx: &crate::db::Tx,
    merchant: MerchantId,
    code: &str,
) -> anyhow::Result<Vec<NewJob>> {
    let orders = sales::orders_waiting_for(tx, merchant, code).await?;
    let job = |(channel, order)| NewJob {
        merchant,
        channel,
        work: Work::FetchOrder { order },
        source: Source::Manual,
        run_at: None,
    };
    Ok(orders.into_iter().map(job).collect())
}

fn report(context: &Context, args: &SetArgs, done: &Set) -> anyhow::Result<()> {
    if context.json {
        return say_json(&json!({
            "sku": args.sku,
            "outlet": args.outlet,
            "on_hand": args.units,
            "is_new": done.is_new,
            "listings_linked": done.linked,
            "difference": done.difference,
            "pushes_enqueued": done.pushes,
            "orders_read_again": done.orders,
        }));
    }
    if done.is_new {
        say(format!(
            "SKU {} is new; {} listings were linked to it",
            args.sku, done.linked
        ));
    }
    say(format!(
        "{} at {}: {} on hand ({:+})",
        args.sku, args.outlet, args.units, done.difference
    ));
    say(format!(
        "{} pushes to channels and {} orders that waited for it are enqueued for `marketsink serve`",
        done.pushes, done.orders
    ));
    Ok(())
}
