//! Taking old price pushes away; the last of each listing stays.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::price_pushes;
use sea_orm::{Condition, DbErr, sea_query::Expr};

const MAY_GO: &str = "exists (select 1 from price_pushes l where l.listing_id = price_pushes.listing_id \
    and l.id > price_pushes.id)";

/// Deletes a page of what channels were told of prices; what each listing was told last stays.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_prices(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(MAY_GO));
    let columns = (price_pushes::Column::Id, price_pushes::Column::FinishedAt);
    let (gone, next) = prune_rows::<price_pushes::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
