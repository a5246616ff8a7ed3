//! Endpoints: who is told, of what, and whether it takes it.

use super::{
    HappeningKind, Protocol,
    tell::{MOST_ENDPOINTS, job},
};
use crate::db::Tx;
use crate::domain::{EndpointId, MerchantId, Timestamp};
use crate::queue;
use entity::{endpoint_deliveries, endpoints};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::Serialize;

/// Whether an endpoint is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    Active,
    /// A person wants it to wait; what happens is kept for it.
    Paused,
    /// It failed for days, and a person has to mend it; what happens is kept for it.
    Disabled,
    Removed,
}

impl EndpointState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
        }
    }

    pub(super) fn of(row: &endpoints::Model) -> Self {
        match row.state.as_str() {
            "active" => Self::Active,
            "paused" => Self::Paused,
            "disabled" => Self::Disabled,
            _ => Self::Removed,
        }
    }
}

/// Another program that is told what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub id: EndpointId,
    #[serde(skip)]
    pub merchant: MerchantId,
    pub protocol: Protocol,
    pub url: String,
    /// Empty: all.
    pub kinds: Vec<HappeningKind>,
    /// JSON, as the protocol wants it.
    pub settings: serde_json::Value,
    pub state: EndpointState,
    pub state_reason: Option<String>,
    /// Failures since the last success.
    pub failures: i64,
    #[serde(skip)]
    pub failing_since: Option<Timestamp>,
    #[serde(skip)]
    pub rest_until: Option<Timestamp>,
    #[serde(skip)]
    pub created_at: Timestamp,
}

impl Endpoint {
    fn of(row: &endpoints::Model) -> Self {
        Self {
            id: EndpointId(row.id),
            merchant: MerchantId(row.merchant_id),
            protocol: Protocol::parse(&row.protocol).unwrap_or(Protocol::Webhook),
            url: row.url.clone(),
            kinds: kinds_of(&row.kinds),
            settings: serde_json::from_str(&row.settings).unwrap_or_default(),
            state: EndpointState::of(row),
            state_reason: row.state_reason.clone(),
            failures: row.failures,
            failing_since: row.failing_since.map(Timestamp::from_micros),
            rest_until: row.rest_until.map(Timestamp::from_micros),
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

/// Kinds that a newer build wrote are passed over.
pub(super) fn kinds_of(text: &str) -> Vec<HappeningKind> {
    text.split_whitespace()
        .filter_map(HappeningKind::parse)
        .collect()
}

fn kinds_text(kinds: &[HappeningKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    names.join(" ")
}

/// An endpoint to be added.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub merchant: MerchantId,
    pub protocol: Protocol,
    pub url: String,
    /// Empty: all.
    pub kinds: Vec<HappeningKind>,
    pub settings: serde_json::Value,
}

/// Adds an endpoint. It is told what happens from now on.
///
/// # Errors
/// When the database refuses.
pub async fn add(tx: &Tx, new: &NewEndpoint, now: Timestamp) -> Result<EndpointId, DbErr> {
    let row = endpoints::ActiveModel {
        merchant_id: Set(new.merchant.0),
        protocol: Set(new.protocol.as_str().to_owned()),
        url: Set(new.url.clone()),
        kinds: Set(kinds_text(&new.kinds)),
        settings: Set(new.settings.to_string()),
        state: Set(EndpointState::Active.as_str().to_owned()),
        failures: Set(0),
        created_at: Set(now.micros()),
        updated_at: Set(now.micros()),
        ..Default::default()
    };
    Ok(EndpointId(row.insert(tx).await?.id))
}

/// The merchant's endpoints, oldest first; removed ones only when asked for.
///
/// # Errors
/// When the database cannot be asked.
pub async fn endpoints<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    with_removed: bool,
) -> Result<Vec<Endpoint>, DbErr> {
    let mut select = endpoints::Entity::of_merchant(merchant.0);
    if !with_removed {
        select = select.filter(Expr::cust("endpoints.state <> 'removed'"));
    }
    let rows = select
        .order_by_asc(endpoints::Column::Id)
        .limit(MOST_ENDPOINTS * 10)
        .all(db)
        .await?;
    Ok(rows.iter().map(Endpoint::of).collect())
}

/// An endpoint of the merchant, removed ones included.
///
/// # Errors
/// When the database cannot be asked.
pub async fn endpoint<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    id: EndpointId,
) -> Result<Option<Endpoint>, DbErr> {
    let found = load(db, id).await?;
    Ok(found.filter(|endpoint| endpoint.merchant == merchant))
}

/// An endpoint by its id, for work that was enqueued for it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn load<C: ConnectionTrait>(db: &C, id: EndpointId) -> Result<Option<Endpoint>, DbErr> {
    let row = endpoints::Entity::find_by_id(id.0).one(db).await?;
    Ok(row.as_ref().map(Endpoint::of))
}

