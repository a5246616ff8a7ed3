//! Reading all that is known about an order: bounded queries, each along an index.

use super::Subject;
use crate::catalog;
use crate::channels::{self, Channel, ChannelError};
use crate::domain::{
    ChannelId, EventKind, JobId, JobKind, ListingId, MerchantId, OrderId, RemoteId, SkuId,
    Timestamp, Work,
};
use crate::inbox::{self, Naming, RefusedNaming, Unread};
use crate::outbox;
use crate::queue::Queue;
use crate::sales::{self, OrderFull};
use crate::stock;
use crate::sync;
use entity::{
    completeness, completeness_orders, downloads, endpoint_deliveries, happenings, job_attempts,
    jobs, listings, movements, readings, replay_items, replays, stock_pushes,
};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// Rows of each kind that are told.
const MOST: u64 = 100;
/// How long after a movement of stock a push may come of it.
const PUSHED_WITHIN: Duration = Duration::from_secs(6 * 3_600);

/// A listing's state of telling, because of an order.
#[derive(Debug)]
pub(super) struct Pushed {
    pub listing: listings::Model,
    /// Those that came of this order's movements, oldest first.
    pub pushes: Vec<stock_pushes::Model>,
    /// Waits, runs or was given up.
    pub job: Option<jobs::Model>,
}

/// What completeness knows.
#[derive(Debug)]
pub(super) struct Proved {
    pub row: completeness_orders::Model,
    pub day: String,
}

#[derive(Debug)]
pub(super) struct Facts {
    pub asked: String,
    pub now: Timestamp,
    pub subject: Option<Subject>,
    /// Whose API has it, removed or not.
    pub connection: Option<Channel>,
    /// As the merchant sees it.
    pub channel: Option<Channel>,
    /// All of the merchant, removed ones included.
    pub channels: Vec<Channel>,
    pub booked: Option<OrderFull>,
    /// Newest first.
    pub naming: Vec<Naming>,
    /// Newest first, with their tries, oldest first.
    pub jobs: Vec<(jobs::Model, Vec<job_attempts::Model>)>,
    /// Newest first.
    pub readings: Vec<readings::Model>,
    /// Newest first.
    pub proved: Vec<Proved>,
    pub movements: Vec<movements::Model>,
    pub codes: HashMap<SkuId, String>,
    pub pushed: Vec<Pushed>,
    pub happenings: Vec<(happenings::Model, Vec<endpoint_deliveries::Model>)>,
    /// The walks that asked for it.
    pub downloads: Vec<downloads::Model>,
    /// Newest first.
    pub replayed: Vec<(replay_items::Model, replays::Model)>,
    pub refused: Vec<RefusedNaming>,
    pub unread: Vec<Unread>,
    /// Channels that tell unusually little, and since when.
    pub silent: BTreeMap<ChannelId, Timestamp>,
    /// Topics that are not subscribed to, in words.
    pub unsubscribed: BTreeMap<ChannelId, Vec<String>>,
}

