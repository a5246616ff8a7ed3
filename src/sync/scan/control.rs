//! Asking for scans, and pausing, resuming, cancelling and giving up those there are.
//!
//! The row's state is what everybody goes by: a walk reads it with each page that it writes.

use super::{
    ScanRequest,
    open::{is_resumable, new_row, newest},
    page::forget_seen,
    results,
};
use crate::accounts::Deed;
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{
    ChannelId, JobKind, MerchantId, RemoteId, ScanId, ScanKind, ScanMethod, ScanState, Source,
    Timestamp, Work,
};
use crate::queue::{self, JobState, NewJob};
use crate::sync::{Sync, SyncError, queries::OPEN};
use entity::scans;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, Select, SqlErr, sea_query::Expr,
};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use thiserror::Error;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Requested {
    pub scan: ScanId,
    /// There was one of this channel and kind already; it serves both.
    pub joined: bool,
    /// It had been paused or given up, and goes on where it was.
    pub resumed: bool,
}

/// Why a scan cannot be controlled so.
#[derive(Debug, Error)]
pub enum ControlError {
    #[error("there is no scan {0}; `marketsink scans list` shows those there are")]
    Unknown(ScanId),
    #[error("scan {scan} is {state} already")]
    Over { scan: ScanId, state: String },
    #[error("scan {0} is paused already; `marketsink scans resume {0}` lets it go on")]
    Paused(ScanId),
    #[error("scan {scan} does not rest; it is {state}")]
    NotResting { scan: ScanId, state: String },
    #[error(
        "another scan of the same channel and kind has been begun meanwhile; it reads the same"
    )]
    Replaced,
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Scans that are looked after at once.
const TENDED: u64 = 500;
/// How long a scan may be without work before it is taken for given up: a job may be between two states.
const UNTENDED: Duration = Duration::from_secs(60);
/// Work that rests longer is not waited for.
const SOON: Duration = Duration::from_secs(60);
const GOING: [&str; 2] = [ScanState::Waiting.as_str(), ScanState::Running.as_str()];

impl Sync {
    /// Asks for a scan: a new one, or the one of this channel and kind that there is. Whoever waits makes it go
    /// first. One that rests goes on.
    ///
    /// # Errors
    /// When the channel does not work, or has no API that could be asked for its products.
    pub async fn request_scan(&self, request: &ScanRequest) -> Result<Requested, SyncError> {
        let connection = self.connection(request.channel).await?;
        if request.kind != ScanKind::Single && !self.abilities(connection.id).await?.products {
            return Err(Self::nothing_to_ask(&connection, "its products"));
        }
        let asked = self.note_request(&connection, request).await;
        // Two that asked at the same moment: the later one joins.
        let asked = match asked {
            Err(error) if is_taken(&error) => self.note_request(&connection, request).await,
            asked => asked,
        };
        self.shared.queue.wake();
        Ok(asked?)
    }

