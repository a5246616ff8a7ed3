//! Taking old tries of jobs away whose jobs go on; those of ended jobs go with them, in the janitor.

use crate::db::{Pruned, Span, Tx, prune_rows};
use entity::job_attempts;
use sea_orm::{Condition, DbErr, sea_query::Expr};

/// A later try of the same job is there: the last one tells why it waits.
const IS_NOT_LAST: &str = "exists (select 1 from job_attempts l where l.job_id = job_attempts.job_id \
    and l.id > job_attempts.id)";

/// Deletes a page of old tries; the last one of each job stays as long as its job.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_attempts(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(IS_NOT_LAST));
    let columns = (job_attempts::Column::Id, job_attempts::Column::FinishedAt);
    let (gone, next) = prune_rows::<job_attempts::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
