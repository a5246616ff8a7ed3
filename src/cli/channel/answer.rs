//! `channel answer`: finishing a consent by hand, where the marketplace's answer cannot reach us.

use super::{add::say_shops, find_marketplace};
use crate::cli::{
    context::Context,
    secrets::{self, check_app},
};
use crate::marketplaces::ConsentAnswer;
use anyhow::{Context as _, bail};
use clap::Args;
use url::Url;

/// Finishes a consent with the address on which the merchant's browser ended
///
/// For people whose http.public_url is not reachable from the merchant's browser: after agreeing, the browser
/// shows an error, and its address line holds the answer. It is a secret, good for minutes: with `-` it is read
/// from a line of standard input. Marketplaces that post keys, such as WooCommerce, cannot be answered so: use
/// `marketsink channel add` there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink channel answer tiktok_shop --callback -\n  marketsink channel answer tiktok_shop --callback 'https://hooks.example.com/connect/tiktok_shop/callback?code=...&state=...'"
)]
pub struct AnswerArgs {
    /// Which one, as `marketsink channel needs` calls it
    marketplace: String,
    /// The whole address from the browser's address line, or `-`
    #[arg(long, value_name = "URL")]
    callback: String,
}

pub(super) async fn answer(context: &Context, args: AnswerArgs) -> anyhow::Result<()> {
    let marketplace = find_marketplace(&args.marketplace)?;
    check_app(marketplace, &context.settings)?;
    let callback = secrets::value(&args.callback)?;
    // The address may hold a code: errors do not repeat it.
    let Ok(callback) = Url::parse(callback.trim()) else {
        bail!("--callback is no address; copy the browser's whole address line, from https:// on");
    };
    let answer = ConsentAnswer {
        pairs: callback.query_pairs().into_owned().collect(),
    };
    let app = context.open().await?;
    let connection = app
        .sync
        .finish_consent(marketplace, &answer)
        .await
        .with_context(|| format!("the shop on {} was not connected", marketplace.name()))?;
    say_shops(context, &connection)?;
    app.close().await
}
