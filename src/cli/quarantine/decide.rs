//! Verifying refused deliveries again, taking them in, throwing them away.

use super::WhichArgs;
use crate::accounts::Deed;
use crate::cli::{
    context::{Context, Session},
    output::{or_dash, say, say_json},
};
use crate::inbox::{self, Decided, HELD, NotBelieved};
use anyhow::bail;
use entity::quarantine;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Requests that are verified, released or discarded by one command.
const MOST: u64 = 10_000;

/// Those that are meant, oldest first, so that they are taken in in the order in which they came.
async fn meant(session: &Session, which: &WhichArgs) -> anyhow::Result<Vec<quarantine::Model>> {
    if which.is_empty() {
        bail!("say which: by number, or with --channel, --of, --reason, --from or --to");
    }
    let mut filter = which.filter(session).await?;
    if which.ids.is_empty() {
        filter.state = Some(HELD.to_owned());
    }
    let mut rows = inbox::held(session.app.db.read(), session.merchant, &filter, MOST).await?;
    for id in &which.ids {
        if !rows.iter().any(|row| row.id == *id) {
            bail!(
                "there is no refused delivery {id} among these; `marketsink quarantine list` shows those there are"
            );
        }
    }
    rows.reverse();
    Ok(rows)
}

fn key_words(index: usize) -> String {
    match index {
        0 => "signed with the current key".to_owned(),
        1 => "signed with the key before".to_owned(),
        n => format!("signed with the key {n} before"),
    }
}

/// What was found of one request.
struct Found {
    id: i64,
    is_good: bool,
    words: String,
    json: Value,
}

impl Found {
    fn refused(id: i64, why: &NotBelieved) -> Self {
        let words = why.to_string();
        let json = json!({ "id": id, "result": why.code(), "why": words });
        Self {
            id,
            is_good: false,
            words,
            json,
        }
    }
}

fn say_found(context: &Context, found: &[Found], summary: &str) -> anyhow::Result<ExitCode> {
    if context.json {
        say_json(&found.iter().map(|one| &one.json).collect::<Vec<_>>())?;
    } else {
        for one in found {
            say(format!("request {}: {}", one.id, one.words));
        }
        say(summary);
    }
    Ok(if found.iter().all(|one| one.is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// # Errors
/// When nothing is said, or the database fails.
pub async fn verify(
    context: &Context,
    session: &Session,
    which: &WhichArgs,
) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    for row in meant(session, which).await? {
        let believed = session
            .app
            .inbox
            .verify_held(session.merchant, &row, session.now())
            .await;
        found.push(match believed {
            Ok(believed) => {
                let (index, verdict) = (believed.key_index(), believed.verdict());
                Found {
                    id: row.id,
                    is_good: true,
                    words: format!("verifies now, {}; it would be {verdict}", key_words(index)),
                    json: json!({
                        "id": row.id,
                        "result": "verifies",
                        "key_index": index,
                        "verdict": verdict,
                    }),
                }
            }
            Err(why) => Found::refused(row.id, &why),
        });
    }
    let n = found.iter().filter(|one| one.is_good).count();
    let summary = format!(
        "{n} of {} verify now; `marketsink quarantine release` takes those in",
        found.len()
    );
    say_found(context, &found, &summary)
}

/// # Errors
/// When nothing is said, or the database fails.
pub async fn release(
    context: &Context,
    session: &Session,
    which: &WhichArgs,
) -> anyhow::Result<ExitCode> {
    let decided = decided(context)?;
    let mut found = Vec::new();
    for row in meant(session, which).await? {
        found.push(release_one(session, &row, decided).await?);
    }
    session.app.queue.wake();
    let n = found.iter().filter(|one| one.is_good).count();
    let summary = format!(
        "{n} of {} were taken in; `marketsink serve` does what follows",
        found.len()
    );
    say_found(context, &found, &summary)
}

async fn release_one(
    session: &Session,
    row: &quarantine::Model,
    decided: Decided<'_>,
) -> anyhow::Result<Found> {
    let now = session.now();
    let verified = session
        .app
        .inbox
        .verify_held(session.merchant, row, now)
        .await;
    let believed = match verified {
        Ok(believed) => believed,
        Err(why) => return Ok(Found::refused(row.id, &why)),
    };
    let tx = session.app.db.write_tx().await?;
    let Some(released) = inbox::release_held(&tx, row.id, &believed, decided, now).await? else {
        let over = NotBelieved::Over("taken in or discarded".to_owned());
        return Ok(Found::refused(row.id, &over));
    };
    let after = json!({
        "state": "released",
        "delivery": released.delivery,
        "verdict": released.verdict,
    });
    let deed = Deed::new("quarantine.released", "refused_delivery", row.id);
    session.record(&tx, deed.to(after)).await?;
    tx.commit().await?;
    let delivery = or_dash(released.delivery);
    let words = if released.is_duplicate {
        format!("told the same as delivery {delivery}, which is known")
    } else {
        format!("is delivery {delivery} now, {}", released.verdict)
    };
    Ok(Found {
        id: row.id,
        is_good: true,
        words,
        json: json!({
            "id": row.id,
            "result": "released",
            "delivery": released.delivery,
            "duplicate": released.is_duplicate,
            "verdict": released.verdict,
        }),
    })
}

/// # Errors
/// When nothing is said, or the database fails.
pub async fn discard(
    context: &Context,
    session: &Session,
    which: &WhichArgs,
) -> anyhow::Result<ExitCode> {
    let decided = decided(context)?;
    let mut found = Vec::new();
    for row in meant(session, which).await? {
        let tx = session.app.db.write_tx().await?;
        if !inbox::discard_held(&tx, row.id, decided, session.now()).await? {
            let over = NotBelieved::Over(row.state.clone());
            found.push(Found::refused(row.id, &over));
            continue;
        }
        let after = json!({ "state": "discarded" });
        let deed = Deed::new("quarantine.discarded", "refused_delivery", row.id);
        session.record(&tx, deed.to(after)).await?;
        tx.commit().await?;
        found.push(Found {
            id: row.id,
            is_good: true,
            words: "was thrown away".to_owned(),
            json: json!({ "id": row.id, "result": "discarded" }),
        });
    }
    let n = found.iter().filter(|one| one.is_good).count();
    say_found(context, &found, &format!("{n} of {}", found.len()))
}

fn decided(context: &Context) -> anyhow::Result<Decided<'_>> {
    let Some(why) = context.why() else {
        bail!("say why with --why TEXT: it is kept with what was refused");
    };
    let by = context.by();
    Ok(Decided { by, why })
}
