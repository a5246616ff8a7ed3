//! What a scan will probably take, before anyone starts it: from what the API counts, what we hold, and how the
//! channel's last scans of this kind went. Ranges are honest: without history they are wide.

use super::{
    ScanRequest,
    open::newest,
    walk::{self, Walk},
};
use crate::catalog;
use crate::channels::Channel;
use crate::domain::{ChannelId, RemoteId, ScanId, ScanKind, ScanMethod, Timestamp};
use crate::marketplaces::{Limits, ProductQuery};
use crate::sync::{Lane, Stream, Sync, SyncError, cursors::cursor};
use entity::scans;
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use tokio::time::Instant;

/// Scans that the measured history is made of.
const HISTORY: u64 = 5;
/// By how much the next scan may differ from all that were measured.
const MAY_DIFFER: f64 = 0.2;
/// By how much answers may be slower than the rate allows, where nothing was measured.
const SLOWER: f64 = 4.0;

/// From, to; both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    pub from: u64,
    pub to: u64,
}

/// What a scan will probably take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub channel: ChannelId,
    pub kind: ScanKind,
    pub product: Option<RemoteId>,
    /// Products that will be walked; none where nobody can tell.
    pub products: Option<u64>,
    /// Listings of the channel that are in the books.
    pub listings: u64,
    pub calls: Range,
    pub seconds: Range,
    /// Requests that the channel could be asked at once, by work that waits for nobody.
    pub rate_left: u32,
    pub calls_per_second: f64,
    /// Seconds for which the marketplace wants to be left alone.
    pub rest_seconds: u64,
    /// The API lacks the filter, and everything is walked instead.
    pub emulated: bool,
    /// What the numbers are made of, in words.
    pub why: Vec<String>,
    /// The scan that a request would join.
    pub joins: Option<ScanId>,
    /// When the last scan of this kind ended well.
    pub last_at: Option<Timestamp>,
}

impl Sync {
    /// Plans a scan. `ask`: the marketplace is asked for its first page, which costs a call or two; else the
    /// numbers are made of what we hold.
    ///
    /// # Errors
    /// When the channel does not work, or the marketplace does not answer.
    pub async fn plan(&self, request: &ScanRequest, ask: bool) -> Result<Plan, SyncError> {
        let connection = self.connection(request.channel).await?;
        let limits = connection.marketplace.limits();
        let now = self.shared.clock.now();
        let since = cursor(self.db().read(), connection.id, Stream::Products).await?;
        let since = since
            .filter(|_| request.kind == ScanKind::Updated)
            .map(|cursor| cursor - limits.lookback);
        let walk = Walk::of(request.kind, since, now, limits);
        let measured = self.measured(connection.id, request.kind).await?;
        let (listings, _) = catalog::counts(self.db().read(), connection.id).await?;
        let mut why: Vec<String> = walk.emulated.map(str::to_owned).into_iter().collect();
        let announced = if ask && request.kind != ScanKind::Single {
            self.announced(&connection, request.kind, &walk).await?
        } else {
            None
        };
        let open = self.open_one(connection.id, request.kind).await?;
        let open =
            open.filter(|row| row.subject == request.product.as_ref().map(ToString::to_string));
        let last = newest_done(self, &connection, request).await?;
        let work = Workload {
            kind: request.kind,
            is_filtered: walk.emulated.is_none() && since.is_some(),
            announced,
            listings,
        };
        let (products, calls) = work.calls(limits, &measured, &mut why);
        let left = self
            .pace(&connection, Lane::Urgent)
            .bucket
            .left(Instant::now());
        let seconds = seconds(
            calls,
            &measured,
            request.method,
            (left.now, left.per_second),
        );
        why.push(match measured.len() {
            0 => "no scan of this kind has been measured yet: the range is wide".to_owned(),
            n => format!("measured on the last {n} scans of this kind"),
        });
        Ok(Plan {
            channel: connection.id,
            kind: request.kind,
            product: request.product.clone(),
            products,
            listings,
            calls,
            seconds,
            rate_left: left.now,
            calls_per_second: left.per_second,
            rest_seconds: left.rest.as_secs(),
            emulated: walk.emulated.is_some(),
            why,
            joins: open.map(|row| ScanId(row.id)),
            last_at: last
                .and_then(|row| row.finished_at)
                .map(Timestamp::from_micros),
        })
    }

