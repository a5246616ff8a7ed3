//! What marketplaces answered when orders were read: kept so that a person sees later what we were told, and what came
//! of it.
//!
//! Costs one write per recorded order, in its transaction. An answer that is like the one before is counted on its row.
//! What is kept is our own order, which holds nothing of the buyer.

use crate::channels::Channel;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Order, RemoteId, Source, Timestamp, job::named};
use crate::sales::{self, Recorded};
use entity::readings;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

named!(
    /// What came of a reading.
    Came {
        /// The books hold it now.
        Recorded = "recorded",
        /// The books held a newer reading.
        Older = "older",
        /// It does not belong in the books yet, or ever.
        NothingToBook = "nothing_to_book",
        /// The marketplace does not show the order.
        NotShown = "not_shown",
        /// It could not be read.
        Failed = "failed",
    }
);

/// Where a reading came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub connection: &'a Channel,
    pub source: Source,
}

/// Keeps what was read, in the transaction that recorded it.
pub(super) async fn keep(
    tx: &Tx,
    asked: Asked<'_>,
    order: &Order,
    recorded: &Recorded,
    now: Timestamp,
) -> Result<(), DbErr> {
    let came = match recorded {
        Recorded::Unchanged(_) => {
            return count(tx, asked, &order.remote_id, None, now)
                .await
                .map(drop);
        }
        Recorded::Booked { .. } => Came::Recorded,
        Recorded::Older(_) => Came::Older,
        Recorded::NothingToBook => Came::NothingToBook,
    };
    let content = serde_json::to_string(order).unwrap_or_default();
    let row = readings::ActiveModel {
        number: Set(Some(order.number.clone())),
        remote_status: Set(Some(order.remote_status.clone())),
        document: Set(Some(
            sales::document_name(order.standing.document).to_owned(),
        )),
        paid: Set(Some(order.standing.paid)),
        fulfilment: Set(Some(
            sales::fulfilment_name(order.standing.fulfilment).to_owned(),
        )),
        has_tracking: Set(order.tracking_number.is_some()),
        version: Set(Some(order.version.micros())),
        content_hash: Set(hash(&content)),
        content: Set(Some(content)),
        ..Default::default()
    };
    // A change was recorded: it cannot be what was answered before.
    if came != Came::Recorded {
        let same = (came, row.content_hash.as_ref().as_str());
        if count(tx, asked, &order.remote_id, Some(same), now).await? {
            return Ok(());
        }
    }
    add(tx, asked, &order.remote_id, (came, row), now).await
}

/// Keeps that nothing could be read, and why.
pub(super) async fn keep_failed(
    tx: &Tx,
    asked: Asked<'_>,
    order: &RemoteId,
    (came, why): (Came, &str),
    now: Timestamp,
) -> Result<(), DbErr> {
    let why_hash = hash(why);
    if count(tx, asked, order, Some((came, &why_hash)), now).await? {
        return Ok(());
    }
    let row = readings::ActiveModel {
        number: Set(None),
        remote_status: Set(None),
        document: Set(None),
        paid: Set(None),
        fulfilment: Set(None),
        has_tracking: Set(false),
        version: Set(None),
        error: Set(Some(why.to_owned())),
        content: Set(None),
        content_hash: Set(why_hash),
        ..Default::default()
    };
    add(tx, asked, order, (came, row), now).await
}

async fn add(
    tx: &Tx,
    asked: Asked<'_>,
    order: &RemoteId,
    (came, row): (Came, readings::ActiveModel),
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = readings::ActiveModel {
        id: NotSet,
        merchant_id: Set(asked.connection.merchant.0),
        channel_id: Set(asked.connection.id.0),
        remote_id: Set(order.to_string()),
        source: Set(asked.source.as_str().to_owned()),
        outcome: Set(came.as_str().to_owned()),
        times: Set(1),
        read_at: Set(now.micros()),
        last_read_at: Set(now.micros()),
        ..row
    };
    readings::Entity::insert(row)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Counts the same answer once more on its row: the newest if it is `same`, else the newest that was recorded.
async fn count(
    tx: &Tx,
    asked: Asked<'_>,
    order: &RemoteId,
    same: Option<(Came, &str)>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let of = (asked.connection, order);
    let newest = match same {
        Some(_) => newest(of, Condition::all()),
        None => newest(
            of,
            Condition::all().add(readings::Column::Outcome.eq(Came::Recorded.as_str())),
        ),
    };
    let mut update = readings::Entity::update_many()
        .col_expr(
            readings::Column::Times,
            Expr::col(readings::Column::Times).add(1),
        )
        .col_expr(readings::Column::LastReadAt, Expr::value(now.micros()))
        .filter(readings::Column::Id.in_subquery(newest));
    if let Some((came, hash)) = same {
        update = update
            .filter(readings::Column::Outcome.eq(came.as_str()))
            .filter(readings::Column::ContentHash.eq(hash));
    }
    Ok(update.exec(tx).await?.rows_affected > 0)
}

fn newest((connection, order): (&Channel, &RemoteId), only: Condition) -> SelectStatement {
    Query::select()
        .expr(Expr::col(readings::Column::Id).max())
        .from(readings::Entity)
        .and_where(readings::Column::MerchantId.eq(connection.merchant.0))
        .and_where(readings::Column::RemoteId.eq(order.as_str()))
        .and_where(readings::Column::ChannelId.eq(connection.id.0))
        .cond_where(only)
        .to_owned()
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// What was answered about one order, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn readings(
    db: &Db,
    merchant: MerchantId,
    channel: ChannelId,
    order: &RemoteId,
    limit: u64,
) -> Result<Vec<readings::Model>, DbErr> {
    readings::Entity::of_merchant(merchant.0)
        .filter(readings::Column::RemoteId.eq(order.as_str()))
        .filter(readings::Column::ChannelId.eq(channel.0))
        .order_by_desc(readings::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// The newest answer that showed each of these orders, by channel and remote id. One query.
///
/// # Errors
/// When the database cannot be asked.
pub async fn newest_shown<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    orders: &[&str],
) -> Result<Vec<readings::Model>, DbErr> {
    let newest = Query::select()
        .expr(Expr::col(readings::Column::Id).max())
        .from(readings::Entity)
        .and_where(readings::Column::MerchantId.eq(merchant.0))
        .and_where(readings::Column::RemoteId.is_in(orders.iter().copied()))
        .and_where(readings::Column::Document.is_not_null())
        .add_group_by([
            Expr::col(readings::Column::ChannelId),
            Expr::col(readings::Column::RemoteId),
        ])
        .to_owned();
    readings::Entity::of_merchant(merchant.0)
        .filter(readings::Column::Id.in_subquery(newest))
        .order_by_asc(readings::Column::Id)
        .all(db)
        .await
}
