//! Checks of what is in the database: secrets, channels, deliveries, work, stock.

use super::{decisions, told, upkeep};
use crate::accounts;
use crate::app;
use crate::channels::{self, Channel, ChannelState, Ending, Sealer};
use crate::cli::{channel::again, context::Context, finding::Finding, output::at};
use crate::db::Db;
use crate::domain::{MerchantId, Timestamp};
use crate::imports;
use crate::inbox::{self, Verdict};
use crate::queue::{Queue, QueueOptions};
use crate::sales;
use crate::stock;
use crate::sync;
use std::time::Duration;

/// A channel that told nothing for so long is worth a look.
const QUIET: Duration = Duration::from_secs(2 * 86_400);
/// A channel that was not walked for so long has no schedule that works.
const UNSCANNED: Duration = Duration::from_secs(86_400);
/// What was written later than this after now came from a clock that was ahead, or ours is behind.
const SKEW: Duration = Duration::from_secs(300);
/// 2026-01-01: this program is younger.
const BUILT_AFTER: Timestamp = Timestamp::from_secs(1_767_225_600);

pub async fn examine(
    context: &Context,
    db: &Db,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let mut connections = Vec::new();
    for merchant in accounts::merchants(db).await? {
        let merchant = MerchantId(merchant.id);
        let all = channels::list(db, merchant, false).await?;
        let is_locked = all
            .iter()
            .any(|channel| channel.state == ChannelState::Locked);
        let dates = channels::calendar(db, merchant).await?;
        for channel in all.iter().filter(|channel| channel.is_active()) {
            let dates = dates.get(&channel.id);
            let ending = dates.and_then(|dates| dates.expiry.ending(now));
            findings.extend(ending.map(|ending| authorization(channel, &ending)));
        }
        connections.extend(all.into_iter().filter(|channel| channel.parent.is_none()));
        examine_merchant(db, merchant, is_locked, findings).await?;
        findings.extend(told::endpoints(db, merchant).await?);
    }
    findings.push(clock(db, &connections, now).await?);
    findings.push(jobs(db, now).await?);
    if connections.is_empty() {
        findings.push(Finding::warn(
            "channels",
            "no shop is connected",
            "marketsink channel needs",
        ));
        return Ok(());
    }
    let sealer = app::sealer(&context.settings);
    match &sealer {
        Ok(_) => {}
        Err(error) => findings.push(Finding::fail(
            "key",
            format!("{error:#}"),
            "give every process the key that the secrets were sealed with",
        )),
    }
    for channel in &connections {
        if let Ok(sealer) = &sealer {
            findings.push(secrets(db, sealer, channel, now).await);
        }
        findings.push(standing(db, channel, now).await?);
        if channel.is_active() {
            findings.extend(upkeep::subscriptions(db, channel).await?);
            findings.extend(upkeep::old_key(db, channel, now).await?);
            findings.extend(upkeep::silence(db, channel).await?);
            findings.extend(upkeep::misses(db, channel, now).await?);
        }
    }
    Ok(())
}

/// An end that only the merchant can put off, and that is near.
fn authorization(channel: &Channel, ending: &Ending) -> Finding {
    let found = format!(
        "the {} of {} ends at {} ({} days left)",
        ending.of.as_str(),
        channel.name,
        at(ending.at.micros()),
        ending.days_left
    );
    Finding::warn(
        format!("authorization of channel {}", channel.id),
        found,
        format!("the merchant connects the shop again: {}", again(channel)),
    )
}

async fn examine_merchant(
    db: &Db,
    merchant: MerchantId,
    is_locked: bool,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    for (verdict, n) in inbox::counts_by_verdict(db, merchant).await? {
        let (found, to_do) = match Verdict::parse(&verdict) {
            Some(Verdict::Accepted | Verdict::Ignored) => continue,
            // They were taken up when the channel was connected again; how they came in stays.
            Some(Verdict::Parked) if !is_locked => continue,
            Some(Verdict::UnknownChannel) => (
                format!("{n} were signed rightly for a shop that is not connected"),
                "connect the shop, or remove its webhooks at the marketplace",
            ),
            Some(Verdict::Parked) => (
                format!("{n} came for a locked channel and wait"),
                "connect the channel again; they are taken up then",
            ),
            _ => (
                format!("{n} were believed and not understood ({verdict})"),
                "look with `marketsink deliveries list`; after an update, replay them",
            ),
        };
        findings.push(Finding::warn("deliveries", found, to_do));
    }
    findings.extend(decisions::waiting(db, merchant).await?);
    findings.extend(decisions::issues(db, merchant).await?);
    findings.extend(numbers(db, merchant).await?);
    findings.extend(imported(db, merchant).await?);
    let broken = stock::sums_differ(db, merchant).await?;
    if !broken.is_empty() {
        findings.push(Finding::fail(
            "stock",
            format!("{} levels are not the sum of their movements", broken.len()),
            "something wrote past the ledger; count these SKUs again with `marketsink stock set`",
        ));
    }
    Ok(())
}

