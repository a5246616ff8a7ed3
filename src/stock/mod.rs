//! The stock ledger, its levels, what channels may sell of them, and telling them.
//!
//! Owns the tables `movements`, `levels`, `oversells`, `soft_holds`, `stock_rules`, `stock_pushes`, `stock_compares` and
//! `stock_drifts`. A level is the sum of its movements, always: both are written in one transaction, and a movement that
//! was written before changes nothing.
//!
//! ```text
//! available = on hand - allocated - reserved for promotions
//! sold:      allocated +n            sent:      on hand -n, allocated -n
//! called off: allocated -n           returned:  on hand +n
//! set apart: reserved +n             moved:     on hand -n here, +n there
//! ```
//!
//! A channel sells from one outlet or several ([`hold`] decides from which), a bundle is counted as its components, and
//! what is missing is an [`Oversell`], not a zero.

mod available;
mod choose;
mod compares;
mod deeds;
mod fanout;
mod formula;
mod history;
mod hold;
mod ledger;
mod opening;
mod oversold;
mod prune;
mod pushes;
mod rule;
mod rules;
mod soft;
mod told;

pub use available::{Pushable, available, pushable, pushable_by};
pub use choose::{Held, Part, Units, choose};
pub use compares::{Compare, Drifted, compares, drifts, last_compared, record_compare};
pub use deeds::{DeedError, adjust, reserve, transfer};
pub use fanout::{SoldOn, enqueue_listings, enqueue_pushes, enqueue_scope};
pub use formula::{available_sql, pushable_sql};
pub use history::{Moved, MovedFilter, history, moved_since};
pub use hold::{Aside, Holding, LineChange, held_by_line, hold};
pub use ledger::{
    LevelView, Movement, MovementKind, append, append_untold, levels, movements_of, set_on_hand,
    sums_differ,
};
pub use opening::{levels_of, open_levels};
pub use oversold::{Oversell, oversells};
pub use prune::{prune_compares, prune_drifts, prune_pushes};
pub use pushes::{PushFilter, PushResult, failed_since, pushes, pushes_between, record_push};
pub use rule::{MOST_UNITS, Rule, quantity};
pub use rules::{
    RuleError, RuleScope, Rules, check as check_rule, list_rules, remove_rule, set_rule,
};
pub use soft::{
    SOFT_HOLD_LIFE, UnpaidOrder, expire_soft_holds, hold_softly, release_softly, softly_held,
};
pub use told::changes;
