//! The stock ledger, its levels, and telling other channels.
//!
//! Owns the tables `movements`, `levels` and `stock_pushes`. A level is the sum of its movements, always:
//! both are written in one transaction, and a movement that was written before changes nothing.
//!
//! ```text
//! available = on hand - allocated
//! sold:      allocated +n            sent:      on hand -n, allocated -n
//! called off: allocated -n           returned:  on hand +n
//! ```

mod fanout;
mod ledger;
mod opening;
mod pushes;

pub use fanout::{SoldOn, enqueue_pushes};
pub use ledger::{
    LevelView, Movement, MovementKind, append, levels, movements_of, set_on_hand, sums_differ,
};
pub use opening::{levels_of, open_levels};
pub use pushes::{PushResult, pushable, recent_pushes, record_push};
