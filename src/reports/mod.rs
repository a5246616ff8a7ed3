//! Questions that only read: the overview, and the whole state as text.
//!
//! Owns no table and writes none.

mod overview;
mod state;

pub use overview::{ChannelRow, Overview, SaleRow, overview};
pub use state::state_text;
