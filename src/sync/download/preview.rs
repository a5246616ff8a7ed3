//! What a download would find, told before anything is written: nothing is, not even that somebody looked.

use super::{
    Asked, OrderWalk,
    status::{self, Fit},
};
use crate::channels::{self, Channel};
use crate::domain::{
    ChannelId, Download, JobKind, Money, RemoteId, Timestamp, Window, Work, job::named,
};
use crate::marketplaces::{Access, MarketplaceError, OrderSummary, OrderTime};
use crate::sales::{self, BookedOrder, Told};
use crate::sync::{Lane, Sync, SyncError, orders};
use entity::jobs;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

/// Orders that are told one by one; of more only the numbers are told.
const MOST: usize = 10_000;

named!(
    /// What a download would make of an order.
    Seen {
        /// The books do not hold it: it would be fetched.
        New = "new",
        /// The books hold it otherwise: it would be fetched.
        Different = "different",
        Same = "same",
        /// It does not belong in the books yet, or ever.
        NothingToBook = "nothing_to_book",
        /// The marketplace does not show it.
        NotFound = "not_found",
        /// The marketplace shows it in a form that cannot be read.
        Unreadable = "unreadable",
    }
);

/// One order of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Previewed {
    pub remote_id: RemoteId,
    pub number: String,
    pub result: Seen,
    /// Why, and what differs.
    pub reasons: Vec<String>,
    pub total: Option<Money>,
    pub placed_at: Option<Timestamp>,
}

/// What a download would find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// `None` for orders by number.
    pub window: Option<Window>,
    /// The window is of the time when orders were placed, not of their last change.
    pub by_creation: bool,
    /// The API has no filter for that: what changed since was walked instead.
    pub emulated: bool,
    /// How far the window reaches before the cursor.
    pub lookback: Option<Duration>,
    /// Only orders of these statuses are told of; the API has no filter for them: they were picked from the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    pub api_calls: u64,
    pub counts: BTreeMap<Seen, u64>,
    pub orders: Vec<Previewed>,
}

impl Preview {
    fn add(&mut self, order: Previewed) {
        *self.counts.entry(order.result).or_default() += 1;
        if self.orders.len() < MOST {
            self.orders.push(order);
        }
    }

    /// Orders that are counted and not told one by one.
    pub fn n_left_off(&self) -> u64 {
        let n_all: u64 = self.counts.values().sum();
        n_all.saturating_sub(self.orders.len() as u64)
    }
}

impl Sync {
    /// Tells what [`Sync::download_orders`] would find, and writes nothing at all.
    ///
    /// # Errors
    /// When the channel cannot be asked. What that means for the channel is left to those who write.
    pub async fn preview_orders(
        &self,
        channel: ChannelId,
        what: &Download,
    ) -> Result<Preview, SyncError> {
        let connection = self.connection(channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        if !connection.marketplace.abilities(&access).orders {
            return Err(Self::nothing_to_ask(&connection, "its list of orders"));
        }
        let mut preview = match what {
            Download::Numbered(numbers) => {
                self.preview_numbered(&connection, &access, numbers).await?
            }
            _ => self.preview_listed(&connection, &access, what).await?,
        };
        preview.api_calls = access.http.calls();
        Ok(preview)
    }

    /// The ids of orders by the numbers that people know them by: from the books, else from the marketplace. What
    /// neither knows is taken for an id.
    ///
    /// # Errors
    /// When the channel cannot be asked.
    pub async fn order_ids(
        &self,
        channel: ChannelId,
        numbers: &[String],
    ) -> Result<Vec<(String, RemoteId)>, SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let mut known = sales::ids_of_numbers(self.db().read(), connection.id, numbers).await?;
        let unknown: Vec<String> = numbers
            .iter()
            .filter(|number| !known.contains_key(*number))
            .cloned()
            .collect();
        if !unknown.is_empty() && connection.is_active() {
            let access = self.access(&connection, Lane::Urgent).await?;
            if connection.marketplace.abilities(&access).orders {
                let found = connection.marketplace.order_ids(&access, &unknown).await;
                known.extend(found.map_err(|error| asked_in_vain(&connection, error))?);
            }
        }
        let id = |number: &String| known.get(number).cloned();
        let id_or_number = |number: &String| {
            let id = id(number).unwrap_or_else(|| RemoteId::from(number.as_str()));
            (number.clone(), id)
        };
        Ok(numbers.iter().map(id_or_number).collect())
    }

