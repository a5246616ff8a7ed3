//! Walking over a channel's orders: what the books lack, or hold in an older version, is fetched.
//!
//! Since the cursor by the time of change, with an overlap that is tuned ([`Lookback`](super::Lookback)); the first time, and where
//! it is asked for, by the time when orders were placed; or by number. [`preview`] tells the same and writes nothing.
//!
//! 1. Open a download row, or resume the one that was running: its window was fixed when it began.
//! 2. Each page: read it; compare with the books in one query; in one transaction enqueue `fetch_order` for
//!    what is missing or outdated, and save where to go on.
//! 3. After the last page the cursor moves to where the window ended, never past the start of the walk.

mod preview;
mod status;
mod walk;

pub(super) use preview::told;
pub use preview::{Preview, Previewed, Seen};
pub use status::STATUS_WORDS;
pub(super) use walk::{Asked, OrderWalk};

use self::status::Fit;
use super::{
    Lane, Stream, Sync, SyncError,
    cursors::{self, advance},
    position::Position,
};
use crate::channels::Channel;
use crate::domain::{ChannelId, Download, RemoteId, Source, Timestamp, Window, Work};
use crate::marketplaces::{Access, MarketplaceError, OrderSummary, OrderTime, Page};
use crate::queue::{self, NewJob};
use crate::sales::{self, KnownOrder};
use entity::downloads;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use std::time::Duration;

