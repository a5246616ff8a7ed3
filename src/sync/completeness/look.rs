//! One look: a day's orders at the marketplace, compared with those in the books.

use super::{Finding, FindingKind, Tally};
use crate::accounts;
use crate::channels::{self, Channel};
use crate::domain::{Day, Money, RemoteId, Standing, Timestamp, Window};
use crate::marketplaces::{Access, MarketplaceError, OrderTime};
use crate::sales::{self, BookedOrder, Told, Unlike};
use crate::sync::{
    Lane, Sync, SyncError,
    download::{Asked, OrderWalk, told},
    orders,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a look found.
#[derive(Debug)]
pub struct Look {
    /// When it began.
    pub at: Timestamp,
    pub window: Window,
    pub emulated: bool,
    pub tally: Tally,
    pub findings: Vec<Finding>,
    pub api_calls: u64,
}

/// How a look judges what is absent or different.
struct Eyes {
    /// A channel on this connection wants unpaid orders.
    unpaid_orders: bool,
    /// What was placed before was not downloaded when the shop was connected.
    books_begin: Timestamp,
    /// The gap has been fetched: what differs still is not for want of asking.
    is_second: bool,
}

impl Sync {
    /// Compares a day's orders, as far as the day is over.
    ///
    /// 1. Walk over the marketplace's list of what was placed that day.
    /// 2. Read in batches what the list does not tell: totals, and what the books hold and the list does not show.
    /// 3. Compare each with the books.
    pub(super) async fn look(
        &self,
        connection: &Channel,
        day: Day,
        is_second: bool,
    ) -> Result<Look, SyncError> {
        let now = self.shared.clock.now();
        let zone = accounts::time_zone(self.db(), connection.merchant).await?;
        let mut window = day.window(zone);
        window.to = window.to.min(now).max(window.from);
        let access = self.access(connection, Lane::Scan).await?;
        if !connection.marketplace.abilities(&access).orders {
            return Err(Self::nothing_to_ask(connection, "its list of orders"));
        }
        let asked = Asked::of(connection, OrderTime::Created, window, now);
        let eyes = Eyes {
            unpaid_orders: self.wants_unpaid(connection).await?,
            books_begin: connection.connected_at - self.shared.options.first_download,
            is_second,
        };
        let found = self.list_day(connection, &access, asked).await;
        let found = match found {
            Ok(found) => self.complete(connection, &access, window, found).await,
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(found) => found,
            Err(Failed::Marketplace(error)) => {
                return Err(self.trouble(connection, access.version, error).await);
            }
            Err(Failed::Sync(error)) => return Err(error),
        };
        let (tally, findings) = compare(&eyes, window, found);
        Ok(Look {
            at: now,
            window,
            emulated: asked.is_emulated(),
            tally,
            findings,
            api_calls: access.http.calls(),
        })
    }

    /// Whether any channel on this connection wants unpaid orders.
    async fn wants_unpaid(&self, connection: &Channel) -> Result<bool, SyncError> {
        let all = channels::list(self.db(), connection.merchant, false).await?;
        let mut of = all.iter().filter(|one| one.connection() == connection.id);
        Ok(of.any(|one| one.settings.unpaid_orders))
    }

    async fn list_day(
        &self,
        connection: &Channel,
        access: &Access,
        asked: Asked,
    ) -> Result<Found, Failed> {
        let mut found = Found::default();
        let mut walk = OrderWalk {
            connection,
            access,
            asked,
            position: Some(asked.start(connection)),
        };
        while let Some(page) = walk.next().await? {
            let rows = page.items.iter().map(told);
            found
                .told
                .extend(rows.map(|told| (told.remote_id.clone(), told)));
            found.unreadable.extend(page.unreadable);
        }
        Ok(found)
    }

    /// Reads what the list does not tell, and the books.
    async fn complete(
        &self,
        connection: &Channel,
        access: &Access,
        window: Window,
        mut found: Found,
    ) -> Result<Found, Failed> {
        let db = self.db().read();
        let listed: Vec<RemoteId> = found.told.keys().cloned().collect();
        found.books = sales::booked_within(db, connection.id, window).await?;
        found
            .books
            .extend(sales::booked_orders(db, connection.id, &listed).await?);
        let is_thin = |told: &Told| {
            let is_booked = found.books.contains_key(&told.remote_id);
            told.bookable
                && (told.total.is_none()
                    || told.placed_at.is_none()
                    || told.remote_status.is_none()
                    || !is_booked && told.standing.is_none())
        };
        let thin = found.told.values().filter(|told| is_thin(told));
        let mut unclear: Vec<RemoteId> = thin.map(|told| told.remote_id.clone()).collect();
        found.unlisted = found
            .books
            .keys()
            .filter(|id| !found.told.contains_key(*id))
            .cloned()
            .collect();
        unclear.extend(found.unlisted.iter().cloned());
        unclear.extend(found.unreadable.keys().cloned());
        unclear.sort_unstable();
        let (mut read, mut unreadable) = (HashMap::new(), HashMap::new());
        for batch in orders::batches(connection, &unclear) {
            let asked = orders::read_batch(connection, access, batch, &mut read, &mut unreadable);
            match asked.await {
                Err(error @ MarketplaceError::Unreadable { .. }) if batch.len() == 1 => {
                    unreadable.insert(batch[0].clone(), error);
                }
                asked => asked?,
            }
        }
        for (id, order) in &read {
            found.unreadable.remove(id);
            found.told.insert(id.clone(), Told::from(order));
        }
        let reasons = unreadable
            .into_iter()
            .map(|(id, error)| (id, error.to_string()));
        found.unreadable.extend(reasons);
        found
            .told
            .retain(|id, _| !found.unreadable.contains_key(id));
        let now = self.shared.clock.now();
        let hidden = |id: &RemoteId| {
            let ours = found.books.get(id)?;
            let why = connection
                .marketplace
                .hides_orders_of(ours.placed_at, now)?;
            Some((id.clone(), why))
        };
        found.hidden = found.unlisted.iter().filter_map(hidden).collect();
        Ok(found)
    }
}

/// Whose fault it was.
enum Failed {
    Marketplace(MarketplaceError),
    Sync(SyncError),
}

impl From<MarketplaceError> for Failed {
    fn from(error: MarketplaceError) -> Self {
        Self::Marketplace(error)
    }
}

impl From<sea_orm::DbErr> for Failed {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Sync(error.into())
    }
}

