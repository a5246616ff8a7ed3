//! Questions that only read: the overview, scans, the views of the catalogue, drift, and the whole state as text.
//!
//! Owns no table and writes none.

pub mod drift;
mod feed;
mod overview;
mod scans;
mod state;
mod statements;
mod totals;
pub mod views;

pub use feed::{FeedPosition, feed};
pub use overview::{ChannelRow, NoticeRow, Overview, SaleRow, overview};
pub use scans::{LastScans, ScanView, last_scans};
pub use state::state_text;
pub use totals::{Totals, totals};
