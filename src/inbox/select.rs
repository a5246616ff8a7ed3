//! Selecting stored deliveries for a replay: how many there are, and page by page in the order they came.

use super::Verdict;
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use entity::{deliveries, events};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};

/// Which deliveries; everything that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliverySelection {
    /// These; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The order or product that they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Received at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Received before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl DeliverySelection {
    /// Of the merchant; and, where they are meant, those that no merchant claims: their shop may be his by now.
    fn condition(&self, merchant: MerchantId) -> Condition {
        use deliveries::Column as C;
        let mut ours = Condition::any().add(C::MerchantId.eq(merchant.0));
        if !self.ids.is_empty() || self.verdict == Some(Verdict::UnknownChannel) {
            ours = ours.add(C::MerchantId.is_null());
        }
        let named = |subject: &String| {
            let named = events::Entity::of_merchant(merchant.0)
                .select_only()
                .column(events::Column::DeliveryId)
                .filter(events::Column::Subject.eq(subject));
            C::Id.in_subquery(named.into_query())
        };
        let ids = (!self.ids.is_empty()).then(|| C::Id.is_in(self.ids.iter().copied()));
        Condition::all()
            .add(ours)
            .add_option(ids)
            .add_option(self.channel.map(|id| C::ChannelId.eq(id.0)))
            .add_option(self.verdict.map(|verdict| C::Verdict.eq(verdict.as_str())))
            .add_option(self.topic.as_ref().map(|topic| C::Topic.eq(topic)))
            .add_option(self.from.map(|from| C::ReceivedAt.gte(from.micros())))
            .add_option(self.to.map(|to| C::ReceivedAt.lt(to.micros())))
            .add_option(self.subject.as_ref().map(named))
    }
}

/// How many are selected, and the newest of them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_selected<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    selection: &DeliverySelection,
) -> Result<(u64, i64), DbErr> {
    let only = || deliveries::Entity::find().filter(selection.condition(merchant));
    let newest: Option<i64> = only()
        .select_only()
        .column(deliveries::Column::Id)
        .order_by_desc(deliveries::Column::Id)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok((only().count(db).await?, newest.unwrap_or_default()))
}

/// How many are selected of each verdict that was given when they came, or when they were last taken up.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_verdicts(
    db: &Db,
    merchant: MerchantId,
    selection: &DeliverySelection,
) -> Result<Vec<(String, i64)>, DbErr> {
    deliveries::Entity::find()
        .select_only()
        .column(deliveries::Column::Verdict)
        .column_as(deliveries::Column::Id.count(), "n")
        .filter(selection.condition(merchant))
        .group_by(deliveries::Column::Verdict)
        .order_by_asc(deliveries::Column::Verdict)
        .into_tuple()
        .all(db.read())
        .await
}

/// Those selected after one delivery and up to another, in the order they came.
///
/// # Errors
/// When the database cannot be asked.
pub async fn page_selected<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    selection: &DeliverySelection,
    (after, up_to): (i64, i64),
    limit: u64,
) -> Result<Vec<deliveries::Model>, DbErr> {
    deliveries::Entity::find()
        .filter(selection.condition(merchant))
        .filter(deliveries::Column::Id.gt(after))
        .filter(deliveries::Column::Id.lte(up_to))
        .order_by_asc(deliveries::Column::Id)
        .limit(limit)
        .all(db)
        .await
}
