//! Secrets that a command is given: checked to be complete, and read without the shell's history.

use crate::config::Settings;
use crate::marketplaces::{Marketplace, Secrets};
use anyhow::{Context, anyhow, bail};
use std::io;

/// What a merchant hands over for a shop.
struct Needed {
    marketplace: &'static str,
    has_url: bool,
    /// Name, and where it is found.
    secrets: &'static [(&'static str, &'static str)],
}

const NEEDED: &[Needed] = &[
    Needed {
        marketplace: "woocommerce",
        has_url: true,
        secrets: &[
            ("consumer_key", "WooCommerce, Settings, Advanced, REST API"),
            ("consumer_secret", "shown once, beside the consumer key"),
        ],
    },
    Needed {
        marketplace: "tiktok_shop",
        has_url: false,
        secrets: &[
            (
                "access_token",
                "the answer to the seller's authorization code",
            ),
            ("refresh_token", "the same answer"),
        ],
    },
];

/// Whether everything that the marketplace asks for is named.
///
/// # Errors
/// What is missing, and where it is found.
pub fn check(
    marketplace: &dyn Marketplace,
    given: &[String],
    url: Option<&str>,
    settings: &Settings,
) -> anyhow::Result<()> {
    let Some(needed) = NEEDED.iter().find(|n| n.marketplace == marketplace.slug()) else {
        return Ok(());
    };
    let name = marketplace.name();
    match (needed.has_url, url) {
        (true, None) => bail!("{name} shops have an address of their own; give it with --url"),
        (false, Some(_)) => bail!("{name} has one address for all shops; leave --url out"),
        _ => {}
    }
    let missing: Vec<String> = needed
        .secrets
        .iter()
        .filter(|(secret, _)| !given.iter().any(|given| name_of(given) == *secret))
        .map(|(secret, place)| format!("--secret {secret}=- ({place})"))
        .collect();
    if !missing.is_empty() {
        bail!("{name} also needs {}", missing.join(" and "));
    }
    for given in given {
        if !needed
            .secrets
            .iter()
            .any(|(secret, _)| *secret == name_of(given))
        {
            let known: Vec<_> = needed.secrets.iter().map(|(secret, _)| *secret).collect();
            bail!(
                "{name} has no secret `{}`; it needs {}",
                name_of(given),
                known.join(" and ")
            );
        }
    }
    let has_app =
        settings.tiktok_shop.app_key.is_some() && settings.tiktok_shop.app_secret.is_some();
    if needed.marketplace == "tiktok_shop" && !has_app {
        bail!(
            "{name} needs the settings tiktok_shop.app_key and tiktok_shop.app_secret of our app"
        );
    }
    Ok(())
}

/// Reads `NAME=VALUE`, `NAME=-` and `NAME`, in the order given.
///
/// # Errors
/// When standard input ends too early, or a secret is empty.
pub fn read(given: &[String]) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::default();
    for given in given {
        let name = name_of(given);
        let value = match given.split_once('=') {
            Some((_, "-")) => from_line(name)?,
            Some((_, value)) => value.to_owned(),
            None => match std::env::var(name.to_uppercase()) {
                Ok(value) => value,
                Err(_) => from_line(name)?,
            },
        };
        if value.is_empty() {
            bail!("the secret `{name}` is empty");
        }
        secrets.set(name, value);
    }
    Ok(secrets)
}

/// A secret of a command that takes only one: itself, or `-` for a line of standard input.
///
/// # Errors
/// When standard input has no line.
pub fn value(given: &str) -> anyhow::Result<String> {
    if given == "-" {
        from_line("secret")
    } else {
        Ok(given.to_owned())
    }
}

fn name_of(given: &str) -> &str {
    given.split_once('=').map_or(given, |(name, _)| name)
}

fn from_line(name: &str) -> anyhow::Result<String> {
    use std::io::IsTerminal;
    if io::stdin().is_terminal() {
        super::output::tell(format!("{name} (shown as you type; end with Enter):"));
    }
    let mut line = String::new();
    let n_bytes = io::stdin()
        .read_line(&mut line)
        .with_context(|| format!("`{name}` could not be read from standard input"))?;
    if n_bytes == 0 {
        return Err(anyhow!("standard input has no line for `{name}`"));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
