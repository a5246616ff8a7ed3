//! Adding endpoints, trying them, and changing what they are told.

use super::{
    super::{
        context::Context,
        output::{say, say_json},
        secrets,
    },
    AddArgs, PauseArgs, RemoveArgs, ReplayArgs, ResumeArgs, RotateArgs, TestArgs, listed,
    told_in_words,
};
use crate::accounts::{self, Deed};
use crate::channels;
use crate::domain::HappeningId;
use crate::marketplaces::http::signature;
use crate::outbox::{self, NewEndpoint, Protocol, Replay, Told};
use anyhow::{Context as _, bail};
use serde_json::{json, to_value};
use std::{process::ExitCode, time::Duration};

/// Random bytes of a secret. Source: Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

pub(super) async fn add(context: &Context, args: &AddArgs) -> anyhow::Result<()> {
    let app = context.open().await?;
    let url = app.sinks.check_address(&args.url)?;
    let secret = secret(args.secret.as_deref())?;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let zone = accounts::DEFAULT_TIME_ZONE;
    let merchant = accounts::open_merchant(&tx, &context.merchant, zone, now).await?;
    let new = NewEndpoint {
        merchant,
        protocol: Protocol::Webhook,
        url: url.to_string(),
        kinds: args.kinds.clone(),
        settings: json!({}),
    };
    let id = outbox::add(&tx, &new, now).await?;
    let owner = (merchant, id);
    let none = Duration::ZERO;
    channels::set_endpoint_secret(&tx, &app.sealer, owner, secret.as_bytes(), none, now).await?;
    let deed = Deed::new("endpoint.added", "endpoint", id);
    let what = json!({"url": new.url, "kinds": new.kinds});
    context
        .record(&tx, Some(merchant), deed.to(what), now)
        .await?;
    tx.commit().await?;
    app.close().await?;
    if context.json {
        let url = url.as_str();
        return say_json(&json!({"id": id, "url": url, "secret": secret, "kinds": args.kinds}));
    }
    say(format!(
        "endpoint {id} is told what happens from now on: {url}"
    ));
    say(format!("its secret, which is not shown again: {secret}"));
    say(format!("try it: marketsink endpoints test {id}"));
    Ok(())
}

/// What was given, or a new one.
fn secret(given: Option<&str>) -> anyhow::Result<String> {
    if let Some(given) = given {
        let secret = secrets::value(given)?;
        if !signature::is_secret(&secret) {
            bail!("a secret is whsec_ and base64 of 24 to 64 random bytes");
        }
        return Ok(secret);
    }
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(signature::secret_of(&bytes))
}

pub(super) async fn test(context: &Context, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let told = session.app.sinks.test(&endpoint).await?;
    session.close().await?;
    let is_taken = matches!(told, Told::Delivered { .. });
    if context.json {
        say_json(&json!({"taken": is_taken, "found": told_in_words(&told)}))?;
    } else {
        say(told_in_words(&told));
    }
    Ok(if is_taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(super) async fn rotate(context: &Context, args: &RotateArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    if endpoint.protocol != Protocol::Webhook {
        bail!(
            "endpoint {} is not signed to; connect it again",
            endpoint.id
        );
    }
    let secret = secret(args.secret.as_deref())?;
    let overlap = Duration::from_secs(args.overlap_hours * 3_600);
    let (app, now) = (&session.app, session.now());
    let tx = app.db.write_tx().await?;
    let owner = (session.merchant, endpoint.id);
    channels::set_endpoint_secret(&tx, &app.sealer, owner, secret.as_bytes(), overlap, now).await?;
    let deed = Deed::new("endpoint.secret_rotated", "endpoint", endpoint.id);
    let what = json!({"overlap_hours": args.overlap_hours});
    session.record(&tx, deed.to(what)).await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        let until = (now + overlap).to_string();
        return say_json(&json!({"id": endpoint.id, "secret": secret, "old_signs_until": until}));
    }
    say(format!(
        "its new secret, which is not shown again: {secret}"
    ));
    say(format!(
        "for {} hours messages are signed with the old one as well",
        args.overlap_hours
    ));
    Ok(())
}

pub(super) async fn pause(context: &Context, args: &PauseArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let tx = session.app.db.write_tx().await?;
    outbox::pause(&tx, endpoint.id, session.now()).await?;
    let deed = Deed::new("endpoint.paused", "endpoint", endpoint.id);
    session.record(&tx, deed).await?;
    tx.commit().await?;
    session.close().await?;
    report(
        context,
        args.endpoint,
        "paused",
        "is paused; what happens is kept for it",
    )
}

pub(super) async fn resume(context: &Context, args: &ResumeArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let tx = session.app.db.write_tx().await?;
    let waiting = outbox::resume(&tx, &endpoint, session.now()).await?;
    let deed = Deed::new("endpoint.resumed", "endpoint", endpoint.id);
    session
        .record(&tx, deed.to(json!({"waiting": waiting})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    let told = format!("is told again; {waiting} happenings have waited for it");
    report(context, args.endpoint, "active", &told)
}

pub(super) async fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let tx = session.app.db.write_tx().await?;
    outbox::remove(&tx, endpoint.id, session.now()).await?;
    channels::forget_endpoint_secrets(&tx, endpoint.id).await?;
    let deed = Deed::new("endpoint.removed", "endpoint", endpoint.id);
    let before = json!({"url": endpoint.url});
    session.record(&tx, deed.from(before)).await?;
    tx.commit().await?;
    session.close().await?;
    report(
        context,
        args.endpoint,
        "removed",
        "is told no more, and its secret is forgotten",
    )
}

pub(super) async fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<()> {
    let which = Replay {
        from: args.sequence.map(HappeningId),
        to: args.sequence.map(HappeningId),
        since: args.since,
        until: args.until,
        kind: args.kind,
        subject: args.subject.clone(),
        failed_only: args.failed,
    };
    if which == Replay::default() {
        bail!(
            "say what: --failed, --since TIME, --kind KIND, --subject SUBJECT or --sequence NUMBER"
        );
    }
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let tx = session.app.db.write_tx().await?;
    let n_replayed = outbox::replay(&tx, &endpoint, &which, session.now()).await?;
    let deed = Deed::new("happenings.replayed", "endpoint", endpoint.id);
    session
        .record(&tx, deed.to(json!({"replayed": n_replayed})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"id": endpoint.id, "replayed": n_replayed}));
    }
    say(format!(
        "{n_replayed} happenings wait for endpoint {}; `marketsink serve` tells them",
        endpoint.id
    ));
    Ok(())
}

fn report(context: &Context, id: i64, state: &str, words: &str) -> anyhow::Result<()> {
    if context.json {
        return say_json(&json!({"id": id, "state": to_value(state)?}));
    }
    say(format!("endpoint {id} {words}"));
    Ok(())
}
