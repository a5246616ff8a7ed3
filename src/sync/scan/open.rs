//! Opening a scan's row, or finding the one to go on with.

use super::{ScanRequest, page::forget_seen};
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{ScanId, ScanKind, ScanMethod, ScanState, Timestamp, Window};
use crate::sync::{Stream, Sync, SyncError, cursors::cursor};
use entity::scans;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, IntoActiveModel,
    QueryFilter, QueryOrder,
};
use std::time::Duration;

/// How long a scan that was given up can be gone on with: page tokens and what was seen grow old.
const RESUMABLE: Duration = Duration::from_secs(24 * 3_600);

/// What there is to do.
pub(super) enum Opened {
    Walk {
        row: Box<scans::Model>,
        /// It was given up or paused before.
        is_resumed: bool,
    },
    /// A person has paused it.
    Rests(ScanId),
}

impl Sync {
    pub(super) async fn open_scan(
        &self,
        connection: &Channel,
        request: &ScanRequest,
    ) -> Result<Opened, SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let newest = newest(&tx, connection, request).await?;
        let state = newest.as_ref().and_then(|row| ScanState::parse(&row.state));
        let opened = match (newest, state) {
            (Some(row), Some(ScanState::Running)) => {
                let row = waited_for(&tx, row, request.method).await?;
                Opened::Walk {
                    row: Box::new(row),
                    is_resumed: false,
                }
            }
            (Some(row), Some(ScanState::Paused)) => Opened::Rests(ScanId(row.id)),
            (Some(row), Some(ScanState::Waiting)) => {
                let is_resumed = row.pages > 0;
                let row = begin(&tx, connection, row, now).await?;
                Opened::Walk {
                    row: Box::new(row),
                    is_resumed,
                }
            }
            (Some(row), Some(ScanState::Failed)) if is_resumable(&row, now) => {
                tracing::info!(
                    channel.id = connection.id.0,
                    scan.id = row.id,
                    "a scan that was given up goes on where it was"
                );
                let row = begin(&tx, connection, row, now).await?;
                Opened::Walk {
                    row: Box::new(row),
                    is_resumed: true,
                }
            }
            (old, _) => {
                // Nobody goes on with what an old one saw.
                if let (Some(old), Some(ScanState::Failed)) = (old, state) {
                    forget_seen(&tx, old.id).await?;
                }
                let mut row = new_row(connection, request, ScanState::Running, now);
                row.window_from = Set(window_from(&tx, connection, request.kind, now).await?);
                Opened::Walk {
                    row: Box::new(row.insert(&tx).await?),
                    is_resumed: false,
                }
            }
        };
        tx.commit().await?;
        Ok(opened)
    }
}

/// A scan that somebody waits for now.
async fn waited_for(tx: &Tx, row: scans::Model, method: ScanMethod) -> Result<scans::Model, DbErr> {
    if method == ScanMethod::Async || row.method == method.as_str() {
        return Ok(row);
    }
    let mut row = row.into_active_model();
    row.method = Set(method.as_str().to_owned());
    row.update(tx).await
}

/// The newest scan of this channel, kind and product.
pub(super) async fn newest<C: ConnectionTrait>(
    db: &C,
    connection: &Channel,
    request: &ScanRequest,
) -> Result<Option<scans::Model>, DbErr> {
    let subject = request.product.as_ref().map(ToString::to_string);
    let of_kind = scans::Entity::of_channel(connection.id.0)
        .filter(scans::Column::Kind.eq(request.kind.as_str()));
    let of_subject = match subject {
        Some(subject) => of_kind.filter(scans::Column::Subject.eq(subject)),
        None => of_kind.filter(scans::Column::Subject.is_null()),
    };
    of_subject.order_by_desc(scans::Column::Id).one(db).await
}

/// It has a checkpoint that is young enough.
pub(super) fn is_resumable(row: &scans::Model, now: Timestamp) -> bool {
    let last_at = row.last_page_at.or(row.finished_at);
    let last_at = Timestamp::from_micros(last_at.unwrap_or(row.started_at));
    row.page_token.is_some() && now.since(last_at) <= RESUMABLE
}

/// The row runs now. One that has not read anything yet has its window fixed here.
async fn begin(
    tx: &Tx,
    connection: &Channel,
    row: scans::Model,
    now: Timestamp,
) -> Result<scans::Model, DbErr> {
    let kind = ScanKind::parse(&row.kind);
    let is_new = row.pages == 0 && row.page_token.is_none();
    let mut row = row.into_active_model();
    row.state = Set(ScanState::Running.as_str().to_owned());
    row.error = Set(None);
    row.paused_at = Set(None);
    row.finished_at = Set(None);
    if let (true, Some(kind)) = (is_new, kind) {
        row.started_at = Set(now.micros());
        row.window_to = Set(now.micros());
        row.window_from = Set(window_from(tx, connection, kind, now).await?);
    }
    row.update(tx).await
}

async fn window_from(
    tx: &Tx,
    connection: &Channel,
    kind: ScanKind,
    now: Timestamp,
) -> Result<Option<i64>, DbErr> {
    if kind != ScanKind::Updated {
        return Ok(None);
    }
    let lookback = connection.marketplace.limits().lookback;
    let cursor = cursor(tx, connection.id, Stream::Products).await?;
    Ok(cursor.map(|cursor| Window::since(cursor, lookback, now).from.micros()))
}

/// A row for what was asked, without the start of its window.
pub(super) fn new_row(
    connection: &Channel,
    request: &ScanRequest,
    state: ScanState,
    now: Timestamp,
) -> scans::ActiveModel {
    scans::ActiveModel {
        merchant_id: Set(connection.merchant.0),
        channel_id: Set(connection.id.0),
        kind: Set(request.kind.as_str().to_owned()),
        method: Set(request.method.as_str().to_owned()),
        source: Set(request.source.as_str().to_owned()),
        state: Set(state.as_str().to_owned()),
        subject: Set(request.product.as_ref().map(ToString::to_string)),
        window_from: Set(None),
        window_to: Set(now.micros()),
        pages: Set(0),
        listings: Set(0),
        added: Set(0),
        changed: Set(0),
        gone: Set(0),
        linked: Set(0),
        errors: Set(0),
        api_calls: Set(0),
        emulated: Set(false),
        started_at: Set(now.micros()),
        ..Default::default()
    }
}
