//! Taking old pushes and comparisons away; the last of each listing and channel stays.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::{stock_compares, stock_drifts, stock_pushes};
use sea_orm::{Condition, DbErr, sea_query::Expr};

const PUSH_MAY_GO: &str = "exists (select 1 from stock_pushes l where l.listing_id = stock_pushes.listing_id \
    and l.finished_at > stock_pushes.finished_at)";
const COMPARE_MAY_GO: &str = "exists (select 1 from stock_compares l \
    where l.channel_id = stock_compares.channel_id and l.id > stock_compares.id)";

/// Deletes a page of what channels were told of stock; what each listing was told last stays.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_pushes(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(PUSH_MAY_GO));
    let columns = (stock_pushes::Column::Id, stock_pushes::Column::FinishedAt);
    let (gone, next) = prune_rows::<stock_pushes::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of comparisons; the last of each channel stays, because the next goes on where it ended.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_compares(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(COMPARE_MAY_GO));
    let columns = (
        stock_compares::Column::Id,
        stock_compares::Column::ComparedAt,
    );
    let (gone, next) = prune_rows::<stock_compares::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of what comparisons found.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_drifts(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (stock_drifts::Column::Id, stock_drifts::Column::FoundAt);
    let (gone, next) =
        prune_rows::<stock_drifts::Entity>(tx, columns, Condition::all(), span).await?;
    Ok(Pruned::of(&gone, next))
}
