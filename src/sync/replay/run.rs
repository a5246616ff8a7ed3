//! The work of a replay: taking up the next page, and following what was taken up to its end.

use super::{
    ReplayOutcome, ReplaySelection, ReplayState, items,
    pace::{Allowance, allowance, minute_of, taken_in_minute},
};
use crate::channels::{self, ChannelState};
use crate::db::Tx;
use crate::domain::{
    ChannelId, EventKind, JobKind, MerchantId, RemoteId, ReplayId, Timestamp, Work,
};
use crate::inbox::{self, Verdict};
use crate::queue::{self, Again, NewJob, Outcome};
use crate::sales::{self, OrderImage};
use crate::sync::{Sync, SyncError};
use entity::{deliveries, jobs, replay_items, replays};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};
use std::{collections::HashMap, time::Duration};

/// How long until the work of what was taken up is looked at again.
const LOOK: Duration = Duration::from_secs(10);
/// How long it is followed after the last was taken up: what goes on failing then is said to fail.
const FOLLOW: Duration = Duration::from_secs(600);
/// Items that are looked at in one go.
const SETTLED_TOGETHER: u64 = 200;

/// Where a run has left the replay.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    Over,
    /// There is more to take up, or to wait for, at this time.
    Again(Timestamp, &'static str),
}

/// What was taken up, before it is written down.
struct Taken {
    channel: Option<i64>,
    source_id: i64,
    subject: Option<String>,
    works: Vec<(JobKind, String)>,
    before: Option<OrderImage>,
    outcome: ReplayOutcome,
    detail: Option<String>,
}

impl Sync {
    /// Takes up the next page of a replay, and settles those whose work has ended.
    pub async fn run_replay(&self, id: ReplayId) -> Outcome {
        let now = self.shared.clock.now();
        match self.step(id, now).await {
            Ok(Stand::Over) => Outcome::Done,
            Ok(Stand::Again(until, reason)) => Outcome::Snoozed {
                until,
                reason: reason.to_owned(),
            },
            Err(error) => error.outcome(now),
        }
    }

    async fn step(&self, id: ReplayId, now: Timestamp) -> Result<Stand, SyncError> {
        let taken = self.take_page(id, now).await?;
        if let Some(Allowance::Take(_)) = taken {
            self.shared.queue.wake();
            return Ok(Stand::Again(now, "the next page is taken up"));
        }
        let row = replays::Entity::find_by_id(id.0)
            .one(self.db().read())
            .await?;
        let Some(row) = row.filter(|row| row.finished_at.is_none()) else {
            return Ok(Stand::Over);
        };
        let is_late = row
            .taken_at
            .is_none_or(|at| now.since(Timestamp::from_micros(at)) >= FOLLOW);
        let is_waiting = self.settle(&row, is_late, now).await?;
        match taken {
            Some(Allowance::Wait(until)) => Ok(Stand::Again(until, "its rate is used up")),
            _ if is_waiting => Ok(Stand::Again(now + LOOK, "what it took up is worked off")),
            _ => self.close(id, now).await,
        }
    }

    /// Takes up what may be taken up now; `None` when the replay is over or was cancelled.
    async fn take_page(
        &self,
        id: ReplayId,
        now: Timestamp,
    ) -> Result<Option<Allowance>, SyncError> {
        let tx = self.db().write_tx().await?;
        // Held, so that two runs of one replay take up one after the other.
        let row = replays::Entity::find_by_id(id.0)
            .lock_exclusive()
            .one(&tx)
            .await?;
        let is_open = |row: &replays::Model| {
            row.finished_at.is_none()
                && [ReplayState::Planned.as_str(), ReplayState::Running.as_str()]
                    .contains(&row.state.as_str())
        };
        let Some(row) = row.filter(is_open) else {
            return Ok(None);
        };
        let allowed = allowance(&row, now);
        let Allowance::Take(n) = allowed else {
            return Ok(Some(allowed));
        };
        let selection: ReplaySelection = match serde_json::from_str(&row.selection) {
            Ok(selection) => selection,
            Err(error) => {
                note(
                    &tx,
                    row,
                    &format!("its selection cannot be read: {error}"),
                    now,
                )
                .await?;
                tx.commit().await?;
                return Ok(None);
            }
        };
        let merchant = MerchantId(row.merchant_id);
        let range = (row.position, row.up_to);
        let (position, taken) = match &selection {
            ReplaySelection::Deliveries(selection) => {
                let page = inbox::page_selected(&tx, merchant, selection, range, n).await?;
                let position = last(page.iter().map(|row| row.id), n, row.up_to);
                (position, take_deliveries(&tx, merchant, page, now).await?)
            }
            ReplaySelection::Jobs(selection) => {
                let page = queue::page_jobs(&tx, merchant, selection, range, n).await?;
                let position = last(page.iter().map(|row| row.id), n, row.up_to);
                (position, take_jobs(&tx, merchant, page, now).await?)
            }
        };
        write_taken(&tx, row, position, taken, now).await?;
        tx.commit().await?;
        Ok(Some(allowed))
    }

