//! What a marketplace says of orders against what the books hold. Pure, but for reading the books.

use crate::domain::{
    ChannelId, Currency, Document, Money, Order, RemoteId, Standing, Timestamp, Window,
};
use entity::{order_lines, orders};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Select};
use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// Ids per query: SQLite binds 32,766 values at most.
const IDS: usize = 1_000;

/// What the books hold of an order, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedOrder {
    pub remote_id: RemoteId,
    pub number: String,
    pub remote_status: String,
    /// `None`: in a currency that is not known any more.
    pub total: Option<Money>,
    pub version: Timestamp,
    pub placed_at: Timestamp,
    /// Lines whose stock did not move, because no SKU is known for them.
    pub n_unlinked: usize,
}

/// What a marketplace tells of an order; what a list leaves out is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub remote_id: RemoteId,
    pub number: String,
    pub version: Timestamp,
    pub remote_status: Option<String>,
    pub bookable: bool,
    pub placed_at: Option<Timestamp>,
    pub standing: Option<Standing>,
    pub total: Option<Money>,
}

impl From<&Order> for Told {
    fn from(order: &Order) -> Self {
        Self {
            remote_id: order.remote_id.clone(),
            number: order.number.clone(),
            version: order.version,
            remote_status: Some(order.remote_status.clone()),
            bookable: order.standing != Standing::NOTHING,
            placed_at: Some(order.placed_at),
            standing: Some(order.standing),
            total: Some(order.total),
        }
    }
}

/// What is not alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unlike {
    Status,
    Total,
    /// The marketplace has changed it since: what a list does not show may differ as well.
    Version,
}

/// One difference, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub what: Unlike,
    pub theirs: String,
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { theirs, ours, .. } = self;
        match self.what {
            Unlike::Status => write!(f, "status: {theirs} there, {ours} in the books"),
            Unlike::Total => write!(f, "total: {theirs} there, {ours} in the books"),
            Unlike::Version => write!(
                f,
                "changed there at {theirs}, the books know it as of {ours}"
            ),
        }
    }
}

/// What of an order is not as the books hold it. What is not told is not compared.
pub fn differences(told: &Told, ours: &BookedOrder) -> Vec<Difference> {
    let mut found = Vec::new();
    let status = told.remote_status.as_ref();
    if let Some(status) = status.filter(|status| **status != ours.remote_status) {
        found.push(Difference {
            what: Unlike::Status,
            theirs: status.clone(),
            ours: ours.remote_status.clone(),
        });
    }
    if let Some(total) = told.total.filter(|total| Some(*total) != ours.total) {
        let unknown = || "an amount in an unknown currency".to_owned();
        found.push(Difference {
            what: Unlike::Total,
            theirs: total.to_string(),
            ours: ours.total.map_or_else(unknown, |total| total.to_string()),
        });
    }
    if told.version > ours.version {
        found.push(Difference {
            what: Unlike::Version,
            theirs: told.version.to_string(),
            ours: ours.version.to_string(),
        });
    }
    found
}

/// Why an order that the books do not hold is not missing; `None`: it belongs in them.
pub fn nothing_to_book(told: &Told, unpaid_orders: bool) -> Option<&'static str> {
    if !told.bookable {
        return Some("a draft; there is nothing to book yet");
    }
    match told.standing.map(|standing| standing.document) {
        Some(Document::None) => Some("a draft; there is nothing to book yet"),
        Some(Document::SalesOrder) if !unpaid_orders => {
            Some("not paid yet, and the channel's setting unpaid_orders is no")
        }
        _ => None,
    }
}

/// What the books hold of these orders; absent ones are left out.
pub async fn booked_orders<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    ids: &[RemoteId],
) -> Result<HashMap<RemoteId, BookedOrder>, DbErr> {
    let mut found = HashMap::new();
    for some in ids.chunks(IDS) {
        let ids = some.iter().map(RemoteId::as_str);
        let of = of_connection(connection).filter(orders::Column::RemoteId.is_in(ids));
        found.extend(booked(db, of).await?);
    }
    Ok(found)
}

/// The orders in the books that were placed in a window.
pub async fn booked_within<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    window: Window,
) -> Result<HashMap<RemoteId, BookedOrder>, DbErr> {
    let of = of_connection(connection)
        .filter(orders::Column::PlacedAt.gte(window.from.micros()))
        .filter(orders::Column::PlacedAt.lt(window.to.micros()));
    booked(db, of).await
}