    async fn note_request(
        &self,
        connection: &Channel,
        request: &ScanRequest,
    ) -> Result<Requested, DbErr> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let known = newest(&tx, connection, request).await?;
        let state = known.as_ref().and_then(|row| ScanState::parse(&row.state));
        let known = known.zip(state).filter(|(row, state)| {
            state.is_open() || *state == ScanState::Failed && is_resumable(row, now)
        });
        let (row, joined, resumed) = if let Some((row, state)) = known {
            let rested = matches!(state, ScanState::Paused | ScanState::Failed);
            let joined = state != ScanState::Failed;
            (
                join(&tx, row, rested, request.method).await?,
                joined,
                rested,
            )
        } else {
            let row = new_row(connection, request, ScanState::Waiting, now);
            (row.insert(&tx).await?, false, false)
        };
        self.enqueue_scan(&tx, connection, (&row, resumed), now)
            .await?;
        let deed = Deed::new("scan.requested", "scan", row.id);
        let what = json!({"channel": connection.id, "kind": row.kind, "joined": joined, "resumed": resumed});
        self.note_deed(&tx, connection.merchant, deed.to(what))
            .await?;
        tx.commit().await?;
        Ok(Requested {
            scan: ScanId(row.id),
            joined,
            resumed,
        })
    }

    /// A job for the scan, unless one is at it, or about to be. One that rested gets its own in any case: the
    /// job that laid it to rest may not have ended yet.
    async fn enqueue_scan(
        &self,
        tx: &Tx,
        connection: &Channel,
        (row, rested): (&scans::Model, bool),
        now: Timestamp,
    ) -> Result<(), DbErr> {
        let Some(work) = work_of(row) else {
            return Ok(());
        };
        let key = work.key(connection.id);
        let named = (work.kind(), key.as_str());
        if work.kind() == JobKind::RescanProduct {
            // What a webhook has asked for knows nothing of the scan, and is done by it.
            let why = "a person asked for the same";
            queue::cancel_one(tx, named, why, now).await?;
        } else if !rested {
            let alive = queue::alive(tx, named).await?;
            if alive.is_some_and(|job| job.state == JobState::Running.as_str()) {
                return Ok(());
            }
        }
        let job = NewJob {
            merchant: connection.merchant,
            channel: connection.id,
            work,
            source: Source::parse(&row.source).unwrap_or(Source::Manual),
            run_at: Some(now),
        };
        queue::enqueue(tx, &[job], now).await?;
        Ok(())
    }

    /// Lets a scan rest where it is, from its next page on.
    ///
    /// # Errors
    /// When it is over, or rests already.
    pub async fn pause_scan(
        &self,
        merchant: MerchantId,
        id: ScanId,
    ) -> Result<scans::Model, ControlError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let row = locked(&tx, merchant, id).await?;
        match ScanState::parse(&row.state) {
            Some(ScanState::Waiting | ScanState::Running) => {}
            Some(ScanState::Paused) => return Err(ControlError::Paused(id)),
            _ => return Err(over(row)),
        }
        cancel_job(&tx, &row, "the scan was paused", now).await?;
        let mut changed = row.into_active_model();
        changed.state = Set(ScanState::Paused.as_str().to_owned());
        changed.paused_at = Set(Some(now.micros()));
        let row = changed.update(&tx).await?;
        self.record_control(&tx, "scan.paused", &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Lets a scan that was paused or given up go on from its checkpoint.
    ///
    /// # Errors
    /// When it does not rest, the channel does not work, or another one was begun meanwhile.
    pub async fn resume_scan(
        &self,
        merchant: MerchantId,
        id: ScanId,
    ) -> Result<scans::Model, ControlError> {
        let now = self.shared.clock.now();
        let row = found(merchant, id).one(self.db().read()).await?;
        let channel = row.ok_or(ControlError::Unknown(id))?.channel_id;
        let connection = self.connection(ChannelId(channel)).await?;
        let tx = self.db().write_tx().await?;
        // As it is now: somebody may have cancelled it.
        let row = locked(&tx, merchant, id).await?;
        match ScanState::parse(&row.state) {
            Some(ScanState::Paused | ScanState::Failed) => {}
            Some(ScanState::Done | ScanState::Suspicious | ScanState::Cancelled) => {
                return Err(over(row));
            }
            _ => {
                return Err(ControlError::NotResting {
                    scan: id,
                    state: row.state,
                });
            }
        }
        let mut changed = row.into_active_model();
        wait_again(&mut changed);
        let row = changed.update(&tx).await.map_err(|error| {
            if is_taken(&error) {
                ControlError::Replaced
            } else {
                error.into()
            }
        })?;
        self.enqueue_scan(&tx, &connection, (&row, true), now)
            .await?;
        self.record_control(&tx, "scan.resumed", &row).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(row)
    }

    /// Ends a scan where it is, from its next page on. What it has written stays; it concludes nothing.
    ///
    /// # Errors
    /// When it is over.
    pub async fn cancel_scan(
        &self,
        merchant: MerchantId,
        id: ScanId,
    ) -> Result<scans::Model, ControlError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let row = locked(&tx, merchant, id).await?;
        let state = ScanState::parse(&row.state);
        if !state.is_some_and(|state| state.is_open() || state == ScanState::Failed) {
            return Err(over(row));
        }
        if state != Some(ScanState::Failed) {
            cancel_job(&tx, &row, "the scan was cancelled", now).await?;
        }
        forget_seen(&tx, row.id).await?;
        let mut changed = row.into_active_model();
        changed.state = Set(ScanState::Cancelled.as_str().to_owned());
        changed.page_token = Set(None);
        changed.seen = Set(None);
        changed.finished_at = Set(Some(now.micros()));
        let row = changed.update(&tx).await?;
        self.record_control(&tx, "scan.cancelled", &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn record_control(
        &self,
        tx: &Tx,
        action: &'static str,
        row: &scans::Model,
    ) -> Result<(), DbErr> {
        let deed = Deed::new(action, "scan", row.id).to(json!({"state": row.state}));
        self.note_deed(tx, MerchantId(row.merchant_id), deed).await
    }

    /// Its job was given up: the scan has failed, and can be resumed from its checkpoint.
    pub async fn give_up_scan(&self, request: &ScanRequest, reason: &str) -> Result<(), SyncError> {
        let subject = request.product.as_ref().map(ToString::to_string);
        let mut open = scans::Entity::of_channel(request.channel.0)
            .filter(scans::Column::Kind.eq(request.kind.as_str()))
            .filter(scans::Column::State.is_in(GOING));
        open = match subject {
            Some(subject) => open.filter(scans::Column::Subject.eq(subject)),
            None => open.filter(scans::Column::Subject.is_null()),
        };
        if let Some(row) = open.one(self.db().read()).await? {
            self.fail_scan(row, reason).await?;
        }
        Ok(())
    }

    async fn fail_scan(&self, row: scans::Model, reason: &str) -> Result<(), DbErr> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let mut changed = row.into_active_model();
        changed.state = Set(ScanState::Failed.as_str().to_owned());
        changed.error = Set(Some(reason.to_owned()));
        changed.finished_at = Set(Some(now.micros()));
        let row = changed.update(&tx).await?;
        results::notice(&tx, &row, "warn", &results::summary(&row), now).await?;
        tx.commit().await?;
        tracing::error!(
            channel.id = row.channel_id,
            scan.id = row.id,
            scan.kind = row.kind,
            reason,
            "a scan was given up; it can be resumed"
        );
        Ok(())
    }

    /// Finds scans whose work has died without a word, such as with its process, and fails them. Returns how
    /// many. Safe to run in every process, as often as wanted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tend_scans(&self) -> Result<u64, DbErr> {
        let now = self.shared.clock.now();
        let open = scans::Entity::find()
            .filter(Expr::cust(OPEN))
            .order_by_asc(scans::Column::Id)
            .limit(TENDED)
            .all(self.db().read())
            .await?;
        let mut failed = 0;
        for row in open.into_iter().filter(|row| row.paused_at.is_none()) {
            let last_at = row
                .last_page_at
                .unwrap_or(row.started_at)
                .max(row.started_at);
            let is_young = now.since(Timestamp::from_micros(last_at)) < UNTENDED;
            let Some(work) = work_of(&row).filter(|_| !is_young) else {
                continue;
            };
            let channel = ChannelId(row.channel_id);
            let key = work.key(channel);
            let named = (work.kind(), key.as_str());
            if queue::alive(self.db().read(), named).await?.is_some() {
                continue;
            }
            let words = queue::last_words(self.db().read(), channel, named).await?;
            let reason = words.or_else(|| row.error.clone());
            let reason = reason.unwrap_or_else(|| "its work ended without a word".to_owned());
            self.fail_scan(row, &reason).await?;
            failed += 1;
        }
        Ok(failed)
    }

    /// Until when the work of a scan rests before its next try, and why; `None` while it goes on soon.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan_rests_until(
        &self,
        scan: &scans::Model,
    ) -> Result<Option<(Timestamp, String)>, DbErr> {
        let Some(work) = work_of(scan) else {
            return Ok(None);
        };
        let key = work.key(ChannelId(scan.channel_id));
        let job = queue::alive(self.db().read(), (work.kind(), &key)).await?;
        let soon = self.shared.clock.now() + SOON;
        let rests = job.filter(|job| job.state == JobState::Available.as_str());
        Ok(rests.and_then(|job| {
            let until = Timestamp::from_micros(job.run_at);
            let why = job.last_error.unwrap_or_default();
            (until > soon).then_some((until, why))
        }))
    }

    /// The scan of this channel and kind that others would join.
    pub(super) async fn open_one(
        &self,
        channel: ChannelId,
        kind: ScanKind,
    ) -> Result<Option<scans::Model>, DbErr> {
        scans::Entity::of_channel(channel.0)
            .filter(scans::Column::Kind.eq(kind.as_str()))
            .filter(Expr::cust(OPEN))
            .order_by_desc(scans::Column::Id)
            .one(self.db().read())
            .await
    }
}

