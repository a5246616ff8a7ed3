//! What a channel is told of a SKU, as an SQL expression: to compare a whole catalogue in one statement.
//!
//! The same as `available` and `rule` say, which a test holds it to. Written out as text, because it nests what the
//! query builder cannot; only our own numbers go into it.

use super::rules::Rules;
use crate::channels::Channel;
use crate::domain::Timestamp;

/// What is available to `channel` of the SKU that the expression `sku` names; null where it, or a component of it, was
/// never counted at the channel's outlets.
///
/// `with_bundles`: whether the merchant has any; without, the expression is that much shorter.
pub fn available_sql(channel: &Channel, sku: &str, with_bundles: bool, now: Timestamp) -> String {
    let own = counted(channel, sku, now);
    if !with_bundles {
        return own;
    }
    let part = counted(channel, "bp.component_id", now);
    format!(
        "(case when exists (select 1 from bundle_parts bp where bp.bundle_id = {sku}) then \
         (select case when count(*) = count(p.units) then min(p.units) end from \
         (select case when {part} < 0 then -1 else {part} / bp.units end as units \
         from bundle_parts bp where bp.bundle_id = {sku}) p) else {own} end)"
    )
}

/// Over the channel's outlets, less what is held softly.
fn counted(channel: &Channel, sku: &str, now: Timestamp) -> String {
    let outlets: Vec<String> = channel
        .outlets()
        .iter()
        .map(|outlet| outlet.0.to_string())
        .collect();
    let (outlets, now) = (outlets.join(", "), now.micros());
    format!(
        "(select cast(sum(l.on_hand - l.allocated - l.reserved) as bigint) - coalesce((select \
         cast(sum(s.units) as bigint) from soft_holds s where s.sku_id = {sku} and s.outlet_id in ({outlets}) \
         and s.expires_at > {now}), 0) from levels l where l.sku_id = {sku} and l.outlet_id in ({outlets}))"
    )
}

/// What `channel` is told of the SKU that the expression `sku` names; null where that is unknown. `rules` are all of
/// the merchant's, so that nothing is asked of rules that there are none of.
pub fn pushable_sql(
    channel: &Channel,
    sku: &str,
    rules: &Rules,
    with_bundles: bool,
    now: Timestamp,
) -> String {
    let available = available_sql(channel, sku, with_bundles, now);
    let general = rules.of_channel(channel);
    let field = |name: &str, general: Option<i64>, usual: i64| {
        let general = general.unwrap_or(usual);
        if rules.any_of_sku() {
            of_sku(channel, sku, name, general)
        } else {
            general.to_string()
        }
    };
    let buffer = field("buffer", general.buffer, 0);
    let kept = kept_back(channel, sku, rules, &buffer);
    let percentage = field("percentage", general.percentage, 100);
    let minimum = field("minimum", general.minimum, 0);
    let maximum = field("maximum", general.maximum, i64::MAX);
    let left = format!(
        "(select case when a.units < {kept} then 0 else a.units - {kept} end as units from (select {available} as units) a)"
    );
    let share = format!(
        "(select b.units / 100 * {percentage} + b.units % 100 * {percentage} / 100 as units from {left} b)"
    );
    let floor = format!(
        "(select case when c.units < {minimum} then 0 else c.units end as units from {share} c)"
    );
    format!("(select case when d.units > {maximum} then {maximum} else d.units end from {floor} d)")
}

/// A field of the nearest rule of the SKU that says it, else the general one.
fn of_sku(channel: &Channel, sku: &str, name: &str, general: i64) -> String {
    let merchant = channel.merchant;
    let rule = |of_channel: i64| {
        format!(
            "(select r.{name} from stock_rules r where r.merchant_id = {merchant} and r.sku_id = {sku} \
             and r.channel_id = {of_channel})"
        )
    };
    format!("coalesce({}, {}, {general})", rule(channel.id.0), rule(0))
}

/// The buffer, or the last units of another channel, whichever is more.
fn kept_back(channel: &Channel, sku: &str, rules: &Rules, buffer: &str) -> String {
    let general = rules.of_channel(channel).last;
    let general = match general {
        Some((units, only)) if only != channel.id => units,
        _ => 0,
    };
    let last = if rules.any_of_sku() {
        let (merchant, id) = (channel.merchant, channel.id);
        format!(
            "coalesce((select case when r.last_channel_id = {id} then 0 else r.last_units end from stock_rules r \
             where r.merchant_id = {merchant} and r.sku_id = {sku} and r.channel_id = 0), {general})"
        )
    } else {
        general.to_string()
    };
    if last == "0" {
        return buffer.to_owned();
    }
    format!("(case when {buffer} > {last} then {buffer} else {last} end)")
}
