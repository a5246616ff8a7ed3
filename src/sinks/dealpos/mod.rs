//! DealPOS: the invoices of our sales in the merchant's till, over its REST v3.
//!
//! One more endpoint of the same happenings. A happening says which sale to look at; what is told is the sale as the
//! books hold it *then*, so that late, repeated and reordered happenings end the same:
//!
//! 1. Look the invoice up by its natural key, outlet and number. So a create that got no answer is found and not
//!    repeated, and a happening that is told twice makes one invoice.
//! 2. Not there: create it, sent and paid as it is. There: bring its lines up to date, send it, pay it, void it.
//! 3. A void names the state of the delivery that it expects, and DealPOS refuses it when somebody has sent the goods
//!    from the till meanwhile. What it refuses is a conflict for a person.
//!
//! Returns are not told: the pages show how returned invoices are listed, not how one is made. A sales order is not told
//! either: an invoice is the first document.
//!
//! Source: developer.dealpos.com, DealPOS API 3.1.0 (Invoice, Invoice Payment, Outbound Logistic), read 2026-11-23. The
//! paths of the token and of the void are inferences, and can be set.

mod client;
mod mapping;
mod simulator;

pub use client::Credentials;
pub(super) use client::Token;
pub use simulator::{DealPosSimulator, TillInvoice};

use super::{SinkError, Sinks};
use crate::accounts;
use crate::channels;
use crate::domain::{ChannelId, MerchantId, OrderId};
use crate::outbox::{Due, Endpoint, Told};
use crate::sales::{self, Conflict, ConflictKind};
use chrono_tz::Tz;
use client::{Till, Trouble};
use entity::orders;
use mapping::{Sale, Shown, Wanted};
use sea_orm::{EntityTrait, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Where an invoice is looked up by outlet and number. Source: Get Invoice, DealPOS API 3.1.0.
const LOOK: &str = "Invoice/Detail";
const INVOICE: &str = "Invoice";
const PAYMENT: &str = "Payment/Invoice";
const OUTBOUND: &str = "OutboundLogistic";

/// What a merchant decides about the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name of the payment method that marketplaces' money is booked with.
    pub payment_method: String,
    #[serde(default = "no_tax")]
    pub tax_type: String,
    /// Our outlet to theirs; those that are not named have the same name.
    #[serde(default)]
    pub outlets: BTreeMap<String, String>,
    /// Our platform, such as `shopee`, to their tag; without one it is the channel's name.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Our SKU to their variant code; those that are not named have the same code.
    #[serde(default)]
    pub codes: BTreeMap<String, String>,
    /// Below `/api/v3/`; inference.
    #[serde(default = "token_path")]
    pub token_path: String,
    /// Below `/api/v3/`; inference.
    #[serde(default = "void_path")]
    pub void_path: String,
}

fn no_tax() -> String {
    "No Tax".to_owned()
}

fn token_path() -> String {
    "Token".to_owned()
}

fn void_path() -> String {
    "Invoice/Void".to_owned()
}

impl Settings {
    pub fn new(payment_method: &str) -> Self {
        Self {
            payment_method: payment_method.to_owned(),
            tax_type: no_tax(),
            outlets: BTreeMap::new(),
            tags: BTreeMap::new(),
            codes: BTreeMap::new(),
            token_path: token_path(),
            void_path: void_path(),
        }
    }
}

/// How telling one sale ended.
enum End {
    /// DealPOS holds what the books hold; what was done for it.
    Agrees(String),
    /// It refuses: a person decides.
    Refuses(String),
}

impl Sinks {
    /// Tries to sign in: before anything is stored.
    ///
    /// # Errors
    /// What is wrong with the address or the credentials, for people.
    pub async fn try_dealpos(
        &self,
        base: &str,
        settings: &Settings,
        credentials: &Credentials,
    ) -> Result<(), String> {
        let till = Till {
            http: &self.shared.http,
            base,
            settings,
            credentials,
            token: Token::default(),
            now: self.now(),
        };
        match till.sign_in().await {
            Ok(_) => Ok(()),
            Err(
                Trouble::Credentials(reason)
                | Trouble::Later { reason, .. }
                | Trouble::Refused {
                    message: reason, ..
                },
            ) => Err(reason),
        }
    }

