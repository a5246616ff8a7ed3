//! `stock adjust`, `transfer`, `reserve`, `release`.

use super::named::{outlet_named, sku_named};
use crate::accounts::{self, Deed};
use crate::cli::{
    context::{Context, Session},
    output::{say, say_json},
};
use crate::db::Tx;
use crate::domain::{SkuId, Source};
use crate::stock;
use clap::Args;
use serde_json::json;

/// Adds or takes away units on hand, with the reason
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock adjust --sku MUG --units=-2 --reason 'broken in the store room'
  marketsink stock adjust --sku MUG --units 5 --reason 'found' --outlet Main")]
pub struct AdjustArgs {
    /// Its code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// How many more; negative: fewer
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1_000_000_000..=1_000_000_000))]
    units: i64,
    /// Why, for whoever reads the ledger
    #[arg(long)]
    reason: String,
    /// Where they are
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
}

/// Moves units from one outlet to another
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock transfer --sku MUG --from Main --to Second --units 10"
)]
pub struct TransferArgs {
    /// Its code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// Where they are
    #[arg(long, value_name = "OUTLET")]
    from: String,
    /// Where they go
    #[arg(long, value_name = "OUTLET")]
    to: String,
    /// How many
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    units: i64,
    /// Why, for whoever reads the ledger
    #[arg(long, default_value = "transferred")]
    note: String,
}

/// Sets units apart for a promotion: they are on hand, and no channel is told of them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock reserve --sku MUG --units 10 --note 'flash sale 12.12'"
)]
pub struct ReserveArgs {
    /// Its code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// How many
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    units: i64,
    /// What for
    #[arg(long)]
    note: String,
    /// Where they are
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
}

/// Frees units that were set apart, and tells every channel
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock release --sku MUG --units 10 --note 'the flash sale is over'"
)]
pub struct ReleaseArgs {
    /// Its code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// How many
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    units: i64,
    /// Why
    #[arg(long)]
    note: String,
    /// Where they are
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
}

pub async fn adjust(context: &Context, args: &AdjustArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = sku_named(&session, &args.sku).await?;
    let outlet = outlet_named(&session, &args.outlet).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    stock::adjust(&tx, merchant, (sku, outlet), args.units, &args.reason, now).await?;
    let done = format!("{:+} of {} at {}", args.units, args.sku, args.outlet);
    let deed = Deed::new("stock.adjusted", "sku", &args.sku)
        .to(json!({"units": args.units, "outlet": args.outlet, "reason": args.reason}));
    session.record(&tx, deed).await?;
    end(context, session, tx, sku, &done).await
}

pub async fn transfer(context: &Context, args: &TransferArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = sku_named(&session, &args.sku).await?;
    let from = outlet_named(&session, &args.from).await?;
    let to = outlet_named(&session, &args.to).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    stock::transfer(&tx, merchant, sku, (from, to), args.units, &args.note, now).await?;
    let done = format!(
        "{} of {} went from {} to {}",
        args.units, args.sku, args.from, args.to
    );
    let deed = Deed::new("stock.transferred", "sku", &args.sku)
        .from(json!({"units": args.units, "outlet": args.from}))
        .to(json!({"units": args.units, "outlet": args.to}));
    session.record(&tx, deed).await?;
    end(context, session, tx, sku, &done).await
}

pub async fn reserve(context: &Context, args: &ReserveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = sku_named(&session, &args.sku).await?;
    let outlet = outlet_named(&session, &args.outlet).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    stock::reserve(&tx, merchant, (sku, outlet), args.units, &args.note, now).await?;
    let done = format!("{} of {} are set apart", args.units, args.sku);
    let deed = Deed::new("stock.reserved", "sku", &args.sku)
        .to(json!({"units": args.units, "outlet": args.outlet}));
    session.record(&tx, deed).await?;
    end(context, session, tx, sku, &done).await
}

pub async fn release(context: &Context, args: &ReleaseArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = sku_named(&session, &args.sku).await?;
    let outlet = outlet_named(&session, &args.outlet).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    stock::reserve(&tx, merchant, (sku, outlet), -args.units, &args.note, now).await?;
    let done = format!("{} of {} are free again", args.units, args.sku);
    let deed = Deed::new("stock.released", "sku", &args.sku)
        .to(json!({"units": args.units, "outlet": args.outlet}));
    session.record(&tx, deed).await?;
    end(context, session, tx, sku, &done).await
}

/// Tells every channel, commits, and says what was done.
async fn end(
    context: &Context,
    session: Session,
    tx: Tx,
    sku: SkuId,
    done: &str,
) -> anyhow::Result<()> {
    let (now, merchant) = (session.now(), session.merchant);
    let pushes = stock::enqueue_pushes(&tx, merchant, &[sku], None, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"done": done, "pushes_enqueued": pushes}));
    }
    say(format!("{done}; {pushes} pushes to channels are enqueued"));
    Ok(())
}
