//! `stock rules`: list, set, remove, simulate.

use super::named::{channel_names, sku_named};
use crate::accounts::Deed;
use crate::catalog;
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    output::{Table, dash, or_dash, say, say_json, scope_in_words},
};
use crate::domain::{ChannelId, ListingId, SkuId, Source};
use crate::stock::{self, Pushable, Rule, RuleScope, Rules};
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};

/// Listings of a channel that a simulation shows at most.
const MOST: u64 = 500;

/// How much of what is available each channel is told: list, set, remove, simulate
///
/// The nearest rule that says something holds, field by field: of the SKU on the channel, of the SKU, of the channel, of
/// everything.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink stock rules set --buffer 2
  marketsink stock rules set --channel 1 --percentage 50 --maximum 20
  marketsink stock rules simulate --sku MUG --buffer 5")]
pub enum RulesCommand {
    List(ListArgs),
    Set(SetArgs),
    Remove(RemoveArgs),
    Simulate(SimulateArgs),
}

/// Shows the rules, general ones first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink stock rules list --json")]
pub struct ListArgs {}

/// What a rule is about; without both: everything
#[derive(Debug, Args)]
struct ScopeArgs {
    /// Only this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
    /// Only on this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
}

impl ScopeArgs {
    fn in_words(&self) -> String {
        scope_in_words(self.sku.as_deref(), self.channel)
    }
}

#[derive(Debug, Args)]
struct RuleArgs {
    /// Share of what is available that is shown, 0 to 100
    #[arg(long, value_name = "PERCENT")]
    percentage: Option<i64>,
    /// Units that are kept back
    #[arg(long, value_name = "UNITS")]
    buffer: Option<i64>,
    /// Fewer units than these are shown as none
    #[arg(long, value_name = "UNITS")]
    minimum: Option<i64>,
    /// More units than these are not shown
    #[arg(long, value_name = "UNITS")]
    maximum: Option<i64>,
    /// The last so many units are shown by --last-channel only
    #[arg(long, value_name = "UNITS", requires = "last_channel")]
    last_units: Option<i64>,
    /// The channel that may sell the last units
    #[arg(long, value_name = "ID", requires = "last_units")]
    last_channel: Option<i64>,
}

/// Writes a rule, in place of the one of the same SKU and channel, and tells the channels
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock rules set --channel 2 --buffer 3
  marketsink stock rules set --sku MUG --last-units 2 --last-channel 1
  marketsink stock rules set --sku MUG --channel 2 --maximum 10")]
pub struct SetArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    rule: RuleArgs,
}

/// Takes a rule away, and tells the channels
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink stock rules remove --sku MUG --channel 2")]
pub struct RemoveArgs {
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Shows what each channel would be told with a rule that is not saved, beside what it is told now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock rules simulate --sku MUG --percentage 50
  marketsink stock rules simulate --channel 1 --buffer 5 --json")]
pub struct SimulateArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    rule: RuleArgs,
}

impl RuleArgs {
    fn rule(&self) -> Rule {
        Rule {
            percentage: self.percentage,
            buffer: self.buffer,
            minimum: self.minimum,
            maximum: self.maximum,
            last: self.last_units.zip(self.last_channel.map(ChannelId)),
        }
    }
}

