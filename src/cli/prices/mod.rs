//! `prices`: what SKUs cost, what channels are told of that, and by which rules.

mod rules;

use super::{
    context::{Context, Session},
    output::{Table, at, dash, money, or_dash, say, say_json},
    sheet::{Sheet, number, text},
    stock::{self as stock_cli, channel_names, sku_named},
};
use crate::accounts::Deed;
use crate::catalog;
use crate::channels::{self, Channel};
use crate::domain::{ChannelId, Currency, ListingId, Money, SkuId, Source};
use crate::prices::{self, PricePushFilter, PriceRule, PriceRules};
use clap::{Args, Subcommand};
use entity::{listings, skus};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    process::ExitCode,
};

/// Listings of a channel that are shown at most, unless a SKU is named.
const MOST: u64 = 500;
const PAGE: u64 = 50;

/// What SKUs cost, and what channels are told of it: show, set, rules, simulate, push, pushes
///
/// Prices are told only to channels with the setting push_prices: `marketsink channel settings 1 push_prices=yes`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink prices set --sku MUG 55000 --currency IDR
  marketsink prices rules set --channel 1 --percent 10 --round-to 1000 --round up
  marketsink prices show --sku MUG")]
pub enum PricesCommand {
    Show(ShowArgs),
    Set(stock_cli::PriceArgs),
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    Simulate(rules::SimulateArgs),
    Push(PushArgs),
    Pushes(PushesArgs),
}

/// Shows what each listing should cost, what it shows, and by which rule
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink prices show --sku MUG
  marketsink prices show --channel 1 --csv > prices.csv")]
pub struct ShowArgs {
    /// Only of this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
    /// Only on this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Tells channels the prices again
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink prices push --channel 1\n  marketsink prices push --sku MUG"
)]
pub struct PushArgs {
    /// Only of this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
    /// Only to this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
}

/// Shows what channels were told about prices and what they answered, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink prices pushes --failed\n  marketsink prices pushes --sku MUG --json"
)]
pub struct PushesArgs {
    /// Only to this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only of this listing
    #[arg(long, value_name = "ID")]
    listing: Option<i64>,
    /// Only of this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
    /// Only those that the channel did not take
    #[arg(long)]
    failed: bool,
    /// Go on before this push, the last of the page before
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Pushes at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = PAGE)]
    limit: u64,
}

