//! `dealpos`: the merchant's account at DealPOS, which is told of sales.

use super::{
    context::{Context, Session},
    output::{or_dash, say, say_json},
    secrets,
};
use crate::accounts::{self, Deed};
use crate::channels;
use crate::domain::{EndpointId, Timestamp};
use crate::outbox::{self, Endpoint, HappeningKind, NewEndpoint, Protocol, Replay};
use crate::sinks::dealpos::{Credentials, Settings, settings_of};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{json, to_value};
use std::{process::ExitCode, time::Duration};

/// Invoices of sales in DealPOS: connect, show, disconnect, replay
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink help dealpos connect\n  marketsink dealpos show\n  marketsink dealpos replay --since 2026-11-23T00:00:00Z"
)]
pub enum DealPosCommand {
    Connect(Box<ConnectArgs>),
    Show(ShowArgs),
    Disconnect(DisconnectArgs),
    Replay(ReplayArgs),
}

/// Connects an account, or changes the one that is connected
///
/// Its client needs the roles Sell/Create, Orders/View, Orders/Edit, Payment/Add and Logistic/Edit. It is tried before
/// anything is stored. Invoices are made for what is sold from then on; `marketsink dealpos replay` reaches back to
/// when the first endpoint was added.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink dealpos connect https://example.dealpos.net --client-id marketsink --client-secret - --payment-method Marketplace\n  marketsink dealpos connect https://example.dealpos.net --client-id marketsink --client-secret - --payment-method Marketplace --outlet Main=Outlet1 --tag shopee=Shopee"
)]
pub struct ConnectArgs {
    /// The account's address
    url: String,
    /// The id of the client that was made for marketsink
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Its secret; `-` reads it from standard input
    #[arg(long, value_name = "SECRET")]
    client_secret: String,
    /// The payment method there that marketplaces' money is booked with
    #[arg(long, value_name = "NAME")]
    payment_method: String,
    /// Our outlet and theirs, where the names differ; may be given again
    #[arg(long = "outlet", value_name = "OURS=THEIRS", value_parser = pair)]
    outlets: Vec<(String, String)>,
    /// A platform and its tag there; without one the channel's name is the tag
    #[arg(long = "tag", value_name = "PLATFORM=TAG", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// Our SKU and their variant code, where they differ; may be given again
    #[arg(long = "code", value_name = "OURS=THEIRS", value_parser = pair)]
    codes: Vec<(String, String)>,
    /// The tax type of invoices
    #[arg(long, value_name = "TYPE", default_value = "No Tax")]
    tax_type: String,
    /// Where tokens are given, below /api/v3/
    #[arg(long, value_name = "PATH", default_value = "Token")]
    token_path: String,
    /// Where invoices are voided, below /api/v3/
    #[arg(long, value_name = "PATH", default_value = "Invoice/Void")]
    void_path: String,
}

/// Shows the account, and how telling it goes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink dealpos show --json")]
pub struct ShowArgs {}

/// Tells the account no more, and forgets its credentials; the invoices there stay
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink dealpos disconnect")]
pub struct DisconnectArgs {}

/// Looks at sales again, and makes, sends, pays or voids what is not so there; never a second invoice
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink dealpos replay --since 2026-11-23T00:00:00Z\n  marketsink dealpos replay --failed"
)]
pub struct ReplayArgs {
    /// Sales that something happened to then or later, such as 2026-11-23T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "failed")]
    since: Option<Timestamp>,
    /// Only what was given up
    #[arg(long)]
    failed: bool,
}