    async fn measured(&self, channel: ChannelId, kind: ScanKind) -> Result<Vec<Measured>, DbErr> {
        let rows = scans::Entity::of_channel(channel.0)
            .filter(scans::Column::Kind.eq(kind.as_str()))
            .filter(scans::Column::State.eq("done"))
            .filter(scans::Column::ApiCalls.gt(0))
            .order_by_desc(scans::Column::Id)
            .limit(HISTORY)
            .all(self.db().read())
            .await?;
        Ok(rows.iter().map(Measured::of).collect())
    }

    /// How many products the list announces on its first page.
    async fn announced(
        &self,
        connection: &Channel,
        kind: ScanKind,
        walk: &Walk,
    ) -> Result<Option<u64>, SyncError> {
        let access = self.access(connection, Lane::Urgent).await?;
        let query = ProductQuery {
            scope: walk::scope(kind, &walk.start, connection.marketplace.limits()),
            page: None,
        };
        match connection.marketplace.products(&access, &query).await {
            Ok(page) => Ok(page.total.or_else(|| {
                let is_whole = page.next.is_none();
                is_whole.then_some(page.items.len() as u64)
            })),
            Err(error) => Err(self.trouble(connection, access.version, error).await),
        }
    }
}

async fn newest_done(
    sync: &Sync,
    connection: &Channel,
    request: &ScanRequest,
) -> Result<Option<scans::Model>, DbErr> {
    let row = newest(sync.db().read(), connection, request).await?;
    match row {
        Some(row) if row.state == "done" => Ok(Some(row)),
        _ => {
            scans::Entity::of_channel(connection.id.0)
                .filter(scans::Column::Kind.eq(request.kind.as_str()))
                .filter(scans::Column::State.eq("done"))
                .order_by_desc(scans::Column::Id)
                .one(sync.db().read())
                .await
        }
    }
}

/// What one scan took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    products: f64,
    calls: f64,
    seconds: f64,
}

impl Measured {
    fn of(scan: &scans::Model) -> Self {
        Self {
            products: scan.products as f64,
            calls: scan.api_calls.max(1) as f64,
            seconds: scan.spent_ms as f64 / 1_000.0,
        }
    }
}

/// What is known of the work that a scan will be.
struct Workload {
    kind: ScanKind,
    /// Only what changed is listed.
    is_filtered: bool,
    announced: Option<u64>,
    listings: u64,
}

impl Workload {
    /// How many products, and how many calls they take.
    fn calls(
        &self,
        limits: &Limits,
        measured: &[Measured],
        why: &mut Vec<String>,
    ) -> (Option<u64>, Range) {
        let (low, high) = spread(measured.iter().map(|m| m.calls));
        if self.kind == ScanKind::Single {
            let to = high.map_or(5, |high| high.max(5));
            return (Some(1), Range { from: 1, to });
        }
        let products = self.products(measured, why);
        let Some(products) = products else {
            // How much changed is told by the walk only.
            let whole = most_calls(self.listings.max(1), limits);
            let range = Range {
                from: 1,
                to: high.map_or(whole, |high| high.max(2)),
            };
            return (None, range);
        };
        let per_product = measured
            .iter()
            .filter(|m| m.products >= 1.0)
            .map(|m| m.calls / m.products);
        let per_product: Vec<f64> = per_product.collect();
        let least = products.div_ceil(u64::from(limits.product_page)).max(1);
        let range = if per_product.is_empty() {
            Range {
                from: low.unwrap_or(least).min(least),
                to: most_calls(products, limits),
            }
        } else {
            let few = per_product.iter().copied().fold(f64::INFINITY, f64::min);
            let many = per_product.iter().copied().fold(0.0, f64::max);
            let n = products as f64;
            // A list has a page even where it has one product only.
            Range {
                from: ((n * few * (1.0 - MAY_DIFFER)).floor() as u64).max(least),
                to: (n * many * (1.0 + MAY_DIFFER)).ceil() as u64 + 2,
            }
        };
        (Some(products), range)
    }

