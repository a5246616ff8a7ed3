//! `orders download --preview`: what a download would find; nothing is written.

use crate::channels::Channel;
use crate::cli::{
    context::{Context, Session},
    output::{Table, dash, money, or_dash, say, say_json},
};
use crate::domain::Download;
use crate::sync::{Preview, Seen};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// Orders that are told one by one, the same ones left out, before the rest is only counted.
const MOST: usize = 200;

pub async fn run(
    context: &Context,
    session: Session,
    connection: &Channel,
    asked: &[Download],
) -> anyhow::Result<ExitCode> {
    let mut previews = Vec::new();
    for what in asked {
        previews.push(session.app.sync.preview_orders(connection.id, what).await?);
    }
    session.close().await?;
    if context.json {
        let parts: Vec<_> = previews
            .iter()
            .map(|one| json!({ "preview": one, "left_off": one.n_left_off() }))
            .collect();
        say_json(&json!({ "channel": connection.id, "parts": parts }))?;
    } else {
        for preview in &previews {
            say_preview(preview);
        }
        say("nothing was written; without --preview what is new or different is fetched");
    }
    Ok(ExitCode::SUCCESS)
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
