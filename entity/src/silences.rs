//! Stretches in which a channel told unusually little. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "silences")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    pub since: i64,
    pub noticed_at: i64,
    /// Thousandths of deliveries that were to be expected until it was noticed.
    pub expected_milli: i64,
    pub seen: i64,
    /// `checking`, `nothing_missed` or `missed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub checked_at: Option<i64>,
    /// Orders that no delivery had named.
    pub missed_orders: i64,
    /// Orders that were known, and whose change no delivery had named.
    pub missed_changes: i64,
    pub missed_products: i64,
    /// None while it lasts.
    pub ended_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one merchant: the only way to begin a query that answers a person.
    pub fn of_merchant(merchant_id: i64) -> Select<Self> {
        Self::find().filter(Column::MerchantId.eq(merchant_id))
    }

    /// Rows of one channel.
    pub fn of_channel(channel_id: i64) -> Select<Self> {
        Self::find().filter(Column::ChannelId.eq(channel_id))
    }
}
