//! Sellable variants as channels show them. Written by `catalog`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "listings")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub product_id: String,
    #[sea_orm(column_type = "Text")]
    pub variant_id: String,
    /// None: not linked.
    pub sku_id: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub seller_sku: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// `active`, `inactive` or `gone`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub price_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    /// What the channel showed when last read.
    pub quantity: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub push_ref: Option<String>,
    /// Of everything the marketplace showed: equal means unchanged.
    #[sea_orm(column_type = "Text")]
    pub content_hash: String,
    pub remote_version: i64,
    /// When the level for the last push was read.
    pub push_read_at: Option<i64>,
    pub pushed_quantity: Option<i64>,
    pub pushed_at: Option<i64>,
    /// `auto`: by the same code; `hand`: a person decided, and scans leave it.
    #[sea_orm(column_type = "Text")]
    pub link_by: String,
    /// A person took the link away: nothing links it again by itself.
    pub unlinked_by_hand: bool,
    /// When a person last linked or unlinked it.
    pub link_at: Option<i64>,
    /// Units that campaigns of the marketplace hold, and that `quantity` leaves out.
    pub reserved: Option<i64>,
    /// When what it shows was first read; an unchanged reading later writes nothing.
    pub shown_at: Option<i64>,
    /// When another quantity than before was last read.
    pub quantity_read_at: Option<i64>,
    /// When another price than before was last read.
    pub price_read_at: Option<i64>,
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

    /// Rows of one channel.
    pub fn of_channel(channel_id: i64) -> Select<Self> {
        Self::find().filter(Column::ChannelId.eq(channel_id))
    }
}
