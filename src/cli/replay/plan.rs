//! `replay plan`: what a replay would change; nothing is written.

use super::wish::Which;
use crate::cli::{
    context::Context,
    output::{Table, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::sync::{Foreseen, Planned, ReplayPlan, USUAL_MOST};
use clap::Args;
use std::{collections::BTreeMap, process::ExitCode};

/// Orders that are told one by one, those that would not change left out.
const MOST: usize = 200;

#[derive(Debug, Args)]
pub struct LookArgs {
    /// Take up at most so many, the oldest first
    #[arg(long, value_name = "N", default_value_t = USUAL_MOST, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Read back at most so many of their orders
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    look_at: u64,
    /// One row per order that was read back, as CSV
    #[arg(long)]
    csv: bool,
}

pub async fn run(context: &Context, which: &Which, args: &LookArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let selection = which.selection(&session).await?;
    let look_at = usize::try_from(args.look_at).unwrap_or(usize::MAX);
    let sync = &session.app.sync;
    let plan = sync
        .plan_replay(session.merchant, &selection, args.limit, look_at)
        .await?;
    session.close().await?;
    if args.csv {
        say_csv(&plan)?;
    } else if context.json {
        say_json(&plan)?;
    } else {
        say_plan(&plan);
    }
    Ok(ExitCode::SUCCESS)
}

fn say_plan(plan: &ReplayPlan) {
    say(format!("{} {} are selected", plan.matched, plan.of));
    if plan.taken < plan.matched {
        say(format!(
            "the oldest {} of them would be taken up; --limit takes more",
            plan.taken
        ));
    }
    if !plan.by_result.is_empty() {
        say(format!("  {}", counts(&plan.by_result)));
    }
    if !plan.other_work.is_empty() {
        say(format!(
            "  work that is about no order would be done again: {}",
            counts(&plan.other_work)
        ));
    }
    let looked_at = plan.orders.len();
    say(format!(
        "{} orders, {looked_at} of them read back: {} would change, {} not; {} API calls",
        plan.n_orders,
        plan.n(Foreseen::Changed),
        plan.n(Foreseen::Unchanged),
        plan.api_calls
    ));
    let told = plan
        .orders
        .iter()
        .filter(|order| order.result != Foreseen::Unchanged);
    let mut table = Table::new(&["channel", "order", "result", "what"]);
    for order in told.take(MOST) {
        table.row([
            order.channel.to_string(),
            order.number.clone(),
            order.result.to_string(),
            what(order),
        ]);
    }
    table.say("nothing would change");
    say("nothing was written; `marketsink replay run` does it");
}

fn counts(by_name: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> = by_name
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    counts.join(", ")
}

fn what(order: &Planned) -> String {
    if let Some(why) = &order.why {
        return why.clone();
    }
    let changes: Vec<String> = order.changes.iter().map(ToString::to_string).collect();
    changes.join("; ")
}

fn say_csv(plan: &ReplayPlan) -> anyhow::Result<()> {
    let mut sheet = Sheet::open(None, &["channel", "order", "number", "result", "what"])?;
    for order in &plan.orders {
        sheet.row([
            number(order.channel.0),
            text(order.order.to_string()),
            text(order.number.clone()),
            text(order.result.as_str()),
            text(what(order)),
        ])?;
    }
    sheet.write_out()
}
