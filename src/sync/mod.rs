//! The only caller of marketplace clients: orders, scans, downloads, pushes, tokens, connecting.
//!
//! Owns the tables `scans`, `scan_pages`, `scan_changes`, `notices`, `downloads`, `cursors`, `completeness`,
//! `completeness_orders`, `delivery_watches`, `delivery_rhythm`, `silences`, `alarms`, `webhook_misses`, `readings`,
//! `replays` and `replay_items`. Every
//! function reads the present, makes its calls outside any transaction, and writes what it learned in one; run twice,
//! it does no harm.

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
mod held;
mod linking;
mod lookback;
mod mend;
mod missed;
mod orders;
mod pace;
mod position;
mod products;
mod prune;
mod push;
mod push_again;
mod push_price;
mod queries;
mod readback;
mod readings;
mod renewals;
mod replay;
mod returns;
mod scan;
mod settlements;
mod silence;
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
pub use download::{Preview, Previewed, STATUS_WORDS, Seen};
pub use error::SyncError;
pub use examine::{Answers, Clocks, Examination};
pub use linking::{
    Creating, MadeSku, MadeSkus, Relinked, create_sku_named, create_skus_of,
    create_skus_of_channel, link, unlink,
};
pub use lookback::Lookback;
pub use mend::{Mend, Mended, Told, could_have};
pub use pace::Lane;
pub use prune::{
    prune_alarms, prune_completeness, prune_downloads, prune_misses, prune_notices, prune_readings,
    prune_replay_items, prune_replays, prune_scan_changes, prune_scan_pages, prune_scans,
    prune_silences,
};
pub use queries::{
    downloads, last_scans, open_scans, order_sources, scan, scans, scans_of, untold_orders,
};
pub use readings::{Came, newest_shown, readings};
pub use replay::{
    Foreseen, GREATEST_MOST, GREATEST_RATE, Planned, ReplayOutcome, ReplayPlan, ReplaySelection,
    ReplayState, ReplayWish, USUAL_MOST, USUAL_RATE, cancel_replay, open_replay, replay,
    replay_counts, replay_items, replays, replays_of,
};
pub use scan::{
    ControlError, MOST_CHANGES, Plan, Progress, Range, Requested, ScanRequest, ScanWish, Subject,
    WishError, notices, read_notices, scan_changes,
};
pub use silence::{
    FEWEST_DELIVERIES, Learned, MissedOfDay, SHORTEST_HISTORY, UNUSUAL, alarms, learned,
    open_silence, webhook_misses,
};
pub use upkeep::{Disconnected, RotatedSecret};

use tokens::STORING;
