//! What schedules promise: expressions over changes of clocks, the tick, and one fire whoever asks.

mod clocks;
mod expressions;
mod firing;
mod policies;
mod racing;
mod tables;
mod ticking;

use chrono_tz::Tz;
use marketsink::{domain::Timestamp, schedule::Expression};

fn expression(text: &str) -> Expression {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `2026-11-23T10:00:00Z`.
fn utc(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time in UTC")
}

/// The next fires after `from`, as clocks in `zone` show them, with their offset.
fn fires(text: &str, zone: Tz, from: &str, n: usize) -> Vec<String> {
    let expression = expression(text);
    let mut at = utc(from);
    let mut seen = Vec::new();
    for _ in 0..n {
        at = expression.next_after(at, zone).expect("it fires again");
        let local = at.to_utc().with_timezone(&zone);
        seen.push(local.format("%m-%d %H:%M %:z").to_string());
    }
    seen
}
