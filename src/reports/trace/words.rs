//! Answers and actions in words, and a trace as text. Pure.

use super::{Action, ActionKind, Answer, Trace, facts::Facts};
use crate::channels::Channel;
use crate::domain::JobId;
use crate::marketplaces::ShopAddress;
use crate::sales::{self, OrderFull};
use crate::sync::Mend;
use entity::{conflicts, jobs, orders};
use std::fmt::Write;

pub(super) fn standing(order: &orders::Model) -> String {
    sales::standing_in_words(&order.document, order.paid, &order.fulfilment)
}

/// Lines whose stock did not move, with the reason.
pub(super) fn unlinked(full: &OrderFull) -> Vec<String> {
    let waiting = full.lines.iter().filter(|line| line.sku_id.is_none());
    waiting
        .map(|line| {
            let why = match (line.flag.as_deref(), line.seller_sku.as_deref()) {
                (Some("missing_sku"), _) | (_, None) => {
                    "it has no seller SKU at the marketplace".to_owned()
                }
                (_, Some(code)) => format!("no SKU is called {code}"),
            };
            format!("{} x{} ({why})", line.title, line.quantity)
        })
        .collect()
}

impl Answer {
    /// The answer in one sentence.
    pub(super) fn sentence(&self, facts: &Facts) -> String {
        let name = |id: crate::domain::ChannelId| facts.name_of(id.0);
        match self {
            Self::InBooks { standing } => format!("it is in the books: {standing}"),
            Self::InConflict {
                standing,
                conflicts,
            } => format!(
                "it is in the books ({standing}), and waits for a person: {}",
                conflicts.join("; ")
            ),
            Self::UnlinkedSku { standing, lines } => format!(
                "it is in the books ({standing}), but stock did not move for {}",
                lines.join("; ")
            ),
            Self::ChannelRemoved { channel } => format!(
                "it is not in the books: {} was removed before it was booked",
                name(*channel)
            ),
            Self::ChannelLocked { channel, reason } => format!(
                "it was heard of, and cannot be read: {} is locked ({reason})",
                name(*channel)
            ),
            Self::BeingRead { .. } => "it was heard of, and is read in a moment".to_owned(),
            Self::Retrying {
                until,
                attempt,
                of,
                error,
                ..
            } => {
                let again = if *until <= facts.now {
                    "it is due now".to_owned()
                } else {
                    format!("it is tried again at {until}")
                };
                format!(
                    "it was heard of, and reading it failed: {error} (attempt {attempt} of {of}); {again}"
                )
            }
            Self::GivenUp { error, .. } => {
                format!("it was heard of, and reading it was given up: {error}")
            }
            Self::NotShown { reason } => {
                format!("it was heard of, and the marketplace does not show it: {reason}")
            }
            Self::UnpaidBySetting { channel } => format!(
                "it was read and not booked: it is not paid, and {} does not want unpaid orders (unpaid_orders is no); it \
                 is booked when it is paid",
                name(*channel)
            ),
            Self::NothingToBook => {
                "it was read and not booked: it is a draft, or of a status that books nothing"
                    .to_owned()
            }
            Self::BeforeConnection { reason, .. } | Self::Explained { reason, .. } => {
                format!("it is not in the books, and does not belong there by itself: {reason}")
            }
            Self::Missing { day, reason } => format!(
                "it is missing: completeness of {day} found it at the marketplace and could not bring it in: {reason}"
            ),
            Self::Heard { verdict, .. } => format!(
                "a webhook named it ({}), and the work that came of it is gone",
                verdict.replace('_', " ")
            ),
            Self::NotUnderstood { verdict, .. } => {
                let why = match verdict.as_str() {
                    "unknown_topic" => "its topic is not known",
                    "unreadable" => "it is not of the shape that its topic promises",
                    "unknown_channel" => "it is for a shop that is not connected",
                    _ => "its topic books nothing",
                };
                format!("a webhook that names it was stored, and nothing was made of it: {why}")
            }
            Self::Refused {
                reason, channel, ..
            } => {
                let of = channel.map_or_else(String::new, |id| format!(" for {}", name(id)));
                format!(
                    "a webhook that names it was refused{of}: {reason}; nothing of it is believed"
                )
            }
            Self::NeverHeard => never_heard(facts),
        }
    }
}

