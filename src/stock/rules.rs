//! The rules of what is pushed, in the database: of a SKU on a channel, of a SKU, of a channel, of everything.
//!
//! A channel's buffer is its setting `buffer`; a rule of the channel writes it there. Only a buffer of 0 is kept with
//! the rule, because a setting of 0 says nothing.

use super::rule::{MOST_UNITS, Rule};
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, SkuId, Timestamp};
use entity::stock_rules;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use std::collections::HashMap;
use thiserror::Error;

/// What `channel_id` and `sku_id` say when a rule is for all of them.
const ANY: i64 = 0;
const LIST_LIMIT: u64 = 100_000;

/// What a rule is about; `None`: all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RuleScope {
    pub sku: Option<SkuId>,
    pub channel: Option<ChannelId>,
}

#[derive(Debug, Error)]
pub enum RuleError {
    #[error(
        "a rule must say something: a percentage, a buffer, a minimum, a maximum or last units"
    )]
    Empty,
    #[error("a percentage is 0 to 100, not {0}")]
    Percentage(i64),
    #[error("units are 0 to {MOST_UNITS}, not {0}")]
    Units(i64),
    #[error("a channel's buffer is 0 to 100000 units, not {0}")]
    Buffer(i64),
    #[error("a minimum of {0} above the maximum of {1} would show nothing, ever")]
    Bounds(i64, i64),
    #[error(
        "which channel shows the last units is said for a SKU or for everything, not for a channel"
    )]
    LastOfChannel,
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// # Errors
/// What about the rule makes no sense.
pub fn check(scope: RuleScope, rule: &Rule) -> Result<(), RuleError> {
    if *rule == Rule::default() {
        return Err(RuleError::Empty);
    }
    if let Some(percentage) = rule.percentage.filter(|n| !(0..=100).contains(n)) {
        return Err(RuleError::Percentage(percentage));
    }
    let last = rule.last.map(|(units, _)| units);
    let units = [rule.buffer, rule.minimum, rule.maximum, last];
    if let Some(units) = units
        .into_iter()
        .flatten()
        .find(|n| !(0..=MOST_UNITS).contains(n))
    {
        return Err(RuleError::Units(units));
    }
    match (rule.minimum, rule.maximum) {
        (Some(minimum), Some(maximum)) if minimum > maximum => {
            return Err(RuleError::Bounds(minimum, maximum));
        }
        _ => {}
    }
    if let (Some(buffer), true) = (rule.buffer, is_of_channel(scope))
        && buffer > 100_000
    {
        return Err(RuleError::Buffer(buffer));
    }
    if rule.last.is_some() && scope.channel.is_some() {
        return Err(RuleError::LastOfChannel);
    }
    Ok(())
}

/// Whether the rule is of a channel and all its SKUs.
pub fn is_of_channel(scope: RuleScope) -> bool {
    scope.sku.is_none() && scope.channel.is_some()
}

