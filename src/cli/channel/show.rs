//! `channel show`: everything there is to know about one channel.

use super::{calendar::Line, channel_json, platform};
use crate::accounts;
use crate::catalog;
use crate::channels::{self, Channel, Standing};
use crate::cli::{
    alarms::{WeekOfMisses, expected},
    context::{Context, Session},
    output::{at, at_or_dash, dash, or_dash, say, say_json, yes_no},
};
use crate::domain::Timestamp;
use crate::inbox;
use crate::marketplaces::{Subscribing, SubscriptionState};
use crate::sync::{self, Lookback};
use clap::Args;
use entity::silences;
use serde_json::json;

/// Shows one channel: state, settings, webhook address, what was heard and scanned last
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel show 1")]
pub struct ShowArgs {
    /// The channel, by its number in `marketsink channel list`
    id: i64,
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.id).await?;
    let facts = Facts::read(&session, &channel).await?;
    if context.json {
        let mut shown = channel_json(&channel);
        shown["webhook_url"] = json!(facts.webhook_url);
        shown["last_delivery_at"] = json!(facts.last_delivery_at.map(|at| at.to_string()));
        shown["overlap_ends_at"] = json!(facts.overlap_ends_at.map(|at| at.to_string()));
        shown["subscriptions"] = json!(
            facts
                .subscriptions
                .iter()
                .map(standing_json)
                .collect::<Vec<_>>()
        );
        shown["listings"] = json!(facts.listings);
        shown["unlinked"] = json!(facts.unlinked);
        shown["last_scans"] = json!(facts.scans);
        shown["usual_deliveries"] = json!(facts.usual);
        shown["silence"] = json!(facts.silence.as_ref().map(silence_json));
        shown["misses_7_days"] =
            json!({"orders": facts.misses.orders, "missed": facts.misses.missed});
        shown["lookback"] = json!({
            "seconds": facts.lookback.span.as_secs(),
            "lateness_seconds": facts.lookback.lateness.map(|late| late.as_secs()),
            "events": facts.lookback.n_events,
        });
        shown["calendar"] = facts.calendar.as_json(&channel);
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
    subscriptions: Vec<Standing>,
    /// The webhook secret before is accepted until then.
    overlap_ends_at: Option<Timestamp>,
    listings: u64,
    unlinked: u64,
    lookback: Lookback,
    /// Kind and time.
    scans: Vec<(String, String)>,
    calendar: Line,
    /// How many deliveries are usual, in words.
    usual: String,
    silence: Option<silences::Model>,
    misses: WeekOfMisses,
}

