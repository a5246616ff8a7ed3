//! `prices rules` and `prices simulate`.

use super::{priced, shown};
use crate::accounts::Deed;
use crate::catalog;
use crate::cli::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json, scope_in_words},
    stock::{channel_names, sku_named},
};
use crate::domain::{Currency, Money, SkuId, Source};
use crate::prices::{self, PriceRule, PriceRules, PriceScope, RoundHow, Rounding};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use rust_decimal::Decimal;
use serde_json::json;
use std::str::FromStr;

/// How the price of a SKU becomes the price on a channel: list, set, remove
///
/// The nearest rule holds, whole: of the SKU on the channel, of the SKU, of the channel, of everything.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink prices rules set --channel 1 --percent 10
  marketsink prices rules set --sku MUG --channel 2 --fixed 59000 --currency IDR
  marketsink prices rules list")]
pub enum RulesCommand {
    List(ListArgs),
    Set(SetArgs),
    Remove(RemoveArgs),
}

/// Shows the rules, general ones first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink prices rules list --json")]
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
    /// On top of the SKU's price, with two decimals at most; negative: off it
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    percent: Option<String>,
    /// Round to multiples of this amount, in major units of --currency
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    round_to: Option<String>,
    /// `up`, `down` or `nearest`
    #[arg(long, value_name = "HOW", requires = "round_to", value_parser = how)]
    round: Option<RoundHow>,
    /// Take this off the multiple, for prices such as 9.99
    #[arg(long, value_name = "AMOUNT", requires = "round_to")]
    ending: Option<String>,
    /// This price, whatever the SKU's, in major units of --currency
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    fixed: Option<String>,
    /// The ISO 4217 code of amounts in this rule
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
}

/// Writes a rule, in place of the one of the same SKU and channel, and tells the channels
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink prices rules set --channel 1 --percent 7.5
  marketsink prices rules set --channel 2 --percent 10 --round-to 1000 --round up --ending 100 --currency IDR
  marketsink prices rules set --sku MUG --fixed 59000 --currency IDR")]
pub struct SetArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    rule: RuleArgs,
}

/// Takes a rule away, and tells the channels
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink prices rules remove --channel 1")]
pub struct RemoveArgs {
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Shows what listings would cost by a rule that is not saved, beside what they cost now
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink prices simulate --channel 1 --percent 10 --round-to 1000 --round up --currency IDR"
)]
pub struct SimulateArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    rule: RuleArgs,
}

fn how(name: &str) -> Result<RoundHow, String> {
    RoundHow::parse(name).ok_or_else(|| "rounding is up, down or nearest".to_owned())
}

impl RuleArgs {
    fn rule(&self) -> anyhow::Result<PriceRule> {
        let currency = match &self.currency {
            Some(code) => Some(Currency::from_code(code)?),
            None => None,
        };
        let amount = |text: &Option<String>| -> anyhow::Result<Option<Money>> {
            match (text, currency) {
                (Some(text), Some(currency)) => Ok(Some(Money::parse(text, currency)?)),
                (Some(_), None) => bail!("amounts need their --currency"),
                (None, _) => Ok(None),
            }
        };
        let ending = amount(&self.ending)?;
        let rounding = amount(&self.round_to)?.map(|to| Rounding {
            to_minor: to.minor,
            how: self.round.unwrap_or(RoundHow::Nearest),
            ending_minor: ending.map_or(0, |ending| ending.minor),
        });
        Ok(PriceRule {
            fixed: amount(&self.fixed)?,
            adjust_bp: self.percent.as_deref().map_or(Ok(0), basis_points)?,
            rounding,
        })
    }
}

fn basis_points(percent: &str) -> anyhow::Result<i64> {
    let wrong = || anyhow!("`{percent}` is no percentage with two decimals at most");
    let percent = Decimal::from_str(percent.trim()).map_err(|_| wrong())?;
    let points = percent.checked_mul(Decimal::from(100)).ok_or_else(wrong)?;
    if !points.fract().is_zero() {
        return Err(wrong());
    }
    i64::try_from(points).map_err(|_| wrong())
}