    /// Writes down what became of those whose work has ended. Returns whether some still wait.
    async fn settle(
        &self,
        row: &replays::Model,
        is_late: bool,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        let of = (MerchantId(row.merchant_id), ReplayId(row.id));
        let waiting = Some(ReplayOutcome::Waiting);
        let (mut after, mut still_wait) = (0, false);
        loop {
            let read = self.db().read();
            let page = items::replay_items(read, of, waiting, after, SETTLED_TOGETHER).await?;
            let Some(last) = page.last() else {
                return Ok(still_wait);
            };
            after = last.id;
            still_wait |= self.settle_page(of.0, page, is_late, now).await?;
        }
    }

    async fn settle_page(
        &self,
        merchant: MerchantId,
        page: Vec<replay_items::Model>,
        is_late: bool,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        let read = self.db().read();
        let works: Vec<Vec<(JobKind, String)>> = page.iter().map(works_of).collect();
        let all: Vec<(JobKind, String)> = works.iter().flatten().cloned().collect();
        let active = queue::active(read, &all).await?;
        let since = page.iter().map(|item| item.taken_at).min();
        let since = Timestamp::from_micros(since.unwrap_or_default());
        let died = queue::died_since(read, merchant, &all, since).await?;
        let mut still_wait = false;
        let mut settled = Vec::new();
        for (item, works) in page.into_iter().zip(works) {
            let is_active = works.iter().any(|work| active.contains(work));
            if is_active && !is_late {
                still_wait = true;
                continue;
            }
            let error = works.iter().find_map(|work| died.get(work).cloned());
            let (outcome, detail) = if is_active {
                let detail =
                    "its work still waits or is tried again; `marketsink jobs list` tells more";
                (ReplayOutcome::Failed, Some(detail.to_owned()))
            } else if let Some(error) = error {
                (ReplayOutcome::Failed, Some(error))
            } else {
                self.effect(&item).await?
            };
            settled.push((item, outcome, detail));
        }
        let tx = self.db().write_tx().await?;
        for (item, outcome, detail) in settled {
            let mut item = item.into_active_model();
            item.outcome = Set(outcome.as_str().to_owned());
            item.detail = Set(detail);
            item.settled_at = Set(Some(now.micros()));
            item.update(&tx).await?;
        }
        tx.commit().await?;
        Ok(still_wait)
    }

    /// What the books say now, beside what they said before.
    async fn effect(
        &self,
        item: &replay_items::Model,
    ) -> Result<(ReplayOutcome, Option<String>), SyncError> {
        let is_order = works_of(item)
            .iter()
            .any(|(kind, _)| *kind == JobKind::FetchOrder);
        let (Some(channel), Some(order), true) = (item.channel_id, &item.subject, is_order) else {
            return Ok((ReplayOutcome::Done, None));
        };
        let before: Option<OrderImage> = item
            .before
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        let id = RemoteId::from(order.as_str());
        let after = sales::order_image(self.db().read(), ChannelId(channel), &id).await?;
        let changes = sales::changes(before.as_ref(), after.as_ref());
        if changes.is_empty() {
            return Ok((ReplayOutcome::Unchanged, None));
        }
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        Ok((ReplayOutcome::Changed, Some(told.join("; "))))
    }

