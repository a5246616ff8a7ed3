//! Failures with one cause, and what became of them. Written by `issues`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "issues")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// None when it is of no channel.
    pub channel_id: Option<i64>,
    /// One of `domain::Cause`.
    #[sea_orm(column_type = "Text")]
    pub cause: String,
    /// What it is about within the cause: a topic, a kind of work, an endpoint; empty when the cause says it all.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// Channel, cause and subject: of one key one is open at most.
    #[sea_orm(column_type = "Text")]
    pub key: String,
    /// `open` or `closed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// What was found, in words.
    #[sea_orm(column_type = "Text")]
    pub found: String,
    /// What a person can do, with the command.
    #[sea_orm(column_type = "Text")]
    pub to_do: String,
    pub first_at: i64,
    pub last_at: i64,
    /// Failures, lines, deliveries: what the cause counts.
    pub count: i64,
    /// Orders that are affected.
    pub orders: i64,
    /// JSON list of some of what is affected.
    #[sea_orm(column_type = "Text")]
    pub sample: String,
    /// Pieces of work that wait for its end.
    pub blocked: i64,
    /// 1 is the first; each recurrence counts.
    pub episode: i64,
    pub opened_at: i64,
    /// When it was last found, or found to be gone.
    pub looked_at: i64,
    pub closed_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub closed_why: Option<String>,
    /// Pieces of work that its end, or signs of it, took up again.
    pub revived: i64,
    pub muted_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub muted_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub muted_why: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one merchant: the only way to begin a query that answers a person.
    pub fn of_merchant(merchant_id: i64) -> Select<Self> {
        Self::find().filter(Column::MerchantId.eq(merchant_id))
    }
}
