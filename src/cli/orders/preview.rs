//! `orders download --preview`: what a download would find; nothing is written.

use super::download::nothing_to_download;
use crate::channels::Channel;
use crate::cli::{
    context::Context,
    output::{Table, dash, money, or_dash, say, say_json},
};
use crate::sync::{Preview, Seen};
use serde_json::{Value, json};
use std::time::Duration;

/// Orders that are told one by one, the same ones left out, before the rest is only counted.
const MOST: usize = 200;

/// The parts of each channel's preview; `None` where it has no list of orders.
pub type Previews = (Channel, Option<Vec<Preview>>);

/// # Errors
/// When the answer is not JSON.
pub fn say_all(context: &Context, all: &[Previews]) -> anyhow::Result<()> {
    if context.json {
        return match all {
            [one] => say_json(&channel_json(one)),
            all => {
                say_json(&json!({ "channels": all.iter().map(channel_json).collect::<Vec<_>>() }))
            }
        };
    }
    for (connection, previews) in all {
        if all.len() > 1 {
            say(format!(
                "channel {} ({})",
                connection.id,
                connection.marketplace.name()
            ));
        }
        match previews {
            None => say(nothing_to_download(connection)),
            Some(previews) => previews.iter().for_each(say_preview),
        }
    }
    if all.iter().any(|(_, previews)| previews.is_some()) {
        say("nothing was written; without --preview what is new or different is fetched");
    }
    Ok(())
}

fn channel_json((connection, previews): &Previews) -> Value {
    let Some(previews) = previews else {
        return json!({ "note": nothing_to_download(connection) });
    };
    let parts: Vec<_> = previews
        .iter()
        .map(|one| json!({ "preview": one, "left_off": one.n_left_off() }))
        .collect();
    json!({ "channel": connection.id, "parts": parts })
}

/// How orders of a status are found.
pub fn picked(statuses: &[String]) -> String {
    format!(
        "only those that are {}; the API is not asked by status: they are picked from its whole list",
        statuses.join(" or ")
    )
}

fn say_preview(preview: &Preview) {
    if let Some(window) = preview.window {
        let what = if preview.by_creation {
            "placed"
        } else {
            "changed"
        };
        say(format!("orders {what} {window}{}", reach(preview.lookback)));
    }
    if preview.emulated {
        say(
            "the API has no filter by the time when orders were placed: everything that changed since was listed instead",
        );
    }
    if !preview.statuses.is_empty() {
        say(picked(&preview.statuses));
    }
    let counts = preview
        .counts
        .iter()
        .map(|(seen, n)| format!("{n} {}", words(*seen)));
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() {
        "no orders".to_owned()
    } else {
        counts.join(", ")
    };
    say(format!("{counts}; {} API calls", preview.api_calls));
    let told = preview
        .orders
        .iter()
        .filter(|order| order.result != Seen::Same);
    let mut table = Table::new(&["number", "result", "total", "placed", "why"]);
    let mut n_told = 0;
    for order in told {
        n_told += 1;
        if n_told > MOST {
            continue;
        }
        let total = order.total;
        table.row([
            order.number.clone(),
            words(order.result).to_owned(),
            total.map_or_else(dash, |total| money(total.minor, total.currency.code())),
            or_dash(order.placed_at),
            order.reasons.join("; "),
        ]);
    }
    table.say("the books lack nothing");
    if n_told > MOST || preview.n_left_off() > 0 {
        say("there are more; --json tells more of them");
    }
}

fn words(seen: Seen) -> &'static str {
    match seen {
        Seen::New => "new",
        Seen::Different => "different",
        Seen::Same => "same",
        Seen::NothingToBook => "nothing to book",
        Seen::NotFound => "not found",
        Seen::Unreadable => "unreadable",
    }
}

/// How far the window reaches before the end of the last download.
fn reach(lookback: Option<Duration>) -> String {
    lookback.map_or_else(String::new, |span| {
        format!(", {} minutes of them once more", span.as_secs() / 60)
    })
}
