//! `webhook`: checking a signature as the server would, and sending a signed request.

use super::{
    context::Context,
    output::{say, say_json},
    secrets,
};
use crate::clock::Clock;
use crate::domain::{Event, Timestamp};
use crate::marketplaces::{
    self, Marketplace, RawDelivery, Rejected, VerifiedDelivery, WebhookKeys, http, simulation,
};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use url::{Host, Url};

/// How long a server may take to answer a test delivery.
const DEADLINE: Duration = Duration::from_secs(10);

/// Checks the signature of a webhook, or sends a signed one
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink help webhook verify\n  marketsink help webhook send"
)]
pub enum WebhookCommand {
    Verify(VerifyArgs),
    Send(SendArgs),
}

/// Says whether the server would believe a request, and what it would make of it; exits with 1 if not
///
/// The body must be the bytes as they were received: a line break that an editor added, or JSON that was
/// printed anew, is another body.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink webhook verify --marketplace woocommerce --secret - \\
      --header 'X-WC-Webhook-Topic: order.updated' --header 'X-WC-Webhook-Signature: iMu9…' --body body.json
  marketsink webhook verify --marketplace tiktok_shop --app-key 6abc --secret - \\
      --header 'Authorization: a15e…' --body body.json")]
pub struct VerifyArgs {
    #[command(flatten)]
    signing: Signing,
    /// The address as the marketplace has it, for marketplaces that sign it
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// A header of the request; repeat it for each
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// When the request came, such as 2026-12-01T00:00:00Z, for marketplaces that sign the time; now, if left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The file with the body as received; `-` is standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
}

/// Sends a signed test delivery to this server: to loopback, or to http.public_url
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink webhook send --marketplace tiktok_shop --app-key 6abc --secret - \\
      --to http://127.0.0.1:8080/webhooks/tiktok_shop --body body.json
  marketsink webhook send --marketplace woocommerce --secret - --header 'X-WC-Webhook-Topic: order.updated' \\
      --to http://127.0.0.1:8080/webhooks/woocommerce/5f0e… --body body.json")]
pub struct SendArgs {
    #[command(flatten)]
    signing: Signing,
    /// Where to; `marketsink channel show ID` tells a channel's address
    #[arg(long, value_name = "URL")]
    to: Url,
    /// A header besides the signature; repeat it for each
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The file with the body; `-` is standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
}

/// Who signs, and with what.
#[derive(Debug, Args)]
struct Signing {
    /// Such as woocommerce, tiktok_shop or standard_webhooks
    #[arg(long)]
    marketplace: String,
    /// The webhook's secret, or the app's; `-` reads a line of standard input
    #[arg(long)]
    secret: String,
    /// The app's key, where it is part of what is signed
    #[arg(long, default_value = "")]
    app_key: String,
}

impl Signing {
    fn marketplace(&self) -> anyhow::Result<&'static dyn Marketplace> {
        marketplaces::find(&self.marketplace).ok_or_else(|| {
            let known: Vec<_> = marketplaces::all().iter().map(|m| m.slug()).collect();
            anyhow!(
                "no marketplace is called `{}`; there are {}",
                self.marketplace,
                known.join(" and ")
            )
        })
    }

    /// The secret, read before a body that comes the same way.
    fn secret(&self, body: &Path) -> anyhow::Result<String> {
        if self.secret == "-" && body == Path::new("-") {
            bail!(
                "the secret and the body cannot both come from standard input; put the body into a file"
            );
        }
        secrets::value(&self.secret)
    }
}

pub async fn run(context: &Context, command: WebhookCommand) -> anyhow::Result<ExitCode> {
    match command {
        WebhookCommand::Verify(args) => verify(context, &args),
        WebhookCommand::Send(args) => send(context, &args).await,
    }
}

