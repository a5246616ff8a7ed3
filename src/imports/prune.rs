//! Taking the record of old imports away; what they brought stays in the books.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::imports;
use sea_orm::{ColumnTrait, Condition, DbErr};

/// Deletes a page of imports that came to their end.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_imports(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(imports::Column::FinishedAt.lt(span.before.micros()));
    let columns = (imports::Column::Id, imports::Column::StartedAt);
    let (gone, next) = prune_rows::<imports::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
