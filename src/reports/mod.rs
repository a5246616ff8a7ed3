//! Questions that only read: the overview, scans, the views of the catalogue, drift, what was
//! sold and what the stock is worth, where an order is and why, and the whole state as text.
//!
//! Owns no table and writes none.

mod agreement;
pub mod drift;
pub mod export;
mod feed;
mod overview;
mod returns;
pub mod sales;
mod scans;
pub mod search;
mod state;
mod statements;
pub mod sync_log;
mod totals;
pub mod trace;
mod valuation;
pub mod views;

pub use agreement::{Agreement, agreement};
pub use feed::{FeedPosition, feed};
pub use overview::{ChannelRow, NoticeRow, Overview, SaleRow, overview};
pub use returns::{ReturnsBy, ReturnsReport, ReturnsRow, returned};
pub use scans::{LastScans, ScanView, last_scans};
pub use state::state_text;
pub use totals::{Totals, totals};
pub use valuation::{Place, ValuationQuery, ValuedLevel, Worth, valuation};
