//! `guide`: the guides for integrators, as they are served at `/guide/`.

use super::output::{Table, say, say_json};
use crate::web::guide::{self, GUIDES};
use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Prints a guide for people who connect something to marketsink; without a name, lists them
///
/// A running server shows the same at `/guide/NAME`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink guide\n  marketsink guide custom-store | less")]
pub struct GuideArgs {
    /// Which one, such as custom-store
    name: Option<String>,
    /// Answer with one JSON document
    #[arg(from_global)]
    json: bool,
}

pub fn run(args: &GuideArgs) -> anyhow::Result<ExitCode> {
    match &args.name {
        None => list(args.json)?,
        Some(name) => print(name, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let guide = |guide: &guide::Guide| json!({"name": guide.name, "about": guide.about});
        return say_json(&GUIDES.iter().map(guide).collect::<Vec<Value>>());
    }
    let mut table = Table::new(&["name", "about"]);
    for guide in &GUIDES {
        table.row([guide.name.to_owned(), guide.about.to_owned()]);
    }
    table.say("there are none");
    Ok(())
}

fn print(name: &str, as_json: bool) -> anyhow::Result<()> {
    let guide = guide::find(name)
        .ok_or_else(|| anyhow!("no guide is called `{name}`; `marketsink guide` lists them"))?;
    if as_json {
        return say_json(&json!({"name": guide.name, "text": guide.text}));
    }
    say(guide.text.trim_end());
    Ok(())
}