pub async fn run(context: &Context, command: RulesCommand) -> anyhow::Result<()> {
    match command {
        RulesCommand::List(_) => list(context).await,
        RulesCommand::Set(args) => set(context, &args).await,
        RulesCommand::Remove(args) => remove(context, &args).await,
        RulesCommand::Simulate(args) => simulate(context, &args).await,
    }
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let mut rules = stock::list_rules(db, merchant).await?;
    for channel in channels::list(&session.app.db, merchant, false).await? {
        add_buffer(&mut rules, &channel);
    }
    let skus: Vec<SkuId> = rules.iter().filter_map(|(scope, _)| scope.sku).collect();
    let codes = catalog::sku_codes(db, merchant, &skus).await?;
    let names = channel_names(&session).await?;
    session.close().await?;
    if context.json {
        let rules: Vec<_> = rules
            .iter()
            .map(|(scope, rule)| {
                let code = scope.sku.and_then(|sku| codes.get(&sku));
                json!({"sku": code, "channel": scope.channel, "rule": rule})
            })
            .collect();
        return say_json(&rules);
    }
    let heading = [
        "sku",
        "channel",
        "percentage",
        "buffer",
        "minimum",
        "maximum",
        "last units",
    ];
    let mut table = Table::new(&heading);
    for (scope, rule) in &rules {
        let all = || "all".to_owned();
        let code = scope.sku.map(|sku| or_dash(codes.get(&sku)));
        let channel = scope.channel.map(|channel| or_dash(names.get(&channel.0)));
        let last = rule
            .last
            .map(|(units, only)| format!("{units} for {}", or_dash(names.get(&only.0))));
        table.row([
            code.unwrap_or_else(all),
            channel.unwrap_or_else(all),
            or_dash(rule.percentage),
            or_dash(rule.buffer),
            or_dash(rule.minimum),
            or_dash(rule.maximum),
            last.unwrap_or_else(dash),
        ]);
    }
    table.say("there are no rules: channels are told all that is available");
    Ok(())
}

/// A channel's buffer is its setting.
fn add_buffer(rules: &mut Vec<(RuleScope, Rule)>, channel: &Channel) {
    let buffer = Some(channel.settings.buffer).filter(|units| *units > 0);
    if buffer.is_none() {
        return;
    }
    let scope = RuleScope {
        sku: None,
        channel: Some(channel.id),
    };
    match rules.iter_mut().find(|(known, _)| *known == scope) {
        Some((_, rule)) => rule.buffer = buffer,
        None => rules.push((
            scope,
            Rule {
                buffer,
                ..Rule::default()
            },
        )),
    }
}

async fn scope_of(session: &Session, args: &ScopeArgs) -> anyhow::Result<RuleScope> {
    let sku = match &args.sku {
        Some(code) => Some(sku_named(session, code).await?),
        None => None,
    };
    let channel = match args.channel {
        // Listings are the connection's: Tokopedia shows those of TikTok Shop.
        Some(id) => Some(session.channel(id).await?.connection()),
        None => None,
    };
    Ok(RuleScope { sku, channel })
}

async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    let rule = args.rule.rule();
    if let Some((_, only)) = rule.last {
        session.channel(only.0).await?;
    }
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    stock::set_rule(&tx, merchant, scope, &rule, now).await?;
    let deed = Deed::new("stock_rule.set", "rule", args.scope.in_words());
    session.record(&tx, deed.to(rule)).await?;
    set_buffer(&session, &tx, scope, rule.buffer.unwrap_or(0)).await?;
    let pushes = stock::enqueue_scope(&tx, merchant, scope, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"rule": rule, "pushes_enqueued": pushes}));
    }
    say(format!(
        "the rule is saved; {pushes} pushes to channels are enqueued"
    ));
    Ok(())
}

/// The buffer of a channel's rule is the channel's setting.
async fn set_buffer(
    session: &Session,
    tx: &crate::db::Tx,
    scope: RuleScope,
    buffer: i64,
) -> anyhow::Result<()> {
    let RuleScope {
        sku: None,
        channel: Some(id),
    } = scope
    else {
        return Ok(());
    };
    let mut settings = channels::load(tx, id).await?.settings;
    settings.buffer = buffer;
    channels::save_settings(tx, id, &settings, session.now()).await?;
    Ok(())
}

async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    let mut removed = stock::remove_rule(&tx, merchant, scope).await?;
    if let (None, Some(id)) = (scope.sku, scope.channel) {
        removed |= channels::load(&tx, id).await?.settings.buffer > 0;
        set_buffer(&session, &tx, scope, 0).await?;
    }
    if !removed {
        bail!("there is no such rule; `marketsink stock rules list` shows those there are");
    }
    let deed = Deed::new("stock_rule.removed", "rule", args.scope.in_words());
    session.record(&tx, deed).await?;
    let pushes = stock::enqueue_scope(&tx, merchant, scope, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"removed": true, "pushes_enqueued": pushes}));
    }
    say(format!(
        "the rule is gone; {pushes} pushes to channels are enqueued"
    ));
    Ok(())
}

