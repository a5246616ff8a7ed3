//! `channel remove`: the end of a connection.

use crate::channels::{self, Channel};
use crate::cli::{
    context::Context,
    output::{say, say_json},
};
use crate::domain::ChannelId;
use crate::sync::Disconnected;
use anyhow::bail;
use clap::Args;
use serde_json::json;

/// Removes a channel: its webhooks are ended where the marketplace allows, its work stops, its secrets are
/// forgotten; its orders, stock and history stay
///
/// Connecting the shop again goes on with the same books, settings, schedules and webhook address. Links for
/// consenting that were made before, and not answered, do not count any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel remove 3 --yes")]
pub struct RemoveArgs {
    /// The channel, by its number in `marketsink channel list`
    id: i64,
    /// Really
    #[arg(long)]
    yes: bool,
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
    if !args.yes {
        let shared = channels::platforms_of(session.app.db.read(), channel.id).await?;
        bail!(
            "removing {}{} ends its webhooks and forgets its secrets; say so with --yes",
            channel.name,
            others(&channel, &shared)
        );
    }
    let ended = session.app.sync.disconnect(channel.id).await?;
    if context.json {
        let webhooks = match &ended.webhooks {
            Ok(changes) => json!({"ended": true, "changes": changes}),
            Err(error) => json!({"ended": false, "error": error.to_string()}),
        };
        say_json(&json!({
            "removed": ended.channels,
            "cancelled_jobs": ended.cancelled,
            "webhooks": webhooks,
        }))?;
    } else {
        say_ended(&channel, &ended);
    }
    session.close().await
}

fn say_ended(channel: &Channel, ended: &Disconnected) {
    say(format!(
        "removed {}; its orders, stock and history stay",
        channel.name
    ));
    say(format!("  {} waiting jobs were cancelled", ended.cancelled));
    let by_hand = "what still comes is not kept; delete its webhooks in the shop's own settings";
    match &ended.webhooks {
        Ok(changes) if changes.is_empty() => say(format!("  {by_hand}")),
        Ok(changes) => {
            for change in changes {
                say(format!("  {change}"));
            }
        }
        Err(error) => {
            say(format!("  its webhooks could not be ended: {error}"));
            say(format!("  {by_hand}"));
        }
    }
}

fn others(channel: &Channel, shared: &[ChannelId]) -> String {
    let others: Vec<String> = shared
        .iter()
        .filter(|id| **id != channel.id)
        .map(|id| format!("channel {id}"))
        .collect();
    if others.is_empty() {
        String::new()
    } else {
        format!(", with {},", others.join(", "))
    }
}
