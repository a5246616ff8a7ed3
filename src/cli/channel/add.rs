//! `channel add`: connecting a shop with what the merchant hands over; and how a connected shop is told.

use super::{channel_json, find_marketplace, platform};
use crate::accounts;
use crate::cli::{
    context::Context,
    output::{say, say_json, tell},
    secrets,
};
use crate::domain::Timestamp;
use crate::marketplaces::Subscribing;
use crate::sync::{Connect, Connected, Connection};
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};

/// Connects a shop with its keys: asks it who it is, stores them sealed, asks for its webhooks, and reads it
///
/// Connecting a shop again replaces its secrets and unlocks it; its books, settings and webhook address stay, and so
/// does a webhook secret that was pasted into the store, unless another one is handed over.
/// `marketsink channel needs` tells what each marketplace asks for, and which have a page for consenting instead.
#[derive(Debug, Args)]
#[command(after_help = "\
A store of your own is connected as `marketsink guide custom-store` tells. With a pull API: --url and --secret
api_key. Without one: --secret store_id and store_name. And --secret webhook_secret, if the store has made one;
otherwise one is made and shown once.

Examples:
  marketsink channel add woocommerce --url https://shop.example.com \\
      --secret consumer_key=- --secret consumer_secret=-
  marketsink channel add tiktok_shop --secret access_token --secret refresh_token --outlet Main
  marketsink channel add standard_webhooks --secret store_id=shop.example.com --secret 'store_name=My Shop'")]
pub struct AddArgs {
    /// Which one, as `marketsink channel needs` calls it
    marketplace: String,
    /// The shop's own address, where shops have one
    #[arg(long)]
    url: Option<String>,
    /// A secret that the shop handed over. Without a value it is taken from the environment variable of that name
    /// in capitals, or else from a line of standard input; with `-` always from a line of standard input
    #[arg(long = "secret", value_name = "NAME[=VALUE]")]
    secrets: Vec<String>,
    /// When the access token dies, such as 2026-12-01T00:00:00Z; it is renewed in time
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Instead of the name that the shop tells
    #[arg(long)]
    name: Option<String>,
    /// The outlet that the channel sells from; opened if there is none
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
    /// The merchant's time zone, used when the merchant is opened
    #[arg(long, default_value = accounts::DEFAULT_TIME_ZONE)]
    time_zone: String,
}

pub(super) async fn add(context: &Context, args: AddArgs) -> anyhow::Result<()> {
    let marketplace = find_marketplace(&args.marketplace)?;
    secrets::check(
        marketplace,
        &args.secrets,
        args.url.as_deref(),
        &context.settings,
    )?;
    let expires_at = match &args.expires_at {
        None => None,
        Some(text) => Some(Timestamp::parse(text).ok_or_else(|| {
            anyhow!("--expires-at `{text}` is no time; write it like 2026-12-01T00:00:00Z")
        })?),
    };
    let secrets = secrets::read(&args.secrets)?;
    let app = context.open().await?;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let merchant = accounts::open_merchant(&tx, &context.merchant, &args.time_zone, now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, &args.outlet, now).await?;
    tx.commit().await?;
    let connect = Connect {
        merchant,
        outlet,
        marketplace,
        base_url: args.url,
        secrets,
        expires_at,
        name: args.name,
    };
    let connection = app
        .sync
        .connect(connect)
        .await
        .with_context(|| format!("the shop on {} was not connected", marketplace.name()))?;
    say_shops(context, &connection)?;
    app.close().await
}

/// Tells which shops were found and connected, and which were found and could not be.
pub(super) fn say_shops(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let connected = connection.connected.iter();
    if context.json {
        let shops: Vec<Value> = connected.map(connected_json).collect();
        say_json(&shops)?;
    } else {
        connected.for_each(say_connected);
    }
    for failed in &connection.failed {
        tell(failed.for_people());
    }
    Ok(())
}

fn connected_json(connected: &Connected) -> Value {
    let webhooks = match &connected.webhooks {
        Ok(changes) => json!({"set_up": true, "changes": changes}),
        Err(error) => json!({"set_up": false, "error": error.to_string()}),
    };
    let channels: Vec<Value> = connected.channels.iter().map(channel_json).collect();
    let mut json = json!({
        "channels": channels,
        "webhook_url": connected.webhook_url,
        "webhooks": webhooks,
        "by_hand": connected.by_hand(),
    });
    if let Some(secret) = &connected.webhook_secret {
        json["webhook_secret"] = json!(secret.expose());
    }
    json
}

fn say_connected(connected: &Connected) {
    let Some(first) = connected.channels.first() else {
        return;
    };
    say(format!(
        "connected {} (shop {} on {})",
        first.name,
        first.remote_id,
        first.marketplace.name()
    ));
    for channel in &connected.channels {
        say(format!("  channel {}: {}", channel.id, platform(channel)));
    }
    say(format!("  webhooks come to {}", connected.webhook_url));
    if let Some(secret) = &connected.webhook_secret {
        say(format!("  signed with {}", secret.expose()));
        say("  that secret is shown this once: paste both into the shop now");
    }
    let by_hand = first.marketplace.limits().subscribing == Subscribing::ByHand;
    match &connected.webhooks {
        Ok(_) if by_hand && connected.webhook_secret.is_some() => {}
        Ok(_) if by_hand => {
            say("  a person sets that address in the shop, if it is not there yet");
        }
        Ok(changes) if changes.is_empty() => say("  webhooks were set up already"),
        Ok(changes) => {
            for change in changes {
                say(format!("  {change}"));
            }
        }
        Err(error) => {
            say(format!("  webhooks could not be set up: {error}"));
            say(
                "  scheduled scans find what webhooks miss; add the channel again to try once more",
            );
        }
    }
    if let Some(to_do) = connected.by_hand() {
        say(format!("  by hand: {to_do}"));
    }
    if first.has_api() {
        say("its catalogue and latest orders are read as soon as `marketsink serve` runs");
    } else {
        say("it has no API: what its webhooks carry is all there is, and nothing is pushed to it");
    }
}