/// A scan that others ask for too: if it rested it goes on, and if one of them waits it goes first.
async fn join(
    tx: &Tx,
    row: scans::Model,
    rested: bool,
    method: ScanMethod,
) -> Result<scans::Model, DbErr> {
    let is_hurried = method == ScanMethod::Sync && row.method != method.as_str();
    if !rested && !is_hurried {
        return Ok(row);
    }
    let mut changed = row.into_active_model();
    if rested {
        wait_again(&mut changed);
    }
    if is_hurried {
        changed.method = Set(method.as_str().to_owned());
    }
    changed.update(tx).await
}

fn wait_again(row: &mut scans::ActiveModel) {
    row.state = Set(ScanState::Waiting.as_str().to_owned());
    row.paused_at = Set(None);
    row.finished_at = Set(None);
    row.error = Set(None);
}

/// The work that a scan's row stands for.
fn work_of(row: &scans::Model) -> Option<Work> {
    let method = ScanMethod::parse(&row.method)?;
    match (ScanKind::parse(&row.kind)?, row.subject.as_deref()) {
        (ScanKind::Single, product) => product.map(|product| Work::RescanProduct {
            product: RemoteId::from(product),
        }),
        (scan, _) => Some(Work::RunScan { scan, method }),
    }
}

async fn cancel_job(
    tx: &Tx,
    row: &scans::Model,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    if let Some(work) = work_of(row) {
        let key = work.key(ChannelId(row.channel_id));
        let named: (JobKind, &str) = (work.kind(), &key);
        queue::cancel_one(tx, named, reason, now).await?;
    }
    Ok(())
}

fn found(merchant: MerchantId, id: ScanId) -> Select<scans::Entity> {
    scans::Entity::of_merchant(merchant.0).filter(scans::Column::Id.eq(id.0))
}

/// Nobody else changes its state until the transaction ends.
async fn locked(tx: &Tx, merchant: MerchantId, id: ScanId) -> Result<scans::Model, ControlError> {
    let row = found(merchant, id).lock_exclusive().one(tx).await?;
    row.ok_or(ControlError::Unknown(id))
}

fn over(row: scans::Model) -> ControlError {
    ControlError::Over {
        scan: ScanId(row.id),
        state: row.state,
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
