//! Plans and scans in words.

use crate::cli::output::{or_dash, say};
use crate::domain::{ScanState, Timestamp};
use crate::reports::ScanView;
use crate::sync::{Plan, Range};

pub fn say_plan(plan: &Plan) {
    let of = plan.product.as_ref();
    let of = of.map_or_else(String::new, |product| format!(" of product {product}"));
    say(format!(
        "{} scan{of} of channel {}",
        plan.kind, plan.channel
    ));
    let products = plan
        .products
        .map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    say(format!(
        "  products: {products}; listings in the books: {}",
        plan.listings
    ));
    say(format!("  API calls: {}", range(plan.calls)));
    let (from, to) = (plan.seconds.from, plan.seconds.to);
    say(format!("  time: {} to {}", lasting(from), lasting(to)));
    say(format!(
        "  rate left: {} at once, then {} a second",
        plan.rate_left, plan.calls_per_second
    ));
    if plan.rest_seconds > 0 {
        let rest = lasting(plan.rest_seconds);
        say(format!(
            "  the marketplace wants to be left alone for {rest}"
        ));
    }
    for why in &plan.why {
        say(format!("  {why}"));
    }
    say(format!(
        "  last scan of this kind: {}",
        or_dash(plan.last_at)
    ));
    if let Some(scan) = plan.joins {
        say(format!("  it would join scan {scan}, which is on its way"));
    }
}

fn range(range: Range) -> String {
    if range.from == range.to {
        return range.from.to_string();
    }
    format!("{} to {}", range.from, range.to)
}

/// `40 s`, `12 min`, `3 h`.
fn lasting(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

pub fn say_scan(scan: &ScanView) {
    let took = scan
        .finished_at
        .map(|_| format!(" in {:.1} s", scan.seconds));
    say(format!(
        "scan {} ({}) of channel {}: {}{}",
        scan.id,
        scan.kind,
        scan.channel,
        scan.state,
        took.unwrap_or_default()
    ));
    say(format!(
        "{} listings on {} pages: {} added, {} changed, {} gone, {} linked to a SKU, {} that share a seller SKU, {} \
         unreadable; {} API calls",
        scan.listings,
        scan.pages,
        scan.added,
        scan.changed,
        scan.gone,
        scan.linked,
        scan.conflicts,
        scan.errors,
        scan.api_calls
    ));
    if scan.differences > 0 {
        let id = scan.id;
        say(format!(
            "`marketsink scans changes {id}` lists what differed"
        ));
    }
    if scan.emulated {
        say("the API has no filter for this kind of scan; every listing was walked and compared");
    }
    if let Some(error) = &scan.error {
        say(error);
    }
    if scan.resumable {
        let id = scan.id;
        say(format!(
            "`marketsink scans resume {id}` lets it go on where it was"
        ));
    }
}

/// Where a scan is, in a few words: how far, or when it ended.
pub fn when(scan: &ScanView) -> String {
    let secs = |at: Timestamp| Timestamp::from_secs(at.secs()).to_string();
    match (ScanState::parse(&scan.state), scan.finished_at) {
        (Some(ScanState::Waiting), _) => "waits for its turn".to_owned(),
        (Some(ScanState::Running | ScanState::Paused), _) => progress(scan),
        (_, Some(at)) => secs(at),
        (_, None) => secs(scan.started_at),
    }
}

/// `page 3, 120 listings, 45 %, ends about 2026-11-23T02:20:00Z`
pub fn progress(scan: &ScanView) -> String {
    let progress = &scan.progress;
    let mut told = format!("page {}, {} listings", progress.pages, progress.listings);
    if let Some(percent) = progress.percent {
        let share = format!(", {percent:.0} %");
        told.push_str(&share);
    }
    if let Some((soonest, latest)) = progress.seconds_left {
        let left = format!(", {} to {} left", lasting(soonest), lasting(latest));
        told.push_str(&left);
    }
    told
}