pub async fn run(context: &Context, command: PricesCommand) -> anyhow::Result<ExitCode> {
    match command {
        PricesCommand::Show(args) => show(context, &args).await?,
        PricesCommand::Set(args) => stock_cli::price(context, &args).await?,
        PricesCommand::Rules(command) => rules::run(context, command).await?,
        PricesCommand::Simulate(args) => rules::simulate(context, &args).await?,
        PricesCommand::Push(args) => push(context, &args).await?,
        PricesCommand::Pushes(args) => pushes(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A listing and its price.
pub(super) struct Priced {
    pub channel: Channel,
    pub listing: listings::Model,
    pub code: String,
    pub price: Option<(Money, PriceRule)>,
}

/// What listings should cost by these rules.
pub(super) async fn priced(
    session: &Session,
    sku: Option<SkuId>,
    only: Option<ChannelId>,
    rules: &PriceRules,
) -> anyhow::Result<Vec<Priced>> {
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let mut all = Vec::new();
    for channel in channels::list(&session.app.db, merchant, false).await? {
        if channel.parent.is_some() || only.is_some_and(|id| id != channel.id) {
            continue;
        }
        let rows = if let Some(sku) = sku {
            catalog::listings_of(db, merchant, &[sku]).await?
        } else {
            let page = catalog::page_of_channel(db, channel.id, ListingId(0), MOST).await?;
            let linked = page.into_iter().filter(|row| row.state != "gone");
            linked.filter(|row| row.sku_id.is_some()).collect()
        };
        let here: Vec<listings::Model> = rows
            .into_iter()
            .filter(|row| row.channel_id == channel.id.0)
            .collect();
        let ids: Vec<SkuId> = here
            .iter()
            .filter_map(|row| row.sku_id.map(SkuId))
            .collect();
        let skus = catalog::skus_by_id(db, merchant, &ids).await?;
        for listing in here {
            let Some(sku) = listing.sku_id.and_then(|id| skus.get(&SkuId(id))) else {
                continue;
            };
            all.push(Priced {
                price: rules.price(SkuId(sku.id), channel.id, base_of(sku)),
                code: sku.code.clone(),
                channel: channel.clone(),
                listing,
            });
        }
    }
    Ok(all)
}

fn base_of(sku: &skus::Model) -> Option<Money> {
    let currency = Currency::from_code(sku.currency.as_deref()?).ok()?;
    let minor = sku.price_minor?;
    Some(Money { minor, currency })
}

async fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = match &args.sku {
        Some(code) => Some(sku_named(&session, code).await?),
        None => None,
    };
    let rules = PriceRules::of_merchant(session.app.db.read(), session.merchant).await?;
    let rows = priced(&session, sku, args.channel.map(ChannelId), &rules).await?;
    session.close().await?;
    if args.csv {
        return write(&rows);
    }
    if context.json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        return say_json(&rows);
    }
    let mut table = Table::new(&[
        "channel",
        "listing",
        "sku",
        "should cost",
        "shows",
        "by",
        "told",
    ]);
    for row in &rows {
        let told = if row.channel.settings.push_prices {
            "yes"
        } else {
            "no"
        };
        table.row([
            row.channel.name.clone(),
            row.listing.id.to_string(),
            row.code.clone(),
            or_dash(row.price.map(|(price, _)| price)),
            shown(&row.listing),
            row.price.map_or_else(dash, |(_, rule)| rule.in_words()),
            told.to_owned(),
        ]);
    }
    table.say("no listing of a SKU is meant");
    Ok(())
}

fn as_json(row: &Priced) -> serde_json::Value {
    json!({
        "channel": row.channel.id,
        "listing": row.listing.id,
        "sku": row.code,
        "price": row.price.map(|(price, _)| price),
        "rule": row.price.map(|(_, rule)| rule),
        "shown_minor": row.listing.price_minor,
        "shown_currency": row.listing.currency,
        "told": row.channel.settings.push_prices,
    })
}

fn write(rows: &[Priced]) -> anyhow::Result<()> {
    let heading = [
        "channel",
        "listing",
        "sku",
        "price_minor",
        "currency",
        "shown_minor",
        "shown_currency",
        "rule",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in rows {
        let price = row.price.map(|(price, _)| price);
        sheet.row([
            number(row.channel.id.0),
            number(row.listing.id),
            text(&*row.code),
            number(price.map(|price| price.minor)),
            text(price.map_or("", |price| price.currency.code())),
            number(row.listing.price_minor),
            text(row.listing.currency.clone().unwrap_or_default()),
            text(
                row.price
                    .map_or_else(String::new, |(_, rule)| rule.in_words()),
            ),
        ])?;
    }
    sheet.write_out()
}

pub(super) fn shown(listing: &listings::Model) -> String {
    match (listing.price_minor, listing.currency.as_deref()) {
        (Some(minor), Some(currency)) => money(minor, currency),
        _ => dash(),
    }
}

async fn push(context: &Context, args: &PushArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let skus = match &args.sku {
        Some(code) => Some(vec![sku_named(&session, code).await?]),
        None => None,
    };
    let channel = match args.channel {
        Some(id) => Some(session.channel(id).await?.id),
        None => None,
    };
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    let which = (skus.as_deref(), channel);
    let n = prices::enqueue_price_pushes(&tx, merchant, which, Source::Manual, now).await?;
    let subject = args.sku.as_deref().unwrap_or("all");
    let deed = Deed::new("prices.pushed", "sku", subject);
    let what = json!({"channel": channel, "pushes": n});
    session.record(&tx, deed.to(what)).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"pushes_enqueued": n}));
    }
    say(format!(
        "{n} pushes are enqueued; channels whose setting push_prices is off are left out"
    ));
    Ok(())
}

async fn pushes(context: &Context, args: &PushesArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = match &args.sku {
        Some(code) => Some(sku_named(&session, code).await?),
        None => None,
    };
    let filter = PricePushFilter {
        channel: args.channel.map(ChannelId),
        listing: args.listing.map(ListingId),
        sku,
        failed: args.failed,
        before: args.before,
    };
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rows = prices::price_pushes(db, merchant, &filter, args.limit.clamp(1, 1_000)).await?;
    let skus: BTreeSet<SkuId> = rows.iter().map(|row| SkuId(row.sku_id)).collect();
    let skus: Vec<SkuId> = skus.into_iter().collect();
    let codes: HashMap<SkuId, String> = catalog::sku_codes(db, merchant, &skus).await?;
    let channels = channel_names(&session).await?;
    session.close().await?;
    if context.json {
        return say_json(&rows);
    }
    let heading = [
        "id", "at", "channel", "listing", "sku", "told", "source", "try", "answer",
    ];
    let mut table = Table::new(&heading);
    for row in &rows {
        table.row([
            row.id.to_string(),
            at(row.finished_at),
            or_dash(channels.get(&row.channel_id)),
            row.listing_id.to_string(),
            or_dash(codes.get(&SkuId(row.sku_id))),
            money(row.price_minor, &row.currency),
            row.source.clone(),
            row.attempt.to_string(),
            row.answer.clone().unwrap_or_else(|| "taken".to_owned()),
        ]);
    }
    table.say("no price was pushed");
    Ok(())
}
