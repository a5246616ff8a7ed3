//! Issues of work that fails, and taking it up again when its cause has passed.

use super::{Found, Shops};
use crate::channels;
use crate::domain::{Cause, ChannelId, JobKind, MerchantId, Timestamp};
use crate::queue::{self, Queue, Troubled};
use sea_orm::DbErr;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Fewer failed tries of a job that goes on are weather.
const TRIES: i64 = 3;
/// A job that is asked to slow down for longer than this is told of.
const LONG_SLOW_DOWN: Duration = Duration::from_secs(600);
/// How far back a success is looked for: looks are a minute apart.
const LATELY: Duration = Duration::from_secs(600);
/// Dead jobs of one group that are taken up in one look.
const AT_ONCE: u64 = 200;

/// What a look at the work found.
pub(super) struct Work {
    pub found: Vec<Found>,
    /// Groups whose cause has passed.
    pub over: Vec<Troubled>,
}

pub(super) async fn look(
    queue: &Queue,
    merchant: MerchantId,
    shops: &Shops,
    now: Timestamp,
) -> Result<Work, super::IssueError> {
    let renewed = renewals(queue, merchant).await?;
    let mut work = Work {
        found: Vec::new(),
        over: Vec::new(),
    };
    let mut told: BTreeMap<(ChannelId, Cause, String), Vec<Troubled>> = BTreeMap::new();
    for group in queue::troubled(queue, merchant).await? {
        if is_told_by_its_channel(&group, shops) {
            continue;
        }
        if is_over(queue, &group, &renewed, now).await? && group.dead > 0 {
            work.over.push(group.clone());
        }
        if is_worth_telling(&group, now) {
            let key = (group.channel, group.cause, subject(&group));
            told.entry(key).or_default().push(group);
        }
    }
    for groups in told.values() {
        work.found
            .push(issue(queue, merchant, shops, groups).await?);
    }
    Ok(work)
}

/// What fails for the channel as a whole is one issue, whatever the work; else each kind of work has its own.
fn subject(group: &Troubled) -> String {
    let is_of_the_channel = matches!(
        group.cause,
        Cause::Unreachable
            | Cause::ServerError
            | Cause::RateLimited
            | Cause::TokenExpired
            | Cause::ChannelLocked
            | Cause::NotConfigured
            | Cause::Database
            | Cause::WorkerLost
    );
    if is_of_the_channel {
        return String::new();
    }
    group.kind.to_string()
}

/// When the credentials of each channel were last given or renewed.
async fn renewals(
    queue: &Queue,
    merchant: MerchantId,
) -> Result<HashMap<ChannelId, Timestamp>, super::IssueError> {
    let dates = channels::calendar(queue.db(), merchant).await?;
    let renewed = dates.into_iter().map(|(id, dates)| (id, dates.renewed_at));
    Ok(renewed.collect())
}

/// The work of a locked channel waits for its one cause; that issue counts it.
fn is_told_by_its_channel(group: &Troubled, shops: &Shops) -> bool {
    let is_locked = shops
        .get(group.channel)
        .is_some_and(|channel| !channel.is_active());
    is_locked && group.dead == 0
}

fn is_worth_telling(group: &Troubled, now: Timestamp) -> bool {
    if group.dead > 0 {
        return true;
    }
    match group.cause {
        Cause::RateLimited => now.since(group.first_at) >= LONG_SLOW_DOWN,
        // The channel's own state tells of it, and a locked one is skipped.
        Cause::ChannelLocked => false,
        _ => group.attempts >= TRIES,
    }
}

/// Whether its kind works again on the channel, or the channel was given new credentials since.
async fn is_over(
    queue: &Queue,
    group: &Troubled,
    renewed: &HashMap<ChannelId, Timestamp>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    if !group.cause.passes() {
        return Ok(false);
    }
    let is_about_rights = matches!(
        group.cause,
        Cause::TokenExpired | Cause::ChannelLocked | Cause::MissingScope
    );
    let is_renewed = |at: &Timestamp| *at > group.last_at;
    if is_about_rights && renewed.get(&group.channel).is_some_and(is_renewed) {
        return Ok(true);
    }
    let since = group.last_at.max(now - LATELY);
    queue::ended_well_since(queue, group.channel, group.kind, since).await
}

