//! `channel link`: the link on which a merchant consents, and waiting for the answer.

use super::{channel_json, find_marketplace};
use crate::accounts;
use crate::app::App;
use crate::channels::{self, PendingConsent};
use crate::cli::{
    context::Context,
    output::{say, say_json, tell},
};
use crate::domain::{MerchantId, Timestamp};
use crate::sync::{AskConsent, ConsentLink};
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};

/// How often is looked whether the answer has come.
const LOOK: Duration = Duration::from_millis(500);
/// How long an answer may be worked on: codes are traded, shops asked, webhooks set up.
const WORKED_ON: Duration = Duration::from_secs(5 * 60);

/// Prints the link on which the merchant lets marketsink in: good once, and for half an hour
///
/// The merchant opens it and agrees; the marketplace then sends the browser to http.public_url, where
/// `marketsink serve` connects the shop. Nothing reaches you there? `marketsink channel answer` takes the
/// address on which the browser ended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink channel link tiktok_shop --wait
  marketsink channel link woocommerce --url https://shop.example.com --outlet Main")]
pub struct LinkArgs {
    /// Which one, as `marketsink channel needs` calls it
    marketplace: String,
    /// The shop's own address, where shops have one
    #[arg(long)]
    url: Option<String>,
    /// The outlet that the channel will sell from; opened if there is none
    #[arg(long, default_value = accounts::DEFAULT_OUTLET)]
    outlet: String,
    /// Instead of the name that the shop tells
    #[arg(long)]
    name: Option<String>,
    /// The merchant's time zone, used when the merchant is opened
    #[arg(long, default_value = accounts::DEFAULT_TIME_ZONE)]
    time_zone: String,
    /// Wait for the answer, and tell which shop was found
    #[arg(long)]
    wait: bool,
}

pub(super) async fn link(context: &Context, args: LinkArgs) -> anyhow::Result<ExitCode> {
    let marketplace = find_marketplace(&args.marketplace)?;
    let app = context.open().await?;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let merchant = accounts::open_merchant(&tx, &context.merchant, &args.time_zone, now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, &args.outlet, now).await?;
    tx.commit().await?;
    let ask = AskConsent {
        merchant,
        outlet,
        marketplace,
        base_url: args.url,
        name: args.name,
    };
    let link = app.sync.begin_consent(ask).await;
    let link = link.with_context(|| format!("no link for {} could be made", marketplace.name()))?;
    if !args.wait {
        say_link(context, &link)?;
        app.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    // The answer of this command is the shop; the link is what makes it come.
    tell(format!("open {}", link.url));
    tell(format!("waiting until {}", link.expires_at));
    let ended = wait(&app, merchant, &link).await?;
    say_outcome(context, &app, &ended).await?;
    app.close().await?;
    Ok(if ended.channel.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say_link(context: &Context, link: &ConsentLink) -> anyhow::Result<()> {
    if context.json {
        return say_json(&json!({
            "url": link.url.as_str(),
            "expires_at": link.expires_at.to_string(),
            "consent": link.consent,
        }));
    }
    say(link.url.as_str());
    tell(format!(
        "good once, until {}; the merchant opens it and agrees",
        link.expires_at
    ));
    Ok(())
}

/// Until the answer was worked off, or cannot come any more.
async fn wait(
    app: &App,
    merchant: MerchantId,
    link: &ConsentLink,
) -> anyhow::Result<PendingConsent> {
    loop {
        let found = app.sync.consent_outcome(merchant, link.consent).await?;
        let pending = found.ok_or_else(|| anyhow!("the link was forgotten; make a new one"))?;
        if pending.outcome.is_some() {
            return Ok(pending);
        }
        if let Some(over) = given_up(&pending, app.clock.now()) {
            bail!(over);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Why it is not waited for any longer. An answer that came in time is being worked on when the link ends.
fn given_up(pending: &PendingConsent, now: Timestamp) -> Option<String> {
    match pending.used_at {
        None if pending.expires_at <= now => Some(format!(
            "nobody agreed until {}; make a new link",
            pending.expires_at
        )),
        Some(at) if now.since(at) >= WORKED_ON => Some(format!(
            "the answer came at {at}, and what came of it is not known; look at `marketsink channel list` \
             and at the log of marketsink serve, then make a new link"
        )),
        _ => None,
    }
}

async fn say_outcome(context: &Context, app: &App, ended: &PendingConsent) -> anyhow::Result<()> {
    if !context.json {
        say(ended.outcome.as_deref().unwrap_or_default());
        return Ok(());
    }
    let mut found: Vec<Value> = Vec::new();
    if let Some(first) = ended.channel {
        for id in channels::platforms_of(app.db.read(), first).await? {
            found.push(channel_json(&channels::load(app.db.read(), id).await?));
        }
    }
    say_json(&json!({
        "connected": ended.channel.is_some(),
        "outcome": ended.outcome,
        "channels": found,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OutletId;

    #[test]
    fn an_answer_that_is_being_worked_on_outlives_its_link_but_not_for_ever() {
        let asked_at = Timestamp::from_secs(1_795_400_400);
        let expires_at = asked_at + channels::CONSENT_LIFE;
        let used_at = expires_at - Duration::from_secs(1);
        let mut pending = PendingConsent {
            id: 1,
            merchant: MerchantId(1),
            outlet: OutletId(1),
            marketplace: "tiktok_shop".to_owned(),
            base_url: None,
            name: None,
            asked_at,
            expires_at,
            used_at: None,
            outcome: None,
            channel: None,
        };

        let told = given_up(&pending, expires_at).unwrap();
        assert!(told.contains("nobody agreed"), "{told}");
        assert_eq!(given_up(&pending, used_at), None);
        pending.used_at = Some(used_at);
        assert_eq!(given_up(&pending, expires_at), None);
        let told = given_up(&pending, used_at + WORKED_ON).unwrap();
        assert!(!told.contains("nobody agreed"), "{told}");
    }
}
