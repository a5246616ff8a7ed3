//! `outlets`: the places that hold stock, and which of them each channel sells from.

use super::{
    context::Context,
    output::{Table, say, say_json},
    stock::outlet_named,
};
use crate::accounts::{self, Deed};
use crate::channels;
use crate::domain::{OutletId, Source};
use crate::sales;
use crate::stock::{self, RuleScope};
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Places that hold stock, and which channels sell from them: list, open, rename, use
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink outlets open Second
  marketsink outlets use 1 Main Second")]
pub enum OutletsCommand {
    List(ListArgs),
    Open(OpenArgs),
    Rename(RenameArgs),
    Use(UseArgs),
}

/// Shows the outlets, and the channels that sell from each, in the order in which they are asked
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink outlets list --json")]
pub struct ListArgs {}

/// Opens an outlet
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink outlets open 'Toko Kemang'")]
pub struct OpenArgs {
    /// What it is called
    name: String,
}

/// Gives an outlet another name
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink outlets rename Second 'Toko Kemang'")]
pub struct RenameArgs {
    /// What it is called
    name: String,
    /// What it is to be called
    to: String,
}

/// Says which outlets a channel sells from, the first one first
///
/// A sale takes its units from the first outlet that has enough of all of them, else from several; what nobody has is
/// oversold at the first. What was sold before stays where it was allocated.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink outlets use 1 Main Second")]
pub struct UseArgs {
    /// The channel, by its number in `marketsink channel list`
    channel: i64,
    /// Their names, the first one first
    #[arg(required = true, value_name = "OUTLET")]
    outlets: Vec<String>,
}

pub async fn run(context: &Context, command: OutletsCommand) -> anyhow::Result<ExitCode> {
    match command {
        OutletsCommand::List(_) => list(context).await?,
        OutletsCommand::Open(args) => open(context, &args).await?,
        OutletsCommand::Rename(args) => rename(context, &args).await?,
        OutletsCommand::Use(args) => use_outlets(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let outlets = accounts::outlets(&session.app.db, session.merchant).await?;
    let channels = channels::list(&session.app.db, session.merchant, false).await?;
    session.close().await?;
    let sellers = |id: i64| -> Vec<(i64, String, usize)> {
        let rank = |all: &[OutletId]| all.iter().position(|outlet| outlet.0 == id);
        let selling = channels.iter().filter_map(|channel| {
            let rank = rank(&channel.outlets())?;
            Some((channel.id.0, channel.name.clone(), rank + 1))
        });
        selling.collect()
    };
    if context.json {
        let all: Vec<_> = outlets
            .iter()
            .map(|outlet| {
                let channels: Vec<_> = sellers(outlet.id)
                    .into_iter()
                    .map(|(id, name, rank)| json!({"channel": id, "name": name, "rank": rank}))
                    .collect();
                json!({"id": outlet.id, "name": outlet.name, "channels": channels})
            })
            .collect();
        return say_json(&all);
    }
    let mut table = Table::new(&["id", "outlet", "sold by"]);
    for outlet in &outlets {
        let sold_by: Vec<String> = sellers(outlet.id)
            .into_iter()
            .map(|(id, name, rank)| format!("{id} {name} ({rank}.)"))
            .collect();
        table.row([
            outlet.id.to_string(),
            outlet.name.clone(),
            sold_by.join(", "),
        ]);
    }
    table.say("there is no outlet yet; `marketsink outlets open NAME` opens one");
    Ok(())
}

async fn open(context: &Context, args: &OpenArgs) -> anyhow::Result<()> {
    let name = plain(&args.name)?;
    let session = context.session().await?;
    let tx = session.app.db.write_tx().await?;
    let outlet = accounts::open_outlet(&tx, session.merchant, name, session.now()).await?;
    let deed = Deed::new("outlet.opened", "outlet", outlet);
    session.record(&tx, deed.to(json!({"name": name}))).await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"id": outlet, "name": name}));
    }
    say(format!("outlet {name} is open"));
    Ok(())
}

async fn rename(context: &Context, args: &RenameArgs) -> anyhow::Result<()> {
    let to = plain(&args.to)?;
    if [args.name.as_str(), to].contains(&sales::QUARANTINE) {
        bail!(
            "the outlet {} holds returned goods that are put aside, and is known by its name: it keeps it",
            sales::QUARANTINE
        );
    }
    let session = context.session().await?;
    let outlet = outlet_named(&session, &args.name).await?;
    let tx = session.app.db.write_tx().await?;
    accounts::rename_outlet(&tx, session.merchant, outlet, to).await?;
    let deed = Deed::new("outlet.renamed", "outlet", outlet);
    let (before, after) = (json!({"name": args.name}), json!({"name": to}));
    session.record(&tx, deed.from(before).to(after)).await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"id": outlet, "name": to}));
    }
    say(format!("outlet {} is called {to} now", args.name));
    Ok(())
}

fn plain(name: &str) -> anyhow::Result<&str> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        bail!("an outlet's name has 1 to 100 characters");
    }
    Ok(name)
}

async fn use_outlets(context: &Context, args: &UseArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let mut outlets: Vec<OutletId> = Vec::new();
    for name in &args.outlets {
        if name == sales::QUARANTINE {
            bail!("what is put aside in {name} is not sold; name another outlet");
        }
        let outlet = outlet_named(&session, name).await?;
        if outlets.contains(&outlet) {
            bail!("outlet {name} is named twice");
        }
        outlets.push(outlet);
    }
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    // Names that share a connection sell the same listings: Tokopedia on TikTok Shop.
    for id in channels::platforms_of(&tx, channel.connection()).await? {
        let one = channels::load(&tx, id).await?;
        channels::set_outlets(&tx, &one, (outlets[0], &outlets[1..]), now).await?;
    }
    let scope = RuleScope {
        sku: None,
        channel: Some(channel.connection()),
    };
    let pushes = stock::enqueue_scope(&tx, session.merchant, scope, Source::Manual, now).await?;
    let deed = Deed::new("channel.outlets_set", "channel", channel.id);
    let before = json!({"outlet": channel.outlet});
    let after = json!({"outlets": args.outlets});
    session.record(&tx, deed.from(before).to(after)).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "channel": channel.id, "outlets": args.outlets, "pushes_enqueued": pushes,
        }));
    }
    say(format!(
        "{} sells from {}; {pushes} pushes are enqueued",
        channel.name,
        args.outlets.join(", then ")
    ));
    Ok(())
}
