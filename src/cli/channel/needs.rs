//! `channel needs`: what each marketplace asks for, from what the adapters say of themselves.

use super::find_marketplace;
use crate::cli::{
    context::Context,
    output::{say, say_json},
};
use crate::config::Settings;
use crate::marketplaces::{self, Marketplace, ShopAddress, Subscribing};
use crate::sync::consent_callback;
use clap::Args;
use serde_json::{Value, json};

/// Tells what each marketplace asks for before a shop can be connected, and the command that connects it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink channel needs\n  marketsink channel needs tiktok_shop"
)]
pub struct NeedsArgs {
    /// Only this one
    marketplace: Option<String>,
}

pub(super) fn needs(context: &Context, args: &NeedsArgs) -> anyhow::Result<()> {
    let asked = match &args.marketplace {
        Some(slug) => vec![find_marketplace(slug)?],
        None => marketplaces::all().to_vec(),
    };
    if context.json {
        let needs: Vec<Value> = asked.iter().map(|m| as_json(*m, context)).collect();
        return say_json(&needs);
    }
    for (i, marketplace) in asked.into_iter().enumerate() {
        if i > 0 {
            say("");
        }
        for line in lines(marketplace, &context.settings) {
            say(line);
        }
    }
    Ok(())
}

fn as_json(marketplace: &dyn Marketplace, context: &Context) -> Value {
    let connecting = marketplace.connecting();
    let secrets = connecting.secrets.iter();
    let secrets = secrets.map(
        |secret| json!({"name": secret.name, "needed": secret.is_needed, "place": secret.place}),
    );
    let callback = callback(marketplace, &context.settings);
    json!({
        "marketplace": marketplace.slug(),
        "name": marketplace.name(),
        "address": example(connecting.address),
        "address_needed": matches!(connecting.address, ShopAddress::Own(_)),
        "settings": connecting.app.iter().map(|name| format!("{}.{name}", marketplace.slug())).collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "consent": connecting.consent,
        "callback": callback,
    })
}

fn example(address: ShopAddress) -> Option<&'static str> {
    match address {
        ShopAddress::Shared => None,
        ShopAddress::Own(example) | ShopAddress::Optional(example) => Some(example),
    }
}

fn callback(marketplace: &dyn Marketplace, settings: &Settings) -> Option<String> {
    let has_page = marketplace.connecting().consent;
    has_page.then(|| consent_callback(&settings.http.public_url, marketplace))
}

fn lines(marketplace: &dyn Marketplace, settings: &Settings) -> Vec<String> {
    let (slug, connecting) = (marketplace.slug(), marketplace.connecting());
    let mut lines = vec![format!("{slug}  {}", marketplace.name())];
    let is_set = |name: &str| settings.apps.value(slug, name).is_some();
    for (names, note) in [
        (connecting.app, "needed"),
        (connecting.app_besides, "optional"),
    ] {
        for name in names {
            let set = if is_set(name) { "set" } else { "not set" };
            lines.push(format!("  setting {slug}.{name}: {note}, {set}"));
        }
    }
    if let Some(callback) = callback(marketplace, settings) {
        let url = address_option(connecting.address);
        lines.push(format!("  by consent: marketsink channel link {slug}{url}"));
        lines.push(format!("    the merchant comes back to {callback}"));
    }
    let needed = connecting.secrets.iter().filter(|secret| secret.is_needed);
    let secrets: Vec<String> = needed
        .map(|secret| format!(" --secret {}=-", secret.name))
        .collect();
    lines.push(format!(
        "  with keys: marketsink channel add {slug}{}{}",
        address_option(connecting.address),
        secrets.concat()
    ));
    for secret in connecting.secrets {
        let note = if secret.is_needed { "" } else { " (optional)" };
        lines.push(format!("    {}{note}: {}", secret.name, secret.place));
    }
    let topics = marketplace.limits().topics.join(", ");
    match marketplace.limits().subscribing {
        Subscribing::Api => {}
        Subscribing::AddressOnly => {
            lines.push(format!(
                "  webhooks: switched on by hand in the app's console: {topics}"
            ));
        }
        Subscribing::ByHand => {
            lines.push(format!(
                "  webhooks: set up by hand, to the address that connecting tells: {topics}"
            ));
        }
    }
    lines
}

fn address_option(address: ShopAddress) -> String {
    match address {
        ShopAddress::Shared => String::new(),
        ShopAddress::Own(example) => format!(" --url {example}"),
        ShopAddress::Optional(example) => format!(" [--url {example}]"),
    }
}