impl From<SyncError> for Failed {
    fn from(error: SyncError) -> Self {
        Self::Sync(error)
    }
}

/// Both sides of a day.
#[derive(Default)]
struct Found {
    told: HashMap<RemoteId, Told>,
    unreadable: HashMap<RemoteId, String>,
    books: HashMap<RemoteId, BookedOrder>,
    /// In the books of the day, and not in the list.
    unlisted: HashSet<RemoteId>,
    /// Of those, what the marketplace shows to nobody, and why.
    hidden: HashMap<RemoteId, &'static str>,
}

/// Pure: what both sides make of the day.
fn compare(eyes: &Eyes, window: Window, mut found: Found) -> (Tally, Vec<Finding>) {
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    let (mut theirs, mut ours) = (BTreeMap::new(), BTreeMap::new());
    for told in found.told.values() {
        let booked = found.books.get(&told.remote_id);
        let is_of_day = told.placed_at.is_none_or(|at| window.contains(at));
        let finding = match booked {
            // Placed on another day there than in the books: it is compared on that day.
            _ if !is_of_day => {
                found.unlisted.remove(&told.remote_id);
                continue;
            }
            None => Some(absent(eyes, told)),
            Some(booked) => differs(eyes, told, booked),
        };
        found.unlisted.remove(&told.remote_id);
        tally.listed += 1;
        if finding
            .as_ref()
            .is_none_or(|one| one.kind != FindingKind::Explained)
        {
            tally.theirs += 1;
            add(&mut theirs, told.total);
        }
        if let Some(booked) = booked {
            tally.ours += 1;
            add(&mut ours, booked.total);
        }
        match finding {
            None => tally.matched += 1,
            Some(finding) => {
                tally.matched += u64::from(finding.kind == FindingKind::Noted);
                findings.push(finding);
            }
        }
    }
    for (id, reason) in &found.unreadable {
        found.unlisted.remove(id);
        let booked = found.books.get(id);
        (tally.listed, tally.theirs) = (tally.listed + 1, tally.theirs + 1);
        if let Some(booked) = booked {
            tally.ours += 1;
            add(&mut ours, booked.total);
        }
        findings.push(unreadable(id, reason, booked));
    }
    for id in &found.unlisted {
        let Some(booked) = found.books.get(id) else {
            continue;
        };
        tally.ours += 1;
        add(&mut ours, booked.total);
        findings.push(only_ours(booked, found.hidden.get(id).copied()));
    }
    findings.sort_by(|a, b| (a.kind, &a.remote_id).cmp(&(b.kind, &b.remote_id)));
    for finding in &findings {
        tally.count(finding.kind);
    }
    (tally.theirs_value, tally.ours_value) = (amounts(theirs), amounts(ours));
    (tally, findings)
}

