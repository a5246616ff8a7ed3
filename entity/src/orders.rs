//! Orders in the merchant's books. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// As the merchant sees it.
    pub channel_id: i64,
    /// Whose API it came from.
    pub connection_id: i64,
    pub outlet_id: i64,
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(column_type = "Text")]
    pub number: String,
    #[sea_orm(column_type = "Text")]
    pub remote_status: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub paid: bool,
    #[sea_orm(column_type = "Text")]
    pub fulfilment: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub invoice_number: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    pub total_minor: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub tracking_number: Option<String>,
    /// The remote version that is booked.
    pub version: i64,
    /// Of the order as read: equal means nothing to do.
    #[sea_orm(column_type = "Text")]
    pub content_hash: String,
    pub placed_at: i64,
    /// The goods had left before the shop was connected: they were not in the opening count.
    pub left_before: bool,
    /// What found it first.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// Why a person should look.
    #[sea_orm(column_type = "Text", nullable)]
    pub attention: Option<String>,
    pub first_seen_at: i64,
    pub recorded_at: i64,
    /// What of the payment was written off as the marketplace's fee.
    pub fee_minor: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub fee_reason: Option<String>,
    /// What went back to the buyer and is credited on the invoice; never more than the total.
    pub refunded_minor: i64,
    /// Returns that are booked for it, deleted ones included.
    pub n_returns: i64,
    pub open_conflicts: i64,
    /// How often it was booked: after a void a person may have it booked again.
    pub booking: i64,
    /// What the marketplace says the total is, where the books hold another one until a person decides.
    pub told_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub told_currency: Option<String>,
    /// What the reading itself says a person should look at.
    #[sea_orm(column_type = "Text", nullable)]
    pub remark: Option<String>,
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