fn verify(context: &Context, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let marketplace = args.signing.marketplace()?;
    let secret = args.signing.secret(&args.body)?;
    let at = match &args.at {
        None => Clock::system().now(),
        Some(text) => Timestamp::parse(text).ok_or_else(|| {
            anyhow!("--at `{text}` is no time; write it like 2026-12-01T00:00:00Z")
        })?,
    };
    let request = Request {
        marketplace,
        app_key: args.signing.app_key.clone(),
        secret,
        url: args.url.as_ref().map(Url::to_string).unwrap_or_default(),
        at,
        headers: headers(&args.headers)?,
        body: read(&args.body)?,
    };
    match request.verified(&request.body, &request.secret) {
        Ok(delivery) => say_right(context, marketplace, &delivery),
        Err(rejected) => say_wrong(context, &request, rejected),
    }
}

fn headers(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |header: &String| {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| anyhow!("`{header}` is no header; write `Name: value`"))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    given.iter().map(pair).collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A request whose signature is in question.
struct Request {
    marketplace: &'static dyn Marketplace,
    app_key: String,
    secret: String,
    /// Where it was sent to, as the marketplace knows the address.
    url: String,
    /// The time that a signed timestamp is compared with.
    at: Timestamp,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn verified(&self, body: &[u8], secret: &str) -> Result<VerifiedDelivery, Rejected> {
        let raw = RawDelivery::new(self.headers.clone(), body.to_vec()).at(self.at);
        let keys = WebhookKeys::one(&self.app_key, secret).at(&self.url);
        self.marketplace.verify(raw, &keys)
    }

    /// What a person can look at, most likely first.
    fn hints(&self, rejected: Rejected) -> Vec<String> {
        let simulator = self.marketplace.simulator();
        let expected = simulator.sign(&self.signing(&self.app_key), &self.body);
        let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        match rejected {
            Rejected::NoSignature => vec![format!(
                "{} signs in the header {}; give it with --header, once",
                self.marketplace.name(),
                names.join(" and ")
            )],
            Rejected::UnreadableSignature => expected
                .iter()
                .map(|(name, value)| {
                    let n = value.chars().count();
                    format!("{name} is {n} characters of {}", alphabet(value))
                })
                .collect(),
            Rejected::BadSignature | Rejected::NoKey => self.hints_for_another_body(),
            Rejected::OutOfTime => {
                vec!["give the time at which it came with --at, or look at the clocks".to_owned()]
            }
        }
    }

    fn hints_for_another_body(&self) -> Vec<String> {
        let mut hints = Vec::new();
        let is_right = |body: &[u8]| self.verified(body, &self.secret).is_ok();
        let text = self.body.as_slice();
        let trimmed = text.trim_ascii_end();
        if trimmed.len() < text.len() && is_right(trimmed) {
            hints.push("it is right without the line break at the file's end, which was added after it was received".to_owned());
        }
        if is_right(&[text, b"\n"].concat()) {
            hints.push(
                "it is right with a line break at the end, which the file has lost".to_owned(),
            );
        }
        if let Some(unmarked) = text.strip_prefix(b"\xef\xbb\xbf")
            && is_right(unmarked)
        {
            hints
                .push("it is right without the byte order mark at the file's beginning".to_owned());
        }
        let reprinted = serde_json::from_slice::<serde_json::Value>(text)
            .ok()
            .and_then(|value| serde_json::to_vec(&value).ok());
        if reprinted.is_some_and(|body| body != text && is_right(&body)) {
            hints.push(
                "it is right once the JSON is written without spaces: the file was printed anew"
                    .to_owned(),
            );
        }
        let secret = self.secret.trim();
        if secret != self.secret && self.verified(&self.body, secret).is_ok() {
            hints.push("it is right without the spaces around the secret".to_owned());
        }
        if hints.is_empty() {
            hints.push("compare the secret with the marketplace's, and take the body as raw bytes, not from a log that prints JSON anew".to_owned());
            if self.app_key.is_empty() && self.signs_app_key() {
                hints.insert(
                    0,
                    format!(
                        "{} signs the app's key too; give it with --app-key",
                        self.marketplace.name()
                    ),
                );
            }
        }
        hints
    }

    fn signs_app_key(&self) -> bool {
        let simulator = self.marketplace.simulator();
        let sign = |app_key| simulator.sign(&self.signing(app_key), b"{}");
        sign("one") != sign("another")
    }

    fn signing<'a>(&'a self, app_key: &'a str) -> simulation::Signing<'a> {
        simulation::Signing {
            app_key,
            secret: &self.secret,
            address: &self.url,
            id: "msg_test",
            at: self.at,
        }
    }
}

fn alphabet(signature: &str) -> &'static str {
    if signature.chars().all(|c| c.is_ascii_hexdigit()) {
        "hexadecimal digits"
    } else {
        "base64"
    }
}

