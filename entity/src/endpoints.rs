//! Other programs that are told what happens. Written by `outbox`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "endpoints")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// `webhook` or `dealpos`.
    #[sea_orm(column_type = "Text")]
    pub protocol: String,
    #[sea_orm(column_type = "Text")]
    pub url: String,
    /// The kinds that are told, with spaces between them; empty is all.
    #[sea_orm(column_type = "Text")]
    pub kinds: String,
    /// JSON, as the protocol wants it.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// `active`, `paused`, `disabled` or `removed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub state_reason: Option<String>,
    /// Failures since the last success.
    pub failures: i64,
    pub failing_since: Option<i64>,
    /// Nothing is sent before.
    pub rest_until: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
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