    async fn close(&self, id: ReplayId, now: Timestamp) -> Result<Stand, SyncError> {
        let tx = self.db().write_tx().await?;
        let row = replays::Entity::find_by_id(id.0)
            .lock_exclusive()
            .one(&tx)
            .await?;
        if let Some(row) = row {
            let is_cancelled = row.state == ReplayState::Cancelled.as_str();
            let mut row = row.into_active_model();
            row.finished_at = Set(Some(now.micros()));
            if !is_cancelled {
                row.state = Set(ReplayState::Done.as_str().to_owned());
            }
            row.update(&tx).await?;
            tx.commit().await?;
        }
        Ok(Stand::Over)
    }
}

/// Where to go on: behind the last of a full page, else at the end.
fn last(ids: impl Iterator<Item = i64>, n: u64, up_to: i64) -> i64 {
    let ids: Vec<i64> = ids.collect();
    match ids.last() {
        Some(last) if ids.len() as u64 >= n => *last,
        _ => up_to,
    }
}

fn works_of(item: &replay_items::Model) -> Vec<(JobKind, String)> {
    serde_json::from_str(&item.works).unwrap_or_default()
}

async fn take_deliveries(
    tx: &Tx,
    merchant: MerchantId,
    page: Vec<deliveries::Model>,
    now: Timestamp,
) -> Result<Vec<Taken>, SyncError> {
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut taken = Vec::with_capacity(page.len());
    let mut removed = Removed::default();
    for row in page {
        let source_id = row.id;
        let channel = row.channel_id;
        if let Some(channel) = channel
            && removed.is(tx, ChannelId(channel)).await?
        {
            taken.push(nothing(channel, source_id));
            continue;
        }
        let reread = inbox::take_up(tx, merchant, row, now).await?;
        let about_order = reread
            .events
            .iter()
            .find(|event| event.kind == EventKind::OrderChanged);
        let about = about_order.or(reread.events.first());
        let subject = about.and_then(|event| event.subject.clone());
        let order = about_order.and_then(|event| event.subject.as_ref());
        let before = match (reread.connection, order) {
            (Some(connection), Some(order)) if !reread.jobs.is_empty() => {
                sales::order_image(tx, connection, order).await?
            }
            _ => None,
        };
        let works = reread.jobs.iter().map(work_key).collect();
        taken.push(Taken {
            channel: reread.connection.map(|id| id.0),
            source_id,
            subject: subject.map(|id| id.to_string()),
            works,
            before,
            outcome: of_verdict(reread.verdict, !reread.jobs.is_empty()),
            detail: None,
        });
        jobs.extend(reread.jobs);
    }
    queue::enqueue(tx, &jobs, now).await?;
    Ok(taken)
}

fn of_verdict(verdict: Verdict, has_work: bool) -> ReplayOutcome {
    match verdict {
        _ if has_work => ReplayOutcome::Waiting,
        Verdict::Accepted | Verdict::Ignored => ReplayOutcome::Ignored,
        Verdict::UnknownTopic => ReplayOutcome::UnknownTopic,
        Verdict::Unreadable => ReplayOutcome::Unreadable,
        Verdict::UnknownChannel => ReplayOutcome::UnknownChannel,
        Verdict::Parked => ReplayOutcome::Parked,
    }
}

