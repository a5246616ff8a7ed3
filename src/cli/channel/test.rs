//! `channel test`: whether a channel works, asked of the marketplace and of ourselves.

use super::{again, calendar::ends, mending};
use crate::accounts::Deed;
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    finding::{Finding, is_broken, say_findings},
    output::{say, say_json},
};
use crate::domain::Timestamp;
use crate::inbox::{self, SelfTest, Verdict};
use crate::marketplaces::{
    MarketplaceError, ShopIdentity, Subscribed, Subscribing, SubscriptionState, http,
};
use crate::sync::{Answers, Clocks, Examination};
use crate::web::SELF_TEST_PASSED;
use clap::Args;
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};

/// Further apart than this, clocks are worth a look even where nobody refuses.
const SKEW: Duration = Duration::from_secs(60);
/// A channel that told nothing for so long is worth a look.
const QUIET: Duration = Duration::from_secs(2 * 86_400);
/// How long our own address may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Checks credentials, tokens, permissions, webhooks, clocks and signatures of a channel; exits with 1 when
/// something is broken
///
/// The self-test is a delivery that we sign ourselves with the channel's present key. It is checked as a
/// genuine one is, and never stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink channel test 1
  marketsink channel test 1 --send
  marketsink channel test 1 --mend --json")]
pub struct TestArgs {
    /// The channel, by its number in `marketsink channel list`
    id: i64,
    /// Send the self-test to our own public address: that shows whether name, proxy and certificate let
    /// webhooks through unchanged. `marketsink serve` must run
    #[arg(long)]
    send: bool,
    /// Ask the marketplace again for the webhooks that it does not send
    #[arg(long)]
    mend: bool,
}

