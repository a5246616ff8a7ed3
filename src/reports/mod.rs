//! Questions that only read: the overview, and the whole state as text.
//!
//! Owns no table and writes none.

mod feed;
mod overview;
mod state;
mod totals;

pub use feed::{FeedPosition, feed};
pub use overview::{ChannelRow, Overview, SaleRow, overview};
pub use state::state_text;
pub use totals::{Totals, totals};
