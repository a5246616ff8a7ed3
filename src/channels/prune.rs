//! Taking old consents away.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::consents;
use sea_orm::{ColumnTrait, Condition, DbErr};

/// Deletes a page of consents that were used or ran out before the time.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_consents(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(consents::Column::ExpiresAt.lt(span.before.micros()));
    let columns = (consents::Column::Id, consents::Column::CreatedAt);
    let (gone, next) = prune_rows::<consents::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
