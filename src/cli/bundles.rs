//! `bundles`: SKUs that are sold as one and counted as their components.

use super::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json},
    stock::sku_named,
};
use crate::accounts::Deed;
use crate::catalog;
use crate::domain::{SkuId, Source};
use crate::stock;
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{collections::BTreeMap, process::ExitCode};

/// SKUs that are sold as one and counted as their components: list, set, remove
///
/// As many bundles are available as the scarcest component makes; a sale of either tells the listings of both.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink bundles set --sku GIFT-SET --part MUG=1 --part TEA-25=2"
)]
pub enum BundlesCommand {
    List(ListArgs),
    Set(SetArgs),
    Remove(RemoveArgs),
}

/// Shows the bundles and what they hold
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink bundles list --json")]
pub struct ListArgs {}

/// Makes a SKU a bundle of these components, in place of those it had
///
/// A SKU that is new is made. What was sold before gives back what it took.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink bundles set --sku GIFT-SET --part MUG=1 --part TEA-25=2 --name 'Gift set'"
)]
pub struct SetArgs {
    /// The bundle's code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// A component and its units in one bundle; 1 without a number
    #[arg(long = "part", value_name = "CODE=UNITS", required = true)]
    parts: Vec<String>,
    /// The name of a new SKU
    #[arg(long)]
    name: Option<String>,
}

/// Makes a bundle a SKU like others again: it is counted itself
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink bundles remove --sku GIFT-SET")]
pub struct RemoveArgs {
    /// The bundle's code
    #[arg(long, value_name = "CODE")]
    sku: String,
}

pub async fn run(context: &Context, command: BundlesCommand) -> anyhow::Result<ExitCode> {
    match command {
        BundlesCommand::List(_) => list(context).await?,
        BundlesCommand::Set(args) => set(context, &args).await?,
        BundlesCommand::Remove(args) => remove(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rows = catalog::list_bundles(db, merchant).await?;
    let ids = rows
        .iter()
        .flat_map(|row| [row.bundle_id, row.component_id]);
    let ids: Vec<SkuId> = ids.map(SkuId).collect();
    let codes = catalog::sku_codes(db, merchant, &ids).await?;
    session.close().await?;
    let code = |id: i64| or_dash(codes.get(&SkuId(id)));
    let mut bundles: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for row in &rows {
        let parts = bundles.entry(code(row.bundle_id)).or_default();
        parts.push((code(row.component_id), row.units));
    }
    if context.json {
        let all: Vec<_> = bundles
            .iter()
            .map(|(bundle, parts)| {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|(sku, units)| json!({"sku": sku, "units": units}))
                    .collect();
                json!({"sku": bundle, "parts": parts})
            })
            .collect();
        return say_json(&all);
    }
    let mut table = Table::new(&["bundle", "holds"]);
    for (bundle, parts) in bundles {
        let parts: Vec<String> = parts
            .iter()
            .map(|(sku, units)| format!("{units} x {sku}"))
            .collect();
        table.row([bundle, parts.join(", ")]);
    }
    table.say("there are no bundles; `marketsink bundles set` makes one");
    Ok(())
}

async fn parts_of(session: &Session, args: &SetArgs) -> anyhow::Result<BTreeMap<SkuId, i64>> {
    let mut parts = BTreeMap::new();
    for part in &args.parts {
        let (code, units) = part.rsplit_once('=').unwrap_or((part, "1"));
        let units = units
            .parse()
            .map_err(|_| anyhow!("`{part}` is no component; write CODE=UNITS"))?;
        let sku = sku_named(session, code).await?;
        if parts.insert(sku, units).is_some() {
            bail!("{code} is named twice; give all its units at once");
        }
    }
    Ok(parts)
}

async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let parts = parts_of(&session, args).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    let name = args.name.as_deref().unwrap_or(&args.sku);
    let (bundle, linked) = catalog::create_sku(&tx, merchant, &args.sku, name, now).await?;
    catalog::set_bundle(&tx, merchant, bundle, &parts).await?;
    let pushes = stock::enqueue_pushes(&tx, merchant, &[bundle], None, Source::Manual, now).await?;
    let deed = Deed::new("bundle.set", "sku", &args.sku);
    session
        .record(&tx, deed.to(json!({"parts": args.parts})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "sku": args.sku, "listings_linked": linked, "pushes_enqueued": pushes,
        }));
    }
    say(format!(
        "{} is a bundle of {}; {linked} listings were linked, {pushes} pushes are enqueued",
        args.sku,
        args.parts.join(", ")
    ));
    Ok(())
}

async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let bundle = sku_named(&session, &args.sku).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    if !catalog::remove_bundle(&tx, merchant, bundle).await? {
        bail!(
            "{} is no bundle; `marketsink bundles list` shows those there are",
            args.sku
        );
    }
    let deed = Deed::new("bundle.removed", "sku", &args.sku);
    session.record(&tx, deed).await?;
    let pushes = stock::enqueue_pushes(&tx, merchant, &[bundle], None, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"sku": args.sku, "pushes_enqueued": pushes}));
    }
    say(format!(
        "{} is counted itself now; `marketsink stock set` says how many there are",
        args.sku
    ));
    Ok(())
}