    fn products(&self, measured: &[Measured], why: &mut Vec<String>) -> Option<u64> {
        if let Some(announced) = self.announced {
            why.push(format!("the marketplace announces {announced} products"));
            return Some(announced);
        }
        if self.is_filtered {
            why.push("how much changed is told by the walk itself".to_owned());
            return None;
        }
        let last = measured.first().map(|m| m.products as u64);
        let last = last.filter(|products| *products > 0);
        if let Some(products) = last {
            why.push(format!(
                "the last scan of this kind read {products} products"
            ));
            return Some(products);
        }
        why.push(format!(
            "{} listings are in the books; the marketplace may have others",
            self.listings
        ));
        (self.listings > 0).then_some(self.listings)
    }
}

/// Where nothing was measured: a page may take two calls, and each product two of its own.
fn most_calls(products: u64, limits: &Limits) -> u64 {
    products.div_ceil(u64::from(limits.product_page)).max(1) * 2 + products * 2 + 2
}

fn spread(values: impl Iterator<Item = f64>) -> (Option<u64>, Option<u64>) {
    let values: Vec<f64> = values.collect();
    let low = values.iter().copied().reduce(f64::min);
    let high = values.iter().copied().reduce(f64::max);
    let low = low.map(|low| (low * (1.0 - MAY_DIFFER)).floor() as u64);
    let high = high.map(|high| (high * (1.0 + MAY_DIFFER)).ceil() as u64);
    (low, high)
}

/// How long so many calls take: no faster than the rate allows, and as slow as it was.
fn seconds(
    calls: Range,
    measured: &[Measured],
    method: ScanMethod,
    (at_once, per_second): (u32, f64),
) -> Range {
    let per_second = per_second.max(0.001);
    let at_rate = |calls: u64| calls.saturating_sub(u64::from(at_once)) as f64 / per_second;
    let timed = measured.iter().filter(|m| m.seconds > 0.0);
    let per_call: Vec<f64> = timed.map(|m| m.seconds / m.calls).collect();
    let fastest = per_call.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let slowest = per_call.iter().copied().reduce(f64::max);
    let slowest = slowest.map_or(SLOWER / per_second, |s| s * (1.0 + MAY_DIFFER));
    // Work in the background steps back for others.
    let beside = match method {
        ScanMethod::Sync => 1.0,
        ScanMethod::Async => 2.0,
    };
    let from = at_rate(calls.from).max(calls.from as f64 * fastest * (1.0 - MAY_DIFFER));
    let to = (at_rate(calls.to).max(calls.to as f64 * slowest)) * beside;
    Range {
        from: from.floor() as u64,
        to: (to.ceil() as u64).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marketplaces;

    const MEASURED: Measured = Measured {
        products: 1_000.0,
        calls: 20.0,
        seconds: 10.0,
    };

    fn full(announced: Option<u64>) -> Workload {
        Workload {
            kind: ScanKind::Full,
            is_filtered: false,
            announced,
            listings: 3_000,
        }
    }

    fn calls(work: &Workload, measured: &[Measured]) -> (Option<u64>, Range) {
        let limits = marketplaces::all()[0].limits();
        work.calls(limits, measured, &mut Vec::new())
    }

    #[test]
    fn without_history_the_range_is_wide_and_holds_the_truth() {
        let (products, range) = calls(&full(Some(1_000)), &[]);

        assert_eq!(products, Some(1_000));
        assert_eq!(range.from, 10, "a hundred products a page at best");
        assert!(range.to >= 1_000, "a call for each product at worst");
    }

    #[test]
    fn with_history_the_range_is_narrow() {
        let (_, range) = calls(&full(Some(2_000)), &[MEASURED]);

        assert!(range.from >= 30 && range.to <= 52, "{range:?}");
        assert!((range.from..=range.to).contains(&40));
    }

    #[test]
    fn what_changed_is_not_known_before_and_bounded_by_what_was_measured() {
        let work = Workload {
            kind: ScanKind::Updated,
            is_filtered: true,
            announced: None,
            listings: 3_000,
        };

        let (products, range) = calls(
            &work,
            &[Measured {
                calls: 5.0,
                ..MEASURED
            }],
        );

        assert_eq!((products, range), (None, Range { from: 1, to: 6 }));
    }

    #[test]
    fn nothing_is_faster_than_the_rate() {
        let range = Range { from: 30, to: 60 };
        let took = |method| seconds(range, &[MEASURED], method, (10, 2.0));

        assert_eq!(
            took(ScanMethod::Sync).from,
            12,
            "30 calls at 2 a second, 10 at once"
        );
        assert!(took(ScanMethod::Sync).to < took(ScanMethod::Async).to);
    }
}
