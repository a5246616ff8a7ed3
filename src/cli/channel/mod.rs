//! `channel`: connected shops.

mod add;
mod answer;
mod calendar;
mod change;
mod end;
mod link;
mod needs;
mod rotate;
mod show;
mod test;

use super::{
    context::Context,
    output::{Table, dash, say_json},
};
use crate::channels::{self, Channel};
use crate::marketplaces::{self, Marketplace, Subscribing};
use crate::reports::trace;
use add::AddArgs;
use answer::AnswerArgs;
use anyhow::anyhow;
use calendar::CalendarArgs;
use change::SettingsArgs;
use clap::{Args, Subcommand};
use end::RemoveArgs;
use link::LinkArgs;
use needs::NeedsArgs;
use rotate::RotateArgs;
use serde_json::{Value, json};
use show::ShowArgs;
pub(super) use show::silence_in_words;
use std::process::ExitCode;
use test::TestArgs;

/// Connected shops: connect, list, show, test, change, replace secrets, remove
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink channel needs\n  marketsink channel list\n  marketsink help channel add"
)]
pub enum ChannelCommand {
    Needs(NeedsArgs),
    Link(LinkArgs),
    Answer(AnswerArgs),
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Calendar(CalendarArgs),
    Test(TestArgs),
    Settings(SettingsArgs),
    RotateSecret(RotateArgs),
    Remove(RemoveArgs),
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

pub async fn run(context: &Context, command: ChannelCommand) -> anyhow::Result<ExitCode> {
    match command {
        ChannelCommand::Needs(args) => needs::needs(context, &args)?,
        ChannelCommand::Link(args) => return link::link(context, args).await,
        ChannelCommand::Answer(args) => answer::answer(context, args).await?,
        ChannelCommand::Add(args) => add::add(context, args).await?,
        ChannelCommand::List(args) => list(context, &args).await?,
        ChannelCommand::Show(args) => show::show(context, &args).await?,
        ChannelCommand::Calendar(_) => calendar::calendar(context).await?,
        ChannelCommand::Test(args) => return test::test(context, &args).await,
        ChannelCommand::Settings(args) => change::settings(context, args).await?,
        ChannelCommand::RotateSecret(args) => rotate::rotate(context, args).await?,
        ChannelCommand::Remove(args) => end::remove(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn find_marketplace(slug: &str) -> anyhow::Result<&'static dyn Marketplace> {
    marketplaces::find(slug).ok_or_else(|| {
        let known: Vec<_> = marketplaces::all().iter().map(|m| m.slug()).collect();
        anyhow!(
            "no marketplace is called `{slug}`; there are {}",
            known.join(", ")
        )
    })
}

/// The command that connects this shop again.
pub(super) fn again(channel: &Channel) -> String {
    trace::reconnecting(channel)
}

/// What makes webhooks come that do not.
pub(super) fn mending(channel: &Channel) -> String {
    let command = format!("marketsink channel test {} --mend", channel.id);
    match channel.marketplace.limits().subscribing {
        Subscribing::Api => command,
        Subscribing::AddressOnly => {
            format!("{command}; what stays off, switch on in the marketplace's console")
        }
        Subscribing::ByHand => "switch them on in the marketplace's console".to_owned(),
    }
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
        table.say("no shop is connected; `marketsink channel needs` tells how");
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
