//! `channel calendar`: when what each channel lives on ends, what happens then, and who must act.

use super::{again, platform};
use crate::channels::{self, Channel, ChannelState, Dates, Expiry, Lifeline};
use crate::cli::{
    context::Context,
    finding::Finding,
    output::{Table, at, dash, say_json},
};
use crate::domain::Timestamp;
use clap::Args;
use serde_json::{Value, json};

/// Lists when each channel's access token, refresh token and authorization end, and who must act
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink channel calendar\n  marketsink channel calendar --json"
)]
pub struct CalendarArgs {}

/// One connection's line.
pub(super) struct Line {
    dates: Option<Dates>,
    pub what_then: String,
    pub who: &'static str,
}

pub(super) async fn calendar(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, now) = (&session.app.db, session.now());
    let dates = channels::calendar(db, session.merchant).await?;
    let all = channels::list(db, session.merchant, false).await?;
    let connections = all.iter().filter(|channel| channel.parent.is_none());
    let lines: Vec<_> = connections
        .map(|channel| {
            let dates = dates.get(&channel.id).copied();
            (channel, Line::of(channel, dates, now))
        })
        .collect();
    if context.json {
        let lines: Vec<Value> = lines.iter().map(|(c, line)| line.as_json(c)).collect();
        say_json(&lines)?;
    } else {
        let heading = [
            "id",
            "platform",
            "name",
            "access token",
            "refresh token",
            "authorization",
            "what happens then",
            "who acts",
        ];
        let mut table = Table::new(&heading);
        for (channel, line) in &lines {
            let [access, refresh, consent] = line
                .ends()
                .map(|end| end.map_or_else(dash, |end| at(end.micros())));
            table.row([
                channel.id.to_string(),
                platform(channel).to_owned(),
                channel.name.clone(),
                access,
                refresh,
                consent,
                line.what_then.clone(),
                line.who.to_owned(),
            ]);
        }
        table.say("no shop is connected; `marketsink channel needs` tells how");
    }
    session.close().await
}

impl Line {
    pub fn of(channel: &Channel, dates: Option<Dates>, now: Timestamp) -> Self {
        let line = |what_then: String, who| Self {
            dates,
            what_then,
            who,
        };
        let again = again(channel);
        if channel.state == ChannelState::Locked {
            return line(format!("it is locked now: {again}"), "merchant");
        }
        let Some(dates) = dates else {
            return line(format!("it has no credentials: {again}"), "merchant");
        };
        if let Some(ending) = dates.expiry.ending(now) {
            let what = ending.of.as_str();
            let when = match ending.days_left {
                0 => format!("the {what} has ended"),
                1 => format!("the {what} ends within a day"),
                days => format!("the {what} ends in {days} days"),
            };
            return line(format!("{when}: {again}"), "merchant");
        }
        match (
            dates.expiry.renewal_at(dates.renewed_at),
            dates.expiry.end(),
        ) {
            (Some(renewal), _) => line(
                format!("the access token is renewed at {}", at(renewal.micros())),
                "nobody",
            ),
            (None, Some((lifeline, _))) => line(
                format!("when the {} ends: {again}", lifeline.as_str()),
                "merchant",
            ),
            (None, None) if channel.marketplace.limits().tokens_expire => line(
                "nobody told when; the access token is renewed when it has expired".to_owned(),
                "nobody",
            ),
            (None, None) => line("nothing ends".to_owned(), "nobody"),
        }
    }

    /// Of the access token, the refresh token and the authorization.
    pub fn ends(&self) -> [Option<Timestamp>; 3] {
        let expiry = self.dates.map(|dates| dates.expiry).unwrap_or_default();
        [expiry.access, expiry.refresh, expiry.consent]
    }

    pub fn as_json(&self, channel: &Channel) -> Value {
        let [access, refresh, consent] = self.ends().map(|end| end.map(|end| end.to_string()));
        json!({
            "channel": channel.id,
            "name": channel.name,
            "platform": channel.platform,
            "access_token_ends_at": access,
            "refresh_token_ends_at": refresh,
            "authorization_ends_at": consent,
            "what_then": self.what_then,
            "who": self.who,
        })
    }
}

/// What `channel test` finds of each end.
pub(super) fn ends(channel: &Channel, dates: Dates, now: Timestamp) -> Vec<Finding> {
    let of = |lifeline| merchants_end(channel, lifeline, &dates.expiry, now);
    let lifelines = [Lifeline::RefreshToken, Lifeline::Consent].map(of);
    let access = access_end(channel, dates, now);
    [access].into_iter().chain(lifelines).collect()
}

/// The access token is ours to renew.
fn access_end(channel: &Channel, dates: Dates, now: Timestamp) -> Finding {
    const CHECK: &str = "access token";
    let renewal = dates.expiry.renewal_at(dates.renewed_at);
    match (dates.expiry.access, renewal) {
        (Some(end), _) if end <= now => Finding::fail(
            CHECK,
            format!("it died at {}", at(end.micros())),
            "does `marketsink serve` run with the roles scheduler and worker?",
        ),
        (Some(end), Some(renewal)) => {
            let [end, renewal] = [end, renewal].map(|time| at(time.micros()));
            let found = format!("it lives until {end}; renewed from {renewal} on");
            Finding::ok(CHECK, found)
        }
        _ if channel.marketplace.limits().tokens_expire => Finding::ok(
            CHECK,
            "nobody told when it ends; renewed when it is refused",
        ),
        _ => Finding::ok(CHECK, "it does not end"),
    }
}

/// What only the merchant can renew.
fn merchants_end(channel: &Channel, of: Lifeline, expiry: &Expiry, now: Timestamp) -> Finding {
    let check = of.as_str();
    let alone = match of {
        Lifeline::RefreshToken => Expiry {
            refresh: expiry.refresh,
            ..Expiry::default()
        },
        Lifeline::Consent => Expiry {
            consent: expiry.consent,
            ..Expiry::default()
        },
    };
    let Some((_, end)) = alone.end() else {
        let has_tokens = channel.marketplace.limits().tokens_expire;
        return Finding::ok(
            check,
            match of {
                Lifeline::RefreshToken if !has_tokens => "there is none, and none is needed",
                _ => "nobody told of an end",
            },
        );
    };
    let end = at(end.micros());
    match alone.ending(now) {
        None => Finding::ok(check, format!("it lasts until {end}")),
        Some(ending) if ending.days_left == 0 => {
            Finding::fail(check, format!("it ended at {end}"), again(channel))
        }
        Some(ending) => {
            let days = ending.days_left;
            let found = format!("it ends at {end}, in {days} days or less");
            Finding::warn(check, found, again(channel))
        }
    }
}