/// Series of invoice numbers with a gap or a double.
async fn numbers(db: &Db, merchant: MerchantId) -> anyhow::Result<Option<Finding>> {
    let broken = sales::broken_series(db, merchant).await?;
    let names: Vec<&str> = broken.iter().map(|one| one.series.as_str()).collect();
    let finding = || {
        Finding::fail(
            "invoice numbers",
            format!("numbers are missing or doubled in {}", names.join(", ")),
            "something wrote past the books; `marketsink numbers check` counts them",
        )
    };
    Ok((!broken.is_empty()).then(finding))
}

/// The newest import that did not come to its end.
async fn imported(db: &Db, merchant: MerchantId) -> anyhow::Result<Option<Finding>> {
    let rows = imports::imports(db, merchant, 100).await?;
    let open = rows.into_iter().find(|row| row.state == "running");
    Ok(open.map(|row| {
        Finding::warn(
            format!("import {}", row.id),
            format!(
                "{} of {} rows of {} are taken",
                row.done_rows, row.rows, row.file_name
            ),
            "if nobody is importing it now, import the same file again: it goes on",
        )
    }))
}

async fn clock(db: &Db, connections: &[Channel], now: Timestamp) -> anyhow::Result<Finding> {
    let to_do = "set this machine's clock, and keep it set: signatures carry the time";
    if now < BUILT_AFTER {
        return Ok(Finding::fail("clock", format!("it shows {now}"), to_do));
    }
    for channel in connections {
        let last = inbox::last_delivery_at(db, channel.id).await?;
        if let Some(last) = last.filter(|last| *last > now + SKEW) {
            let found = format!("it shows {now}, and a delivery was received at {last}");
            return Ok(Finding::fail("clock", found, to_do));
        }
    }
    Ok(Finding::ok("clock", now.to_string()))
}

async fn jobs(db: &Db, now: Timestamp) -> anyhow::Result<Finding> {
    let counts = Queue::new(db.clone(), QueueOptions::default())
        .waiting(now)
        .await?;
    let found = format!(
        "{} due, {} later, {} running, {} given up",
        counts.due, counts.later, counts.running, counts.dead
    );
    Ok(if counts.dead > 0 {
        Finding::warn(
            "jobs",
            found,
            "`marketsink state` shows why at its end; mend that, then download or scan again",
        )
    } else {
        Finding::ok("jobs", found)
    })
}

async fn secrets(db: &Db, sealer: &Sealer, channel: &Channel, now: Timestamp) -> Finding {
    let check = format!("secrets of channel {}", channel.id);
    let reconnect = format!(
        "use the key that they were sealed with, or connect it again: {}",
        again(channel)
    );
    let stored = channels::credentials(db.read(), sealer, channel.id).await;
    let keys = channels::secrets_of_connection(db.read(), sealer, channel.id, now).await;
    match (stored, keys) {
        (Ok(Some(_)), Ok(_)) => Finding::ok(check, "the key opens them"),
        (Ok(None), Ok(_)) => Finding::fail(check, "there are none", reconnect),
        (Err(error), _) | (_, Err(error)) => Finding::fail(check, error.to_string(), reconnect),
    }
}

async fn standing(db: &Db, channel: &Channel, now: Timestamp) -> anyhow::Result<Finding> {
    let check = format!("channel {} {}", channel.id, channel.name);
    if channel.state == ChannelState::Locked {
        return Ok(Finding::fail(
            check,
            format!(
                "locked: {}",
                channel
                    .state_reason
                    .as_deref()
                    .unwrap_or("no reason is known")
            ),
            format!("mend that and connect it again: {}", again(channel)),
        ));
    }
    let last_delivery = inbox::last_delivery_at(db, channel.id).await?;
    let last_scan = sync::last_scans(db, channel.id).await?.into_iter().next();
    let scanned_at = last_scan.and_then(|scan| scan.finished_at);
    let heard = last_delivery.map_or_else(
        || "no delivery yet".to_owned(),
        |last| format!("last delivery {}", at(last.micros())),
    );
    let scanned = scanned_at.map_or_else(
        || "no scan yet".to_owned(),
        |last| format!("last scan {}", at(last)),
    );
    let found = format!("{heard}, {scanned}");
    let is_unscanned = channel.has_api()
        && scanned_at
            .map(Timestamp::from_micros)
            .is_none_or(|last| now.since(last) > UNSCANNED);
    Ok(if is_unscanned {
        Finding::warn(
            check,
            found,
            "does `marketsink serve` run with the roles scheduler and worker?",
        )
    } else if last_delivery.is_none_or(|last| now.since(last) > QUIET) {
        Finding::warn(
            check,
            found,
            format!(
                "if it sells, its webhooks do not arrive: marketsink channel show {}",
                channel.id
            ),
        )
    } else {
        Finding::ok(check, found)
    })
}
