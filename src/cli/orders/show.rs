//! `orders show`: all that is known about an order number.

use super::returns;
use crate::catalog;
use crate::channels::{self, Channel};
use crate::cli::{
    channel::again,
    conflicts,
    context::{Context, Session},
    output::{Table, at, dash, money, or_dash, say, say_json},
};
use crate::domain::{ChannelId, JobId, JobKind, OrderId, RemoteId, SkuId, Timestamp, Work};
use crate::inbox::{self, DeliveryFilter};
use crate::marketplaces;
use crate::queue::JobFilter;
use crate::sales::{self, OrderFull};
use crate::stock;
use clap::Args;
use entity::{deliveries, job_attempts, jobs, movements, orders};
use serde_json::{Value, json};
use std::{collections::HashMap, process::ExitCode};

/// Deliveries, jobs and attempts that are shown of each kind.
const MOST: u64 = 50;

/// Tells all that is known about an order: in the books or not, and why
///
/// The number is the marketplace's order number, our invoice number, or a tracking number. Exits with 1 when
/// the order is not in the books. `marketsink find` tells the same in one line of time, and the reason.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink orders show 1042\n  marketsink orders show 576900000000000321 --json"
)]
pub struct ShowArgs {
    pub number: String,
}

pub async fn run(context: &Context, number: &str) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let found = sales::find_orders(&session.app.db, session.merchant, number).await?;
    let mut books = Vec::new();
    for order in &found {
        books.push(InBooks::read(&session, order).await?);
    }
    let names: Vec<String> = if found.is_empty() {
        vec![number.to_owned()]
    } else {
        found.iter().map(|order| order.remote_id.clone()).collect()
    };
    let heard = Heard::read(&session, &names).await?;
    session.close().await?;
    if context.json {
        let books: Vec<Value> = books.iter().map(InBooks::json).collect();
        say_json(&json!({"number": number, "orders": books, "heard": heard.json()}))?;
    } else {
        for order in &books {
            order.say();
        }
        if books.is_empty() {
            say(format!("order {number} is not in the books"));
        }
        heard.say();
        if books.is_empty() {
            heard.say_what_to_do(number);
        }
    }
    Ok(if books.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Document, payment and fulfilment in words.
pub fn standing(order: &orders::Model) -> String {
    sales::standing_in_words(&order.document, order.paid, &order.fulfilment)
}

/// An order as the books hold it.
struct InBooks {
    full: OrderFull,
    movements: Vec<movements::Model>,
    codes: HashMap<SkuId, String>,
    channel: Channel,
    now: Timestamp,
}

impl InBooks {
    async fn read(session: &Session, order: &orders::Model) -> anyhow::Result<Self> {
        let (db, merchant, id) = (&session.app.db, session.merchant, OrderId(order.id));
        let full = sales::order_full(db, merchant, id).await?;
        let full = full.unwrap_or_else(|| OrderFull {
            order: order.clone(),
            lines: Vec::new(),
            steps: Vec::new(),
            returns: Vec::new(),
            conflicts: Vec::new(),
        });
        let movements = stock::movements_of(db.read(), merchant, id).await?;
        let lines = full.lines.iter().filter_map(|line| line.sku_id);
        let moved = movements.iter().map(|movement| movement.sku_id);
        let skus: Vec<SkuId> = lines.chain(moved).map(SkuId).collect();
        Ok(Self {
            codes: catalog::sku_codes(db.read(), merchant, &skus).await?,
            channel: channels::load(db.read(), ChannelId(order.channel_id)).await?,
            now: session.now(),
            full,
            movements,
        })
    }

    fn code(&self, sku: i64) -> String {
        or_dash(self.codes.get(&SkuId(sku)))
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .full
            .lines
            .iter()
            .map(|line| {
                let mut shown = json!(line);
                shown["sku"] = json!(line.sku_id.and_then(|sku| self.codes.get(&SkuId(sku))));
                shown
            })
            .collect();
        json!({
            "order": self.full.order,
            "channel": self.channel.name,
            "platform": self.channel.platform,
            "lines": lines,
            "steps": self.full.steps,
            "returns": self.full.returns.iter().map(returns::to_json).collect::<Vec<_>>(),
            "conflicts": self.full.conflicts.iter().map(conflicts::to_json).collect::<Vec<_>>(),
            "movements": self.movements,
        })
    }

    fn say(&self) {
        let order = &self.full.order;
        let platform = marketplaces::platform_name(&self.channel.platform);
        say(format!(
            "order {} on {platform}, {} (channel {})",
            order.number, self.channel.name, self.channel.id
        ));
        say(format!("  {}", standing(order)));
        let facts = [
            ("marketplace says", order.remote_status.clone()),
            ("total", money(order.total_minor, &order.currency)),
            ("invoice", or_dash(order.invoice_number.as_deref())),
            ("tracking", or_dash(order.tracking_number.as_deref())),
            ("placed", at(order.placed_at)),
            (
                "found by",
                format!("{} at {}", order.source, at(order.first_seen_at)),
            ),
            ("recorded", at(order.recorded_at)),
        ];
        for (name, value) in facts {
            say(format!("  {name:16}  {value}"));
        }
        if order.refunded_minor != 0 {
            let credited = money(order.refunded_minor, &order.currency);
            say(format!("  {:16}  {credited}", "credited"));
        }
        if let Some(attention) = &order.attention {
            say(format!("  LOOK: {attention}"));
        }
        self.say_lines();
        if !self.full.returns.is_empty() {
            say(format!(
                "  {}",
                returns::table(&self.full.returns)
                    .text()
                    .replace('\n', "\n  ")
            ));
            returns::say_credits(&self.full.returns, &order.currency);
        }
        if !self.full.conflicts.is_empty() {
            let rows = conflicts::table(&self.full.conflicts, self.now);
            say(format!("  {}", rows.text().replace('\n', "\n  ")));
        }
        self.say_steps();
        self.say_movements();
    }

    fn say_lines(&self) {
        let mut table = Table::new(&[
            "  sku",
            "ordered",
            "cancelled",
            "allocated",
            "sent",
            "title",
        ]);
        for line in &self.full.lines {
            let flag = line.flag.as_deref().map(|flag| match flag {
                "missing_sku" => "no seller SKU at the marketplace".to_owned(),
                _ => format!("no SKU is called {}", or_dash(line.seller_sku.as_deref())),
            });
            let sku = line.sku_id.map_or_else(dash, |sku| self.code(sku));
            table.row([
                format!("  {sku}"),
                line.quantity.to_string(),
                line.cancelled.to_string(),
                line.allocated.to_string(),
                line.shipped.to_string(),
                flag.map_or_else(
                    || line.title.clone(),
                    |flag| format!("{} ({flag}: stock did not move)", line.title),
                ),
            ]);
        }
        table.say("  it has no lines");
    }

    fn say_steps(&self) {
        let mut table = Table::new(&["  step", "at", "by", "detail"]);
        for step in &self.full.steps {
            table.row([
                format!("  {}", step.step.replace('_', " ")),
                at(step.done_at),
                step.source.clone(),
                or_dash(step.detail.as_deref()),
            ]);
        }
        table.say("  no steps were taken");
    }

    fn say_movements(&self) {
        let mut table = Table::new(&["  stock", "what", "on hand", "allocated", "at"]);
        for movement in &self.movements {
            table.row([
                format!("  {}", self.code(movement.sku_id)),
                movement.kind.clone(),
                format!("{:+}", movement.on_hand_delta),
                format!("{:+}", movement.allocated_delta),
                at(movement.created_at),
            ]);
        }
        table.say("  no stock moved");
    }
}

/// What was heard of an order and is being done about it, in the books or not.
struct Heard {
    deliveries: Vec<deliveries::Model>,
    jobs: Vec<(jobs::Model, Vec<job_attempts::Model>)>,
    /// Connections that are not removed.
    connections: Vec<Channel>,
}

impl Heard {
    async fn read(session: &Session, orders: &[String]) -> anyhow::Result<Self> {
        let (app, merchant) = (&session.app, session.merchant);
        let all = channels::list(&app.db, merchant, false).await?;
        let connections: Vec<Channel> = all.into_iter().filter(|c| c.parent.is_none()).collect();
        let mut heard = Self {
            deliveries: Vec::new(),
            jobs: Vec::new(),
            connections,
        };
        for order in orders {
            let filter = DeliveryFilter {
                subject: Some(order.clone()),
                ..DeliveryFilter::default()
            };
            let found = inbox::deliveries(&app.db, merchant, &filter, MOST).await?;
            heard.deliveries.extend(found);
            heard.read_jobs(session, order).await?;
        }
        Ok(heard)
    }

    async fn read_jobs(&mut self, session: &Session, order: &str) -> anyhow::Result<()> {
        let (queue, merchant) = (&session.app.queue, session.merchant);
        for connection in &self.connections {
            let work = Work::FetchOrder {
                order: RemoteId::from(order),
            };
            let filter = JobFilter {
                kind: Some(JobKind::FetchOrder),
                key: Some(work.key(connection.id)),
                ..JobFilter::default()
            };
            for job in queue.list(merchant, &filter, MOST).await? {
                let attempts = queue.attempts(merchant, JobId(job.id), MOST).await?;
                self.jobs.push((job, attempts));
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let deliveries: Vec<Value> = self
            .deliveries
            .iter()
            .map(|row| {
                json!({
                    "id": row.id,
                    "channel": row.channel_id,
                    "topic": row.topic,
                    "verdict": row.verdict,
                    "received_at": at(row.received_at),
                })
            })
            .collect();
        let jobs: Vec<Value> = self
            .jobs
            .iter()
            .map(|(job, attempts)| json!({"job": job, "attempts": attempts}))
            .collect();
        let locked: Vec<Value> = self
            .locked()
            .map(|channel| json!({"channel": channel.id, "reason": channel.state_reason}))
            .collect();
        json!({"deliveries": deliveries, "jobs": jobs, "locked_channels": locked})
    }

    fn locked(&self) -> impl Iterator<Item = &Channel> {
        self.connections
            .iter()
            .filter(|channel| !channel.is_active())
    }

    fn say(&self) {
        let mut table = Table::new(&["  delivery", "topic", "verdict", "received"]);
        for row in &self.deliveries {
            table.row([
                format!("  {}", row.id),
                row.topic.clone(),
                row.verdict.clone(),
                at(row.received_at),
            ]);
        }
        table.say("  no webhook named it");
        for (job, attempts) in &self.jobs {
            say(format!(
                "  job {} ({}, asked for by {}): {}",
                job.id,
                job.kind.replace('_', " "),
                job.source,
                job.state
            ));
            for attempt in attempts {
                say(format!(
                    "    attempt {} at {}: {} {}",
                    attempt.number,
                    at(attempt.started_at),
                    attempt.outcome,
                    attempt.error.as_deref().unwrap_or_default()
                ));
            }
            if job.state == "available" {
                say(format!("    runs at {}", at(job.run_at)));
            }
        }
        for channel in self.locked() {
            say(format!(
                "  channel {} {} is locked: {}",
                channel.id,
                channel.name,
                or_dash(channel.state_reason.as_deref())
            ));
        }
    }

    fn say_what_to_do(&self, number: &str) {
        if self.connections.is_empty() {
            say("no shop is connected; `marketsink help channel add` tells how");
            return;
        }
        say("to download it from the shop that has it:");
        for channel in self
            .connections
            .iter()
            .filter(|channel| channel.is_active())
        {
            say(format!(
                "  marketsink orders download {} --numbers {number}    # {}",
                channel.id, channel.name
            ));
        }
        for channel in self.locked() {
            say(format!(
                "  channel {} first has to be connected again: {}",
                channel.id,
                again(channel)
            ));
        }
    }
}
