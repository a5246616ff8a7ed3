//! The only caller of marketplace clients: orders, scans, downloads, pushes, tokens, connecting.
//!
//! Owns the tables `scans`, `scan_pages`, `scan_changes`, `notices`, `downloads` and `cursors`. Every function reads the present, makes
//! its calls outside any transaction, and writes what it learned in one; run twice, it does no harm.

mod access;
mod authorization;
mod carried;
mod connect;
mod consent;
mod cursors;
mod download;
mod error;
mod examine;
mod missed;
mod orders;
mod pace;
mod position;
mod products;
mod push;
mod queries;
mod renewals;
mod scan;
mod tokens;
mod upkeep;

pub use access::{Api, Apis, Sync, SyncOptions};
pub use connect::{Connect, Connected, Connection, Unconnected};
pub use consent::{AskConsent, ConsentError, ConsentLink, consent_callback};
pub use cursors::{Stream, cursor};
pub use error::SyncError;
pub use examine::{Answers, Clocks, Examination};
pub use pace::Lane;
pub use queries::{downloads, last_scans, open_scans, order_sources, scan, scans, scans_of};
pub use scan::{
    ControlError, MOST_CHANGES, Plan, Progress, Range, Requested, ScanRequest, ScanWish, Subject,
    WishError, notices, read_notices, scan_changes,
};
pub use upkeep::{Disconnected, RotatedSecret};

use tokens::STORING;