/// A listing before and after.
struct Simulated {
    channel: Channel,
    listing: ListingId,
    sku: SkuId,
    now: Pushable,
    then: Pushable,
}

async fn simulate(context: &Context, args: &SimulateArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    let rule = args.rule.rule();
    stock::check_rule(scope, &rule)?;
    let rows = simulated(&session, scope, rule).await?;
    let skus: BTreeSet<SkuId> = rows.iter().map(|row| row.sku).collect();
    let skus: Vec<SkuId> = skus.into_iter().collect();
    let codes = catalog::sku_codes(session.app.db.read(), session.merchant, &skus).await?;
    session.close().await?;
    if context.json {
        return say_simulated(&rows, &codes);
    }
    let heading = [
        "channel",
        "listing",
        "sku",
        "available",
        "told now",
        "would be told",
        "because",
    ];
    let mut table = Table::new(&heading);
    for row in &rows {
        table.row([
            row.channel.name.clone(),
            row.listing.to_string(),
            or_dash(codes.get(&row.sku)),
            row.then.available.to_string(),
            row.now.quantity.to_string(),
            row.then.quantity.to_string(),
            row.then.because(&row.channel),
        ]);
    }
    table.say("no listing of a counted SKU is meant");
    say("nothing was saved");
    Ok(())
}

fn say_simulated(rows: &[Simulated], codes: &HashMap<SkuId, String>) -> anyhow::Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "channel": row.channel.id,
                "listing": row.listing,
                "sku": codes.get(&row.sku),
                "available": row.then.available,
                "now": row.now.quantity,
                "then": row.then.quantity,
                "because": row.then.because(&row.channel),
            })
        })
        .collect();
    say_json(&rows)
}

async fn simulated(
    session: &Session,
    scope: RuleScope,
    rule: Rule,
) -> anyhow::Result<Vec<Simulated>> {
    let (db, merchant, now) = (session.app.db.read(), session.merchant, session.now());
    let saved = Rules::of_merchant(db, merchant).await?;
    let tried = saved.clone().with(scope, Some(rule));
    let mut rows = Vec::new();
    for channel in channels::list(&session.app.db, merchant, false).await? {
        let is_meant = scope.channel.is_none_or(|id| id == channel.id);
        if channel.parent.is_some() || !is_meant {
            continue;
        }
        let mut with_rule = channel.clone();
        if let (None, Some(_), Some(buffer)) = (scope.sku, scope.channel, rule.buffer) {
            with_rule.settings.buffer = buffer;
        }
        let listed = listings_of(session, &channel, scope.sku).await?;
        let skus: Vec<SkuId> = listed.iter().map(|(_, sku)| *sku).collect();
        let before = stock::pushable_by(db, &channel, &skus, &saved, now).await?;
        let after = stock::pushable_by(db, &with_rule, &skus, &tried, now).await?;
        for (listing, sku) in listed {
            if let (Some(now), Some(then)) = (before.get(&sku), after.get(&sku)) {
                rows.push(Simulated {
                    channel: with_rule.clone(),
                    listing,
                    sku,
                    now: *now,
                    then: *then,
                });
            }
        }
    }
    Ok(rows)
}

async fn listings_of(
    session: &Session,
    channel: &Channel,
    sku: Option<SkuId>,
) -> anyhow::Result<Vec<(ListingId, SkuId)>> {
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rows = if let Some(sku) = sku {
        catalog::listings_of(db, merchant, &[sku]).await?
    } else {
        let page = catalog::linked_after(db, merchant, Some(channel.id), 0, MOST).await?;
        let ids: Vec<ListingId> = page.iter().map(|(id, _)| ListingId(*id)).collect();
        catalog::listings_by_id(db, merchant, &ids).await?
    };
    let here = rows
        .into_iter()
        .filter(|row| row.channel_id == channel.id.0);
    Ok(here
        .filter_map(|row| Some((ListingId(row.id), SkuId(row.sku_id?))))
        .collect())
}