    async fn preview_listed(
        &self,
        connection: &Channel,
        access: &Access,
        what: &Download,
    ) -> Result<Preview, SyncError> {
        let meant = self.meant(connection, what).await?;
        let asked = Asked::of(connection, meant.by, meant.window, self.shared.clock.now());
        let mut preview = Preview {
            window: Some(meant.window),
            by_creation: meant.by == OrderTime::Created,
            emulated: asked.is_emulated(),
            lookback: meant.lookback,
            statuses: match what {
                Download::OfStatus(wish) => wish.statuses.clone(),
                _ => Vec::new(),
            },
            ..empty()
        };
        let mut walk = OrderWalk {
            connection,
            access,
            asked,
            position: Some(asked.start(connection)),
        };
        while let Some(page) = walk
            .next()
            .await
            .map_err(|error| asked_in_vain(connection, error))?
        {
            let fits = |order: &OrderSummary| status::fits(&preview.statuses, order);
            let told: Vec<Told> = page
                .items
                .iter()
                .filter(|order| fits(order) == Fit::Yes)
                .map(told)
                .collect();
            let unknown: Vec<RemoteId> = page
                .items
                .iter()
                .filter(|order| fits(order) == Fit::Unknown)
                .map(|order| order.remote_id.clone())
                .collect();
            self.add(connection, &mut preview, &told).await?;
            self.add_asked(connection, access, &mut preview, &unknown)
                .await?;
            for (id, reason) in page.unreadable {
                preview.add(plain(id, Seen::Unreadable, reason));
            }
        }
        Ok(preview)
    }

    /// Orders of which the list does not tell the status: they are asked for one by one.
    async fn add_asked(
        &self,
        connection: &Channel,
        access: &Access,
        preview: &mut Preview,
        ids: &[RemoteId],
    ) -> Result<(), SyncError> {
        let (mut found, mut unreadable) = (HashMap::new(), HashMap::new());
        for batch in orders::batches(connection, ids) {
            let read = orders::read_batch(connection, access, batch, &mut found, &mut unreadable);
            read.await
                .map_err(|error| asked_in_vain(connection, error))?;
        }
        let told: Vec<Told> = ids
            .iter()
            .filter_map(|id| found.get(id))
            .filter(|order| status::has_status(&preview.statuses, order))
            .map(Told::from)
            .collect();
        for (id, error) in unreadable {
            preview.add(plain(id, Seen::Unreadable, error.to_string()));
        }
        self.add(connection, preview, &told).await
    }

    async fn preview_numbered(
        &self,
        connection: &Channel,
        access: &Access,
        numbers: &[String],
    ) -> Result<Preview, SyncError> {
        let mut preview = empty();
        let ids: Vec<RemoteId> = numbers.iter().map(|n| n.as_str().into()).collect();
        let (mut found, mut unreadable) = (HashMap::new(), HashMap::new());
        for batch in orders::batches(connection, &ids) {
            let read = orders::read_batch(connection, access, batch, &mut found, &mut unreadable);
            match read.await {
                Err(error @ MarketplaceError::Unreadable { .. }) if batch.len() == 1 => {
                    unreadable.insert(batch[0].clone(), error);
                }
                read => read.map_err(|error| asked_in_vain(connection, error))?,
            }
        }
        let told: Vec<Told> = ids
            .iter()
            .filter_map(|id| found.get(id))
            .map(Told::from)
            .collect();
        self.add(connection, &mut preview, &told).await?;
        let absent: Vec<RemoteId> = ids
            .into_iter()
            .filter(|id| !found.contains_key(id))
            .collect();
        let books = sales::booked_orders(self.db().read(), connection.id, &absent).await?;
        for id in absent {
            preview.add(match unreadable.remove(&id) {
                Some(error) => plain(id, Seen::Unreadable, error.to_string()),
                None => self.not_found(connection, books.get(&id), id),
            });
        }
        Ok(preview)
    }