fn say_right(
    context: &Context,
    marketplace: &dyn Marketplace,
    delivery: &VerifiedDelivery,
) -> anyhow::Result<ExitCode> {
    let topic = marketplace.topic(delivery);
    let parsed = marketplace.parse(delivery);
    if context.json {
        let (events, problem) = match &parsed {
            Ok(events) => (events.iter().map(event_text).collect::<Vec<_>>(), None),
            Err(malformed) => (Vec::new(), Some(malformed.to_string())),
        };
        say_json(&json!({"believed": true, "topic": topic, "events": events, "problem": problem}))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("the signature is right; topic {topic}"));
    match parsed {
        Ok(events) if events.is_empty() => say("it is stored, and there is nothing to do about it"),
        Ok(events) => {
            for event in &events {
                say(format!("event: {}", event_text(event)));
            }
        }
        Err(malformed) => say(format!("it is stored, but makes no event: {malformed}")),
    }
    Ok(ExitCode::SUCCESS)
}

fn event_text(event: &Event) -> String {
    let subject = event.subject.as_ref().map(ToString::to_string);
    let version = event.version.map(|at| format!(" as of {at}"));
    format!(
        "{} {}{}",
        event.kind.as_str().replace('_', " "),
        subject.unwrap_or_default(),
        version.unwrap_or_default()
    )
}

fn say_wrong(context: &Context, request: &Request, rejected: Rejected) -> anyhow::Result<ExitCode> {
    let hints = request.hints(rejected);
    if context.json {
        say_json(&json!({
            "believed": false,
            "code": rejected.code(),
            "reason": rejected.to_string(),
            "hints": hints,
        }))?;
    } else {
        say(format!("it is refused: {rejected}"));
        for hint in hints {
            say(format!("  {hint}"));
        }
    }
    Ok(ExitCode::FAILURE)
}

async fn send(context: &Context, args: &SendArgs) -> anyhow::Result<ExitCode> {
    let marketplace = args.signing.marketplace()?;
    check_target(&args.to, &context.settings.http.public_url)?;
    let secret = args.signing.secret(&args.body)?;
    let body = read(&args.body)?;
    let client = http::client(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
    });
    let mut request = client
        .post(args.to.clone())
        .header("content-type", "application/json");
    let signing = simulation::Signing {
        app_key: &args.signing.app_key,
        secret: &secret,
        address: args.to.as_str(),
        id: &format!("msg_{}", uuid::Uuid::now_v7().simple()),
        at: Clock::system().now(),
    };
    let signature = marketplace.simulator().sign(&signing, &body);
    for (name, value) in signature.into_iter().chain(headers(&args.headers)?) {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.with_context(|| {
        format!(
            "{} did not answer; does `marketsink serve` run there?",
            args.to
        )
    })?;
    let status = answer.status();
    if context.json {
        say_json(&json!({"status": status.as_u16(), "acknowledged": status.is_success()}))?;
    } else {
        say(format!("{}: {}", status.as_u16(), meaning(status.as_u16())));
    }
    Ok(if status.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn meaning(status: u16) -> &'static str {
    match status {
        200..=299 => "stored and on disk; `marketsink deliveries list` shows it",
        401 => "the signature is not believed; the secret or the app key is another",
        404 => "nobody is at this address; `marketsink channel show ID` tells the right one",
        413 => "the body is longer than http.body_limit_bytes",
        503 => "it could not be stored; nothing was acknowledged",
        _ => "not what marketsink answers; something else may stand before it",
    }
}

/// Test deliveries go to ourselves only.
fn check_target(to: &Url, public_url: &str) -> anyhow::Result<()> {
    let is_loopback = match to.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_ours = Url::parse(public_url).is_ok_and(|ours| ours.origin() == to.origin());
    if is_loopback || is_ours {
        return Ok(());
    }
    bail!("{to} is not ours; test deliveries go to loopback or to http.public_url = {public_url}")
}