/// Stops telling until it is resumed; what happens is kept for it.
///
/// # Errors
/// When the database refuses.
pub async fn pause(tx: &Tx, id: EndpointId, now: Timestamp) -> Result<(), DbErr> {
    let reason = Some("paused by a person");
    set_state(tx, id, EndpointState::Paused, reason, now).await
}

/// Stops telling, because it cannot be told; what happens is kept for it.
///
/// # Errors
/// When the database refuses.
pub async fn disable(
    tx: &Tx,
    endpoint: EndpointId,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    set_state(tx, endpoint, EndpointState::Disabled, Some(reason), now).await
}

/// Tells it again, from now on and with all that waits. Returns how many deliveries that are.
///
/// # Errors
/// When the database refuses.
pub async fn resume(tx: &Tx, endpoint: &Endpoint, now: Timestamp) -> Result<u64, DbErr> {
    endpoints::Entity::update_many()
        .col_expr(endpoints::Column::Failures, Expr::value(0_i64))
        .col_expr(endpoints::Column::FailingSince, Expr::value(None::<i64>))
        .col_expr(endpoints::Column::RestUntil, Expr::value(None::<i64>))
        .filter(endpoints::Column::Id.eq(endpoint.id.0))
        .exec(tx)
        .await?;
    let waiting = hurry(tx, endpoint, now).await?;
    set_state(tx, endpoint.id, EndpointState::Active, None, now).await?;
    queue::enqueue(tx, &[job(endpoint.merchant, endpoint.id, None)], now).await?;
    Ok(waiting)
}

/// What waits may be tried at once, and what was given up since nothing was taken waits again: that it was not taken
/// says nothing about the message.
async fn hurry(tx: &Tx, endpoint: &Endpoint, now: Timestamp) -> Result<u64, DbErr> {
    use endpoint_deliveries::Column;
    let again = |only: Condition| {
        endpoint_deliveries::Entity::update_many()
            .col_expr(Column::State, Expr::value("waiting"))
            .col_expr(Column::Attempts, Expr::value(0_i64))
            .col_expr(Column::NextAt, Expr::value(now.micros()))
            .col_expr(Column::FinishedAt, Expr::value(None::<i64>))
            .filter(Column::EndpointId.eq(endpoint.id.0))
            .filter(only)
            .exec(tx)
    };
    let waits = Condition::all().add(Column::State.eq("waiting"));
    let mut waiting = again(waits).await?.rows_affected;
    if let Some(since) = endpoint.failing_since {
        let given_up = Condition::all()
            .add(Column::State.eq("failed"))
            .add(Column::FinishedAt.gte(since.micros()));
        waiting += again(given_up).await?.rows_affected;
    }
    Ok(waiting)
}

/// Tells it no more. Its history stays; what waits is dropped.
///
/// # Errors
/// When the database refuses.
pub async fn remove(tx: &Tx, id: EndpointId, now: Timestamp) -> Result<(), DbErr> {
    endpoint_deliveries::Entity::update_many()
        .col_expr(endpoint_deliveries::Column::State, Expr::value("dropped"))
        .col_expr(
            endpoint_deliveries::Column::FinishedAt,
            Expr::value(now.micros()),
        )
        .filter(endpoint_deliveries::Column::EndpointId.eq(id.0))
        .filter(Expr::cust("state = 'waiting'"))
        .exec(tx)
        .await?;
    let reason = Some("removed by a person");
    set_state(tx, id, EndpointState::Removed, reason, now).await
}

async fn set_state(
    tx: &Tx,
    id: EndpointId,
    state: EndpointState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    endpoints::Entity::update_many()
        .col_expr(endpoints::Column::State, Expr::value(state.as_str()))
        .col_expr(endpoints::Column::StateReason, Expr::value(reason))
        .col_expr(endpoints::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(endpoints::Column::Id.eq(id.0))
        .exec(tx)
        .await?;
    Ok(())
}
