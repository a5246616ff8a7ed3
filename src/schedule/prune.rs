//! Taking old fires away; the last of each schedule stays, so that none is fired again.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::schedule_fires;
use sea_orm::{Condition, DbErr, sea_query::Expr};

const MAY_GO: &str = "exists (select 1 from schedule_fires l where l.schedule_id = schedule_fires.schedule_id \
    and l.fire_at > schedule_fires.fire_at)";

/// Deletes a page of fires.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_fires(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(MAY_GO));
    let columns = (schedule_fires::Column::Id, schedule_fires::Column::FiredAt);
    let (gone, next) = prune_rows::<schedule_fires::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
