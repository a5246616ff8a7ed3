//! Secrets that a command is given: checked to be complete, and read without the shell's history.

use crate::config::Settings;
use crate::marketplaces::{Handed, Marketplace, Secrets, ShopAddress};
use anyhow::{Context, anyhow, bail};
use std::io;

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
    let connecting = marketplace.connecting();
    let name = marketplace.name();
    match (connecting.address, url) {
        (ShopAddress::Own(example), None) => bail!(
            "{name} shops have an address of their own; give it with --url, such as {example}"
        ),
        (ShopAddress::Shared, Some(_)) => {
            bail!("{name} has one address for all shops; leave --url out")
        }
        _ => {}
    }
    let is_given = |secret: &Handed| given.iter().any(|given| name_of(given) == secret.name);
    let missing: Vec<String> = connecting
        .secrets
        .iter()
        .filter(|secret| secret.is_needed_by(url.is_some()) && !is_given(secret))
        .map(|secret| format!("--secret {}=- ({})", secret.name, secret.place))
        .collect();
    if !missing.is_empty() {
        bail!("{name} also needs {}", missing.join(" and "));
    }
    let known: Vec<&str> = connecting
        .secrets
        .iter()
        .map(|secret| secret.name)
        .collect();
    if let Some(other) = given.iter().find(|given| !known.contains(&name_of(given))) {
        bail!(
            "{name} has no secret `{}`; it takes {}",
            name_of(other),
            known.join(" and ")
        );
    }
    check_app(marketplace, settings)
}

/// Whether the values of our app at the marketplace are set.
///
/// # Errors
/// Which are missing.
pub fn check_app(marketplace: &dyn Marketplace, settings: &Settings) -> anyhow::Result<()> {
    let slug = marketplace.slug();
    let needed = marketplace.connecting().app.iter();
    let missing: Vec<String> = needed
        .filter(|name| settings.apps.value(slug, name).is_none())
        .map(|name| format!("{slug}.{name}"))
        .collect();
    if !missing.is_empty() {
        bail!(
            "{} needs the settings {} of our app",
            marketplace.name(),
            missing.join(" and ")
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