type Sums = BTreeMap<&'static str, Money>;

/// Amounts of one currency are summed; currencies are never mixed.
fn add(sums: &mut Sums, amount: Option<Money>) {
    if let Some(amount) = amount {
        let zero = Money::zero(amount.currency);
        let sum = sums.entry(amount.currency.code()).or_insert(zero);
        sum.minor = sum.minor.saturating_add(amount.minor);
    }
}

fn amounts(sums: Sums) -> Vec<Money> {
    sums.into_values().collect()
}

fn absent(eyes: &Eyes, told: &Told) -> Finding {
    let before = told.placed_at.filter(|at| *at < eyes.books_begin);
    let begins = || {
        format!(
            "placed before the books of this channel begin ({}); `marketsink orders download` with its number brings it in",
            eyes.books_begin
        )
    };
    let explained = sales::nothing_to_book(told, eyes.unpaid_orders)
        .map(str::to_owned)
        .or_else(|| before.map(|_| begins()));
    let void = told.standing == Some(Standing::CANCELLED);
    let what = if void { " (called off there)" } else { "" };
    let missing = || (FindingKind::Missing, format!("not in the books{what}"));
    let (kind, reason) = explained.map_or_else(missing, |reason| (FindingKind::Explained, reason));
    Finding {
        theirs_status: told.remote_status.clone(),
        theirs_total: told.total,
        ..Finding::of(&told.remote_id, &told.number, kind, reason)
    }
}

fn differs(eyes: &Eyes, told: &Told, ours: &BookedOrder) -> Option<Finding> {
    let found = sales::differences(told, ours);
    let is = |what| found.iter().any(|one| one.what == what);
    let words: Vec<String> = found
        .iter()
        .filter(|one| one.what != Unlike::Version)
        .map(ToString::to_string)
        .collect();
    let lags = eyes.is_second && ours.version > told.version;
    let (kind, reason) = if lags && !words.is_empty() {
        let newer = format!(
            "the books hold a newer reading, of {}; the marketplace's list lags behind ({})",
            ours.version,
            words.join("; ")
        );
        (FindingKind::Noted, newer)
    } else if is(Unlike::Status) {
        (FindingKind::WrongStatus, words.join("; "))
    } else if is(Unlike::Total) {
        (FindingKind::DifferentTotal, words.join("; "))
    } else if ours.n_unlinked > 0 {
        let lines = format!(
            "in the books, but stock did not move for {} of its lines: no SKU is known for them",
            ours.n_unlinked
        );
        (FindingKind::Noted, lines)
    } else {
        return None;
    };
    Some(Finding {
        theirs_status: told.remote_status.clone(),
        theirs_total: told.total,
        ours_status: Some(ours.remote_status.clone()),
        ours_total: ours.total,
        ..Finding::of(&told.remote_id, &told.number, kind, reason)
    })
}

fn unreadable(id: &RemoteId, reason: &str, ours: Option<&BookedOrder>) -> Finding {
    let number = ours.map_or(id.as_str(), |ours| &ours.number);
    Finding {
        ours_status: ours.map(|ours| ours.remote_status.clone()),
        ours_total: ours.and_then(|ours| ours.total),
        ..Finding::of(id, number, FindingKind::Unreadable, reason.to_owned())
    }
}

fn only_ours(ours: &BookedOrder, hidden: Option<&'static str>) -> Finding {
    let (kind, reason) = match hidden {
        Some(why) => (FindingKind::Noted, why.to_owned()),
        None => (
            FindingKind::OnlyInBooks,
            "the marketplace shows it neither in its list nor by its number: deleted there; check it by hand"
                .to_owned(),
        ),
    };
    Finding {
        ours_status: Some(ours.remote_status.clone()),
        ours_total: ours.total,
        ..Finding::of(&ours.remote_id, &ours.number, kind, reason)
    }
}

#[cfg(test)]
mod tests;
