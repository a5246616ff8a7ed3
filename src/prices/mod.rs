//! What channels are told of prices: the SKU's own, or what a rule makes of it.
//!
//! Owns the tables `price_rules` and `price_pushes`. Prices are told only to channels whose setting `push_prices` is on.
//! The nearest rule that yields a price holds, whole: of the SKU on the channel, of the SKU, of the channel, of
//! everything; without any the SKU's price is told as it is.

mod formula;
mod prune;
mod pushes;
mod rule;
mod rules;

pub use formula::price_sql;
pub use prune::prune_prices;
pub use pushes::{
    PricePush, PricePushFilter, enqueue_price_pushes, last_prices, price_pushes, record_price,
};
pub use rule::{PriceRule, RoundHow, Rounding, priced};
pub use rules::{
    PriceRuleError, PriceRules, PriceScope, check as check_price_rule, list_price_rules,
    remove_price_rule, set_price_rule,
};