impl Facts {
    async fn read(session: &Session, channel: &Channel) -> anyhow::Result<Self> {
        let db = &session.app.db;
        let connection = channels::connection_of(db.read(), channel.id).await?;
        let (listings, unlinked) = catalog::counts(db.read(), connection.id).await?;
        let scans = sync::last_scans(db, connection.id).await?;
        let ended = |scan: entity::scans::Model| (scan.kind, at_or_dash(scan.finished_at));
        let dates = channels::calendar(db, connection.merchant).await?;
        let dates = dates.get(&connection.id).copied();
        let zone = accounts::zone_of(db.read(), connection.merchant).await?;
        let learned = sync::learned(db.read(), connection.id, zone).await?;
        let now = session.now();
        Ok(Self {
            usual: learned.map_or_else(dash, |learned| learned.in_words(now)),
            silence: sync::open_silence(db.read(), connection.id).await?,
            misses: WeekOfMisses::of(db, channel.merchant, channel.id, now).await?,
            calendar: Line::of(&connection, dates, session.now()),
            lookback: session.app.sync.lookback_of(connection.id).await?,
            webhook_url: session.app.sync.webhook_url(&connection),
            last_delivery_at: inbox::last_delivery_at(db, connection.id).await?,
            subscriptions: channels::subscriptions(db.read(), connection.id).await?,
            overlap_ends_at: channels::overlap_ends_at(db.read(), connection.id, session.now())
                .await?,
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
        let [access, refresh, consent] = self
            .calendar
            .ends()
            .map(|end| end.map_or_else(dash, |end| at(end.micros())));
        let rows = [
            ("channel", channel.id.to_string()),
            ("name", channel.name.clone()),
            ("platform", platform(channel).to_owned()),
            (
                "shop",
                format!("{} on {}", channel.remote_id, channel.marketplace.name()),
            ),
            (
                "address",
                match &channel.base_url {
                    None if !channel.has_api() => "none: it lives by its webhooks".to_owned(),
                    address => or_dash(address.as_deref()),
                },
            ),
            (
                "state",
                match reason {
                    Some(reason) => format!("{}: {reason}", channel.state.as_str()),
                    None => channel.state.as_str().to_owned(),
                },
            ),
            ("access token", access),
            ("refresh token", refresh),
            ("authorization", consent),
            ("next", self.calendar.what_then.clone()),
            ("webhooks come to", self.webhook_url.clone()),
            (
                "webhook topics",
                topics(
                    &self.subscriptions,
                    channel.marketplace.limits().subscribing,
                ),
            ),
            (
                "secret before",
                self.overlap_ends_at
                    .map_or_else(dash, |at| format!("accepted until {at}")),
            ),
            ("last delivery", or_dash(self.last_delivery_at)),
            ("usual", self.usual.clone()),
            (
                "silence",
                self.silence.as_ref().map_or_else(dash, silence_in_words),
            ),
            ("webhooks missed", self.misses.in_words()),
            (
                "last scans",
                if scans.is_empty() {
                    dash()
                } else {
                    scans.join(", ")
                },
            ),
            ("order lookback", lookback(&self.lookback)),
            (
                "listings",
                format!("{}, of which {} have no SKU", self.listings, self.unlinked),
            ),
            ("unpaid_orders", yes_no(settings.unpaid_orders).to_owned()),
            ("push_stock", yes_no(settings.push_stock).to_owned()),
            ("buffer", settings.buffer.to_string()),
            ("returns", settings.returns.to_string()),
        ];
        for (name, value) in rows {
            say(format!("{name:16}  {value}"));
        }
    }
}

/// `since 2026-11-23T02:20:00Z: 0 deliveries, 8.1 expected; nothing missed`.
pub(in crate::cli) fn silence_in_words(silence: &silences::Model) -> String {
    format!(
        "since {}: {} deliveries, {} expected; {}",
        at(silence.since),
        silence.seen,
        expected(silence.expected_milli),
        silence.state.replace('_', " ")
    )
}

fn silence_json(silence: &silences::Model) -> serde_json::Value {
    json!({
        "since": at(silence.since),
        "noticed_at": at(silence.noticed_at),
        "expected": silence.expected_milli as f64 / 1_000.0,
        "seen": silence.seen,
        "state": silence.state,
        "missed_orders": silence.missed_orders,
        "missed_changes": silence.missed_changes,
        "missed_products": silence.missed_products,
    })
}

/// How far before its cursor an order download begins, and why.
fn lookback(lookback: &Lookback) -> String {
    let minutes = lookback.span.as_secs().div_ceil(60);
    let n_events = lookback.n_events;
    match lookback.lateness {
        Some(late) => format!(
            "{minutes} minutes; of {n_events} events in two weeks 99 in 100 came within {} s",
            late.as_secs()
        ),
        None => format!("{minutes} minutes; {n_events} events in two weeks are too few to tune it"),
    }
}

/// Those that stand in a number, the others by name.
fn topics(standing: &[Standing], subscribing: Subscribing) -> String {
    let Some(first) = standing.first() else {
        return match subscribing {
            Subscribing::ByHand => "switched on by hand; the marketplace does not tell".to_owned(),
            _ => "not checked yet, or the marketplace does not tell".to_owned(),
        };
    };
    let is_active = |one: &&Standing| one.state == SubscriptionState::Active;
    let n_active = standing.iter().filter(is_active).count();
    let mut parts = vec![format!("{n_active} of {} active", standing.len())];
    let others = standing.iter().filter(|one| !is_active(one));
    parts.extend(others.map(|one| format!("{} {}", one.topic, one.text())));
    let mended = standing.iter().filter_map(|one| one.mended_at).max();
    parts.extend(mended.map(|at| format!("last mended {at}")));
    parts.push(format!("checked {}", first.checked_at));
    parts.join("; ")
}

fn standing_json(one: &Standing) -> serde_json::Value {
    json!({
        "topic": one.topic,
        "state": one.state.as_str(),
        "since": one.since.to_string(),
        "checked_at": one.checked_at.to_string(),
        "mended_at": one.mended_at.map(|at| at.to_string()),
    })
}