fn never_heard(facts: &Facts) -> String {
    let n = facts.could_have().count();
    if n == 0 {
        return "nothing has ever named it, and no shop is connected".to_owned();
    }
    let mut text = format!("nothing has ever named it; {n} connected shops could have it");
    for channel in facts.could_have() {
        let name = facts.name_of(channel.id.0);
        if let Some(reason) = channel
            .state_reason
            .as_ref()
            .filter(|_| !channel.is_active())
        {
            // Writing to a string cannot fail.
            let _ = write!(text, "; {name} is locked ({reason})");
        }
        if let Some(since) = facts.silent.get(&channel.id) {
            let _ = write!(text, "; {name} tells unusually little since {since}");
        }
        if let Some(topics) = facts.unsubscribed.get(&channel.id) {
            let _ = write!(
                text,
                "; webhooks of {name} do not come ({})",
                topics.join(", ")
            );
        }
    }
    text
}

fn action(
    kind: ActionKind,
    sentence: impl Into<String>,
    command: impl Into<String>,
    mend: Option<Mend>,
) -> Action {
    Action {
        kind,
        sentence: sentence.into(),
        command: Some(command.into()),
        mend,
    }
}

/// The command that connects a shop again.
pub fn reconnecting(channel: &Channel) -> String {
    let (slug, connecting) = (channel.marketplace.slug(), channel.marketplace.connecting());
    let how = if connecting.consent { "link" } else { "add" };
    let url = channel.base_url.as_deref();
    let url = url.filter(|_| connecting.address != ShopAddress::Shared);
    let url = url.map_or_else(String::new, |url| format!(" --url {url}"));
    format!("marketsink channel {how} {slug}{url}")
}

pub(super) fn reconnect(channel: &Channel) -> Action {
    let sentence = format!(
        "connect channel {} {} again; what was parked is then taken up by itself",
        channel.id, channel.name
    );
    action(ActionKind::Reconnect, sentence, reconnecting(channel), None)
}

/// As an argument of a command.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) fn download(channel: &Channel, number: &str) -> Action {
    let id = channel.id;
    let mend = Mend::Download {
        channel: id,
        numbers: vec![number.to_owned()],
    };
    action(
        ActionKind::Download,
        format!("read it now from channel {id} {}", channel.name),
        format!(
            "marketsink orders download {id} --numbers {}",
            quoted(number)
        ),
        channel.is_active().then_some(mend),
    )
}

pub(super) fn ask(facts: &Facts) -> Action {
    action(
        ActionKind::Ask,
        "ask the shops that could have it; nothing is written",
        format!("marketsink find {} --ask", quoted(facts.number())),
        None,
    )
}

pub(super) fn serving() -> Action {
    action(
        ActionKind::Wait,
        "wait a moment; where nothing is running, start it",
        "marketsink serve",
        None,
    )
}

pub(super) fn revive(job: &jobs::Model) -> Action {
    action(
        ActionKind::Revive,
        format!("try job {} again", job.id),
        format!("marketsink jobs revive {}", job.id),
        Some(Mend::Revive { job: JobId(job.id) }),
    )
}

pub(super) fn replay(delivery: i64) -> Action {
    action(
        ActionKind::Replay,
        format!("take delivery {delivery} up again"),
        format!("marketsink deliveries replay {delivery}"),
        Some(Mend::Replay { delivery }),
    )
}

pub(super) fn look_at_delivery(delivery: i64) -> Action {
    action(
        ActionKind::Look,
        format!("see whose shop delivery {delivery} is for, and connect it"),
        format!("marketsink deliveries show {delivery}"),
        None,
    )
}