pub async fn run(context: &Context, command: DealPosCommand) -> anyhow::Result<ExitCode> {
    match command {
        DealPosCommand::Connect(args) => connect(context, &args).await?,
        DealPosCommand::Show(_) => show(context).await?,
        DealPosCommand::Disconnect(_) => disconnect(context).await?,
        DealPosCommand::Replay(args) => replay(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (ours, theirs) = text.split_once('=').ok_or("write it so: ours=theirs")?;
    Ok((ours.to_owned(), theirs.to_owned()))
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is written so: 2026-11-23T00:00:00Z".to_owned())
}

fn settings(args: &ConnectArgs) -> Settings {
    Settings {
        tax_type: args.tax_type.clone(),
        outlets: args.outlets.iter().cloned().collect(),
        tags: args.tags.iter().cloned().collect(),
        codes: args.codes.iter().cloned().collect(),
        token_path: args.token_path.clone(),
        void_path: args.void_path.clone(),
        ..Settings::new(&args.payment_method)
    }
}

async fn connect(context: &Context, args: &ConnectArgs) -> anyhow::Result<()> {
    let app = context.open().await?;
    let url = app.sinks.check_address(&args.url)?;
    let settings = settings(args);
    let credentials = Credentials {
        client_id: args.client_id.clone(),
        client_secret: secrets::value(&args.client_secret)?,
    };
    let tried = app.sinks.try_dealpos(url.as_str(), &settings, &credentials);
    tried.await.map_err(|reason| anyhow!(reason))?;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let zone = accounts::DEFAULT_TIME_ZONE;
    let merchant = accounts::open_merchant(&tx, &context.merchant, zone, now).await?;
    // Connected anew, it begins anew; the books there know each invoice by its number.
    for old in outbox::endpoints(&tx, merchant, false).await? {
        if old.protocol == Protocol::DealPos {
            remove(&tx, old.id, now).await?;
        }
    }
    let new = NewEndpoint {
        merchant,
        protocol: Protocol::DealPos,
        url: url.to_string(),
        kinds: KINDS.to_vec(),
        settings: to_value(&settings)?,
    };
    let id = outbox::add(&tx, &new, now).await?;
    let deed = Deed::new("dealpos.connected", "endpoint", id);
    let what = json!({"url": new.url, "settings": new.settings});
    context
        .record(&tx, Some(merchant), deed.to(what), now)
        .await?;
    let secret = serde_json::to_vec(&credentials).context("the credentials")?;
    let none = Duration::ZERO;
    channels::set_endpoint_secret(&tx, &app.sealer, (merchant, id), &secret, none, now).await?;
    tx.commit().await?;
    app.close().await?;
    if context.json {
        return say_json(&json!({"endpoint": id, "url": url.as_str(), "settings": settings}));
    }
    say(format!(
        "DealPOS at {url} is told of sales from now on, as endpoint {id}"
    ));
    say("sales before: marketsink dealpos replay --since TIME");
    Ok(())
}

/// What changes an invoice.
const KINDS: [HappeningKind; 4] = [
    HappeningKind::SaleRecorded,
    HappeningKind::SaleChanged,
    HappeningKind::InvoiceVoided,
    HappeningKind::ReturnRecorded,
];

async fn remove(tx: &crate::db::Tx, id: EndpointId, now: Timestamp) -> anyhow::Result<()> {
    outbox::remove(tx, id, now).await?;
    channels::forget_endpoint_secrets(tx, id).await?;
    Ok(())
}

/// The merchant's account.
async fn connected(session: &Session) -> anyhow::Result<Endpoint> {
    let db = session.app.db.read();
    let found = outbox::endpoints(db, session.merchant, false).await?;
    let mut found = found.into_iter();
    let account = found.find(|endpoint| endpoint.protocol == Protocol::DealPos);
    match account {
        Some(account) => Ok(account),
        None => bail!("no account at DealPOS is connected; marketsink help dealpos connect"),
    }
}

async fn show(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let account = connected(&session).await?;
    let db = session.app.db.read();
    let waiting = outbox::deliveries(db, account.id, Some("waiting"), 1_000).await?;
    let failed = outbox::deliveries(db, account.id, Some("failed"), 1_000).await?;
    session.close().await?;
    let settings = settings_of(&account);
    if context.json {
        return say_json(&json!({
            "endpoint": account.id,
            "url": account.url,
            "state": account.state,
            "reason": account.state_reason,
            "failing_since": account.failing_since.map(|at| at.to_string()),
            "waiting": waiting.len(),
            "failed": failed.len(),
            "settings": settings,
        }));
    }
    say(format!("{} is endpoint {}", account.url, account.id));
    say(format!(
        "state: {} {}",
        account.state.as_str(),
        account.state_reason.as_deref().unwrap_or_default()
    ));
    say(format!("failing since: {}", or_dash(account.failing_since)));
    say(format!(
        "{} wait, {} were refused; `marketsink endpoints deliveries {}` shows them",
        waiting.len(),
        failed.len(),
        account.id
    ));
    if let Some(settings) = settings {
        say(format!("payment method: {}", settings.payment_method));
        for (what, pairs) in [
            ("outlet", &settings.outlets),
            ("tag", &settings.tags),
            ("code", &settings.codes),
        ] {
            for (ours, theirs) in pairs {
                say(format!("{what} {ours} is {theirs} there"));
            }
        }
    }
    Ok(())
}

async fn disconnect(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let account = connected(&session).await?;
    let tx = session.app.db.write_tx().await?;
    remove(&tx, account.id, session.now()).await?;
    let deed = Deed::new("dealpos.disconnected", "endpoint", account.id);
    let before = json!({"url": account.url});
    session.record(&tx, deed.from(before)).await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"endpoint": account.id, "state": "removed"}));
    }
    say(format!(
        "{} is told no more, and its credentials are forgotten",
        account.url
    ));
    Ok(())
}

async fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let account = connected(&session).await?;
    let which = Replay {
        since: args.since,
        failed_only: args.failed,
        ..Replay::default()
    };
    let tx = session.app.db.write_tx().await?;
    let n_replayed = outbox::replay(&tx, &account, &which, session.now()).await?;
    let deed = Deed::new("happenings.replayed", "endpoint", account.id);
    session
        .record(&tx, deed.to(json!({"replayed": n_replayed})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({"endpoint": account.id, "replayed": n_replayed}));
    }
    say(format!(
        "{n_replayed} happenings are looked at again by `marketsink serve`"
    ));
    Ok(())
}
