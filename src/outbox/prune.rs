//! Taking old happenings away, and how they were told; never one that somebody is still to be told of.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::{endpoint_deliveries, happenings};
use sea_orm::{ColumnTrait, Condition, DbErr, sea_query::Expr};

const IS_TOLD: &str = "not exists (select 1 from endpoint_deliveries d \
    where d.happening_id = happenings.id)";

/// Deletes a page of deliveries to endpoints that have ended.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_deliveries(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    use endpoint_deliveries::Column as C;
    let may_go = Condition::all()
        .add(C::State.ne("waiting"))
        .add(C::FinishedAt.lt(span.before.micros()));
    let columns = (C::Id, C::CreatedAt);
    let (gone, next) = prune_rows::<endpoint_deliveries::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of happenings that no delivery names any more.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_happenings(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(IS_TOLD));
    let columns = (happenings::Column::Id, happenings::Column::CreatedAt);
    let (gone, next) = prune_rows::<happenings::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