pub(super) fn want_unpaid(channel: &Channel) -> Action {
    action(
        ActionKind::Setting,
        "or have unpaid orders booked as sales orders from now on",
        format!(
            "marketsink channel settings {} unpaid_orders=yes",
            channel.id
        ),
        None,
    )
}

pub(super) fn check_secret(channel: &Channel) -> Action {
    action(
        ActionKind::CheckSecret,
        format!(
            "compare the signing secret of channel {} {}, and send a webhook to ourselves",
            channel.id, channel.name
        ),
        format!("marketsink channel test {}", channel.id),
        None,
    )
}

pub(super) fn verify_refused(sample: i64) -> Action {
    action(
        ActionKind::VerifyRefused,
        format!(
            "check its signature again with the secret of now; if it is right, release it with quarantine release {sample}"
        ),
        format!("marketsink quarantine verify {sample}"),
        None,
    )
}

pub(super) fn mend_webhooks(channel: &Channel) -> Action {
    action(
        ActionKind::MendWebhooks,
        format!(
            "have channel {} {} send webhooks again",
            channel.id, channel.name
        ),
        format!("marketsink channel test {} --mend", channel.id),
        None,
    )
}

pub(super) fn decide(conflict: &conflicts::Model) -> Action {
    action(
        ActionKind::DecideConflict,
        format!("decide: {}", conflict.detail),
        format!("marketsink conflicts show {}", conflict.id),
        None,
    )
}

/// What gives the waiting lines a SKU.
pub(super) fn linking(facts: &Facts) -> Vec<Action> {
    let id = facts.connection.as_ref().map_or(0, |channel| channel.id.0);
    vec![action(
        ActionKind::LinkListing,
        "link the listing to a SKU, or create the SKU: stock then moves by itself",
        format!("marketsink listings not-in-pos {id}"),
        None,
    )]
}

impl Trace {
    /// As a person reads it: the answer, what to do, and unless `brief`, everything that happened.
    pub fn text(&self, brief: bool) -> String {
        let mut text = String::new();
        let number = match (&self.order, &self.subject) {
            (Some(order), _) => &order.number,
            (None, Some(subject)) => &subject.remote_id,
            (None, None) => &self.asked,
        };
        let on = self.channel.as_ref();
        let on = on.map_or_else(String::new, |(id, name)| format!(" on channel {id} {name}"));
        let since = self.since.filter(|_| !self.is_in_books());
        let since = since.map_or_else(String::new, |at| format!(" (since {at})"));
        line(
            &mut text,
            format!("order {number}{on}: {}{since}", self.sentence),
        );
        if let Some(order) = &self.order {
            let facts = [
                ("marketplace says", Some(&order.remote_status)),
                ("total", Some(&order.total)),
                ("invoice", order.invoice_number.as_ref()),
                ("tracking", order.tracking_number.as_ref()),
            ];
            for (name, value) in facts {
                let value = value.map_or("-", String::as_str);
                line(&mut text, format!("  {name:16}  {value}"));
            }
        }
        actions(&mut text, "  ", &self.actions);
        for remark in &self.remarks {
            line(&mut text, format!("  LOOK: {}", remark.sentence));
            // What the answer recommends already is not said again.
            let new = remark
                .actions
                .iter()
                .filter(|one| !self.actions.contains(one));
            actions(&mut text, "    ", &new.cloned().collect::<Vec<_>>());
        }
        if !brief {
            line(&mut text, "  what happened".to_owned());
            for moment in &self.timeline {
                let mark = if moment.is_trouble { '!' } else { ' ' };
                line(
                    &mut text,
                    format!("  {mark} {}  {}", moment.at, moment.text),
                );
            }
            if self.timeline.is_empty() {
                line(&mut text, "    nothing".to_owned());
            }
        }
        text
    }
}

fn actions(text: &mut String, margin: &str, actions: &[Action]) {
    for action in actions {
        line(text, format!("{margin}-> {}", action.sentence));
        if let Some(command) = &action.command {
            line(text, format!("{margin}   {command}"));
        }
    }
}

fn line(text: &mut String, content: String) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}