impl Sync {
    /// Runs an order download to its end, or goes on with the one that was interrupted. Returns its row.
    ///
    /// # Errors
    /// When a page cannot be read. What was enqueued stays, and the next run goes on from there.
    pub async fn download_orders(
        &self,
        channel: ChannelId,
        what: &Download,
        source: Source,
    ) -> Result<downloads::Model, SyncError> {
        let connection = self.connection(channel).await?;
        if let Download::Numbered(numbers) = what {
            return self.download_numbered(&connection, numbers, source).await;
        }
        let lane = if source == Source::Manual {
            Lane::Urgent
        } else {
            Lane::Scan
        };
        let access = self.access(&connection, lane).await?;
        if !connection.marketplace.abilities(&access).orders {
            return Err(Self::nothing_to_ask(&connection, "its list of orders"));
        }
        let mut row = self.open_download(&connection, what, source).await?;
        let mut walk = start(&connection, &access, &row, self.shared.clock.now());
        loop {
            let page = match walk.next().await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    let returned = self.fetch_returned(&connection, &access, &row).await;
                    return match returned {
                        Ok(()) => self.close_download(&connection, row, what).await,
                        Err(SyncError::NotConnected(error)) => Err(self
                            .download_failed(&connection, access.version, row, error)
                            .await),
                        Err(error) => Err(error),
                    };
                }
                Err(error) => {
                    return Err(self
                        .download_failed(&connection, access.version, row, error)
                        .await);
                }
            };
            let (next, calls) = (walk.position.as_ref(), access.http.calls());
            row = self
                .write_orders(&connection, row, &page, next, calls)
                .await?;
        }
    }

    /// Which orders are meant now: of which time, in which window, and how far that reaches before the cursor.
    async fn meant(&self, connection: &Channel, what: &Download) -> Result<Meant, SyncError> {
        let now = self.shared.clock.now();
        let plain = |kind, by, window| Meant {
            kind,
            by,
            window,
            lookback: None,
            cursor: None,
        };
        match what {
            Download::Within(window) => return Ok(plain("within", OrderTime::Updated, *window)),
            Download::Placed(window) => return Ok(plain("placed", OrderTime::Created, *window)),
            Download::OfStatus(wish) => {
                let by = if wish.by_creation {
                    OrderTime::Created
                } else {
                    OrderTime::Updated
                };
                return Ok(plain("status", by, wish.window));
            }
            Download::Updated | Download::Numbered(_) => {}
        }
        let cursor = cursors::cursor(self.db().read(), connection.id, Stream::Orders).await?;
        let Some(cursor) = cursor else {
            // A shop's latest orders, to begin with; what is older comes as soon as it changes.
            let from = now - self.shared.options.first_download;
            let window = Window { from, to: now };
            return Ok(plain("updated", OrderTime::Created, window));
        };
        let lookback = self.lookback(connection).await?.span;
        Ok(Meant {
            lookback: Some(lookback),
            cursor: Some(cursor),
            ..plain(
                "updated",
                OrderTime::Updated,
                Window::since(cursor, lookback, now),
            )
        })
    }

    async fn open_download(
        &self,
        connection: &Channel,
        what: &Download,
        source: Source,
    ) -> Result<downloads::Model, SyncError> {
        let now = self.shared.clock.now();
        let meant = self.meant(connection, what).await?;
        let mut running = downloads::Entity::of_channel(connection.id.0)
            .filter(downloads::Column::State.eq("running"))
            .filter(downloads::Column::Kind.eq(meant.kind))
            .filter(downloads::Column::ByTime.eq(by_time(meant.by)));
        running = match (meant.kind, meant.cursor) {
            // The cursor moves only when a walk has ended: one that was interrupted reaches beyond it. Its start
            // may be another one than now: the lookback is tuned.
            ("updated", Some(cursor)) => running
                .filter(downloads::Column::WindowFrom.lte(cursor.micros()))
                .filter(downloads::Column::WindowTo.gt(cursor.micros())),
            // The first walk of a channel begins so far before the moment it was asked for.
            ("updated", None) => running.filter(downloads::Column::Source.eq(source.as_str())),
            _ => running
                .filter(downloads::Column::WindowFrom.eq(meant.window.from.micros()))
                .filter(downloads::Column::WindowTo.eq(meant.window.to.micros())),
        };
        let statuses = statuses_of(what);
        if let Some(statuses) = &statuses {
            running = running.filter(downloads::Column::Statuses.eq(statuses));
        }
        let running = running
            .order_by_desc(downloads::Column::Id)
            .one(self.db().read())
            .await?;
        if let Some(row) = running {
            return Ok(row);
        }
        let asked = Asked::of(connection, meant.by, meant.window, now);
        let tx = self.db().write_tx().await?;
        let mut row = new_row(connection, source, now);
        row.kind = Set(meant.kind.to_owned());
        row.by_time = Set(by_time(meant.by).to_owned());
        row.emulated = Set(asked.is_emulated());
        row.lookback_secs = Set(meant
            .lookback
            .map(|span| i64::try_from(span.as_secs()).unwrap_or(i64::MAX)));
        row.window_from = Set(Some(meant.window.from.micros()));
        row.window_to = Set(Some(meant.window.to.micros()));
        row.statuses = Set(statuses);
        let row = row.insert(&tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn write_orders(
        &self,
        connection: &Channel,
        row: downloads::Model,
        page: &Page<OrderSummary>,
        next: Option<&Position>,
        calls: u64,
    ) -> Result<downloads::Model, SyncError> {
        let now = self.shared.clock.now();
        let source = Source::parse(&row.source).unwrap_or(Source::Scan);
        let tx = self.db().write_tx().await?;
        let statuses = status::of_row(&row);
        let wanted: Vec<&OrderSummary> = page
            .items
            .iter()
            .filter(|order| status::fits(&statuses, order) != Fit::No)
            .collect();
        let ids: Vec<RemoteId> = wanted.iter().map(|order| order.remote_id.clone()).collect();
        let known = sales::known_orders(&tx, connection.id, &ids).await?;
        let mut missing = 0;
        let mut outdated = 0;
        let mut jobs = Vec::new();
        for order in &wanted {
            match known.get(&order.remote_id) {
                Some(known) if is_up_to_date(known, order) => continue,
                Some(_) => outdated += 1,
                None if order.bookable => missing += 1,
                None => continue,
            }
            jobs.push(fetch(connection, order.remote_id.clone(), source));
        }
        for (order, reason) in &page.unreadable {
            tracing::warn!(channel.id = connection.id.0, %order, reason, "an order could not be read from the list; it is asked for by its number");
            jobs.push(fetch(connection, order.clone(), source));
        }
        queue::enqueue(&tx, &jobs, now).await?;
        let counts = row.clone();
        let mut row = row.into_active_model();
        row.pages = Set(counts.pages + 1);
        row.seen = Set(counts.seen + wanted.len() as i64);
        row.missing = Set(counts.missing + missing);
        row.outdated = Set(counts.outdated + outdated);
        row.api_calls = Set(counts.api_calls.max(calls as i64));
        row.page_token = Set(next.map(Position::to_text));
        let row = row.update(&tx).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(row)
    }

    async fn close_download(
        &self,
        connection: &Channel,
        row: downloads::Model,
        what: &Download,
    ) -> Result<downloads::Model, SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        if let (Download::Updated, Some(to)) = (what, row.window_to) {
            let owner = (connection.id, connection.merchant);
            advance(&tx, owner, Stream::Orders, Timestamp::from_micros(to), now).await?;
        }
        let mut row = row.into_active_model();
        row.state = Set("done".to_owned());
        row.error = Set(None);
        row.finished_at = Set(Some(now.micros()));
        let row = row.update(&tx).await?;
        tx.commit().await?;
        if row.missing > 0 {
            tracing::info!(
                channel.id = connection.id.0,
                missing = row.missing,
                outdated = row.outdated,
                seen = row.seen,
                "an order download found what no webhook told"
            );
        }
        Ok(row)
    }

    async fn download_failed(
        &self,
        connection: &Channel,
        version: i64,
        row: downloads::Model,
        error: MarketplaceError,
    ) -> SyncError {
        let error = self.trouble(connection, version, error).await;
        let noted = async {
            let mut row = row.into_active_model();
            row.error = Set(Some(error.to_string()));
            let tx = self.db().write_tx().await?;
            row.update(&tx).await?;
            tx.commit().await
        };
        match noted.await {
            Ok(()) => error,
            Err(failed) => failed.into(),
        }
    }

    /// Fetches orders by number, whatever the books hold: repeatable without harm.
    async fn download_numbered(
        &self,
        connection: &Channel,
        numbers: &[String],
        source: Source,
    ) -> Result<downloads::Model, SyncError> {
        let now = self.shared.clock.now();
        let jobs: Vec<NewJob> = numbers
            .iter()
            .map(|number| fetch(connection, number.as_str().into(), source))
            .collect();
        let mut row = new_row(connection, source, now);
        row.kind = Set("numbered".to_owned());
        row.numbers = Set(serde_json::to_string(numbers).ok());
        row.seen = Set(numbers.len() as i64);
        row.state = Set("done".to_owned());
        row.finished_at = Set(Some(now.micros()));
        let tx = self.db().write_tx().await?;
        let row = row.insert(&tx).await?;
        queue::enqueue(&tx, &jobs, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(row)
    }
}

/// The statuses that are asked for, as they are kept; `None` where any will do.
fn statuses_of(what: &Download) -> Option<String> {
    match what {
        Download::OfStatus(wish) => serde_json::to_string(&wish.statuses).ok(),
        _ => None,
    }
}

/// What a download is about.
struct Meant {
    kind: &'static str,
    by: OrderTime,
    window: Window,
    /// How far the window reaches before the cursor.
    lookback: Option<Duration>,
    cursor: Option<Timestamp>,
}

fn by_time(by: OrderTime) -> &'static str {
    match by {
        OrderTime::Updated => "updated",
        OrderTime::Created => "created",
    }
}

