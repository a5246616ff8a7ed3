//! Connected shop accounts. Written by `channels`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "channels")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// Orders are booked there and stock is read from there.
    pub outlet_id: i64,
    /// The channel whose connection this one shares: Tokopedia through TikTok Shop.
    pub parent_id: Option<i64>,
    /// The protocol: the slug of an adapter.
    #[sea_orm(column_type = "Text")]
    pub marketplace: String,
    /// The name the merchant knows it by: the slug of one of the adapter's platforms.
    #[sea_orm(column_type = "Text")]
    pub platform: String,
    /// The shop, as the marketplace names it.
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The unguessable last part of its webhook URL.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    /// Where its API is, when that differs per shop.
    #[sea_orm(column_type = "Text", nullable)]
    pub base_url: Option<String>,
    /// `active`, `locked` (a person must reconnect) or `removed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub state_reason: Option<String>,
    /// JSON of `channels::ChannelSettings`.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
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
