//! `tokens`: what programs call the API with.

use super::{
    context::Context,
    output::{Table, at, dash, or_dash, say, say_json},
    people::{RoleArgs, in_words},
};
use crate::accounts::{self, Deed, NewToken, Token};
use crate::domain::Timestamp;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

/// Tokens that programs call the API with: create, list, revoke
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink tokens create 'stock screen' --role staff --days 90\n  marketsink tokens revoke 3"
)]
pub enum TokensCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Makes a token and shows it once
///
/// Only its hash is kept. Programs send it as `Authorization: Bearer mks_…`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink tokens create 'stock screen' --role staff --channel 1 --days 90
  marketsink tokens create support-desk --role support")]
pub struct CreateArgs {
    /// What it is for
    name: String,
    #[command(flatten)]
    role: RoleArgs,
    /// Good for so many days; without, until it is revoked
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
}

/// Lists the merchant's tokens and those for every merchant, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink tokens list --json")]
pub struct ListArgs {}

/// Ends a token at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink tokens revoke 3 --why 'found in a chat'")]
pub struct RevokeArgs {
    /// Its number in `marketsink tokens list`
    id: i64,
}

pub async fn run(context: &Context, command: TokensCommand) -> anyhow::Result<ExitCode> {
    match command {
        TokensCommand::Create(args) => create(context, &args).await?,
        TokensCommand::List(_) => list(context).await?,
        TokensCommand::Revoke(args) => revoke(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(context: &Context, args: &CreateArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let membership = args.role.membership(&session).await?;
    let token = NewToken::random().context("the operating system gives no random numbers")?;
    let now = session.now();
    let expires_at = args.days.map(|days| now + DAY * days);
    let tx = session.app.db.write_tx().await?;
    let what = (args.name.as_str(), &membership);
    let id = accounts::add_token(&tx, &token, what, (context.by(), expires_at), now).await?;
    let deed = Deed::new("token.created", "token", id);
    let after = json!({"name": args.name, "may": membership, "expires_at": expires_at});
    context
        .record(&tx, membership.merchant, deed.to(after), now)
        .await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        let until = expires_at.map(|at| at.to_string());
        return say_json(&json!({"id": id, "token": token.expose(), "expires_at": until}));
    }
    say(format!("token {id}, {}", in_words(&membership)));
    say(format!("it is not shown again: {}", token.expose()));
    Ok(())
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let found = accounts::tokens(&session.app.db, session.merchant).await?;
    let now = session.now();
    session.close().await?;
    if context.json {
        return say_json(&found);
    }
    let mut table = Table::new(&[
        "id", "name", "begins", "may", "by", "made", "ends", "used on", "state",
    ]);
    for token in &found {
        table.row([
            token.id.to_string(),
            token.name.clone(),
            token.prefix.clone(),
            in_words(&token.may),
            token.created_by.clone(),
            at(token.created_at.micros()),
            or_dash(token.expires_at),
            token.last_used_day.map_or_else(dash, day),
            state(token, now).to_owned(),
        ]);
    }
    table.say("there is no token; `marketsink tokens create` makes one");
    Ok(())
}

fn day(days: i64) -> String {
    let at = Timestamp::from_secs(days.saturating_mul(86_400)).to_string();
    at.chars().take(10).collect()
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    if token.revoked_at.is_some() {
        "revoked"
    } else if token.expires_at.is_some_and(|at| at <= now) {
        "ended"
    } else {
        "good"
    }
}

async fn revoke(context: &Context, args: &RevokeArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let now = session.now();
    let known = accounts::tokens(&session.app.db, session.merchant).await?;
    let tx = session.app.db.write_tx().await?;
    let is_ours = known.iter().any(|token| token.id == args.id);
    let revoked = if is_ours {
        accounts::revoke_token(&tx, args.id, now).await?
    } else {
        None
    };
    let Some(token) = revoked else {
        bail!(
            "there is no good token {}; `marketsink tokens list` shows those there are",
            args.id
        );
    };
    let deed = Deed::new("token.revoked", "token", args.id);
    let before = json!({"name": token.name, "may": token.may});
    context
        .record(&tx, token.may.merchant, deed.from(before), now)
        .await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"id": args.id, "state": "revoked"}));
    }
    say(format!(
        "token {} ({}) is good no more",
        args.id, token.name
    ));
    Ok(())
}