pub async fn run(context: &Context, command: RulesCommand) -> anyhow::Result<()> {
    match command {
        RulesCommand::List(_) => list(context).await,
        RulesCommand::Set(args) => set(context, &args).await,
        RulesCommand::Remove(args) => remove(context, &args).await,
    }
}

async fn scope_of(session: &Session, args: &ScopeArgs) -> anyhow::Result<PriceScope> {
    let sku = match &args.sku {
        Some(code) => Some(sku_named(session, code).await?),
        None => None,
    };
    let channel = match args.channel {
        // Listings are the connection's: Tokopedia shows those of TikTok Shop.
        Some(id) => Some(session.channel(id).await?.connection()),
        None => None,
    };
    Ok(PriceScope { sku, channel })
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rules = prices::list_price_rules(db, merchant).await?;
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
    let mut table = Table::new(&["sku", "channel", "price"]);
    for (scope, rule) in &rules {
        let all = || "all".to_owned();
        let code = scope.sku.map(|sku| or_dash(codes.get(&sku)));
        let channel = scope.channel.map(|channel| or_dash(names.get(&channel.0)));
        table.row([
            code.unwrap_or_else(all),
            channel.unwrap_or_else(all),
            rule.in_words(),
        ]);
    }
    table.say("there are no rules: channels are told the SKU's price");
    Ok(())
}

async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let rule = args.rule.rule()?;
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    prices::set_price_rule(&tx, merchant, scope, &rule, now).await?;
    let deed = Deed::new("price_rule.set", "rule", args.scope.in_words());
    session
        .record(&tx, deed.to(json!({"rule": rule.in_words()})))
        .await?;
    end(context, session, tx, scope, "the rule is saved").await
}

async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    let tx = session.app.db.write_tx().await?;
    if !prices::remove_price_rule(&tx, session.merchant, scope).await? {
        bail!("there is no such rule; `marketsink prices rules list` shows those there are");
    }
    let deed = Deed::new("price_rule.removed", "rule", args.scope.in_words());
    session.record(&tx, deed).await?;
    end(context, session, tx, scope, "the rule is gone").await
}

async fn end(
    context: &Context,
    session: Session,
    tx: crate::db::Tx,
    scope: PriceScope,
    done: &str,
) -> anyhow::Result<()> {
    let (now, merchant) = (session.now(), session.merchant);
    let skus: Option<Vec<SkuId>> = scope.sku.map(|sku| vec![sku]);
    let which = (skus.as_deref(), scope.channel);
    let n = prices::enqueue_price_pushes(&tx, merchant, which, Source::Manual, now).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"done": done, "pushes_enqueued": n}));
    }
    say(format!("{done}; {n} pushes to channels are enqueued"));
    Ok(())
}

pub async fn simulate(context: &Context, args: &SimulateArgs) -> anyhow::Result<()> {
    let rule = args.rule.rule()?;
    let session = context.session().await?;
    let scope = scope_of(&session, &args.scope).await?;
    prices::check_price_rule(scope, &rule)?;
    let saved = PriceRules::of_merchant(session.app.db.read(), session.merchant).await?;
    let tried = saved.clone().with(scope, rule);
    let before = priced(&session, scope.sku, scope.channel, &saved).await?;
    let after = priced(&session, scope.sku, scope.channel, &tried).await?;
    session.close().await?;
    let pairs = before.iter().zip(&after);
    if context.json {
        let rows: Vec<_> = pairs
            .map(|(now, then)| {
                json!({
                    "channel": now.channel.id,
                    "listing": now.listing.id,
                    "sku": now.code,
                    "now": now.price.map(|(price, _)| price),
                    "then": then.price.map(|(price, _)| price),
                    "shown_minor": now.listing.price_minor,
                })
            })
            .collect();
        return say_json(&rows);
    }
    let mut table = Table::new(&[
        "channel",
        "listing",
        "sku",
        "shows",
        "costs now",
        "would cost",
    ]);
    for (now, then) in pairs {
        table.row([
            now.channel.name.clone(),
            now.listing.id.to_string(),
            now.code.clone(),
            shown(&now.listing),
            or_dash(now.price.map(|(price, _)| price)),
            or_dash(then.price.map(|(price, _)| price)),
        ]);
    }
    table.say("no listing of a SKU is meant");
    say("nothing was saved");
    Ok(())
}