    fn not_found(
        &self,
        connection: &Channel,
        ours: Option<&BookedOrder>,
        id: RemoteId,
    ) -> Previewed {
        let now = self.shared.clock.now();
        let name = connection.marketplace.name();
        let reason = match ours {
            None => format!("{name} shows no order with this id, and it is not in the books"),
            Some(ours) => match connection.marketplace.hides_orders_of(ours.placed_at, now) {
                Some(why) => why.to_owned(),
                None => format!("{name} no longer shows it; it is in the books"),
            },
        };
        let mut order = plain(id, Seen::NotFound, reason);
        if let Some(ours) = ours {
            order.number.clone_from(&ours.number);
            (order.total, order.placed_at) = (ours.total, Some(ours.placed_at));
        }
        order
    }

    async fn add(
        &self,
        connection: &Channel,
        preview: &mut Preview,
        told: &[Told],
    ) -> Result<(), SyncError> {
        let ids: Vec<RemoteId> = told.iter().map(|told| told.remote_id.clone()).collect();
        let books = sales::booked_orders(self.db().read(), connection.id, &ids).await?;
        let absent: Vec<String> = ids
            .into_iter()
            .filter(|id| !books.contains_key(id))
            .map(|order| Work::FetchOrder { order }.key(connection.id))
            .collect();
        let queue = &self.shared.queue;
        let fetches = queue
            .unended(connection.id, JobKind::FetchOrder, &absent)
            .await?;
        for told in told {
            let order = told.remote_id.clone();
            let fetch = fetches.get(&Work::FetchOrder { order }.key(connection.id));
            let unpaid_orders = connection.settings.unpaid_orders;
            let (result, reasons) = judged(told, books.get(&told.remote_id), fetch, unpaid_orders);
            preview.add(Previewed {
                remote_id: told.remote_id.clone(),
                number: told.number.clone(),
                result,
                reasons,
                total: told.total,
                placed_at: told.placed_at,
            });
        }
        Ok(())
    }
}

/// What would be made of an order, and why. `fetch`: its job, where it is being fetched or was given up.
fn judged(
    told: &Told,
    ours: Option<&BookedOrder>,
    fetch: Option<&jobs::Model>,
    unpaid_orders: bool,
) -> (Seen, Vec<String>) {
    if let Some(ours) = ours {
        if ours.version > told.version {
            let newer = format!("the books hold a newer reading, of {}", ours.version);
            return (Seen::Same, vec![newer]);
        }
        let found = sales::differences(told, ours);
        let words: Vec<String> = found.iter().map(ToString::to_string).collect();
        let seen = if words.is_empty() {
            Seen::Same
        } else {
            Seen::Different
        };
        return (seen, words);
    }
    if let Some(why) = sales::nothing_to_book(told, unpaid_orders) {
        return (Seen::NothingToBook, vec![why.to_owned()]);
    }
    let error = fetch.and_then(|job| job.last_error.as_deref());
    let why = match (fetch, error) {
        (None, _) => "not in the books".to_owned(),
        (Some(job), Some(error)) if job.state == "dead" => {
            format!("not in the books: fetching it was given up: {error}")
        }
        (Some(_), Some(error)) => format!("not in the books: fetching it failed: {error}"),
        (Some(_), None) => "not in the books: it is being fetched".to_owned(),
    };
    (Seen::New, vec![why])
}

pub(in crate::sync) fn told(order: &OrderSummary) -> Told {
    Told {
        remote_id: order.remote_id.clone(),
        number: order.number.clone(),
        version: order.version,
        remote_status: order.remote_status.clone(),
        bookable: order.bookable,
        placed_at: order.placed_at,
        standing: order.standing,
        total: order.total,
    }
}

fn plain(id: RemoteId, result: Seen, reason: String) -> Previewed {
    Previewed {
        number: id.to_string(),
        remote_id: id,
        result,
        reasons: vec![reason],
        total: None,
        placed_at: None,
    }
}

fn empty() -> Preview {
    Preview {
        window: None,
        by_creation: false,
        emulated: false,
        lookback: None,
        statuses: Vec::new(),
        api_calls: 0,
        counts: BTreeMap::new(),
        orders: Vec::new(),
    }
}

fn asked_in_vain(connection: &Channel, error: MarketplaceError) -> SyncError {
    SyncError::Marketplace {
        channel: connection.id,
        error,
    }
}
