//! Units that a marketplace holds for an order that is not paid yet and not booked. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "soft_holds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: i64,
    /// The order's id there.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sku_id: i64,
    pub outlet_id: i64,
    pub merchant_id: i64,
    pub units: i64,
    pub since: i64,
    /// From then on it holds nothing.
    pub expires_at: i64,
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
