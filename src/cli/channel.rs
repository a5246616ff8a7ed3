//! `channel`: connected shops.

use super::{
    context::{Context, DEFAULT_TIME_ZONE, Session},
    output::{Table, dash, or_dash, say, say_json, yes_no},
    secrets,
};
use crate::accounts;
use crate::catalog;
use crate::channels::{self, Channel};
use crate::domain::{ChannelId, Timestamp};
use crate::inbox;
use crate::marketplaces::{self, Marketplace};
use crate::sync::{self, Connect, Connected};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Connected shops: add, list, show, test, change, remove
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  marketsink channel list\n  marketsink help channel add")]
pub enum ChannelCommand {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Test(TestArgs),
    Settings(SettingsArgs),
    Remove(RemoveArgs),
}

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

/// Lists the merchant's channels
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink channel list\n  marketsink channel list --all --json"
)]
pub struct ListArgs {
    /// Removed ones as well
    #[arg(long)]
    all: bool,
}

/// Shows one channel: state, settings, webhook address, what was heard and scanned last
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel show 1")]
pub struct ShowArgs {
    id: i64,
}

/// Asks the shop who it is; exits with 1 when it does not answer or refuses
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel test 1")]
pub struct TestArgs {
    id: i64,
}

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

pub async fn run(context: &Context, command: ChannelCommand) -> anyhow::Result<ExitCode> {
    match command {
        ChannelCommand::Add(args) => add(context, args).await?,
        ChannelCommand::List(args) => list(context, &args).await?,
        ChannelCommand::Show(args) => show(context, args.id).await?,
        ChannelCommand::Test(args) => return test(context, args.id).await,
        ChannelCommand::Settings(args) => settings(context, args).await?,
        ChannelCommand::Remove(args) => remove(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(context: &Context, args: AddArgs) -> anyhow::Result<()> {
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

fn find_marketplace(slug: &str) -> anyhow::Result<&'static dyn Marketplace> {
    marketplaces::find(slug).ok_or_else(|| {
        let known: Vec<_> = marketplaces::all().iter().map(|m| m.slug()).collect();
        anyhow!(
            "no marketplace is called `{slug}`; there are {}",
            known.join(" and ")
        )
    })
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

fn platform(channel: &Channel) -> &str {
    marketplaces::platform_name(&channel.platform)
}

fn channel_json(channel: &Channel) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "marketplace": channel.marketplace.slug(),
        "platform": channel.platform,
        "shop": channel.remote_id,
        "connection": channel.connection(),
        "outlet": channel.outlet,
        "base_url": channel.base_url,
        "state": channel.state,
        "state_reason": channel.state_reason,
        "settings": channel.settings,
    })
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let found = channels::list(&session.app.db, session.merchant, args.all).await?;
    if context.json {
        let found: Vec<Value> = found.iter().map(channel_json).collect();
        say_json(&found)?;
    } else {
        let mut table = Table::new(&["id", "platform", "name", "shop", "state", "note"]);
        for channel in &found {
            table.row([
                channel.id.to_string(),
                platform(channel).to_owned(),
                channel.name.clone(),
                channel.remote_id.to_string(),
                channel.state.as_str().to_owned(),
                note(channel),
            ]);
        }
        table.say("no shop is connected; `marketsink help channel add` tells how");
    }
    session.close().await
}

fn note(channel: &Channel) -> String {
    match (&channel.state_reason, channel.parent) {
        (Some(reason), _) => reason.clone(),
        (None, Some(parent)) => format!("through channel {parent}"),
        (None, None) => dash(),
    }
}

async fn show(context: &Context, id: i64) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(id).await?;
    let facts = Facts::read(context, &session, &channel).await?;
    if context.json {
        let mut shown = channel_json(&channel);
        shown["webhook_url"] = json!(facts.webhook_url);
        shown["last_delivery_at"] = json!(facts.last_delivery_at.map(|at| at.to_string()));
        shown["listings"] = json!(facts.listings);
        shown["unlinked"] = json!(facts.unlinked);
        shown["last_scans"] = json!(facts.scans);
        say_json(&shown)?;
    } else {
        facts.say(&channel);
    }
    session.close().await
}

/// What else there is to know about a channel.
struct Facts {
    webhook_url: String,
    last_delivery_at: Option<Timestamp>,
    listings: u64,
    unlinked: u64,
    /// Kind and time.
    scans: Vec<(String, String)>,
}

impl Facts {
    async fn read(context: &Context, session: &Session, channel: &Channel) -> anyhow::Result<Self> {
        let db = &session.app.db;
        let connection = channels::connection_of(db.read(), channel.id).await?;
        let (listings, unlinked) = catalog::counts(db.read(), connection.id).await?;
        let scans = sync::last_scans(db, connection.id).await?;
        let ended =
            |scan: entity::scans::Model| (scan.kind, super::output::at_or_dash(scan.finished_at));
        Ok(Self {
            webhook_url: sync::webhook_url(&context.settings.http.public_url, &connection),
            last_delivery_at: inbox::last_delivery_at(db, connection.id).await?,
            listings,
            unlinked,
            scans: scans.into_iter().map(ended).collect(),
        })
    }

    fn say(&self, channel: &Channel) {
        let settings = &channel.settings;
        let scans: Vec<String> = self
            .scans
            .iter()
            .map(|(kind, at)| format!("{kind} {at}"))
            .collect();
        let reason = channel.state_reason.as_deref();
        let rows = [
            ("channel", channel.id.to_string()),
            ("name", channel.name.clone()),
            ("platform", platform(channel).to_owned()),
            (
                "shop",
                format!("{} on {}", channel.remote_id, channel.marketplace.name()),
            ),
            ("address", or_dash(channel.base_url.as_deref())),
            (
                "state",
                match reason {
                    Some(reason) => format!("{}: {reason}", channel.state.as_str()),
                    None => channel.state.as_str().to_owned(),
                },
            ),
            ("webhooks come to", self.webhook_url.clone()),
            ("last delivery", or_dash(self.last_delivery_at)),
            (
                "last scans",
                if scans.is_empty() {
                    dash()
                } else {
                    scans.join(", ")
                },
            ),
            (
                "listings",
                format!("{}, of which {} have no SKU", self.listings, self.unlinked),
            ),
            ("unpaid_orders", yes_no(settings.unpaid_orders).to_owned()),
            ("push_stock", yes_no(settings.push_stock).to_owned()),
            ("buffer", settings.buffer.to_string()),
        ];
        for (name, value) in rows {
            say(format!("{name:16}  {value}"));
        }
    }
}

async fn test(context: &Context, id: i64) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channel = session.channel(id).await?;
    let answer = session.app.sync.test_channel(channel.id).await;
    let shops = answer.with_context(|| format!("channel {id} does not work"))?;
    let is_there = shops.iter().any(|shop| shop.remote_id == channel.remote_id);
    if context.json {
        let shops: Vec<Value> = shops
            .iter()
            .map(|shop| json!({"shop": shop.remote_id, "name": shop.name, "platforms": shop.platforms}))
            .collect();
        say_json(&json!({"works": is_there, "shops": shops}))?;
    } else {
        for shop in &shops {
            say(format!(
                "{} answers as {} (shop {})",
                channel.marketplace.name(),
                shop.name,
                shop.remote_id
            ));
        }
    }
    session.close().await?;
    if is_there {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "channel {id}: its credentials open other shops, not {}; add it again with those of that shop",
        channel.remote_id
    )
}

async fn settings(context: &Context, args: SettingsArgs) -> anyhow::Result<()> {
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

async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
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
