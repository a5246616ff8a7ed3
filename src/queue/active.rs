//! Which work waits or runs already.

use crate::domain::JobKind;
use entity::jobs;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr,
};
use std::collections::HashSet;

/// Keys per statement.
const CHUNK: usize = 500;

/// Those of these kinds and keys of which a job waits or runs.
///
/// # Errors
/// When the database cannot be asked.
pub async fn active<C: ConnectionTrait>(
    db: &C,
    wanted: &[(JobKind, String)],
) -> Result<HashSet<(JobKind, String)>, DbErr> {
    let mut found = HashSet::new();
    for chunk in wanted.chunks(CHUNK) {
        // The states are written out, so that the partial indexes are recognised.
        for state in ["jobs.state = 'available'", "jobs.state = 'running'"] {
            let rows: Vec<(String, String)> = jobs::Entity::find()
                .select_only()
                .columns([jobs::Column::Kind, jobs::Column::Key])
                .filter(Expr::cust(state))
                .filter(jobs::Column::Kind.is_in(chunk.iter().map(|(kind, _)| kind.as_str())))
                .filter(jobs::Column::Key.is_in(chunk.iter().map(|(_, key)| key.as_str())))
                .into_tuple()
                .all(db)
                .await?;
            let known = rows.into_iter().filter_map(|(kind, key)| {
                let found = (JobKind::parse(&kind)?, key);
                chunk.contains(&found).then_some(found)
            });
            found.extend(known);
        }
    }
    Ok(found)
}