    pub(super) async fn tell_dealpos(
        &self,
        endpoint: &Endpoint,
        due: &Due,
    ) -> Result<Told, SinkError> {
        let Some(order) = order_of(&due.happening.subject) else {
            return Ok(taken("nothing that a till books"));
        };
        let Ok(settings) = serde_json::from_value::<Settings>(endpoint.settings.clone()) else {
            return Ok(refused(
                None,
                "its settings cannot be read; connect it again",
            ));
        };
        let secret = self.secrets(endpoint).await;
        let credentials = match &secret {
            Err(super::EndpointSecretError::Db(error)) => {
                return Err(SinkError::Unread(error.to_string()));
            }
            Err(error) => return Ok(failed(None, &error.to_string())),
            Ok(secrets) => secrets
                .first()
                .and_then(|text| serde_json::from_str(text).ok()),
        };
        let Some(credentials) = credentials else {
            return Ok(failed(None, "it has no credentials; connect it again"));
        };
        let Some(sale) = self.sale(endpoint.merchant, order).await? else {
            return Ok(taken("the books do not hold this order"));
        };
        let zone = accounts::zone_of(self.db().read(), endpoint.merchant).await?;
        let wanted = match mapping::wanted(&sale, &settings, zone) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(taken("the order has no invoice yet")),
            Err(reason) => return Ok(refused(None, &reason)),
        };
        let till = Till {
            http: &self.shared.http,
            base: &endpoint.url,
            settings: &settings,
            credentials: &credentials,
            token: self.token_of(endpoint.id),
            now: self.now(),
        };
        self.judge(endpoint.merchant, order, agree(&till, &wanted, zone).await)
            .await
    }

    /// The sale as the books hold it now.
    async fn sale(&self, merchant: MerchantId, id: OrderId) -> Result<Option<Sale>, SinkError> {
        let Some(full) = sales::order_full(self.db(), merchant, id).await? else {
            return Ok(None);
        };
        let db = self.db().read();
        let channel = channels::load(db, ChannelId(full.order.channel_id)).await?;
        let told = sales::sale(db, merchant, &full.order, &channel).await?;
        let sale = serde_json::from_value(told["order"].clone());
        Ok(Some(
            sale.map_err(|error| SinkError::Unread(error.to_string()))?,
        ))
    }

    /// Writes down what a person must decide, or that there is nothing any more.
    async fn judge(
        &self,
        merchant: MerchantId,
        order: OrderId,
        ended: Result<End, Trouble>,
    ) -> Result<Told, SinkError> {
        let refusal = match ended {
            Ok(End::Agrees(done)) => {
                self.settle(merchant, order, None).await?;
                return Ok(taken(&done));
            }
            Ok(End::Refuses(reason)) => (None, reason),
            Err(Trouble::Later {
                status,
                reason,
                wait,
            }) => {
                return Ok(Told::Failed {
                    status,
                    answer: reason,
                    wait,
                });
            }
            Err(Trouble::Credentials(reason)) => return Ok(failed(Some(401), &reason)),
            Err(Trouble::Refused { status, message }) => (Some(status), message),
        };
        self.settle(merchant, order, Some(&refusal.1)).await?;
        Ok(refused(refusal.0, &refusal.1))
    }

    /// The conflict of this order at DealPOS: raised with a reason, closed without.
    async fn settle(
        &self,
        merchant: MerchantId,
        order: OrderId,
        reason: Option<&str>,
    ) -> Result<(), SinkError> {
        let now = self.now();
        let tx = self.db().write_tx().await?;
        // The order's row comes first, as everywhere.
        orders::Entity::find_by_id(order.0)
            .lock_exclusive()
            .one(&tx)
            .await?;
        let kind = ConflictKind::SinkRefused;
        match reason {
            Some(reason) => {
                let detail = format!("DealPOS refuses the invoice: {reason}");
                let facts = json!({"sink": "dealpos", "reason": reason});
                let conflict = Conflict::of_order(kind, order, detail, facts);
                sales::raise(&tx, merchant, conflict, now).await?;
            }
            None => {
                let subject = sales::subject(order);
                sales::close_gone(&tx, merchant, kind, &subject, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Makes DealPOS hold what the books hold.
async fn agree(till: &Till<'_>, wanted: &Wanted, zone: Tz) -> Result<End, Trouble> {
    let Some(shown) = look(till, wanted).await? else {
        if wanted.is_void {
            return Ok(End::Agrees("void, and never there".to_owned()));
        }
        till.post(INVOICE, &wanted.body).await?;
        return Ok(End::Agrees("created".to_owned()));
    };
    match (wanted.is_void, shown.is_void) {
        (true, true) => Ok(End::Agrees("void".to_owned())),
        (true, false) => void(till, wanted, &shown).await,
        (false, true) => Ok(End::Refuses(
            "it was voided there, and holds here".to_owned(),
        )),
        (false, false) => advance(till, wanted, &shown, zone).await,
    }
}

async fn look(till: &Till<'_>, wanted: &Wanted) -> Result<Option<Shown>, Trouble> {
    let pairs = [
        ("Number", wanted.number.as_str()),
        ("Outlet", wanted.outlet.as_str()),
    ];
    let answer = till.look(LOOK, &pairs).await?;
    Ok(answer.and_then(|answer| mapping::shown(&answer, wanted)))
}

/// Goods that left by our books may not have been sent there yet: then they need not be. Goods that were sent there
/// and not by our books are somebody else's doing, and DealPOS refuses.
async fn void(till: &Till<'_>, wanted: &Wanted, shown: &Shown) -> Result<End, Trouble> {
    let expects_sent = wanted.has_left && shown.is_sent;
    let body = mapping::void(wanted, expects_sent);
    till.post(&till.settings.void_path, &body).await?;
    Ok(End::Agrees("voided".to_owned()))
}

async fn advance(
    till: &Till<'_>,
    wanted: &Wanted,
    shown: &Shown,
    zone: Tz,
) -> Result<End, Trouble> {
    let mut done = Vec::new();
    let differs = shown
        .total_minor
        .is_some_and(|total| total != wanted.total.minor);
    if differs && shown.is_paid {
        return Ok(End::Refuses(format!(
            "it is paid there with another total than {}",
            wanted.total
        )));
    }
    if differs {
        // A payment of the old total cannot be there: it is not paid.
        till.put(INVOICE, &wanted.body).await?;
        return Ok(End::Agrees("updated".to_owned()));
    }
    if wanted.has_left && !shown.is_sent {
        till.post(OUTBOUND, &mapping::outbound(wanted, till.now, zone))
            .await?;
        done.push("sent");
    }
    if wanted.is_paid && !shown.is_paid {
        let payment = mapping::payment(wanted, till.settings, till.now, zone);
        till.post(PAYMENT, &payment).await?;
        done.push("paid");
    }
    if done.is_empty() {
        done.push("nothing to do");
    }
    Ok(End::Agrees(done.join(" and ")))
}

fn order_of(subject: &str) -> Option<OrderId> {
    subject.strip_prefix("order:")?.parse().ok().map(OrderId)
}

fn taken(answer: &str) -> Told {
    Told::Delivered {
        status: None,
        answer: answer.to_owned(),
    }
}

fn refused(status: Option<u16>, answer: &str) -> Told {
    Told::Refused {
        status,
        answer: answer.to_owned(),
    }
}

fn failed(status: Option<u16>, answer: &str) -> Told {
    Told::Failed {
        status,
        answer: answer.to_owned(),
        wait: None,
    }
}

/// Tokens in use, by endpoint.
pub(super) type Tokens = std::sync::Mutex<std::collections::HashMap<i64, Token>>;

/// When a person looks: the settings of an endpoint.
pub fn settings_of(endpoint: &Endpoint) -> Option<Settings> {
    serde_json::from_value(endpoint.settings.clone()).ok()
}