async fn take_jobs(
    tx: &Tx,
    merchant: MerchantId,
    mut page: Vec<jobs::Model>,
    now: Timestamp,
) -> Result<Vec<Taken>, SyncError> {
    // In the order of their keys: whoever revives the same jobs waits, instead of locking up.
    page.sort_by(|a, b| (&a.kind, &a.key, a.id).cmp(&(&b.kind, &b.key, b.id)));
    let mut fresh: Vec<NewJob> = Vec::new();
    let mut taken = Vec::with_capacity(page.len());
    let mut removed = Removed::default();
    for row in page {
        let channel = ChannelId(row.channel_id);
        if channel != ChannelId::NONE && removed.is(tx, channel).await? {
            taken.push(nothing(row.channel_id, row.id));
            continue;
        }
        let work = Work::from_args(&row.args).ok();
        let order = match &work {
            Some(Work::FetchOrder { order }) => Some(order.clone()),
            _ => None,
        };
        let before = match &order {
            Some(order) => sales::order_image(tx, channel, order).await?,
            None => None,
        };
        let (outcome, detail) = match queue::again(&row) {
            Again::Revive(id) => {
                // Where a twin waits already, that one does the work.
                queue::revive(tx, merchant, id, now).await?;
                (ReplayOutcome::Waiting, None)
            }
            Again::Repeat(job) => {
                fresh.push(job);
                (ReplayOutcome::Waiting, None)
            }
            Again::Waits | Again::Runs => (ReplayOutcome::Waiting, None),
            Again::NotUnderstood(why) => (ReplayOutcome::Unreadable, Some(why)),
        };
        let works = JobKind::parse(&row.kind).map(|kind| (kind, row.key.clone()));
        taken.push(Taken {
            channel: Some(row.channel_id).filter(|id| *id != ChannelId::NONE.0),
            source_id: row.id,
            subject: order.map(|id| id.to_string()),
            works: works.into_iter().collect(),
            before,
            outcome,
            detail,
        });
    }
    queue::enqueue(tx, &fresh, now).await?;
    Ok(taken)
}

fn nothing(channel: i64, source_id: i64) -> Taken {
    Taken {
        channel: Some(channel),
        source_id,
        subject: None,
        works: Vec::new(),
        before: None,
        outcome: ReplayOutcome::Removed,
        detail: None,
    }
}

fn work_key(job: &NewJob) -> (JobKind, String) {
    (job.work.kind(), job.work.key(job.channel))
}

/// Which channels were removed, each asked for once.
#[derive(Default)]
struct Removed(HashMap<ChannelId, bool>);

impl Removed {
    async fn is(&mut self, tx: &Tx, channel: ChannelId) -> Result<bool, SyncError> {
        if let Some(known) = self.0.get(&channel) {
            return Ok(*known);
        }
        let state = channels::load(tx, channel).await?.state;
        let is_removed = state == ChannelState::Removed;
        self.0.insert(channel, is_removed);
        Ok(is_removed)
    }
}

async fn write_taken(
    tx: &Tx,
    row: replays::Model,
    position: i64,
    taken: Vec<Taken>,
    now: Timestamp,
) -> Result<(), SyncError> {
    let n = i64::try_from(taken.len()).unwrap_or(i64::MAX);
    let text = |value: &OrderImage| serde_json::to_string(value).ok();
    let items: Vec<replay_items::ActiveModel> = taken
        .into_iter()
        .map(|one| replay_items::ActiveModel {
            merchant_id: Set(row.merchant_id),
            replay_id: Set(row.id),
            channel_id: Set(one.channel),
            source_id: Set(one.source_id),
            subject: Set(one.subject),
            works: Set(serde_json::to_string(&one.works).unwrap_or_default()),
            before: Set(one.before.as_ref().and_then(text)),
            outcome: Set(one.outcome.as_str().to_owned()),
            detail: Set(one.detail),
            taken_at: Set(now.micros()),
            settled_at: Set((one.outcome != ReplayOutcome::Waiting).then(|| now.micros())),
            ..Default::default()
        })
        .collect();
    if !items.is_empty() {
        replay_items::Entity::insert_many(items)
            .exec_without_returning(tx)
            .await?;
    }
    let (old, minute_taken) = (row.clone(), taken_in_minute(&row, now));
    let mut row = row.into_active_model();
    row.state = Set(ReplayState::Running.as_str().to_owned());
    row.position = Set(position);
    row.taken = Set(old.taken + n);
    row.minute = Set(minute_of(now));
    row.minute_taken = Set(minute_taken + n);
    row.started_at = Set(old.started_at.or(Some(now.micros())));
    row.taken_at = Set(Some(now.micros()));
    row.update(tx).await?;
    Ok(())
}

/// Ends a replay that cannot go on.
async fn note(tx: &Tx, row: replays::Model, note: &str, now: Timestamp) -> Result<(), SyncError> {
    let mut row = row.into_active_model();
    row.state = Set(ReplayState::Cancelled.as_str().to_owned());
    row.note = Set(Some(note.to_owned()));
    row.finished_at = Set(Some(now.micros()));
    row.update(tx).await?;
    Ok(())
}
