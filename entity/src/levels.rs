//! Stock per SKU and outlet: the sum of its movements. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "levels")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sku_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub outlet_id: i64,
    pub merchant_id: i64,
    pub on_hand: i64,
    /// Sold, not yet sent.
    pub allocated: i64,
    /// Kept for promotions.
    pub reserved: i64,
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
