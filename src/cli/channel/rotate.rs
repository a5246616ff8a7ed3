//! `channel rotate-secret`: another secret for a channel's webhooks, without losing one in between.

use crate::cli::{
    context::Context,
    output::{say, say_json},
    secrets,
};
use crate::sync::RotatedSecret;
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

/// Replaces the secret of a channel's webhooks; the one before stays good for three days
///
/// Where the marketplace can be told, it is. Where webhooks are set up by hand, the new secret is printed
/// once, to be pasted there.
#[derive(Debug, Args)]
#[command(after_help = "\
Marketplaces that sign with the secret of our app have none per channel. To replace that one:
  1. set previous_app_secret (previous_push_key, previous_client_secret) to the present value and
     app_secret (push_key, client_secret) to the new one, and restart every process
  2. make the new one current in the marketplace's console
  3. when `marketsink doctor` finds no more deliveries signed with the previous key, remove the previous one

Examples:
  marketsink channel rotate-secret 2
  marketsink channel rotate-secret 2 --secret -")]
pub struct RotateArgs {
    /// The channel, by its number in `marketsink channel list`
    id: i64,
    /// This one instead of one that is made; `-` reads a line of standard input
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
}

pub(super) async fn rotate(context: &Context, args: RotateArgs) -> anyhow::Result<()> {
    let given = args.secret.as_deref().map(secrets::value).transpose()?;
    let session = context.session().await?;
    let channel = session.channel(args.id).await?;
    let rotated = session
        .app
        .sync
        .rotate_webhook_secret(channel.id, given)
        .await
        .with_context(|| format!("the webhook secret of channel {} was not replaced", args.id))?;
    // Those that verify are taken in by the workers: what was asked for a moment ago may have begun.
    let (believed, _) = session.app.sync.believed_now(channel.id).await?;
    if context.json {
        let (changes, error) = match &rotated.told {
            Ok(changes) => (changes.clone(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        say_json(&json!({
            "to_paste": rotated.to_paste,
            "by_hand": rotated.by_hand,
            "webhook_url": rotated.webhook_url,
            "overlap_ends_at": rotated.overlap_ends_at.to_string(),
            "changes": changes,
            "error": error,
            "refused_that_verify": believed,
        }))?;
    } else {
        say_rotated(&rotated);
        if believed > 0 {
            say(format!(
                "  {believed} deliveries that were refused verify with it; `marketsink serve` takes them in"
            ));
        }
    }
    session.close().await
}

fn say_rotated(rotated: &RotatedSecret) {
    let until = rotated.overlap_ends_at;
    say(format!(
        "the webhook secret was replaced; the one before is accepted until {until}"
    ));
    match (&rotated.to_paste, &rotated.told) {
        (Some(secret), _) => {
            say(format!(
                "  paste it where the webhooks to {} are set up, before then:",
                rotated.webhook_url
            ));
            say(format!("  {secret}"));
        }
        (None, _) if rotated.by_hand => say(format!(
            "  it must sign the webhooks to {} from then on",
            rotated.webhook_url
        )),
        (None, Ok(changes)) => {
            say("  the marketplace was told, and signs with it from now on");
            for change in changes {
                say(format!("  {change}"));
            }
        }
        (None, Err(error)) => {
            say(format!("  the marketplace could not be told yet: {error}"));
            say("  `marketsink serve` goes on trying; look with `marketsink channel test`");
        }
    }
}
