//! How much of what is available is shown where. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "stock_rules")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// 0: every channel.
    pub channel_id: i64,
    /// 0: every SKU.
    pub sku_id: i64,
    /// 0 to 100.
    pub percentage: Option<i64>,
    /// Units that are kept back.
    pub buffer: Option<i64>,
    /// Fewer are shown as none.
    pub minimum: Option<i64>,
    /// More are not shown.
    pub maximum: Option<i64>,
    /// The last so many are shown by one channel only.
    pub last_units: Option<i64>,
    /// That channel.
    pub last_channel_id: Option<i64>,
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