async fn issue(
    queue: &Queue,
    merchant: MerchantId,
    shops: &Shops,
    groups: &[Troubled],
) -> Result<Found, DbErr> {
    let newest = groups.iter().max_by_key(|group| group.last_at);
    let newest = newest.expect("a group is made of what is in it");
    let is_of_channel = newest.channel != ChannelId::NONE;
    let channel = is_of_channel.then_some(newest.channel);
    let mut found = Found::of(newest.cause, channel, newest.last_at);
    found.subject = subject(newest);
    let (mut waiting, mut dead) = (0, 0);
    for group in groups {
        found.spans(group.first_at, group.last_at);
        waiting += group.waiting;
        dead += group.dead;
        if group.kind == JobKind::FetchOrder {
            found.orders += (group.dead + group.waiting).unsigned_abs();
        }
        for (key, _) in queue::troubled_jobs(queue, merchant, group).await? {
            let subject = key.split_once(':').map_or(key.as_str(), |(_, rest)| rest);
            found.name(subject);
        }
    }
    found.count = (dead + waiting).unsigned_abs();
    found.blocked = found.count;
    let shop = shops
        .get(newest.channel)
        .map_or_else(String::new, |channel| format!(" ({})", channel.name));
    let last = queue::troubled_jobs(queue, merchant, newest).await?;
    found.found = format!(
        "{}{shop}: {waiting} jobs wait for their next try and {dead} were given up ({}); the last error: {}",
        newest.cause.headline(),
        kinds_of(groups),
        last.first().map_or("", |(_, error)| error.as_str()),
    );
    found.to_do = to_do(newest, shops);
    Ok(found)
}

/// `fetch_order 3, run_scan 1`
fn kinds_of(groups: &[Troubled]) -> String {
    let one = |group: &Troubled| format!("{} {}", group.kind.as_str(), group.dead + group.waiting);
    groups.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn to_do(group: &Troubled, shops: &Shops) -> String {
    let id = group.channel;
    match group.cause {
        Cause::TokenExpired | Cause::ChannelLocked => shops.get(id).map_or_else(
            || "connect the shop again".to_owned(),
            |channel| format!("connect the shop again: {}", super::again(channel)),
        ),
        Cause::MissingScope => format!(
            "grant the right at the marketplace, then marketsink channel test {id}; what was given up is taken up by itself"
        ),
        Cause::RateLimited => format!(
            "nothing, if it passes; else space the schedules of the channel: marketsink schedule list --channel {id}"
        ),
        Cause::Unreachable | Cause::ServerError => format!(
            "nothing, if it passes: the work goes on by itself; marketsink channel test {id} asks the shop now"
        ),
        Cause::NotConfigured => {
            "set what the error names; `marketsink config` shows what holds, then start again".to_owned()
        }
        Cause::UnknownOrder => format!(
            "look whether the marketplace shows it; then marketsink orders download {id} --numbers NUMBER"
        ),
        Cause::Stale => "nothing, if it passes: it is read again until the API shows it".to_owned(),
        Cause::Database => {
            "look at the database's log and its disk; `marketsink doctor` checks it".to_owned()
        }
        Cause::WorkerLost => {
            "look at the log of `marketsink serve`: a worker was killed or has no memory".to_owned()
        }
        Cause::UnreadableAnswer | Cause::Bug => {
            "update marketsink: what was given up is tried again when it starts; else report the error".to_owned()
        }
        _ => format!(
            "mend what the error names at the shop, then ask again: marketsink scan {id}, or marketsink orders download {id}"
        ),
    }
}

/// Takes dead work up again; says of which issue, and how many jobs.
pub(super) async fn revive(
    queue: &Queue,
    merchant: MerchantId,
    over: &[Troubled],
    now: Timestamp,
) -> Result<Vec<(String, u64)>, DbErr> {
    let mut revived: BTreeMap<String, u64> = BTreeMap::new();
    for group in over {
        let tx = queue.db().write_tx().await?;
        let n = queue::revive_group(&tx, merchant, group, AT_ONCE, now).await?;
        tx.commit().await?;
        if n > 0 {
            tracing::info!(
                channel.id = group.channel.0,
                job.kind = group.kind.as_str(),
                cause = group.cause.as_str(),
                revived = n,
                "what blocked this work is over; it is taken up again"
            );
            let key = format!("{}:{}:{}", group.channel, group.cause, subject(group));
            *revived.entry(key).or_default() += n;
        }
    }
    Ok(revived.into_iter().collect())
}
