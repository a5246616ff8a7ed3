//! Telling: the log, one delivery per endpoint, and its job, in the caller's transaction.

use super::{EndpointState, Happening, HappeningKind};
use crate::db::Tx;
use crate::domain::{EndpointId, MerchantId, Source, Timestamp, Work};
use crate::queue::{self, NewJob};
use entity::{endpoint_deliveries, endpoints, happenings};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

/// Rows per statement: ten values each, and SQLite binds 32,766 at most.
const ROWS: usize = 1_000;
/// Endpoints of one merchant that are told.
pub(super) const MOST_ENDPOINTS: u64 = 100;

/// Who is told what happens in a merchant's books.
#[derive(Debug)]
pub struct Audience {
    merchant: MerchantId,
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    endpoint: EndpointId,
    state: EndpointState,
    /// Empty: all.
    kinds: Vec<HappeningKind>,
    rest_until: Option<Timestamp>,
}

impl Listener {
    fn of(row: &endpoints::Model) -> Self {
        Self {
            endpoint: EndpointId(row.id),
            state: EndpointState::of(row),
            kinds: super::endpoints::kinds_of(&row.kinds),
            rest_until: row.rest_until.map(Timestamp::from_micros),
        }
    }

    /// Paused and disabled endpoints as well: it waits for them.
    fn hears(&self, kind: HappeningKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Who is told; `None` when the merchant has no endpoint. One read by index.
///
/// # Errors
/// When the database cannot be asked.
pub async fn audience(tx: &Tx, merchant: MerchantId) -> Result<Option<Audience>, DbErr> {
    let rows = endpoints::Entity::of_merchant(merchant.0)
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("endpoints.state <> 'removed'"))
        .order_by_asc(endpoints::Column::Id)
        .limit(MOST_ENDPOINTS)
        .all(tx)
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(Audience {
        merchant,
        listeners: rows.iter().map(Listener::of).collect(),
    }))
}

/// Tells one happening to whoever listens. Three writes where somebody does, one read where nobody does.
///
/// # Errors
/// When the database refuses.
pub async fn tell(
    tx: &Tx,
    merchant: MerchantId,
    happening: &Happening,
    now: Timestamp,
) -> Result<(), DbErr> {
    match audience(tx, merchant).await? {
        Some(audience) => {
            audience
                .tell(tx, std::slice::from_ref(happening), now)
                .await
        }
        None => Ok(()),
    }
}

impl Audience {
    /// Writes the happenings, what each endpoint is to be told of them, and the jobs that do it; three statements.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn tell(
        &self,
        tx: &Tx,
        happenings: &[Happening],
        now: Timestamp,
    ) -> Result<(), DbErr> {
        if happenings.is_empty() {
            return Ok(());
        }
        let ids = self.log(tx, happenings, now).await?;
        let mut rows = Vec::new();
        for listener in &self.listeners {
            let heard = happenings.iter().zip(&ids);
            let heard = heard.filter(|(happening, _)| listener.hears(happening.kind));
            rows.extend(heard.map(|(_, id)| self.delivery(listener, *id, now)));
        }
        for chunk in rows.chunks(ROWS) {
            endpoint_deliveries::Entity::insert_many(chunk.iter().cloned())
                .exec_without_returning(tx)
                .await?;
        }
        let hears_any =
            |listener: &&Listener| happenings.iter().any(|one| listener.hears(one.kind));
        let jobs: Vec<NewJob> = self
            .listeners
            .iter()
            .filter(hears_any)
            .filter(|listener| listener.state == EndpointState::Active)
            .map(|listener| {
                let rest = listener.rest_until.filter(|until| *until > now);
                job(self.merchant, listener.endpoint, rest)
            })
            .collect();
        queue::enqueue(tx, &jobs, now).await?;
        Ok(())
    }

    async fn log(
        &self,
        tx: &Tx,
        happenings: &[Happening],
        now: Timestamp,
    ) -> Result<Vec<i64>, DbErr> {
        let mut ids = Vec::with_capacity(happenings.len());
        for chunk in happenings.chunks(ROWS) {
            let rows = chunk.iter().map(|happening| happenings::ActiveModel {
                id: NotSet,
                merchant_id: Set(self.merchant.0),
                kind: Set(happening.kind.as_str().to_owned()),
                subject: Set(happening.subject.clone()),
                payload: Set(happening.payload.to_string()),
                created_at: Set(now.micros()),
            });
            let mut written = happenings::Entity::insert_many(rows)
                .exec_with_returning_keys(tx)
                .await?;
            // The databases promise no order of what they return; ids are counted in the order of the rows.
            written.sort_unstable();
            ids.extend(written);
        }
        Ok(ids)
    }

    fn delivery(
        &self,
        listener: &Listener,
        happening: i64,
        now: Timestamp,
    ) -> endpoint_deliveries::ActiveModel {
        endpoint_deliveries::ActiveModel {
            id: NotSet,
            merchant_id: Set(self.merchant.0),
            endpoint_id: Set(listener.endpoint.0),
            happening_id: Set(happening),
            state: Set("waiting".to_owned()),
            attempts: Set(0),
            next_at: Set(now.micros()),
            status: Set(None),
            answer: Set(None),
            created_at: Set(now.micros()),
            finished_at: Set(None),
        }
    }
}

/// The job that tells an endpoint what waits for it; as soon as possible without a time.
pub(super) fn job(merchant: MerchantId, endpoint: EndpointId, at: Option<Timestamp>) -> NewJob {
    NewJob {
        run_at: at,
        ..NewJob::of_merchant(merchant, Work::TellEndpoint { endpoint }, Source::Sale)
    }
}
