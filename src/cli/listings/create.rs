//! `listings create-skus`: what a channel shows, downloaded into the books.

use crate::accounts::Deed;
use crate::channels;
use crate::cli::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json, tell},
};
use crate::domain::ListingId;
use crate::sync::{self, Creating, MadeSkus};
use anyhow::bail;
use clap::Args;
use serde_json::json;

/// Makes SKUs of a channel's listings: of one, of a selection, or of all that are "Not in POS"
///
/// A SKU takes the listing's seller SKU, title and price. Listings without a seller SKU, codes that look like one that
/// is there, and listings that were unlinked by hand are left out and said.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink listings create-skus 1 --listing 17 --listing 18
  marketsink listings create-skus 1 --listing 19 --code MUG-BLUE
  marketsink listings create-skus 1 --all --opening-stock")]
pub struct CreateArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    /// Of this listing; may be given several times
    #[arg(
        long = "listing",
        value_name = "LISTING",
        required_unless_present = "all"
    )]
    listings: Vec<i64>,
    /// Of every listing of the channel that has no SKU
    #[arg(long, conflicts_with = "listings")]
    all: bool,
    /// The new SKU's code, for one listing, instead of its seller SKU
    #[arg(long, value_name = "CODE", conflicts_with = "all")]
    code: Option<String>,
    /// Count what the channel shows as the opening stock, at the channel's outlet
    #[arg(long)]
    opening_stock: bool,
    /// Also of codes that look like one that is there
    #[arg(long)]
    despite_look_alikes: bool,
}

pub async fn create(context: &Context, args: &CreateArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    let how = Creating {
        opening_stock: args.opening_stock,
        despite_look_alikes: args.despite_look_alikes,
    };
    let deed = Deed::new("listings.skus_created", "channel", channel.id);
    let what =
        json!({"listings": args.listings, "code": args.code, "opening_stock": args.opening_stock});
    session.record_asked(deed.to(what)).await?;
    let (db, now) = (&session.app.db, session.now());
    let made = match (&args.code, args.listings.as_slice()) {
        (Some(code), [one]) => {
            sync::create_sku_named(db, &connection, ListingId(*one), code, how, now).await?
        }
        (Some(_), _) => bail!("--code names the SKU of one listing; give one --listing"),
        (None, []) => sync::create_skus_of_channel(db, &connection, how, now).await?,
        (None, ids) => {
            let ids: Vec<ListingId> = ids.iter().copied().map(ListingId).collect();
            sync::create_skus_of(db, &connection, &ids, how, now).await?
        }
    };
    finish(context, session, &made).await
}

async fn finish(context: &Context, session: Session, made: &MadeSkus) -> anyhow::Result<()> {
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "made": made.made,
            "skipped": made.skipped,
            "listings_linked": made.linked,
            "pushes_enqueued": made.pushes,
            "orders_read_again": made.orders,
        }));
    }
    let mut table = Table::new(&["sku", "opening stock", "of listings"]);
    for sku in &made.made {
        let ids: Vec<String> = sku.listings.iter().map(ToString::to_string).collect();
        table.row([sku.code.clone(), or_dash(sku.opening), ids.join(" ")]);
    }
    table.say("no SKU was made");
    for skipped in &made.skipped {
        tell(format!("listing {}: {}", skipped.listing, skipped.why));
    }
    say(format!(
        "{} SKUs are new, {} listings were linked, {} left out; {} pushes and {} orders that waited are enqueued for `marketsink serve`",
        made.made.len(),
        made.linked,
        made.skipped.len(),
        made.pushes,
        made.orders
    ));
    Ok(())
}
