//! The silence alarm: a channel that tells unusually little is asked.
//!
//! ```text
//!              fewer deliveries than chance explains
//!  listening ────────────────────────────────────────► checking: one order download, one updated scan
//!      ▲                                                   │ they are over
//!      │    deliveries come again                          ▼
//!      ◄─────────────────────────────── nothing_missed ◄───┴───► missed: the alarm is raised
//!      ◄─────────────────────────────────────────────────────────┘ and closed by itself
//! ```
//!
//! 1. What a channel tells is counted by hour of the week in the merchant's time zone, and kept.
//! 2. Unusual is what comes by chance less often than once in a thousand looks (Poisson, p < 0.001): nothing since
//!    the last delivery, or too little in the last six or 24 hours. It takes 14 days and 50 deliveries to know.
//! 3. Then an order download and an updated scan run, once per silence. The alarm is raised only when something
//!    has come into the books that no delivery had named; it is updated while the silence lasts.
//! 4. A silence ends when deliveries come as usual for an hour, or when some come, fewer than before, and nothing
//!    was missed for a day: then there is less to tell, and that is learned.

mod learning;
mod misses;
mod rhythm;

pub use learning::{Learned, learned};
pub use misses::{MissedOfDay, webhook_misses};
pub use rhythm::{FEWEST_DELIVERIES, SHORTEST_HISTORY, UNUSUAL};

use super::{Lane, Sync, SyncError};
use crate::accounts;
use crate::channels::Channel;
use crate::db::{Db, Tx};
use crate::domain::{
    ChannelId, Download, JobKind, MerchantId, ScanKind, ScanMethod, Source, Timestamp, Work,
};
use crate::inbox;
use crate::queue::{self, JobFilter, JobState, NewJob};
use chrono_tz::Tz;
use entity::{alarms, scans, silences};
use misses::Missed;
use rhythm::{USUAL, likelihood, quarter_of};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
/// Beside the time since the last delivery, these are looked at: a topic may be silent while others go on.
const LOOKS: [Duration; 2] = [HOUR.saturating_mul(6), HOUR.saturating_mul(24)];
/// A shop that was just connected is read whole at first.
const FIRST_SCAN: Duration = HOUR;
/// How soon the end of what was asked for is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(120);
/// What has not ended then is not waited for.
const LONGEST_CHECK: Duration = HOUR;
/// A channel that tells less for so long, and misses nothing, has less to tell: that becomes usual.
const LONGEST_QUIET: Duration = HOUR.saturating_mul(24);
/// The kind of alarm.
const SILENCE: &str = "silence";

const CHECKING: &str = "checking";
const NOTHING_MISSED: &str = "nothing_missed";
const MISSED: &str = "missed";

/// A stretch with fewer deliveries than chance explains.
struct Quiet {
    since: Timestamp,
    expected: f64,
    seen: u64,
}

impl Sync {
    /// Looks whether a channel tells unusually little, begins a check when it does, and ends the one that is under
    /// way. Keeps the rate of missed webhooks.
    ///
    /// # Errors
    /// When the channel does not work, or the database fails.
    pub async fn check_silence(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = self.connection(channel).await?;
        let now = self.shared.clock.now();
        let zone = accounts::zone_of(self.db().read(), connection.merchant).await?;
        misses::keep_rates(self.db(), &connection, zone, now).await?;
        match open_silence(self.db().read(), connection.id).await? {
            None => self.listen(&connection, zone, now).await,
            Some(silence) => self.look_after(&connection, silence, zone, now).await,
        }
    }

    async fn listen(
        &self,
        connection: &Channel,
        zone: Tz,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let db = self.db();
        let owner = (connection.id, connection.merchant);
        let known = match learned(db.read(), connection.id, zone).await? {
            Some(known) => Some(known),
            None => learning::learn(db, owner, zone, now).await?,
        };
        let Some(known) = known else {
            return Ok(());
        };
        if let Some(quiet) = quiet(db, connection, &known, now).await? {
            return self.begin_check(connection, &quiet, now).await;
        }
        learning::learn(db, owner, zone, now).await?;
        Ok(())
    }