impl Facts {
    pub(super) async fn of_order(
        queue: &Queue,
        merchant: MerchantId,
        asked: &str,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Self, ChannelError> {
        let mut facts = Self::empty(queue, merchant, asked, now).await?;
        let connection = subject.connection;
        let order = RemoteId::from(subject.remote_id.as_str());
        let with_id = |id: ChannelId| facts.channels.iter().find(|one| one.id == id).cloned();
        facts.connection = with_id(connection);
        facts.booked = booked(queue, merchant, &subject).await?;
        let row = facts.booked.as_ref().map(|full| full.order.channel_id);
        facts.channel = row.and_then(|id| with_id(ChannelId(id)));
        let read = queue.db().read();
        let kind = EventKind::OrderChanged;
        facts.naming = inbox::naming(read, connection, kind, &order, MOST).await?;
        facts.jobs = tried(queue, merchant, connection, &order).await?;
        facts.readings = sync::readings(queue.db(), merchant, connection, &order, MOST).await?;
        facts.replayed = sync::replays_of(read, connection, order.as_str(), MOST).await?;
        facts.subject = Some(subject);
        facts.proved = facts.proofs(queue, merchant).await?;
        facts.downloads = facts.walks(queue, connection).await?;
        facts.read_books(queue, merchant).await?;
        facts.read_hearing(queue, &[connection]).await?;
        Ok(facts)
    }

    pub(super) async fn of_nothing(
        queue: &Queue,
        merchant: MerchantId,
        asked: &str,
        now: Timestamp,
    ) -> Result<Self, ChannelError> {
        let mut facts = Self::empty(queue, merchant, asked, now).await?;
        facts.proved = facts.proofs(queue, merchant).await?;
        let ids: Vec<ChannelId> = facts.could_have().map(|channel| channel.id).collect();
        let slugs: HashSet<&str> = facts
            .could_have()
            .map(|channel| channel.marketplace.slug())
            .collect();
        let mut slugs: Vec<&str> = slugs.into_iter().collect();
        slugs.sort_unstable();
        if !asked.is_empty() {
            facts.refused = inbox::refused_naming(queue.db(), &slugs, &ids, asked).await?;
            facts.unread = inbox::unread_naming(queue.db(), merchant, asked).await?;
        }
        facts.read_hearing(queue, &ids).await?;
        Ok(facts)
    }

    async fn empty(
        queue: &Queue,
        merchant: MerchantId,
        asked: &str,
        now: Timestamp,
    ) -> Result<Self, ChannelError> {
        Ok(Self {
            asked: asked.to_owned(),
            now,
            subject: None,
            connection: None,
            channel: None,
            channels: channels::list(queue.db(), merchant, true).await?,
            booked: None,
            naming: Vec::new(),
            jobs: Vec::new(),
            readings: Vec::new(),
            proved: Vec::new(),
            movements: Vec::new(),
            codes: HashMap::new(),
            pushed: Vec::new(),
            happenings: Vec::new(),
            downloads: Vec::new(),
            replayed: Vec::new(),
            refused: Vec::new(),
            unread: Vec::new(),
            silent: BTreeMap::new(),
            unsubscribed: BTreeMap::new(),
        })
    }

    /// Connections that could have an order.
    pub(super) fn could_have(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(|channel| {
            channel.parent.is_none() && channel.state != channels::ChannelState::Removed
        })
    }

    pub(super) fn name_of(&self, id: i64) -> String {
        let channel = self.channels.iter().find(|channel| channel.id.0 == id);
        channel.map_or_else(
            || format!("channel {id}"),
            |channel| format!("channel {} {}", channel.id, channel.name),
        )
    }

    pub(super) fn code(&self, sku: i64) -> &str {
        let code = self.codes.get(&SkuId(sku));
        code.map_or("a SKU that is gone", String::as_str)
    }

    /// The order's number, as people know it.
    pub(super) fn number(&self) -> &str {
        let booked = self.booked.as_ref().map(|full| full.order.number.as_str());
        let mut read = self.readings.iter();
        let read = || read.find_map(|reading| reading.number.as_deref());
        let id = || self.subject.as_ref().map(|of| of.remote_id.as_str());
        booked.or_else(read).or_else(id).unwrap_or(&self.asked)
    }

    async fn proofs(&self, queue: &Queue, merchant: MerchantId) -> Result<Vec<Proved>, DbErr> {
        let db = queue.db().read();
        let of = || completeness_orders::Entity::of_merchant(merchant.0);
        let column = completeness_orders::Column::ChannelId;
        let select = match &self.subject {
            Some(subject) => of()
                .filter(completeness_orders::Column::RemoteId.eq(subject.remote_id.as_str()))
                .filter(column.eq(subject.connection.0)),
            None => of().filter(completeness_orders::Column::Number.eq(self.asked.as_str())),
        };
        let rows = select
            .order_by_desc(completeness_orders::Column::Id)
            .limit(MOST)
            .all(db)
            .await?;
        let ids: HashSet<i64> = rows.iter().map(|row| row.completeness_id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let days: Vec<(i64, String)> = completeness::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([completeness::Column::Id, completeness::Column::Day])
            .filter(completeness::Column::Id.is_in(ids))
            .into_tuple()
            .all(db)
            .await?;
        let days: HashMap<i64, String> = days.into_iter().collect();
        let proved = |row: completeness_orders::Model| Proved {
            day: days.get(&row.completeness_id).cloned().unwrap_or_default(),
            row,
        };
        Ok(rows.into_iter().map(proved).collect())
    }

    /// The walks during which its jobs were asked for.
    async fn walks(
        &self,
        queue: &Queue,
        connection: ChannelId,
    ) -> Result<Vec<downloads::Model>, DbErr> {
        let mut found: Vec<downloads::Model> = Vec::new();
        let by_walk =
            |job: &&(jobs::Model, _)| matches!(job.0.source.as_str(), "scan" | "download");
        for (job, _) in self.jobs.iter().filter(by_walk).take(10) {
            let walk = downloads::Entity::of_channel(connection.0)
                .filter(downloads::Column::StartedAt.lte(job.created_at))
                .order_by_desc(downloads::Column::StartedAt)
                .limit(1)
                .one(queue.db().read())
                .await?;
            let Some(walk) = walk else { continue };
            let was_on = walk.finished_at.is_none_or(|end| end >= job.created_at);
            if was_on && !found.iter().any(|known| known.id == walk.id) {
                found.push(walk);
            }
        }
        Ok(found)
    }

    /// What the books made of it: movements, pushes, and what was told to other programs.
    async fn read_books(&mut self, queue: &Queue, merchant: MerchantId) -> Result<(), DbErr> {
        let Some(full) = &self.booked else {
            return Ok(());
        };
        let db = queue.db().read();
        let id = OrderId(full.order.id);
        self.movements = stock::movements_of(db, merchant, id).await?;
        let lines = full.lines.iter().filter_map(|line| line.sku_id);
        let moved: HashSet<i64> = self.movements.iter().map(|one| one.sku_id).collect();
        let skus: HashSet<i64> = lines.chain(moved.iter().copied()).collect();
        let skus: Vec<SkuId> = skus.into_iter().map(SkuId).collect();
        if !skus.is_empty() {
            self.codes = catalog::sku_codes(db, merchant, &skus).await?;
        }
        let mut written: Vec<i64> = full.steps.iter().map(|step| step.done_at).collect();
        written.extend([full.order.first_seen_at, full.order.recorded_at]);
        written.sort_unstable();
        written.dedup();
        let subject = sales::subject(id);
        self.happenings = outbox::told_of(db, merchant, &subject, &written).await?;
        let moved: Vec<SkuId> = moved.into_iter().map(SkuId).collect();
        self.pushed = pushes(queue, merchant, &moved, &self.movements).await?;
        Ok(())
    }

    /// Whether the channels tell what they should.
    async fn read_hearing(
        &mut self,
        queue: &Queue,
        connections: &[ChannelId],
    ) -> Result<(), ChannelError> {
        let db = queue.db().read();
        for id in connections {
            if let Some(silence) = sync::open_silence(db, *id).await? {
                self.silent
                    .insert(*id, Timestamp::from_micros(silence.since));
            }
            let standing = channels::subscriptions(db, *id).await?;
            let missing: Vec<String> = standing
                .iter()
                .filter(|one| one.state.as_str() != "active")
                .map(|one| format!("{}: {}", one.topic, one.text()))
                .collect();
            if !missing.is_empty() {
                self.unsubscribed.insert(*id, missing);
            }
        }
        Ok(())
    }
}

async fn booked(
    queue: &Queue,
    merchant: MerchantId,
    subject: &Subject,
) -> Result<Option<OrderFull>, DbErr> {
    let id: Option<i64> = entity::orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(entity::orders::Column::Id)
        .filter(entity::orders::Column::RemoteId.eq(subject.remote_id.as_str()))
        .filter(entity::orders::Column::ConnectionId.eq(subject.connection.0))
        .into_tuple()
        .one(queue.db().read())
        .await?;
    match id {
        Some(id) => sales::order_full(queue.db(), merchant, OrderId(id)).await,
        None => Ok(None),
    }
}

/// The jobs that read it, with every try.
async fn tried(
    queue: &Queue,
    merchant: MerchantId,
    connection: ChannelId,
    order: &RemoteId,
) -> Result<Vec<(jobs::Model, Vec<job_attempts::Model>)>, DbErr> {
    let work = Work::FetchOrder {
        order: order.clone(),
    };
    let key = work.key(connection);
    let rows = queue
        .of_key(connection, (JobKind::FetchOrder, &key), MOST)
        .await?;
    let mut found = Vec::new();
    for job in rows {
        let attempts = queue.attempts(merchant, JobId(job.id), MOST).await?;
        found.push((job, attempts));
    }
    Ok(found)
}

/// What listings of the SKUs were told because of these movements: of each the first push after each movement, and the
/// job that is still to do.
async fn pushes(
    queue: &Queue,
    merchant: MerchantId,
    skus: &[SkuId],
    movements: &[movements::Model],
) -> Result<Vec<Pushed>, DbErr> {
    let (Some(first), Some(last)) = (movements.first(), movements.last()) else {
        return Ok(Vec::new());
    };
    let db = queue.db().read();
    let mut listings = catalog::listings_touched(db, merchant, skus).await?;
    listings.truncate(MOST as usize);
    let ids: Vec<ListingId> = listings.iter().map(|row| ListingId(row.id)).collect();
    let span = (
        Timestamp::from_micros(first.created_at),
        Timestamp::from_micros(last.created_at) + PUSHED_WITHIN,
    );
    let all = stock::pushes_between(db, merchant, &ids, span, 10 * MOST).await?;
    let mut found = Vec::new();
    for listing in listings {
        let told: Vec<&stock_pushes::Model> = all
            .iter()
            .filter(|push| push.listing_id == listing.id)
            .collect();
        let mut came: Vec<stock_pushes::Model> = Vec::new();
        for movement in movements {
            let after = told.iter().find(|push| push.read_at >= movement.created_at);
            let Some(push) = after else { continue };
            if !came.iter().any(|known| known.id == push.id) {
                came.push((*push).clone());
            }
        }
        let channel = ChannelId(listing.channel_id);
        let key = Work::PushStock {
            listing: ListingId(listing.id),
        }
        .key(channel);
        let mut jobs = queue.unended(channel, JobKind::PushStock, &[key]).await?;
        let job = jobs.drain().next().map(|(_, job)| job);
        found.push(Pushed {
            listing,
            pushes: came,
            job,
        });
    }
    Ok(found)
}