fn of_connection(connection: ChannelId) -> Select<orders::Entity> {
    orders::Entity::find().filter(orders::Column::ConnectionId.eq(connection.0))
}

async fn booked<C: ConnectionTrait>(
    db: &C,
    of: Select<orders::Entity>,
) -> Result<HashMap<RemoteId, BookedOrder>, DbErr> {
    let rows = of.all(db).await?;
    let mut unlinked: HashMap<i64, usize> = HashMap::new();
    let ids: HashSet<i64> = rows.iter().map(|row| row.id).collect();
    for some in ids.into_iter().collect::<Vec<_>>().chunks(IDS) {
        let flagged: Vec<i64> = order_lines::Entity::find()
            .select_only()
            .column(order_lines::Column::OrderId)
            .filter(order_lines::Column::OrderId.is_in(some.iter().copied()))
            .filter(order_lines::Column::Flag.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        for order in flagged {
            *unlinked.entry(order).or_default() += 1;
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let remote_id = RemoteId::from(row.remote_id);
            // Compared with what the marketplace said last, where a person decided to book something else.
            let code = row.told_currency.as_ref().unwrap_or(&row.currency);
            let total = Currency::from_code(code).ok().map(|currency| Money {
                minor: row.told_minor.unwrap_or(row.total_minor),
                currency,
            });
            let order = BookedOrder {
                remote_id: remote_id.clone(),
                number: row.number,
                remote_status: row.remote_status,
                total,
                version: Timestamp::from_micros(row.version),
                placed_at: Timestamp::from_micros(row.placed_at),
                n_unlinked: unlinked.get(&row.id).copied().unwrap_or_default(),
            };
            (remote_id, order)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idr(minor: i64) -> Money {
        let currency = Currency::from_code("IDR").unwrap();
        Money { minor, currency }
    }

    fn told() -> Told {
        Told {
            remote_id: "1".into(),
            number: "1".to_owned(),
            version: Timestamp::from_secs(10),
            remote_status: Some("PAID".to_owned()),
            bookable: true,
            placed_at: None,
            standing: Some(Standing::SOLD),
            total: Some(idr(5)),
        }
    }

    fn ours() -> BookedOrder {
        BookedOrder {
            remote_id: "1".into(),
            number: "1".to_owned(),
            remote_status: "PAID".to_owned(),
            total: Some(idr(5)),
            version: Timestamp::from_secs(10),
            placed_at: Timestamp::EPOCH,
            n_unlinked: 0,
        }
    }

    fn unlike(told: &Told, ours: &BookedOrder) -> Vec<Unlike> {
        differences(told, ours).iter().map(|one| one.what).collect()
    }

    #[test]
    fn what_is_told_is_compared_and_what_is_not_told_is_not() {
        assert_eq!(unlike(&told(), &ours()), []);
        let shipped = Told {
            remote_status: Some("SHIPPED".to_owned()),
            version: Timestamp::from_secs(11),
            ..told()
        };
        assert_eq!(unlike(&shipped, &ours()), [Unlike::Status, Unlike::Version]);
        let silent = Told {
            remote_status: None,
            total: None,
            ..shipped
        };
        assert_eq!(unlike(&silent, &ours()), [Unlike::Version]);
    }

    #[test]
    fn the_same_number_in_another_currency_is_another_amount() {
        let currency = Currency::from_code("USD").unwrap();
        let dollars = Told {
            total: Some(Money { minor: 5, currency }),
            ..told()
        };

        let found = differences(&dollars, &ours());

        assert_eq!(
            found[0].to_string(),
            "total: 0.05 USD there, 0.05 IDR in the books"
        );
    }

    #[test]
    fn unpaid_orders_are_missed_only_where_they_are_wanted() {
        let unpaid = Told {
            standing: Some(Standing::PLACED),
            ..told()
        };
        let draft = Told {
            bookable: false,
            ..told()
        };

        assert_eq!(nothing_to_book(&told(), false), None);
        assert!(nothing_to_book(&unpaid, false).is_some());
        assert_eq!(nothing_to_book(&unpaid, true), None);
        assert!(nothing_to_book(&draft, true).is_some());
    }
}
