//! `channel settings`.

use crate::accounts::Deed;
use crate::channels;
use crate::cli::{
    context::Context,
    output::{say, say_json, yes_no},
};
use anyhow::anyhow;
use clap::Args;

/// Shows or changes what the merchant decides about a channel
#[derive(Debug, Args)]
#[command(after_help = "\
Settings:
  unpaid_orders  yes or no: whether an order that is not paid yet makes a sales order
  push_stock     yes or no: whether our stock is told to the channel
  push_prices    yes or no: whether our prices are told to the channel
  buffer         units that are kept back from the channel, 0 to 100000; 0: as `marketsink stock rules` say
  returns        what becomes of returned goods: restock, quarantine, write_off or ask, and per reason REASON:restock;
                 CANCELLED is the reason of orders cancelled after they had left; `default` says nothing
  service_fee    what the marketplace is expected to keep of a sale: 2.5%, 1000 (minor units), or 2.5%+1000
  write_off      yes or no: whether that is written off when an order is paid
  write_off_reason  why, as the books say it
  fee_tolerance  minor units by which the fee that was kept may differ, before it becomes a conflict

Examples:
  marketsink channel settings 1
  marketsink channel settings 1 buffer=2 push_stock=yes
  marketsink channel settings 1 returns=ask,DAMAGED:quarantine,CHANGED_MIND:restock")]
pub struct SettingsArgs {
    /// The channel, by its number in `marketsink channel list`
    id: i64,
    /// What to change; without any, the settings are shown
    #[arg(value_name = "NAME=VALUE")]
    changes: Vec<String>,
}

pub(super) async fn settings(context: &Context, args: SettingsArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let mut channel = session.channel(args.id).await?;
    let before = channel.settings.clone();
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
        let deed = Deed::new("channel.settings_changed", "channel", channel.id);
        session
            .record(&tx, deed.from(&before).to(&channel.settings))
            .await?;
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
        say(format!(
            "push_prices    {}",
            yes_no(channel.settings.push_prices)
        ));
        say(format!("buffer         {}", channel.settings.buffer));
        say(format!("returns        {}", channel.settings.returns));
        say(format!("service_fee    {}", channel.settings.service_fee));
        say(format!(
            "write_off      {}{}",
            yes_no(channel.settings.write_off),
            match channel.settings.write_off_reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            }
        ));
        say(format!("fee_tolerance  {}", channel.settings.fee_tolerance));
    }
    session.close().await
}
