//! The rules of prices, in the database.

use super::rule::{PriceRule, RoundHow, Rounding, WHOLE_BP, priced};
use crate::db::Tx;
use crate::domain::{ChannelId, Currency, MerchantId, Money, SkuId, Timestamp};
use entity::price_rules;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use std::collections::HashMap;
use thiserror::Error;

/// What `channel_id` and `sku_id` say when a rule is for all of them.
const ANY: i64 = 0;
const LIST_LIMIT: u64 = 100_000;
/// Ten times the SKU's price and a half: more is a slip of the pen.
const MOST_BP: i64 = 100 * WHOLE_BP;

/// What a rule is about; `None`: all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PriceScope {
    pub sku: Option<SkuId>,
    pub channel: Option<ChannelId>,
}

#[derive(Debug, Error)]
pub enum PriceRuleError {
    #[error("a rule must say something: a percentage, a rounding or a fixed price")]
    Empty,
    #[error("a fixed price is above 0 and is given for one SKU")]
    Fixed,
    #[error("a fixed price takes no percentage and no rounding")]
    FixedAndMore,
    #[error("a percentage is above -100 and at most 10000")]
    Percentage,
    #[error("a rounding is to 1 minor unit or more, and its ending is less than that")]
    Rounding,
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// # Errors
/// What about the rule makes no sense.
pub fn check(scope: PriceScope, rule: &PriceRule) -> Result<(), PriceRuleError> {
    if *rule == PriceRule::default() {
        return Err(PriceRuleError::Empty);
    }
    if let Some(fixed) = rule.fixed {
        if fixed.minor <= 0 || scope.sku.is_none() {
            return Err(PriceRuleError::Fixed);
        }
        if rule.adjust_bp != 0 || rule.rounding.is_some() {
            return Err(PriceRuleError::FixedAndMore);
        }
    }
    if rule.adjust_bp <= -WHOLE_BP || rule.adjust_bp > MOST_BP {
        return Err(PriceRuleError::Percentage);
    }
    match rule.rounding {
        Some(one) if one.to_minor < 1 || !(0..one.to_minor).contains(&one.ending_minor) => {
            Err(PriceRuleError::Rounding)
        }
        _ => Ok(()),
    }
}

/// Writes a rule over the one of the same scope.
///
/// # Errors
/// What about the rule makes no sense.
pub async fn set_price_rule(
    tx: &Tx,
    merchant: MerchantId,
    scope: PriceScope,
    rule: &PriceRule,
    now: Timestamp,
) -> Result<(), PriceRuleError> {
    check(scope, rule)?;
    let rounding = rule.rounding;
    let row = price_rules::ActiveModel {
        merchant_id: Set(merchant.0),
        channel_id: Set(scope.channel.map_or(ANY, |channel| channel.0)),
        sku_id: Set(scope.sku.map_or(ANY, |sku| sku.0)),
        fixed_minor: Set(rule.fixed.map(|price| price.minor)),
        currency: Set(rule.fixed.map(|price| price.currency.code().to_owned())),
        adjust_bp: Set(Some(rule.adjust_bp)),
        round_to_minor: Set(rounding.map(|one| one.to_minor)),
        round_how: Set(rounding.map(|one| one.how.as_str().to_owned())),
        ending_minor: Set(rounding.map(|one| one.ending_minor)),
        updated_at: Set(now.micros()),
        ..Default::default()
    };
    let mut over = OnConflict::columns([
        price_rules::Column::MerchantId,
        price_rules::Column::SkuId,
        price_rules::Column::ChannelId,
    ]);
    over.update_columns([
        price_rules::Column::FixedMinor,
        price_rules::Column::Currency,
        price_rules::Column::AdjustBp,
        price_rules::Column::RoundToMinor,
        price_rules::Column::RoundHow,
        price_rules::Column::EndingMinor,
        price_rules::Column::UpdatedAt,
    ]);
    price_rules::Entity::insert(row)
        .on_conflict(over)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Takes a rule away. False when there was none.
pub async fn remove_price_rule(
    tx: &Tx,
    merchant: MerchantId,
    scope: PriceScope,
) -> Result<bool, DbErr> {
    let removed = price_rules::Entity::delete_many()
        .filter(price_rules::Column::MerchantId.eq(merchant.0))
        .filter(price_rules::Column::ChannelId.eq(scope.channel.map_or(ANY, |channel| channel.0)))
        .filter(price_rules::Column::SkuId.eq(scope.sku.map_or(ANY, |sku| sku.0)))
        .exec(tx)
        .await?;
    Ok(removed.rows_affected > 0)
}

/// The merchant's rules, general ones first.
pub async fn list_price_rules<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
) -> Result<Vec<(PriceScope, PriceRule)>, DbErr> {
    let rows = price_rules::Entity::of_merchant(merchant.0)
        .order_by_asc(price_rules::Column::SkuId)
        .order_by_asc(price_rules::Column::ChannelId)
        .limit(LIST_LIMIT)
        .all(db)
        .await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &price_rules::Model) -> (PriceScope, PriceRule) {
    let scope = PriceScope {
        sku: Some(SkuId(row.sku_id)).filter(|sku| sku.0 != ANY),
        channel: Some(ChannelId(row.channel_id)).filter(|channel| channel.0 != ANY),
    };
    let currency = row
        .currency
        .as_deref()
        .and_then(|code| Currency::from_code(code).ok());
    let how = row.round_how.as_deref().and_then(RoundHow::parse);
    let rule = PriceRule {
        fixed: row
            .fixed_minor
            .zip(currency)
            .map(|(minor, currency)| Money { minor, currency }),
        adjust_bp: row.adjust_bp.unwrap_or(0),
        rounding: row.round_to_minor.zip(how).map(|(to_minor, how)| Rounding {
            to_minor,
            how,
            ending_minor: row.ending_minor.unwrap_or(0),
        }),
    };
    (scope, rule)
}

/// Rules by what they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceRules(HashMap<PriceScope, PriceRule>);

impl PriceRules {
    /// All of the merchant's rules; one query.
    pub async fn of_merchant<C: ConnectionTrait>(
        db: &C,
        merchant: MerchantId,
    ) -> Result<Self, DbErr> {
        let all = list_price_rules(db, merchant).await?;
        Ok(Self(all.into_iter().collect()))
    }

    /// With another rule, as if it were saved.
    #[must_use]
    pub fn with(mut self, scope: PriceScope, rule: PriceRule) -> Self {
        self.0.insert(scope, rule);
        self
    }

    pub fn any_of_sku(&self) -> bool {
        self.0.keys().any(|scope| scope.sku.is_some())
    }

    /// The price of a SKU on a channel, and the rule that made it.
    pub fn price(
        &self,
        sku: SkuId,
        channel: ChannelId,
        base: Option<Money>,
    ) -> Option<(Money, PriceRule)> {
        let near = [
            (Some(sku), Some(channel)),
            (Some(sku), None),
            (None, Some(channel)),
            (None, None),
        ];
        let rules = near
            .into_iter()
            .filter_map(|(sku, channel)| self.0.get(&PriceScope { sku, channel }).copied());
        rules
            .chain([PriceRule::default()])
            .find_map(|rule| Some((priced(&rule, base)?, rule)))
    }

    /// The rules that hold on a channel for SKUs without their own, nearest first.
    pub(super) fn of_channel(&self, channel: ChannelId) -> Vec<PriceRule> {
        let near = [Some(channel), None];
        let rules = near
            .into_iter()
            .filter_map(|channel| self.0.get(&PriceScope { sku: None, channel }).copied());
        rules.chain([PriceRule::default()]).collect()
    }
}
