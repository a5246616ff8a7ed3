//! How many units a channel may sell, and how many it is told.
//!
//! ```text
//! available on a channel = over its outlets: on hand - allocated - reserved for promotions, less soft holds
//!             of a bundle = the least of its components' available / units
//! told                    = what the rule leaves of it
//! ```

use super::{
    choose::Part,
    hold::{levels_at, parts_of},
    rule::{self, Rule},
    rules::Rules,
    soft::softly_held,
};
use crate::channels::Channel;
use crate::domain::{SkuId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::{BTreeSet, HashMap};

/// What a channel may show of a SKU, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushable {
    pub quantity: i64,
    /// Over the channel's outlets, before the rule; negative: oversold.
    pub available: i64,
    pub rule: Rule,
}

impl Pushable {
    /// `10 available: 2 kept back, 50 %`.
    pub fn because(&self, channel: &Channel) -> String {
        match self.rule.in_words(channel.id) {
            words if words.is_empty() => format!("{} available", self.available),
            words => format!("{} available: {words}", self.available),
        }
    }
}

/// What is available to a channel of each SKU. One that was never counted at any of its outlets has none, and neither
/// has a bundle with such a component. Three queries.
pub async fn available<C: ConnectionTrait>(
    db: &C,
    channel: &Channel,
    skus: &[SkuId],
    now: Timestamp,
) -> Result<HashMap<SkuId, i64>, DbErr> {
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let parts = parts_of(db, channel.merchant, skus).await?;
    let counted: BTreeSet<i64> = parts.values().flatten().map(|part| part.sku.0).collect();
    let outlets = channel.outlets();
    let levels = levels_at(&outlets, counted.iter().copied()).all(db).await?;
    let soft = softly_held(db, &outlets, counted, now).await?;
    let mut left: HashMap<SkuId, i64> = HashMap::new();
    for level in levels {
        let sku = SkuId(level.sku_id);
        let units = left
            .entry(sku)
            .or_insert_with(|| -soft.get(&sku).copied().unwrap_or(0));
        *units += level.on_hand - level.allocated - level.reserved;
    }
    let of_sku = |sku: &SkuId| Some((*sku, whole(&parts[sku], &left)?));
    Ok(skus.iter().filter_map(of_sku).collect())
}

/// How many can be made of these parts; `None` when one of them was never counted.
fn whole(parts: &[Part], left: &HashMap<SkuId, i64>) -> Option<i64> {
    let of_part = |part: &Part| Some(left.get(&part.sku)?.div_euclid(part.units.max(1)));
    let each: Option<Vec<i64>> = parts.iter().map(of_part).collect();
    each?.into_iter().min()
}

/// The quantity that may be pushed for each SKU now. Four queries.
pub async fn pushable<C: ConnectionTrait>(
    db: &C,
    channel: &Channel,
    skus: &[SkuId],
    now: Timestamp,
) -> Result<HashMap<SkuId, Pushable>, DbErr> {
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let rules = Rules::of_skus(db, channel.merchant, skus).await?;
    pushable_by(db, channel, skus, &rules, now).await
}

/// The same by these rules, whatever is saved. Three queries.
pub async fn pushable_by<C: ConnectionTrait>(
    db: &C,
    channel: &Channel,
    skus: &[SkuId],
    rules: &Rules,
    now: Timestamp,
) -> Result<HashMap<SkuId, Pushable>, DbErr> {
    let available = available(db, channel, skus, now).await?;
    let told = |(sku, available): (SkuId, i64)| {
        let rule = rules.effective(sku, channel);
        let quantity = rule::quantity(&rule, available, channel.id);
        let pushable = Pushable {
            quantity,
            available,
            rule,
        };
        (sku, pushable)
    };
    Ok(available.into_iter().map(told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_as_many_as_its_scarcest_component_makes() {
        let part = |sku, units| Part {
            sku: SkuId(sku),
            units,
        };
        let left = HashMap::from([(SkuId(1), 10), (SkuId(2), 7), (SkuId(3), -1)]);

        assert_eq!(whole(&[part(1, 1), part(2, 2)], &left), Some(3));
        assert_eq!(whole(&[part(1, 1), part(3, 2)], &left), Some(-1));
        assert_eq!(whole(&[part(1, 1), part(4, 1)], &left), None);
    }
}
