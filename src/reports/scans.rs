//! Scans as people and programs read them: how far, what was found, what can be done.

use crate::channels::{self, Channel, ChannelError};
use crate::db::Db;
use crate::domain::{MerchantId, ScanState, Timestamp};
use crate::sync::{self, MOST_CHANGES, Progress};
use entity::scans;
use sea_orm::DbErr;
use serde::Serialize;

/// One scan.
#[derive(Debug, Clone, Serialize)]
pub struct ScanView {
    pub id: i64,
    pub channel: i64,
    pub kind: String,
    pub method: String,
    pub source: String,
    pub state: String,
    /// The product of a single scan.
    pub subject: Option<String>,
    /// The API lacks the filter; everything was walked and compared.
    pub emulated: bool,
    pub products: i64,
    pub listings: i64,
    pub pages: i64,
    pub added: i64,
    pub changed: i64,
    pub gone: i64,
    pub linked: i64,
    pub conflicts: i64,
    pub errors: i64,
    /// Single differences; `scans changes` lists them.
    pub differences: i64,
    /// Those of them that were counted and not kept.
    pub left_out: i64,
    pub api_calls: i64,
    /// Seconds of work; waiting and pauses are not in it.
    pub seconds: f64,
    pub error: Option<String>,
    /// It rests, and can go on from its checkpoint.
    pub resumable: bool,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub paused_at: Option<Timestamp>,
    pub last_page_at: Option<Timestamp>,
    pub progress: Progress,
}

impl ScanView {
    pub fn of(row: &scans::Model, now: Timestamp) -> Self {
        let state = ScanState::parse(&row.state);
        Self {
            id: row.id,
            channel: row.channel_id,
            kind: row.kind.clone(),
            method: row.method.clone(),
            source: row.source.clone(),
            state: row.state.clone(),
            subject: row.subject.clone(),
            emulated: row.emulated,
            products: row.products,
            listings: row.listings,
            pages: row.pages,
            added: row.added,
            changed: row.changed,
            gone: row.gone,
            linked: row.linked,
            conflicts: row.conflicts,
            errors: row.errors,
            differences: row.differences,
            left_out: (row.differences - MOST_CHANGES).max(0),
            api_calls: row.api_calls,
            seconds: row.spent_ms as f64 / 1_000.0,
            error: row.error.clone(),
            resumable: matches!(state, Some(ScanState::Paused | ScanState::Failed)),
            started_at: Timestamp::from_micros(row.started_at),
            finished_at: row.finished_at.map(Timestamp::from_micros),
            paused_at: row.paused_at.map(Timestamp::from_micros),
            last_page_at: row.last_page_at.map(Timestamp::from_micros),
            progress: Progress::of(row, now),
        }
    }

    /// Whether nothing more comes by itself.
    pub fn has_ended(&self) -> bool {
        !matches!(
            ScanState::parse(&self.state),
            Some(ScanState::Waiting | ScanState::Running)
        )
    }
}

/// When a channel's catalogue was last read, per kind of scan.
#[derive(Debug, Clone, Serialize)]
pub struct LastScans {
    pub channel: i64,
    pub name: String,
    /// Kind, and when the last one ended well; newest first.
    pub scans: Vec<(String, Timestamp)>,
}

impl LastScans {
    /// `full 2026-11-23T02:20:00Z, updated 2026-11-23T04:15:00Z`, or `none`.
    pub fn text(&self) -> String {
        let scans = self.scans.iter();
        let told: Vec<_> = scans
            .map(|(kind, at)| format!("{kind} {}", Timestamp::from_secs(at.secs())))
            .collect();
        if told.is_empty() {
            "none".to_owned()
        } else {
            told.join(", ")
        }
    }
}

/// The last scans of these connections of the merchant, or of all.
///
/// # Errors
/// When the database fails or a channel cannot be read.
pub async fn last_scans(
    db: &Db,
    merchant: MerchantId,
    only: Option<&[i64]>,
) -> Result<Vec<LastScans>, ChannelError> {
    let mut last = Vec::new();
    for channel in channels::list(db, merchant, false).await? {
        let is_connection = channel.connection() == channel.id;
        if is_connection && only.is_none_or(|only| only.contains(&channel.id.0)) {
            last.push(last_of(db, &channel).await?);
        }
    }
    Ok(last)
}

async fn last_of(db: &Db, channel: &Channel) -> Result<LastScans, DbErr> {
    let scans = sync::last_scans(db, channel.id).await?;
    let ended = |row: scans::Model| {
        let at = row.finished_at.unwrap_or(row.started_at);
        (row.kind, Timestamp::from_micros(at))
    };
    Ok(LastScans {
        channel: channel.id.0,
        name: channel.name.clone(),
        scans: scans.into_iter().map(ended).collect(),
    })
}
