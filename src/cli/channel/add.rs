//! `channel add`: connecting a shop with what the merchant hands over.

use super::{channel_json, find_marketplace, platform};
use crate::accounts;
use crate::cli::{
    context::{Context, DEFAULT_TIME_ZONE},
    output::{say, say_json},
    secrets,
};
use crate::domain::Timestamp;
use crate::sync::{Connect, Connected};
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};

/// Connects a shop: asks it who it is, stores its secrets sealed, asks for its webhooks, and begins to read it
///
/// Connecting a shop again replaces its secrets and unlocks it; its books, settings and webhook address stay.
#[derive(Debug, Args)]
#[command(after_help = "\
What each marketplace asks for:
  woocommerce  --url, and --secret consumer_key and consumer_secret: a REST API key with permission Read/Write
  tiktok_shop  --secret access_token and refresh_token of the seller's authorization; the app's key and
               secret are settings: tiktok_shop.app_key and tiktok_shop.app_secret

Examples:
  marketsink channel add woocommerce --url https://shop.example.com \\
      --secret consumer_key=- --secret consumer_secret=-
  marketsink channel add tiktok_shop --secret access_token --secret refresh_token --outlet Main")]
pub struct AddArgs {
    /// woocommerce or tiktok_shop
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
    #[arg(long, default_value = DEFAULT_TIME_ZONE)]
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
        public_url: context.settings.http.public_url.clone(),
    };
    let connected = app
        .sync
        .connect(connect)
        .await
        .with_context(|| format!("the shop on {} was not connected", marketplace.name()))?;
    if context.json {
        let shops: Vec<Value> = connected.iter().map(connected_json).collect();
        say_json(&shops)?;
    } else {
        connected.iter().for_each(say_connected);
    }
    app.close().await
}

fn connected_json(connected: &Connected) -> Value {
    let webhooks = match &connected.webhooks {
        Ok(changes) => json!({"set_up": true, "changes": changes}),
        Err(error) => json!({"set_up": false, "error": error.to_string()}),
    };
    let channels: Vec<Value> = connected.channels.iter().map(channel_json).collect();
    json!({"channels": channels, "webhook_url": connected.webhook_url, "webhooks": webhooks})
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
    match &connected.webhooks {
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
    say("its catalogue and latest orders are read as soon as `marketsink serve` runs");
}
