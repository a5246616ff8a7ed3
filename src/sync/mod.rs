//! The only caller of marketplace clients: orders, scans, downloads, pushes, tokens, connecting.
//!
//! Owns the tables `scans`, `scan_pages`, `downloads`, `cursors`, `completeness` and `completeness_orders`. Every function reads the present, makes
//! its calls outside any transaction, and writes what it learned in one; run twice, it does no harm.

mod access;
mod authorization;
mod carried;
mod completeness;
mod connect;
mod consent;
mod cursors;
mod download;
mod error;
mod examine;
mod lookback;
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
pub use completeness::{
    CompletenessPlan, CompletenessReport, Finding, FindingKind, Proof, Tally, amount, amounts,
    completeness_orders, completeness_reports, sentence,
};
pub use connect::{Connect, Connected, Connection, Unconnected};
pub use consent::{AskConsent, ConsentError, ConsentLink, consent_callback};
pub use cursors::{Stream, cursor};
pub use download::{Preview, Previewed, Seen};
pub use error::SyncError;
pub use examine::{Answers, Clocks, Examination};
pub use lookback::Lookback;
pub use pace::Lane;
pub use queries::{downloads, last_scans, order_sources, scan, scans, untold_orders};
pub use scan::ScanRequest;
pub use upkeep::{Disconnected, RotatedSecret};

use tokens::STORING;
