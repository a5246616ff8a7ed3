//! How far each piece of upkeep has come, and who does it.

use crate::db::{Db, Tx};
use crate::domain::Timestamp;
use entity::upkeep;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, OnConflict},
};
use std::{collections::HashMap, time::Duration};

/// The row that says who does it.
const HOLD: &str = "hold";
/// A process that has not gone on for so long is replaced.
const HELD_FOR: Duration = Duration::from_secs(600);

/// How far one piece has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// The id after which the next page begins; 0: a walk has not begun.
    pub position: i64,
    /// When a walk last came to its end.
    pub run_at: Option<Timestamp>,
    /// Rows of the last walk, or of the one under way.
    pub last_count: u64,
    pub total: u64,
}

/// Every piece by its name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn states(db: &Db) -> Result<HashMap<String, State>, DbErr> {
    let rows = upkeep::Entity::find()
        .filter(upkeep::Column::Name.ne(HOLD))
        .order_by_asc(upkeep::Column::Name)
        .all(db.read())
        .await?;
    let state = |row: upkeep::Model| {
        let state = State {
            position: row.position,
            run_at: row.run_at.map(Timestamp::from_micros),
            last_count: row.last_count.cast_unsigned(),
            total: row.total.cast_unsigned(),
        };
        (row.name, state)
    };
    Ok(rows.into_iter().map(state).collect())
}

/// Takes upkeep on, or goes on with it; false while another process does it.
pub(super) async fn hold(db: &Db, holder: &str, now: Timestamp) -> Result<bool, DbErr> {
    let tx = db.write_tx().await?;
    make(&tx, HOLD).await?;
    let free = Condition::any()
        .add(upkeep::Column::Holder.is_null())
        .add(upkeep::Column::Holder.eq(holder))
        .add(upkeep::Column::HeldUntil.lte(now.micros()));
    let held = upkeep::Entity::update_many()
        .col_expr(upkeep::Column::Holder, Expr::value(holder))
        .col_expr(
            upkeep::Column::HeldUntil,
            Expr::value((now + HELD_FOR).micros()),
        )
        .filter(upkeep::Column::Name.eq(HOLD))
        .filter(free)
        .exec(&tx)
        .await?;
    tx.commit().await?;
    Ok(held.rows_affected > 0)
}

/// Lets another process do it.
pub(super) async fn let_go(db: &Db, holder: &str) -> Result<(), DbErr> {
    let tx = db.write_tx().await?;
    upkeep::Entity::update_many()
        .col_expr(upkeep::Column::Holder, Expr::value(None::<String>))
        .col_expr(upkeep::Column::HeldUntil, Expr::value(None::<i64>))
        .filter(upkeep::Column::Name.eq(HOLD))
        .filter(upkeep::Column::Holder.eq(holder))
        .exec(&tx)
        .await?;
    tx.commit().await
}

/// Writes down a page, in the transaction of the page.
pub(super) async fn step(
    tx: &Tx,
    name: &str,
    state: &State,
    (rows, position, ended_at): (u64, i64, Option<Timestamp>),
) -> Result<State, DbErr> {
    make(tx, name).await?;
    let begins = state.position == 0;
    let after = State {
        position,
        run_at: ended_at.or(state.run_at),
        last_count: if begins {
            rows
        } else {
            state.last_count + rows
        },
        total: state.total + rows,
    };
    upkeep::Entity::update_many()
        .col_expr(upkeep::Column::Position, Expr::value(position))
        .col_expr(
            upkeep::Column::RunAt,
            Expr::value(after.run_at.map(Timestamp::micros)),
        )
        .col_expr(
            upkeep::Column::LastCount,
            Expr::value(after.last_count.cast_signed()),
        )
        .col_expr(
            upkeep::Column::Total,
            Expr::col(upkeep::Column::Total).add(rows.cast_signed()),
        )
        .filter(upkeep::Column::Name.eq(name))
        .exec(tx)
        .await?;
    Ok(after)
}

async fn make(tx: &Tx, name: &str) -> Result<(), DbErr> {
    let row = upkeep::ActiveModel {
        name: Set(name.to_owned()),
        position: Set(0),
        run_at: Set(None),
        last_count: Set(0),
        total: Set(0),
        holder: Set(None),
        held_until: Set(None),
    };
    let there = OnConflict::column(upkeep::Column::Name)
        .do_nothing()
        .to_owned();
    upkeep::Entity::insert_many([row])
        .on_conflict(there)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
