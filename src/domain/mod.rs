//! The merchant's world as plain types and decisions.
//!
//! No async, no I/O, no database, no clock: everything here can be tested by calling it.

pub mod cause;
pub mod day;
pub mod event;
pub mod fees;
pub mod handling;
pub mod ids;
pub mod job;
pub mod money;
pub mod order;
pub mod personal;
pub mod product;
pub mod retry;
pub mod returns;
pub mod scan;
pub mod time;
pub mod work;

pub use cause::Cause;
pub use day::Day;
pub use event::{Event, EventKind};
pub use fees::{Fee, ServiceFee, Settlement};
pub use handling::{CANCELLED, Handling, ReturnPolicy};
pub use ids::{
    ChannelId, ConflictId, DeliveryId, EndpointId, EventId, HappeningId, JobId, ListingId,
    MerchantId, OrderId, OutletId, RemoteId, ReplayId, ReturnId, ScanId, SkuId,
};
pub use job::{JobKind, Source};
pub use money::{Currency, Money, MoneyError};
pub use order::{Document, Fulfilment, Order, OrderLine, Standing};
pub use product::{Product, ProductState, Variant};
pub use retry::{Retry, backoff};
pub use returns::{Goods, Return, ReturnLine, ReturnState};
pub use scan::{ScanKind, ScanMethod, ScanState};
pub use time::{Timestamp, Window};
pub use work::{Days, Download, StatusWish, Work};
