//! Questions that only read: the overview, scans, and the whole state as text.
//!
//! Owns no table and writes none.

mod feed;
mod overview;
mod scans;
mod state;
mod totals;

pub use feed::{FeedPosition, feed};
pub use overview::{ChannelRow, NoticeRow, Overview, SaleRow, overview};
pub use scans::{LastScans, ScanView, last_scans};
pub use state::state_text;
pub use totals::{Totals, totals};
