//! `channel test`: whether a channel works, asked of the marketplace itself.

use crate::cli::{
    context::Context,
    output::{say, say_json},
};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Asks the shop who it is; exits with 1 when it does not answer or refuses
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel test 1")]
pub struct TestArgs {
    id: i64,
}

pub(super) async fn test(context: &Context, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let id = args.id;
    let session = context.session().await?;
    let channel = session.channel(id).await?;
    let answer = session.app.sync.test_channel(channel.id).await;
    let shops = answer.with_context(|| format!("channel {id} does not work"))?;
    let is_there = shops.iter().any(|shop| shop.remote_id == channel.remote_id);
    if context.json {
        let shops: Vec<Value> = shops
            .iter()
            .map(|shop| json!({"shop": shop.remote_id, "name": shop.name, "platforms": shop.platforms}))
            .collect();
        say_json(&json!({"works": is_there, "shops": shops}))?;
    } else {
        for shop in &shops {
            say(format!(
                "{} answers as {} (shop {})",
                channel.marketplace.name(),
                shop.name,
                shop.remote_id
            ));
        }
    }
    session.close().await?;
    if is_there {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "channel {id}: its credentials open other shops, not {}; add it again with those of that shop",
        channel.remote_id
    )
}
