//! `listings suggest`, `link`, `unlink`.

use crate::accounts::Deed;
use crate::catalog::{self, Suggestion};
use crate::cli::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json},
};
use crate::domain::{ListingId, MerchantId, SkuId};
use crate::sync::{self, Relinked};
use anyhow::anyhow;
use clap::Args;
use sea_orm::ConnectionTrait;
use serde_json::json;

/// Shows listings without a SKU whose code looks like that of one: other case, spaces, look-alike characters
///
/// Nothing is linked by resemblance: `marketsink listings link` links what is meant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink listings suggest
  marketsink listings suggest 1 --json")]
pub struct SuggestArgs {
    /// Only of this channel, as `marketsink channel list` shows it
    channel: Option<i64>,
    /// Go on after this listing
    #[arg(long, value_name = "LISTING", default_value_t = 0)]
    after: i64,
    /// Suggestions at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Links a listing to a SKU by hand; scans leave the link as it is
///
/// The listing's sales and pushes go by this SKU from now on. Orders that waited for it are read again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink listings link 17 --sku MUG")]
pub struct LinkArgs {
    /// The listing's number, as the views show it
    listing: i64,
    #[arg(long, value_name = "CODE")]
    sku: String,
}

/// Takes a listing's link away by hand; scans do not link it again
///
/// It is told no levels, and its sales wait until it is linked. What was booked stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink listings unlink 17")]
pub struct UnlinkArgs {
    /// The listing's number, as the views show it
    listing: i64,
}

pub async fn suggest(context: &Context, args: &SuggestArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = match args.channel {
        Some(id) => Some(session.channel(id).await?.connection()),
        None => None,
    };
    let after = ListingId(args.after);
    let (db, merchant) = (&session.app.db, session.merchant);
    let found = catalog::suggestions(db, merchant, channel, after, args.limit.max(1)).await?;
    session.close().await?;
    if context.json {
        return say_json(&found);
    }
    let mut table = Table::new(&[
        "listing",
        "channel",
        "seller sku",
        "looks like",
        "by",
        "title",
    ]);
    for row in &found.rows {
        table.row(cells(row));
    }
    table.say("no listing without a SKU looks like one");
    if let Some(next) = found.next {
        say(format!("go on with --after {next}"));
    }
    Ok(())
}

fn cells(row: &Suggestion) -> [String; 6] {
    [
        row.listing.to_string(),
        row.channel.to_string(),
        // In quotes, so that spaces are seen.
        format!("{:?}", row.seller_sku),
        format!("{:?}", row.code),
        row.differs_in.to_owned(),
        row.title.clone(),
    ]
}

pub async fn link(context: &Context, args: &LinkArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    let sku = catalog::find_sku(&tx, session.merchant, &args.sku).await?;
    let sku = sku.ok_or_else(|| {
        anyhow!(
            "no SKU is called `{0}`; `marketsink stock set --sku {0} --units N` makes it",
            args.sku
        )
    })?;
    let listing = ListingId(args.listing);
    let done = sync::link(&tx, session.merchant, listing, sku, now).await?;
    let deed = Deed::new("listing.linked", "listing", listing);
    let before = json!({"sku": code_in(&tx, session.merchant, done.before).await?});
    session
        .record(&tx, deed.from(before).to(json!({"sku": args.sku})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    let before = code_of(&session, done.before).await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "listing": args.listing,
            "channel": done.channel,
            "sku": args.sku,
            "before": before,
            "pushes_enqueued": done.pushes,
            "orders_read_again": done.orders,
        }));
    }
    say(format!(
        "listing {} of channel {} is sold as {} now (before: {})",
        args.listing,
        done.channel,
        args.sku,
        or_dash(before)
    ));
    say(format!(
        "{} pushes to channels and {} orders that waited for it are enqueued for `marketsink serve`",
        done.pushes, done.orders
    ));
    Ok(())
}

pub async fn unlink(context: &Context, args: &UnlinkArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    let listing = ListingId(args.listing);
    let done: Relinked = sync::unlink(&tx, session.merchant, listing, now).await?;
    let deed = Deed::new("listing.unlinked", "listing", listing);
    let before = json!({"sku": code_in(&tx, session.merchant, done.before).await?});
    session
        .record(&tx, deed.from(before).to(json!({"sku": null})))
        .await?;
    tx.commit().await?;
    let before = code_of(&session, done.before).await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "listing": args.listing,
            "channel": done.channel,
            "before": before,
        }));
    }
    say(format!(
        "listing {} of channel {} has no SKU now (before: {}); scans leave it so",
        args.listing,
        done.channel,
        or_dash(before)
    ));
    Ok(())
}

async fn code_of(session: &Session, sku: Option<SkuId>) -> anyhow::Result<Option<String>> {
    code_in(session.app.db.read(), session.merchant, sku).await
}

async fn code_in<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    sku: Option<SkuId>,
) -> anyhow::Result<Option<String>> {
    let Some(sku) = sku else {
        return Ok(None);
    };
    let mut codes = catalog::sku_codes(db, merchant, &[sku]).await?;
    Ok(codes.remove(&sku))
}
