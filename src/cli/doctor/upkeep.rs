//! Checks of what keeps a channel connected: key files, webhook subscriptions, keys that are being replaced.

use crate::app;
use crate::channels::{self, Channel};
use crate::cli::{
    alarms::WeekOfMisses,
    channel::{mending, silence_in_words},
    finding::Finding,
};
use crate::config::Settings;
use crate::db::Db;
use crate::domain::Timestamp;
use crate::inbox;
use crate::marketplaces::SubscriptionState;
use crate::sync;
use sea_orm::DbErr;
use std::time::Duration;

/// A key that signed something so recently is still in use.
const RECENT: Duration = Duration::from_secs(86_400);
/// An overlap that ends within this time is about to end.
const SOON: Duration = Duration::from_secs(86_400);

/// Above this share of missed orders, in percent, webhooks are not to be relied on.
const MANY_MISSED: f64 = 5.0;
/// Of so few orders a share says nothing.
const FEW_ORDERS: i64 = 20;

/// Key files that others than their owner may read.
pub fn key_files(settings: &Settings) -> Vec<Finding> {
    let open = app::key_files(settings).filter(|file| channels::is_open_to_others(file));
    open.map(|file| {
        Finding::warn(
            "key file",
            format!("others than its owner may read {}", file.display()),
            format!("chmod 600 {}", file.display()),
        )
    })
    .collect()
}

/// Topics whose webhooks do not come, and since when.
pub async fn subscriptions(db: &Db, channel: &Channel) -> Result<Option<Finding>, DbErr> {
    let standing = channels::subscriptions(db.read(), channel.id).await?;
    let broken = standing
        .iter()
        .filter(|one| one.state != SubscriptionState::Active);
    let broken: Vec<String> = broken
        .map(|one| format!("{} {}", one.topic, one.text()))
        .collect();
    let check = format!("webhooks of channel {}", channel.id);
    let to_do = mending(channel);
    Ok(if standing.is_empty() {
        None
    } else if broken.is_empty() {
        let found = format!("all {} topics are active", standing.len());
        Some(Finding::ok(check, found))
    } else {
        Some(Finding::warn(check, broken.join("; "), to_do))
    })
}

/// Deliveries that are signed with a key which will soon not be accepted any more.
pub async fn old_key(db: &Db, channel: &Channel, now: Timestamp) -> Result<Option<Finding>, DbErr> {
    let last = inbox::last_signed_with_previous(db, channel.id, now - RECENT).await?;
    let Some(last) = last else {
        return Ok(None);
    };
    let check = format!("webhook key of channel {}", channel.id);
    let ends_at = channels::overlap_ends_at(db.read(), channel.id, now).await?;
    let is_app_wide = channel.marketplace.limits().webhook_address.is_per_app();
    let (found, to_do) = match ends_at {
        Some(ends_at) if ends_at.since(now) <= SOON => (
            format!("signed with the secret before at {last}, which is accepted until {ends_at}"),
            format!(
                "give the shop the new secret: marketsink channel rotate-secret {}",
                channel.id
            ),
        ),
        // The app's key: its overlap ends when a person ends it.
        None if is_app_wide => (
            format!("signed with the app's previous key at {last}"),
            "make the new one current in the marketplace's console before you remove the previous one"
                .to_owned(),
        ),
        _ => return Ok(None),
    };
    Ok(Some(Finding::warn(check, found, to_do)))
}

/// A channel that tells unusually little, and what was missed meanwhile.
pub async fn silence(db: &Db, channel: &Channel) -> Result<Option<Finding>, DbErr> {
    let Some(silence) = sync::open_silence(db.read(), channel.id).await? else {
        return Ok(None);
    };
    let check = format!("silence of channel {}", channel.id);
    let words = silence_in_words(&silence);
    Ok(Some(if silence.state == "missed" {
        let to_do = format!(
            "{}; what was missed: marketsink alarms list",
            mending(channel)
        );
        Finding::warn(check, words, to_do)
    } else {
        Finding::ok(check, words)
    }))
}

/// Orders of the last week that no webhook named.
pub async fn misses(db: &Db, channel: &Channel, now: Timestamp) -> Result<Option<Finding>, DbErr> {
    let week = WeekOfMisses::of(db, channel.merchant, channel.id, now).await?;
    if week.orders == 0 {
        return Ok(None);
    }
    let check = format!("missed webhooks of channel {}", channel.id);
    Ok(Some(
        if week.orders >= FEW_ORDERS && week.percent() > MANY_MISSED {
            Finding::warn(check, week.in_words(), mending(channel))
        } else {
            Finding::ok(check, week.in_words())
        },
    ))
}
