//! `report valuation`: what the stock is worth.

use super::day;
use crate::accounts;
use crate::cli::{
    context::{Context, Session},
    output::{Table, dash, money, say, say_json},
    sheet::{Sheet, amount, number, text},
};
use crate::domain::{Day, OutletId};
use crate::reports::{self, ValuationQuery, ValuedLevel, Worth};
use anyhow::anyhow;
use clap::Args;
use serde_json::json;

/// Rows that are shown; a file has all.
const SHOWN: usize = 10_000;

/// Shows units on hand with what they cost and what they sell for, and the sums of both
///
/// A cost is set by importing SKUs, a price by that or by `marketsink stock price`. Each currency has its own sum.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink report valuation\n  marketsink report valuation --at 2026-10-31 --outlet Main --csv"
)]
pub struct ValuationArgs {
    /// Only of this outlet
    #[arg(long, value_name = "NAME")]
    outlet: Option<String>,
    /// As it was when this day ended, by the merchant's clock
    #[arg(long, value_name = "DAY", value_parser = day)]
    at: Option<Day>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub async fn run(context: &Context, args: &ValuationArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let query = ValuationQuery {
        outlet: outlet(&session, args.outlet.as_deref()).await?,
        day: args.at,
    };
    let mut sheet = if args.csv {
        Some(Sheet::open(None, HEADING)?)
    } else {
        None
    };
    let (mut worth, mut rows, mut after) = (Worth::default(), Vec::new(), None);
    loop {
        let (db, merchant) = (&session.app.db, session.merchant);
        let (page, next) = reports::valuation(db, merchant, &query, after).await?;
        for level in &page {
            worth.add(level);
            if let Some(sheet) = &mut sheet {
                write(sheet, level)?;
            }
        }
        match &mut sheet {
            Some(sheet) => sheet.write_out()?,
            None => rows.extend(page),
        }
        after = next;
        if after.is_none() || rows.len() >= SHOWN {
            break;
        }
    }
    session.close().await?;
    if after.is_some() {
        anyhow::bail!("there are more than {SHOWN} rows; ask for a file with --csv");
    }
    if context.json {
        return say_json(&json!({"rows": rows, "worth": worth}));
    }
    if sheet.is_none() {
        show(&rows, &worth);
    }
    Ok(())
}

async fn outlet(session: &Session, name: Option<&str>) -> anyhow::Result<Option<OutletId>> {
    let Some(name) = name else { return Ok(None) };
    let all = accounts::outlets(&session.app.db, session.merchant).await?;
    let found = all.iter().find(|outlet| outlet.name == name);
    let found = found.ok_or_else(|| anyhow!("no outlet is called `{name}`"))?;
    Ok(Some(OutletId(found.id)))
}

const HEADING: &[&str] = &[
    "sku",
    "name",
    "outlet",
    "on_hand",
    "allocated",
    "cost",
    "cost_value",
    "cost_currency",
    "price",
    "price_value",
    "price_currency",
];

fn write(sheet: &mut Sheet, level: &ValuedLevel) -> anyhow::Result<()> {
    let cost_in = level.cost_currency.clone().unwrap_or_default();
    let price_in = level.price_currency.clone().unwrap_or_default();
    sheet.row([
        text(&*level.code),
        text(&*level.name),
        text(&*level.outlet),
        number(level.on_hand),
        number(level.allocated),
        amount(level.cost_minor, &cost_in),
        amount(level.cost_value_minor, &cost_in),
        text(cost_in.clone()),
        amount(level.price_minor, &price_in),
        amount(level.price_value_minor, &price_in),
        text(price_in.clone()),
    ])
}

fn show(rows: &[ValuedLevel], worth: &Worth) {
    let mut table = Table::new(&[
        "sku",
        "outlet",
        "on hand",
        "allocated",
        "cost",
        "worth",
        "price",
        "worth",
        "name",
    ]);
    for row in rows {
        let shown = |minor: Option<i64>, currency: &Option<String>| match (minor, currency) {
            (Some(minor), Some(currency)) => money(minor, currency),
            _ => dash(),
        };
        table.row([
            row.code.clone(),
            row.outlet.clone(),
            row.on_hand.to_string(),
            row.allocated.to_string(),
            shown(row.cost_minor, &row.cost_currency),
            shown(row.cost_value_minor, &row.cost_currency),
            shown(row.price_minor, &row.price_currency),
            shown(row.price_value_minor, &row.price_currency),
            row.name.clone(),
        ]);
    }
    table.say("nothing is counted yet");
    say(format!(
        "{} units on hand, {} of them sold",
        worth.on_hand, worth.allocated
    ));
    for (what, sums, without) in [
        ("at what it cost", &worth.cost, worth.without_cost),
        ("at what it sells for", &worth.price, worth.without_price),
    ] {
        let sums: Vec<String> = sums.iter().map(|(code, sum)| money(*sum, code)).collect();
        let sums = if sums.is_empty() {
            dash()
        } else {
            sums.join(", ")
        };
        let without = if without == 0 {
            String::new()
        } else {
            format!(" ({without} units have no amount)")
        };
        say(format!("{what}: {sums}{without}"));
    }
}