pub(super) async fn test(context: &Context, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channel = session.channel(args.id).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    let mut findings = Vec::new();
    findings.extend(state(&connection));
    if args.mend {
        findings.extend(mend(&session, &connection).await);
    }
    let shops = examine(&session, &connection, &mut findings).await?;
    findings.push(last_delivery(&session, &connection).await?);
    for is_own in addresses(&session, &connection).await? {
        findings.extend(self_test(&session, &connection, is_own, args.send).await);
    }
    let works = !is_broken(&findings);
    if context.json {
        let shops: Vec<Value> = shops.iter().map(shop_json).collect();
        say_json(&json!({"works": works, "shops": shops, "checks": findings}))?;
    } else {
        for shop in &shops {
            say(format!(
                "{} answers as {} (shop {})",
                connection.marketplace.name(),
                shop.name,
                shop.remote_id
            ));
        }
        say_findings(&findings);
    }
    session.close().await?;
    Ok(if works {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn shop_json(shop: &ShopIdentity) -> Value {
    json!({"shop": shop.remote_id, "name": shop.name, "platforms": shop.platforms})
}

fn reconnect(channel: &Channel) -> String {
    format!("connect the shop again: {}", again(channel))
}

fn state(channel: &Channel) -> Option<Finding> {
    let reason = channel.state_reason.as_deref().unwrap_or("no reason known");
    let found = format!("{}: {reason}", channel.state.as_str());
    (!channel.is_active()).then(|| Finding::fail("state", found, reconnect(channel)))
}

async fn mend(session: &Session, channel: &Channel) -> Option<Finding> {
    let deed = Deed::new("channel.mended", "channel", channel.id);
    if let Err(error) = session.record_asked(deed).await {
        let to_do = "look at the database; nothing was mended";
        return Some(Finding::fail("mending webhooks", error.to_string(), to_do));
    }
    let mended = session.app.sync.check_subscriptions(channel.id).await;
    let error = mended.err()?;
    Some(Finding::fail(
        "mending webhooks",
        error.to_string(),
        "mend the cause and try again; the scheduled check does so too",
    ))
}

async fn examine(
    session: &Session,
    channel: &Channel,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<Vec<ShopIdentity>> {
    let examination = match session.app.sync.examine(channel.id).await {
        Ok(examination) => examination,
        Err(error) => {
            let failed = Finding::fail("credentials", error.to_string(), reconnect(channel));
            findings.push(failed);
            return Ok(Vec::new());
        }
    };
    let Examination {
        shops,
        answers,
        clocks,
    } = examination;
    findings.push(match &shops {
        Ok(shops) => credentials(channel, shops),
        Err(error) => Finding::fail("credentials", error.to_string(), reconnect(channel)),
    });
    findings.extend(calendar(session, channel).await?);
    if let Some(answers) = answers {
        findings.extend(permissions(channel, &answers));
        findings.push(subscriptions(channel, answers.subscriptions));
    }
    findings.push(clock(channel, clocks));
    Ok(shops.unwrap_or_default())
}

fn credentials(channel: &Channel, shops: &[ShopIdentity]) -> Finding {
    let its = shops
        .iter()
        .find(|shop| shop.remote_id == channel.remote_id);
    match its {
        Some(shop) => Finding::ok("credentials", format!("they open {}", shop.name)),
        None => Finding::fail(
            "credentials",
            format!("they open other shops, not {}", channel.remote_id),
            "add the channel again with those of that shop",
        ),
    }
}

/// Of the access token, the refresh token and the authorization.
async fn calendar(session: &Session, channel: &Channel) -> anyhow::Result<Vec<Finding>> {
    let dates = channels::calendar(&session.app.db, channel.merchant).await?;
    let dates = dates.get(&channel.id).copied();
    Ok(dates.map_or_else(Vec::new, |dates| ends(channel, dates, session.now())))
}

fn permissions(channel: &Channel, answers: &Answers) -> Vec<Finding> {
    let of = |what: &str, answer: &Option<Result<(), MarketplaceError>>| {
        let check = format!("reading {what}");
        match answer {
            None => Finding::ok(check, "it has no API for them: its webhooks carry them"),
            Some(Ok(())) => Finding::ok(check, "allowed"),
            Some(Err(MarketplaceError::NotReady { .. })) => Finding::ok(check, "being prepared"),
            Some(Err(error)) => Finding::fail(
                check,
                error.to_string(),
                format!(
                    "give {} the right to read {what}, then {}",
                    channel.marketplace.name(),
                    reconnect(channel)
                ),
            ),
        }
    };
    vec![
        of("orders", &answers.orders),
        of("products", &answers.products),
    ]
}

fn subscriptions(
    channel: &Channel,
    answer: Result<Option<Vec<Subscribed>>, MarketplaceError>,
) -> Finding {
    const CHECK: &str = "webhooks";
    let told = match answer {
        Ok(Some(told)) => told,
        Ok(None) => {
            return Finding::ok(CHECK, "the marketplace does not tell which it sends");
        }
        Err(error) => {
            let to_do = "allow the credentials to manage webhooks; scans find what is missed";
            return Finding::warn(CHECK, error.to_string(), to_do);
        }
    };
    let broken = told
        .iter()
        .filter(|one| one.state != SubscriptionState::Active);
    let broken: Vec<String> = broken
        .map(|one| format!("{} {}", one.topic, one.state.as_str().replace('_', " ")))
        .collect();
    if broken.is_empty() {
        return Finding::ok(CHECK, format!("all {} topics are sent here", told.len()));
    }
    let found = broken.join(", ");
    match channel.marketplace.limits().subscribing {
        Subscribing::Api => Finding::fail(CHECK, found, mending(channel)),
        _ => Finding::warn(CHECK, found, mending(channel)),
    }
}

fn clock(channel: &Channel, clocks: Option<Clocks>) -> Finding {
    const CHECK: &str = "clock";
    let Some(clocks) = clocks else {
        return Finding::ok(CHECK, "the marketplace does not tell its time");
    };
    let (ahead, behind) = clocks.ahead_and_behind();
    let off = ahead.max(behind);
    let side = if ahead > behind { "ahead of" } else { "behind" };
    let found = format!("ours is {} s {side} the marketplace's", off.as_secs());
    let to_do = "set this machine's clock, and keep it set: signatures carry the time";
    let tolerance = channel.marketplace.clock_tolerance();
    let is_refused =
        tolerance.is_some_and(|allowed| ahead > allowed.ahead || behind > allowed.behind);
    if is_refused {
        Finding::fail(CHECK, format!("{found}: requests are refused"), to_do)
    } else if off > SKEW {
        Finding::warn(CHECK, found, to_do)
    } else {
        Finding::ok(CHECK, found)
    }
}

async fn last_delivery(session: &Session, channel: &Channel) -> anyhow::Result<Finding> {
    const CHECK: &str = "last delivery";
    let last = inbox::last_delivery(&session.app.db, channel.id).await?;
    let Some(last) = last else {
        let to_do = "if it sells, its webhooks do not arrive: try --send";
        return Ok(Finding::warn(CHECK, "none yet", to_do));
    };
    let key = if last.key_index == 0 {
        ""
    } else {
        ", signed with a previous key"
    };
    let topic = &last.topic;
    let found = format!("{} {topic}: {}{key}", last.received_at, last.verdict);
    let is_understood = matches!(
        Verdict::parse(&last.verdict),
        Some(Verdict::Accepted | Verdict::Ignored)
    );
    Ok(if !is_understood {
        let to_do = format!("marketsink deliveries list --channel {}", channel.id);
        Finding::warn(CHECK, found, to_do)
    } else if is_quiet(last.received_at, session.now()) {
        Finding::warn(
            CHECK,
            found,
            "if it sells, its webhooks do not arrive: try --send",
        )
    } else {
        Finding::ok(CHECK, found)
    })
}

fn is_quiet(last: Timestamp, now: Timestamp) -> bool {
    now.since(last) > QUIET
}

/// The addresses that its webhooks may come to: false for the app's, true for its own.
async fn addresses(session: &Session, channel: &Channel) -> anyhow::Result<Vec<bool>> {
    let kind = channel.marketplace.limits().webhook_address;
    let (db, sealer) = (session.app.db.read(), &session.app.sealer);
    let own = channels::secrets_of_connection(db, sealer, channel.id, session.now()).await?;
    let mut addresses = Vec::new();
    if kind.is_per_app() {
        addresses.push(false);
    }
    if kind.is_per_channel() && !(kind.is_per_app() && own.keys.is_empty()) {
        addresses.push(true);
    }
    Ok(addresses)
}

async fn self_test(
    session: &Session,
    channel: &Channel,
    is_own: bool,
    is_sent: bool,
) -> Vec<Finding> {
    const CHECK: &str = "signed self-test";
    let (inbox, now) = (&session.app.inbox, session.now());
    let test = match inbox.self_test(channel, is_own, now).await {
        Ok(test) => test,
        Err(error) => {
            let to_do = if is_own {
                format!(
                    "give it a new secret: marketsink channel rotate-secret {}",
                    channel.id
                )
            } else {
                "look at the settings of our app at this marketplace".to_owned()
            };
            return vec![Finding::fail(CHECK, error.to_string(), to_do)];
        }
    };
    let mut findings = vec![Finding::ok(CHECK, "believed with the present key")];
    if is_sent {
        let sync = &session.app.sync;
        let url = if is_own {
            sync.channel_url(channel)
        } else {
            sync.webhook_url(channel)
        };
        findings.push(send(&url, test).await);
    }
    findings
}

async fn send(url: &str, test: SelfTest) -> Finding {
    let check = format!("self-test to {url}");
    let client = http::client(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
    });
    let mut request = client.post(url).header("content-type", "application/json");
    for (name, value) in test.headers {
        request = request.header(name, value);
    }
    let answer = match request.body(test.body).send().await {
        Ok(answer) => answer,
        Err(error) => {
            return Finding::fail(
                check,
                format!("no answer: {}", error.without_url()),
                "does `marketsink serve` run, and do name, proxy and certificate lead to it?",
            );
        }
    };
    let (name, value) = SELF_TEST_PASSED;
    let is_ours = answer.headers().get(name).is_some_and(|told| told == value);
    match answer.status().as_u16() {
        200..=299 if is_ours => Finding::ok(check, "it came through unchanged and was believed"),
        401 => Finding::fail(
            check,
            "401: the signature is not believed there",
            "something changes the body or the headers on the way, or the server there has other keys",
        ),
        404 => Finding::fail(
            check,
            "404: nobody is at this address",
            "does the server there use the same database, and is http.public_url right?",
        ),
        status => Finding::fail(
            check,
            format!("{status}, which is not what marketsink answers"),
            "something else answers at http.public_url; look at the proxy",
        ),
    }
}
