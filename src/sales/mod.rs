//! Orders in the merchant's books: documents, payments, deliveries, and the stock they hold.
//!
//! Owns the tables `orders`, `order_lines`, `order_steps`, `returns`, `return_lines`, `conflicts`, `settlements`,
//! `number_series` and `number_settings`. `plan` decides, `record` writes: one
//! transaction per order, the same result whatever was heard, how often, in which order.

mod apportion;
mod compare;
mod conflicts;
mod edits;
mod expected;
mod held;
mod history;
mod image;
mod imported;
mod lines;
mod numbers;
mod plan;
mod queries;
mod record;
mod relinked;
mod resolve;
mod returning;
mod returns;
mod settlements;
mod steps;
mod told;
mod unpaid;
mod waiting;
mod worth;

pub use apportion::apportion;
pub use compare::{
    BookedOrder, Difference, Told, Unlike, booked_orders, booked_within, differences,
    nothing_to_book,
};
pub use conflicts::{
    Asked, Choice, Conflict, ConflictKind, close_gone, list_conflicts, one as one_conflict, raise,
    take,
};
pub use expected::{Shown, StepOutcome, Taken, outcomes};
pub use held::{mark_attention, record_return};
pub use image::{Change, LineImage, OrderImage, changes, order_image};
pub use imported::{booked_numbers, imported_id};
pub use lines::QUARANTINE;
pub use numbers::{
    BrokenSeries, DEFAULT_FORMAT, NumberError, NumberFormat, OutletNumbers, Reset, broken_series,
    numbers, outlet_code, set_code, set_format,
};
pub use plan::{Booked, BookedLine, Plan};
pub use queries::{
    KnownOrder, OrderFull, counts_by_channel, document_name, find_orders, fulfilment_name,
    ids_of_numbers, known_orders, latest_orders, order_full, orders_waiting_for, placed_at,
    standing_in_words, standing_named,
};
pub use record::{Recorded, Recording, record_order};
pub use relinked::question_links;
pub use resolve::{Decision, ResolveError, Resolved, decide_return, resolve};
pub use returns::{ReturnFull, list_returns};
pub use settlements::{
    Payout, PayoutQuery, Settled, currencies_of, expected_fee, payouts, record_settlements,
    unsettled,
};
pub use steps::Step;
pub use told::{sale, subject};
pub use waiting::{
    WaitingUnits, orders_waiting_for_codes, orders_waiting_for_products, waiting_units,
};
