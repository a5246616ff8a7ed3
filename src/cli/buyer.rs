//! `buyer`: taking a buyer's data out.

use super::{
    context::{Context, Session},
    output::{Table, at, say, say_json},
};
use crate::accounts::Deed;
use crate::channels;
use crate::domain::{ChannelId, OrderId};
use crate::inbox::{self, Erase};
use crate::sales;
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// A buyer's data in what was received: erase, list
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink buyer erase --order 1042 --why 'asked by e-mail of 3 November'"
)]
pub enum BuyerCommand {
    Erase(EraseArgs),
    List(ListArgs),
}

/// Masks a buyer's data in everything that was received about an order, for good
///
/// Names, addresses, telephone numbers and notes are overwritten in stored deliveries and refused requests that name the
/// order or its returns; what comes later is masked as well. Ids, amounts and statuses stay: deliveries can still be
/// replayed, and the books do not change.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink buyer erase --order 1042 --why 'asked by e-mail of 3 November'
  marketsink buyer erase --delivery 17 --why 'asked by telephone'")]
pub struct EraseArgs {
    /// The order's number
    #[arg(long, value_name = "NUMBER", required_unless_present = "delivery")]
    order: Option<String>,
    /// The order that this delivery names
    #[arg(long, value_name = "ID", conflicts_with = "order")]
    delivery: Option<i64>,
}

/// Lists what was erased, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink buyer list --json")]
pub struct ListArgs {
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

pub async fn run(context: &Context, command: BuyerCommand) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    match command {
        BuyerCommand::Erase(args) => erase(context, &session, &args).await?,
        BuyerCommand::List(args) => list(context, &session, &args).await?,
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Orders by their channel, each with its returns.
type Named = Vec<(ChannelId, Vec<String>)>;

async fn erase(context: &Context, session: &Session, args: &EraseArgs) -> anyhow::Result<()> {
    let Some(why) = context.why() else {
        bail!("say why, for the audit trail: --why TEXT");
    };
    let named = match (&args.order, args.delivery) {
        (Some(number), _) => of_number(session, number).await?,
        (None, Some(id)) => of_delivery(session, id).await?,
        (None, None) => bail!("name the order: --order NUMBER or --delivery ID"),
    };
    let (db, now) = (&session.app.db, session.now());
    let mut n_bodies = 0;
    for (channel, subjects) in &named {
        let connection = channels::connection_of(db.read(), *channel).await?;
        let channels = channels::platforms_of(db.read(), connection.id).await?;
        let erase = Erase {
            merchant: session.merchant,
            channels: &channels,
            subjects,
            by: context.by(),
            why,
        };
        let tx = db.write_tx().await?;
        inbox::ask_erasure(&tx, &erase, now).await?;
        let subject = subjects.first().map_or("", String::as_str);
        let deed = Deed::new("buyer.erased", "order", subject);
        let what = json!({"channel": channel, "with_returns": subjects.len() - 1});
        session.record(&tx, deed.to(what)).await?;
        tx.commit().await?;
        n_bodies += inbox::erase(db, &erase, now).await?;
    }
    if context.json {
        let orders: Vec<&String> = named.iter().filter_map(|(_, all)| all.first()).collect();
        return say_json(&json!({"orders": orders, "bodies": n_bodies}));
    }
    say(format!(
        "{n_bodies} stored messages were masked; what comes later will be as well, and the books are as they were"
    ));
    Ok(())
}

async fn of_number(session: &Session, number: &str) -> anyhow::Result<Named> {
    let db = &session.app.db;
    let found = sales::find_orders(db, session.merchant, number).await?;
    let mut named = Vec::new();
    for order in found {
        let full = sales::order_full(db, session.merchant, OrderId(order.id)).await?;
        let mut subjects = vec![order.remote_id.clone()];
        let returns = full.into_iter().flat_map(|full| full.returns);
        subjects.extend(returns.map(|one| one.row.remote_id));
        named.push((ChannelId(order.channel_id), subjects));
    }
    if named.is_empty() {
        bail!(
            "order {number} is not in the books; name a delivery about it with --delivery, \
             `marketsink deliveries list --subject {number}` shows them"
        );
    }
    Ok(named)
}

async fn of_delivery(session: &Session, id: i64) -> anyhow::Result<Named> {
    let db = &session.app.db;
    let row = inbox::delivery(db, session.merchant, id).await?;
    let row = row.ok_or_else(|| {
        anyhow!("there is no delivery {id}; `marketsink deliveries list` shows those there are")
    })?;
    let events = inbox::events_of(db.read(), session.merchant, id).await?;
    let mut subjects: Vec<String> = events
        .into_iter()
        .filter_map(|event| event.subject)
        .collect();
    subjects.dedup();
    match row.channel_id {
        Some(channel) if !subjects.is_empty() => Ok(vec![(ChannelId(channel), subjects)]),
        _ => bail!("delivery {id} names no order; name it with --order"),
    }
}

async fn list(context: &Context, session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let rows = inbox::list_erasures(&session.app.db, session.merchant, args.limit).await?;
    if context.json {
        return say_json(&rows);
    }
    let mut table = Table::new(&["channel", "order", "asked", "by", "bodies", "why"]);
    for row in &rows {
        table.row([
            row.channel_id.to_string(),
            row.remote_id.clone(),
            at(row.asked_at),
            row.asked_by.clone(),
            row.bodies.to_string(),
            row.why.clone(),
        ]);
    }
    table.say("nobody asked to be forgotten");
    Ok(())
}
