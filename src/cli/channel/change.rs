//! `channel settings` and `channel remove`.

use crate::channels::{self, Channel};
use crate::cli::{
    context::Context,
    output::{say, say_json, yes_no},
};
use crate::domain::ChannelId;
use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::json;

/// Shows or changes what the merchant decides about a channel
#[derive(Debug, Args)]
#[command(after_help = "\
Settings:
  unpaid_orders  yes or no: whether an order that is not paid yet makes a sales order
  push_stock     yes or no: whether our stock is told to the channel
  buffer         units that are kept back from the channel, 0 to 100000

Examples:
  marketsink channel settings 1
  marketsink channel settings 1 buffer=2 push_stock=yes")]
pub struct SettingsArgs {
    id: i64,
    #[arg(value_name = "NAME=VALUE")]
    changes: Vec<String>,
}

/// Removes a channel and forgets its secrets; its orders, stock and history stay
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel remove 3 --yes")]
pub struct RemoveArgs {
    id: i64,
    /// Really
    #[arg(long)]
    yes: bool,
}

pub(super) async fn settings(context: &Context, args: SettingsArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let mut channel = session.channel(args.id).await?;
    for change in &args.changes {
        let (name, value) = change
            .split_once('=')
            .ok_or_else(|| anyhow!("`{change}` is no change; write NAME=VALUE"))?;
        channel
            .settings
            .set(name, value)
            .map_err(|reason| anyhow!(reason))?;
    }
    if !args.changes.is_empty() {
        let tx = session.app.db.write_tx().await?;
        channels::save_settings(&tx, channel.id, &channel.settings, session.now()).await?;
        tx.commit().await?;
    }
    if context.json {
        say_json(&channel.settings)?;
    } else {
        say(format!(
            "unpaid_orders  {}",
            yes_no(channel.settings.unpaid_orders)
        ));
        say(format!(
            "push_stock     {}",
            yes_no(channel.settings.push_stock)
        ));
        say(format!("buffer         {}", channel.settings.buffer));
    }
    session.close().await
}

pub(super) async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.id).await?;
    if let Some(parent) = channel.parent {
        bail!(
            "channel {} is part of channel {parent}; remove that one",
            channel.id
        );
    }
    let shared = channels::platforms_of(session.app.db.read(), channel.id).await?;
    if !args.yes {
        bail!(
            "removing {} also removes {} and forgets the secrets; say so with --yes",
            channel.name,
            others(&channel, &shared)
        );
    }
    let tx = session.app.db.write_tx().await?;
    channels::remove(&tx, channel.id, session.now()).await?;
    tx.commit().await?;
    if context.json {
        say_json(&json!({"removed": shared}))?;
    } else {
        say(format!(
            "removed {}; its orders, stock and history stay",
            channel.name
        ));
        say("its webhooks are refused from now on; delete them in the shop's own settings");
    }
    session.close().await
}

fn others(channel: &Channel, shared: &[ChannelId]) -> String {
    let others: Vec<String> = shared
        .iter()
        .filter(|id| **id != channel.id)
        .map(|id| format!("channel {id}"))
        .collect();
    if others.is_empty() {
        "nothing else".to_owned()
    } else {
        others.join(", ")
    }
}