    /// Writes the silence down and enqueues what asks the shop, once.
    async fn begin_check(
        &self,
        connection: &Channel,
        quiet: &Quiet,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let access = self.access(connection, Lane::Scan).await?;
        let can = connection.marketplace.abilities(&access);
        let mut work = vec![(Work::CHECK_SILENCE, Some(now + LOOK_AGAIN))];
        if can.orders {
            let orders = Download::Updated;
            work.push((Work::DownloadOrders { orders }, None));
        }
        if can.products {
            let scan = ScanKind::Updated;
            let method = ScanMethod::Async;
            work.push((Work::RunScan { scan, method }, None));
        }
        let jobs: Vec<NewJob> = work
            .into_iter()
            .map(|(work, run_at)| job(connection, work, run_at))
            .collect();
        let tx = self.db().write_tx().await?;
        silences::ActiveModel {
            merchant_id: Set(connection.merchant.0),
            channel_id: Set(connection.id.0),
            since: Set(quiet.since.micros()),
            noticed_at: Set(now.micros()),
            expected_milli: Set(milli(quiet.expected)),
            seen: Set(quiet.seen as i64),
            state: Set(CHECKING.to_owned()),
            missed_orders: Set(0),
            missed_changes: Set(0),
            missed_products: Set(0),
            ..Default::default()
        }
        .insert(&tx)
        .await?;
        queue::enqueue(&tx, &jobs, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        tracing::info!(
            channel.id = connection.id.0,
            since = %quiet.since,
            expected = quiet.expected,
            seen = quiet.seen,
            "the channel tells unusually little; its orders and products are asked for"
        );
        Ok(())
    }

    /// Ends the check when what it asked for is over, raises the alarm or not, and ends the silence when deliveries
    /// come again.
    async fn look_after(
        &self,
        connection: &Channel,
        silence: silences::Model,
        zone: Tz,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let noticed_at = Timestamp::from_micros(silence.noticed_at);
        let waits = silence.state == CHECKING && now.since(noticed_at) < LONGEST_CHECK;
        if waits && self.is_asking(connection).await? {
            let again = job(connection, Work::CHECK_SILENCE, Some(now + LOOK_AGAIN));
            let tx = self.db().write_tx().await?;
            queue::enqueue(&tx, &[again], now).await?;
            tx.commit().await?;
            return Ok(());
        }
        let since = Timestamp::from_micros(silence.since);
        // A delivery that comes late does not undo that it was missed.
        let found = misses::found_since(self.db(), connection, since).await?;
        let found = found.or_more(missed_of(&silence));
        let known = learned(self.db().read(), connection.id, zone).await?;
        let lasts_long = !found.is_any() && now.since(noticed_at) >= LONGEST_QUIET;
        let is_over = comes_again(self.db(), connection.id, known.as_ref(), noticed_at, now)
            .await?
            .is_some_and(|usual| usual || lasts_long);
        let tx = self.db().write_tx().await?;
        if found.is_any() {
            raise(&tx, &silence, found, now).await?;
        }
        if is_over {
            close(&tx, &silence, now).await?;
            if let (true, Some(known)) = (found.is_any(), &known) {
                // What it was silent about is not usual.
                let owner = (connection.id, connection.merchant);
                let to = known.to.max(quarter_of(now));
                learning::watch(&tx, owner, known.from, to).await?;
            }
        }
        let mut row = silence.into_active_model();
        row.state = Set(if found.is_any() {
            MISSED
        } else {
            NOTHING_MISSED
        }
        .to_owned());
        row.checked_at = Set(Some(now.micros()));
        row.missed_orders = Set(found.orders);
        row.missed_changes = Set(found.changes);
        row.missed_products = Set(found.products);
        row.ended_at = Set(is_over.then_some(now.micros()));
        row.update(&tx).await?;
        tx.commit().await?;
        if is_over && !found.is_any() {
            // There was less to tell: before the next look, or that would find the same.
            let owner = (connection.id, connection.merchant);
            learning::learn(self.db(), owner, zone, now).await?;
        }
        Ok(())
    }

    /// Whether the download, the scan, or what they asked for is still to be done.
    async fn is_asking(&self, connection: &Channel) -> Result<bool, DbErr> {
        let key = format!("{}:updated", connection.id);
        let walks = [
            (JobKind::DownloadOrders, key.clone()),
            (JobKind::RunScan, key),
        ];
        if !queue::active(self.db().read(), &walks).await?.is_empty() {
            return Ok(true);
        }
        for state in [JobState::Available, JobState::Running] {
            let fetches = JobFilter {
                channel: Some(connection.id),
                kind: Some(JobKind::FetchOrder),
                state: Some(state),
                key: None,
            };
            let queue = &self.shared.queue;
            if !queue
                .list(connection.merchant, &fetches, 1)
                .await?
                .is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn job(connection: &Channel, work: Work, run_at: Option<Timestamp>) -> NewJob {
    NewJob {
        merchant: connection.merchant,
        channel: connection.id,
        work,
        // Nobody told us, and nobody asked: as by schedule.
        source: Source::Schedule,
        run_at,
    }
}

fn milli(expected: f64) -> i64 {
    (expected * 1_000.0).round() as i64
}

fn missed_of(silence: &silences::Model) -> Missed {
    Missed {
        orders: silence.missed_orders,
        changes: silence.missed_changes,
        products: silence.missed_products,
    }
}

/// The least likely of the stretches that end now, if chance does not explain it.
async fn quiet(
    db: &Db,
    connection: &Channel,
    known: &Learned,
    now: Timestamp,
) -> Result<Option<Quiet>, DbErr> {
    if !known.rhythm.is_known() {
        return Ok(None);
    }
    let channel = connection.id;
    // A silence that has ended is over: no stretch reaches into it. What the first scan finds, nobody could tell.
    let floor = last_end(db.read(), channel).await?.unwrap_or(known.from);
    let connected_at = last_connected(db.read(), connection).await?;
    let floor = floor.max(connected_at + FIRST_SCAN);
    let last = inbox::first_and_last_arrival(db.read(), channel).await?;
    let since_last = last.map(|(_, last)| last).filter(|last| *last < now);
    let starts = LOOKS.map(|look| now - look).into_iter().chain(since_last);
    let mut least: Option<(f64, Quiet)> = None;
    for start in starts {
        let since = start.max(floor);
        let expected = known.rhythm.expected(since, now);
        // The last delivery itself is not part of the quiet after it.
        let after = since + Duration::from_micros(1);
        let seen = inbox::arrived_between(db.read(), channel, after, now).await?;
        let chance = likelihood(seen, expected);
        if chance < UNUSUAL && least.as_ref().is_none_or(|(least, _)| chance < *least) {
            let quiet = Quiet {
                since,
                expected,
                seen,
            };
            least = Some((chance, quiet));
        }
    }
    Ok(least.map(|(_, quiet)| quiet))
}

/// Whether as many deliveries come in the last hour as is usual; `None` when none came since the silence was noticed.
async fn comes_again(
    db: &Db,
    channel: ChannelId,
    known: Option<&Learned>,
    noticed_at: Timestamp,
    now: Timestamp,
) -> Result<Option<bool>, DbErr> {
    let ends = inbox::first_and_last_arrival(db.read(), channel).await?;
    let Some((_, last)) = ends.filter(|(_, last)| *last > noticed_at) else {
        return Ok(None);
    };
    let from = noticed_at.max(last.min(now - HOUR));
    let seen = inbox::arrived_between(db.read(), channel, from, now + HOUR).await?;
    let expected = known.map_or(0.0, |known| known.rhythm.expected(from, now));
    Ok(Some(likelihood(seen, expected) >= USUAL))
}

async fn last_end<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
) -> Result<Option<Timestamp>, DbErr> {
    let last = silences::Entity::of_channel(channel.0)
        .filter(silences::Column::EndedAt.is_not_null())
        .order_by_desc(silences::Column::EndedAt)
        .one(db)
        .await?;
    Ok(last
        .and_then(|row| row.ended_at)
        .map(Timestamp::from_micros))
}

/// When the shop was connected last: it is read whole then.
async fn last_connected<C: ConnectionTrait>(
    db: &C,
    connection: &Channel,
) -> Result<Timestamp, DbErr> {
    let last = scans::Entity::of_channel(connection.id.0)
        .filter(scans::Column::Source.eq(Source::Connection.as_str()))
        .order_by_desc(scans::Column::StartedAt)
        .one(db)
        .await?;
    let last = last.map(|row| Timestamp::from_micros(row.started_at));
    Ok(last.unwrap_or(connection.connected_at))
}

/// Raises the alarm of a silence, or updates it.
async fn raise(
    tx: &Tx,
    silence: &silences::Model,
    found: Missed,
    now: Timestamp,
) -> Result<(), DbErr> {
    let words = found.in_words();
    let open = alarms::Entity::of_channel(silence.channel_id)
        .filter(alarms::Column::Kind.eq(SILENCE))
        .filter(alarms::Column::ClosedAt.is_null())
        .one(tx)
        .await?;
    if let Some(open) = open {
        if open.found != words {
            let mut row = open.into_active_model();
            row.found = Set(words);
            row.update(tx).await?;
        }
        return Ok(());
    }
    tracing::warn!(
        channel.id = silence.channel_id,
        since = %Timestamp::from_micros(silence.since),
        found = words,
        "webhooks are missed; look with `marketsink alarms list`"
    );
    alarms::ActiveModel {
        merchant_id: Set(silence.merchant_id),
        channel_id: Set(silence.channel_id),
        kind: Set(SILENCE.to_owned()),
        since: Set(silence.since),
        expected_milli: Set(silence.expected_milli),
        seen: Set(silence.seen),
        found: Set(words),
        raised_at: Set(now.micros()),
        ..Default::default()
    }
    .insert(tx)
    .await?;
    Ok(())
}

async fn close(tx: &Tx, silence: &silences::Model, now: Timestamp) -> Result<(), DbErr> {
    let closed = alarms::Entity::update_many()
        .col_expr(alarms::Column::ClosedAt, Expr::value(now.micros()))
        .filter(alarms::Column::ChannelId.eq(silence.channel_id))
        .filter(alarms::Column::Kind.eq(SILENCE))
        .filter(alarms::Column::ClosedAt.is_null())
        .exec(tx)
        .await?;
    tracing::info!(
        channel.id = silence.channel_id,
        alarms = closed.rows_affected,
        "deliveries come again"
    );
    Ok(())
}

/// The silence of a channel that lasts, if one does.
///
/// # Errors
/// When the database cannot be asked.
pub async fn open_silence<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
) -> Result<Option<silences::Model>, DbErr> {
    silences::Entity::of_channel(channel.0)
        .filter(silences::Column::EndedAt.is_null())
        .one(db)
        .await
}

/// The merchant's alarms, newest first; only those that stand, unless all are wanted.
///
/// # Errors
/// When the database cannot be asked.
pub async fn alarms(
    db: &Db,
    merchant: MerchantId,
    all: bool,
    limit: u64,
) -> Result<Vec<alarms::Model>, DbErr> {
    let mut query = alarms::Entity::of_merchant(merchant.0);
    if !all {
        query = query.filter(alarms::Column::ClosedAt.is_null());
    }
    query
        .order_by_desc(alarms::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}