/// The walk of a download, where it was when it was interrupted.
fn start<'a>(
    connection: &'a Channel,
    access: &'a Access,
    row: &downloads::Model,
    now: Timestamp,
) -> OrderWalk<'a> {
    let window = Window {
        from: Timestamp::from_micros(row.window_from.unwrap_or_default()),
        to: Timestamp::from_micros(row.window_to.unwrap_or_default()),
    };
    let by = if row.by_time == "created" {
        OrderTime::Created
    } else {
        OrderTime::Updated
    };
    let asked = Asked::of(connection, by, window, now);
    let saved = row.page_token.as_deref().and_then(Position::from_text);
    OrderWalk {
        connection,
        access,
        asked,
        position: Some(saved.unwrap_or_else(|| asked.start(connection))),
    }
}

/// What the books know is not older. A version is a second long at most marketplaces: two changes can share one,
/// and a read that lags shows the first of them with the version of the second.
fn is_up_to_date(known: &KnownOrder, order: &OrderSummary) -> bool {
    let told = order.remote_status.as_ref();
    known.version > order.version
        || known.version == order.version && told.is_none_or(|told| *told == known.remote_status)
}

/// Found by a schedule or on connecting: nobody told us. Found on request: somebody asked.
pub(super) fn fetch(connection: &Channel, order: RemoteId, source: Source) -> NewJob {
    let source = match source {
        Source::Schedule => Source::Scan,
        Source::Manual => Source::Download,
        other => other,
    };
    NewJob {
        merchant: connection.merchant,
        channel: connection.id,
        work: Work::FetchOrder { order },
        source,
        run_at: None,
    }
}

fn new_row(connection: &Channel, source: Source, now: Timestamp) -> downloads::ActiveModel {
    downloads::ActiveModel {
        merchant_id: Set(connection.merchant.0),
        channel_id: Set(connection.id.0),
        source: Set(source.as_str().to_owned()),
        state: Set("running".to_owned()),
        kind: Set("updated".to_owned()),
        by_time: Set(by_time(OrderTime::Updated).to_owned()),
        emulated: Set(false),
        pages: Set(0),
        seen: Set(0),
        missing: Set(0),
        outdated: Set(0),
        api_calls: Set(0),
        started_at: Set(now.micros()),
        ..Default::default()
    }
}
