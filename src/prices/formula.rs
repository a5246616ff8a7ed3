//! What a channel is told of a price, as an SQL expression: to compare a whole catalogue in one statement.
//!
//! The same as `rule` says, which a test holds it to. Only our own numbers go into it.

use super::{
    rule::{PriceRule, RoundHow},
    rules::PriceRules,
};
use crate::channels::Channel;

/// The price in minor units on `channel` of the SKU whose row is `skus`; null where there is none. `rules` are all of
/// the merchant's, so that nothing is asked of rules that there are none of.
pub fn price_sql(channel: &Channel, rules: &PriceRules) -> String {
    let mut all = Vec::new();
    if rules.any_of_sku() {
        all.extend([of_sku(channel, channel.id.0), of_sku(channel, 0)]);
    }
    all.extend(rules.of_channel(channel.id).iter().map(constant));
    match &all[..] {
        [one] => one.clone(),
        all => format!("coalesce({})", all.join(", ")),
    }
}

/// By the rule of the SKU, on this channel or on all (0).
fn of_sku(channel: &Channel, of_channel: i64) -> String {
    let merchant = channel.merchant;
    let rounded = rounded(
        &adjusted("coalesce(r.adjust_bp, 0)"),
        "coalesce(r.round_to_minor, 1)",
        "case r.round_how when 'up' then r.round_to_minor - 1 when 'nearest' then r.round_to_minor / 2 else 0 end",
        "coalesce(r.ending_minor, 0)",
    );
    format!(
        "(select case when r.fixed_minor is not null then r.fixed_minor else {rounded} end from price_rules r \
         where r.merchant_id = {merchant} and r.sku_id = skus.id and r.channel_id = {of_channel})"
    )
}

fn constant(rule: &PriceRule) -> String {
    let price = adjusted(&rule.adjust_bp.to_string());
    let Some(rounding) = rule.rounding else {
        return rounded(&price, "1", "0", "0");
    };
    let offset = match rounding.how {
        RoundHow::Up => rounding.to_minor - 1,
        RoundHow::Nearest => rounding.to_minor / 2,
        RoundHow::Down => 0,
    };
    let [to, offset, ending] =
        [rounding.to_minor, offset, rounding.ending_minor].map(|n| n.to_string());
    rounded(&price, &to, &offset, &ending)
}

fn adjusted(bp: &str) -> String {
    format!("((skus.price_minor * (10000 + {bp}) + 5000) / 10000)")
}

/// Nothing where nothing is left of the price.
fn rounded(price: &str, to: &str, offset: &str, ending: &str) -> String {
    let rounded = format!("(({price} + {ending} + ({offset})) / {to} * {to} - {ending})");
    format!("(case when {rounded} > 0 then {rounded} end)")
}
