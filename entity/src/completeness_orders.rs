//! Orders of a day that are not alike at the marketplace and in the books. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "completeness_orders")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    pub completeness_id: i64,
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(column_type = "Text")]
    pub number: String,
    /// `missing`, `wrong_status`, `different_total`, `only_in_books`, `unreadable`, `explained` or `noted`.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub theirs_status: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub ours_status: Option<String>,
    pub theirs_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub theirs_currency: Option<String>,
    pub ours_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub ours_currency: Option<String>,
    pub found_at: i64,
    /// When a later look found it right.
    pub closed_at: Option<i64>,
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