/// Writes a rule over the one of the same scope. The buffer of a channel's rule is the caller's to write to the
/// channel's settings.
///
/// # Errors
/// As [`check`].
pub async fn set_rule(
    tx: &Tx,
    merchant: MerchantId,
    scope: RuleScope,
    rule: &Rule,
    now: Timestamp,
) -> Result<(), RuleError> {
    check(scope, rule)?;
    let buffer = if is_of_channel(scope) {
        rule.buffer.filter(|units| *units == 0)
    } else {
        rule.buffer
    };
    let row = stock_rules::ActiveModel {
        merchant_id: Set(merchant.0),
        channel_id: Set(scope.channel.map_or(ANY, |channel| channel.0)),
        sku_id: Set(scope.sku.map_or(ANY, |sku| sku.0)),
        percentage: Set(rule.percentage),
        buffer: Set(buffer),
        minimum: Set(rule.minimum),
        maximum: Set(rule.maximum),
        last_units: Set(rule.last.map(|(units, _)| units)),
        last_channel_id: Set(rule.last.map(|(_, channel)| channel.0)),
        updated_at: Set(now.micros()),
        ..Default::default()
    };
    let scope = [
        stock_rules::Column::MerchantId,
        stock_rules::Column::SkuId,
        stock_rules::Column::ChannelId,
    ];
    let mut over = OnConflict::columns(scope);
    over.update_columns([
        stock_rules::Column::Percentage,
        stock_rules::Column::Buffer,
        stock_rules::Column::Minimum,
        stock_rules::Column::Maximum,
        stock_rules::Column::LastUnits,
        stock_rules::Column::LastChannelId,
        stock_rules::Column::UpdatedAt,
    ]);
    stock_rules::Entity::insert(row)
        .on_conflict(over)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Takes a rule away. False when there was none.
pub async fn remove_rule(tx: &Tx, merchant: MerchantId, scope: RuleScope) -> Result<bool, DbErr> {
    let removed = stock_rules::Entity::delete_many()
        .filter(stock_rules::Column::MerchantId.eq(merchant.0))
        .filter(stock_rules::Column::ChannelId.eq(scope.channel.map_or(ANY, |channel| channel.0)))
        .filter(stock_rules::Column::SkuId.eq(scope.sku.map_or(ANY, |sku| sku.0)))
        .exec(tx)
        .await?;
    Ok(removed.rows_affected > 0)
}

/// The merchant's rules, general ones first.
pub async fn list_rules<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
) -> Result<Vec<(RuleScope, Rule)>, DbErr> {
    let rows = stock_rules::Entity::of_merchant(merchant.0)
        .order_by_asc(stock_rules::Column::SkuId)
        .order_by_asc(stock_rules::Column::ChannelId)
        .limit(LIST_LIMIT)
        .all(db)
        .await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &stock_rules::Model) -> (RuleScope, Rule) {
    let scope = RuleScope {
        sku: Some(SkuId(row.sku_id)).filter(|sku| sku.0 != ANY),
        channel: Some(ChannelId(row.channel_id)).filter(|channel| channel.0 != ANY),
    };
    let rule = Rule {
        percentage: row.percentage,
        buffer: row.buffer,
        minimum: row.minimum,
        maximum: row.maximum,
        last: row.last_units.zip(row.last_channel_id.map(ChannelId)),
    };
    (scope, rule)
}

/// Rules by what they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(HashMap<RuleScope, Rule>);

impl Rules {
    /// The rules that may be about these SKUs; one query.
    pub async fn of_skus<C: ConnectionTrait>(
        db: &C,
        merchant: MerchantId,
        skus: &[SkuId],
    ) -> Result<Self, DbErr> {
        let ids = skus.iter().map(|sku| sku.0).chain([ANY]);
        let rows = stock_rules::Entity::of_merchant(merchant.0)
            .filter(stock_rules::Column::SkuId.is_in(ids))
            .all(db)
            .await?;
        Ok(Self(rows.iter().map(read).collect()))
    }

    /// All of the merchant's rules; one query.
    pub async fn of_merchant<C: ConnectionTrait>(
        db: &C,
        merchant: MerchantId,
    ) -> Result<Self, DbErr> {
        let all = list_rules(db, merchant).await?;
        Ok(Self(all.into_iter().collect()))
    }

    /// With another rule, as if it were saved.
    #[must_use]
    pub fn with(mut self, scope: RuleScope, rule: Option<Rule>) -> Self {
        match rule {
            Some(rule) => drop(self.0.insert(scope, rule)),
            None => drop(self.0.remove(&scope)),
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any is about one SKU only.
    pub fn any_of_sku(&self) -> bool {
        self.0.keys().any(|scope| scope.sku.is_some())
    }

    /// What holds for a SKU on a channel.
    pub fn effective(&self, sku: SkuId, channel: &Channel) -> Rule {
        let of_sku = |channel| self.get(Some(sku), channel);
        of_sku(Some(channel.id))
            .over(of_sku(None))
            .over(self.of_channel(channel))
    }

    /// What holds for SKUs on a channel that have no rule of their own.
    pub fn of_channel(&self, channel: &Channel) -> Rule {
        let setting = Rule {
            buffer: Some(channel.settings.buffer).filter(|units| *units > 0),
            ..Rule::default()
        };
        setting
            .over(self.get(None, Some(channel.id)))
            .over(self.get(None, None))
    }

    fn get(&self, sku: Option<SkuId>, channel: Option<ChannelId>) -> Rule {
        let scope = RuleScope { sku, channel };
        self.0.get(&scope).copied().unwrap_or_default()
    }
}
