//! DealPOS from the other side: one account with its outlets, invoices, payments and goods, as the pages describe it.
//!
//! It knows what the connector asks for and refuses what DealPOS would: a number that is taken, a variant it does not
//! know, a payment of a void invoice, a void of goods in another state than was expected.

use crate::domain::Timestamp;
use crate::marketplaces::simulation::{SimRequest, SimResponse};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a token lasts.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);

/// An invoice in the till.
#[derive(Debug, Clone, PartialEq)]
pub struct TillInvoice {
    pub outlet: String,
    pub number: String,
    pub tag: String,
    pub reference: String,
    /// Hundredths of the currency's unit.
    pub total: i64,
    /// Units by variant code.
    pub units: BTreeMap<String, i64>,
    pub fulfilment: &'static str,
    pub is_void: bool,
    /// As the total.
    pub payments: Vec<i64>,
}

/// One account; clones share it.
#[derive(Debug, Clone)]
pub struct DealPosSimulator(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    outlets: BTreeSet<String>,
    codes: BTreeSet<String>,
    invoices: BTreeMap<(String, String), TillInvoice>,
    tokens: u64,
    token: Option<(String, Timestamp)>,
    /// Answers that get lost after the work was done.
    lost_answers: u32,
    calls: Vec<String>,
}

impl DealPosSimulator {
    pub const CLIENT_ID: &str = "marketsink";
    pub const CLIENT_SECRET: &str = "not-a-real-secret";

    /// An account with these outlets and variant codes.
    pub fn new(outlets: &[&str], codes: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self(Arc::new(Mutex::new(State {
            outlets: owned(outlets),
            codes: owned(codes),
            invoices: BTreeMap::new(),
            tokens: 0,
            token: None,
            lost_answers: 0,
            calls: Vec::new(),
        })))
    }

    /// By outlet and number.
    pub fn invoices(&self) -> Vec<TillInvoice> {
        self.state().invoices.values().cloned().collect()
    }

    /// Method and path of every call since the last look.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// The token in use is accepted no more, though it said it would be.
    pub fn expire_token(&self) {
        self.state().token = None;
    }

    /// The next so many changes are made, and their answers get lost.
    pub fn lose_answers(&self, n: u32) {
        self.state().lost_answers = n;
    }

    /// A person at the till hands the goods over.
    pub fn send_at_the_till(&self, outlet: &str, number: &str) {
        let key = (outlet.to_owned(), number.to_owned());
        if let Some(invoice) = self.state().invoices.get_mut(&key) {
            invoice.fulfilment = "Sent";
        }
    }

    /// And takes them back.
    pub fn take_back_at_the_till(&self, outlet: &str, number: &str) {
        let key = (outlet.to_owned(), number.to_owned());
        if let Some(invoice) = self.state().invoices.get_mut(&key) {
            invoice.fulfilment = "Unsent";
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers as the account would.
    pub fn answer(&self, request: &SimRequest, now: Timestamp) -> SimResponse {
        let mut state = self.state();
        state
            .calls
            .push(format!("{} {}", request.method, request.path));
        let path = request.path.trim_start_matches("/api/v3/");
        if path == "Token" {
            return state.sign_in(request, now);
        }
        if !state.is_signed_in(request, now) {
            return refusal(401, "Authorization has been denied for this request.");
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let answer = match (request.method.as_str(), path) {
            ("GET", "Invoice/Detail") => return state.show(request),
            ("POST", "Invoice") => state.create(&asked),
            ("PUT", "Invoice") => state.update(&asked),
            ("POST", "Invoice/Void") => state.void(&asked),
            ("POST", "Payment/Invoice") => state.pay(&asked),
            ("POST", "OutboundLogistic") => state.send(&asked),
            _ => return refusal(404, "No HTTP resource was found."),
        };
        if state.lost_answers > 0 {
            state.lost_answers -= 1;
            return refusal(504, "Gateway timeout");
        }
        answer.unwrap_or_else(|response| response)
    }
}

type Answer = Result<SimResponse, SimResponse>;

impl State {
    fn sign_in(&mut self, request: &SimRequest, now: Timestamp) -> SimResponse {
        let pairs = request.pairs();
        let is = |name: &str, value: &str| pairs.get(name).is_some_and(|given| given == value);
        let is_known = is("client_id", DealPosSimulator::CLIENT_ID)
            && is("client_secret", DealPosSimulator::CLIENT_SECRET)
            && is("grant_type", "client_credentials");
        if !is_known {
            return SimResponse::json(400, &json!({"error": "invalid_client"}));
        }
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        self.token = Some((token.clone(), now + TOKEN_LIFE));
        SimResponse::json(
            200,
            &json!({
                "access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFE.as_secs(),
            }),
        )
    }

    fn is_signed_in(&self, request: &SimRequest, now: Timestamp) -> bool {
        let given = request.header("authorization").unwrap_or_default();
        self.token
            .as_ref()
            .is_some_and(|(token, ends_at)| given == format!("Bearer {token}") && *ends_at > now)
    }

    fn show(&self, request: &SimRequest) -> SimResponse {
        let param = |name| request.param(name).unwrap_or_default().to_owned();
        match self.invoices.get(&(param("Outlet"), param("Number"))) {
            None => refusal(404, "Invoice not found"),
            Some(invoice) => {
                let payments = invoice.payments.iter();
                let payments: Vec<Value> = payments
                    .map(|paid| json!({"Amount": major(*paid)}))
                    .collect();
                let shown = json!({
                    "ID": format!("id-{}", invoice.number),
                    "Outlet": invoice.outlet,
                    "Number": invoice.number,
                    // As the pages show it: without a zone.
                    "Date": "2026-11-23T00:00:00",
                    "Tag": invoice.tag,
                    "SalesNTax": major(invoice.total),
                    "Fulfillment": invoice.fulfilment,
                    "Void": if invoice.is_void { "Yes" } else { "No" },
                    "Payments": payments,
                    "ReferenceNumber": invoice.reference,
                });
                SimResponse::json(200, &shown)
            }
        }
    }

    fn create(&mut self, asked: &Value) -> Answer {
        let invoice = self.read(asked)?;
        let key = (invoice.outlet.clone(), invoice.number.clone());
        if self.invoices.contains_key(&key) {
            return Err(refusal(400, "Invoice number already exists"));
        }
        let made = json!({"ID": format!("id-{}", invoice.number), "Number": invoice.number});
        self.invoices.insert(key, invoice);
        Ok(SimResponse::json(200, &made))
    }

    fn update(&mut self, asked: &Value) -> Answer {
        let mut changed = self.read(asked)?;
        let invoice = self.active(asked)?;
        changed.fulfilment = invoice.fulfilment;
        let made = json!({"ID": format!("id-{}", changed.number)});
        *invoice = changed;
        Ok(SimResponse::json(200, &made))
    }

    fn void(&mut self, asked: &Value) -> Answer {
        let expected = asked["Fulfillment"].as_str().map(str::to_owned);
        let invoice = self.active(asked)?;
        if expected.is_some_and(|expected| expected != invoice.fulfilment) {
            let state = invoice.fulfilment;
            return Err(refusal(400, &format!("The invoice is {state}")));
        }
        invoice.is_void = true;
        if invoice.fulfilment == "Sent" {
            invoice.fulfilment = "Returned";
        }
        Ok(said("Invoice has been voided"))
    }

    fn pay(&mut self, asked: &Value) -> Answer {
        let amounts = asked["Payments"].as_array().cloned().unwrap_or_default();
        let invoice = self.active(asked)?;
        for payment in amounts {
            let amount = hundredths(&payment["Amount"]);
            let paid: i64 = invoice.payments.iter().sum();
            if paid + amount > invoice.total {
                return Err(refusal(400, "Payment exceeds the invoice"));
            }
            invoice.payments.push(amount);
        }
        Ok(said("Invoice has successfully completed a Paid"))
    }

    fn send(&mut self, asked: &Value) -> Answer {
        let invoice = self.active(asked)?;
        if invoice.fulfilment == "Sent" {
            return Err(refusal(400, "The invoice is Sent"));
        }
        invoice.fulfilment = "Sent";
        let sent = json!({"ID": "outbound", "OrderFulfillmentState": "Sent"});
        Ok(SimResponse::json(200, &sent))
    }

    /// The invoice that is meant, which is not void.
    fn active(&mut self, asked: &Value) -> Result<&mut TillInvoice, SimResponse> {
        let key = (text(asked, "Outlet"), text(asked, "Number"));
        match self.invoices.get_mut(&key) {
            None => Err(refusal(400, "Invoice not found")),
            Some(invoice) if invoice.is_void => Err(refusal(400, "The invoice is void")),
            Some(invoice) => Ok(invoice),
        }
    }

    fn read(&self, asked: &Value) -> Result<TillInvoice, SimResponse> {
        let outlet = text(asked, "Outlet");
        if !self.outlets.contains(&outlet) {
            return Err(refusal(400, &format!("Outlet {outlet} is unknown")));
        }
        let mut units = BTreeMap::new();
        let mut gross = 0;
        for variant in asked["Variants"].as_array().into_iter().flatten() {
            let code = text(variant, "Code");
            if !self.codes.contains(&code) {
                return Err(refusal(400, &format!("Variant {code} is unknown")));
            }
            let quantity = variant["Quantity"].as_i64().unwrap_or_default();
            gross += hundredths(&variant["Price"]) * quantity;
            *units.entry(code).or_insert(0) += quantity;
        }
        let number = |name: &str| hundredths(&asked[name]);
        let payments = asked["Payments"].as_array().into_iter().flatten();
        let payments = payments.map(|payment| hundredths(&payment["Amount"]));
        Ok(TillInvoice {
            outlet,
            number: text(asked, "Number"),
            tag: text(asked, "Tag"),
            reference: text(asked, "ReferenceNumber"),
            total: gross - number("DiscountAmount") + number("Surcharge"),
            units,
            fulfilment: if asked["Fulfillment"] == "Sent" {
                "Sent"
            } else {
                "Unsent"
            },
            is_void: false,
            payments: payments.collect(),
        })
    }
}

fn hundredths(amount: &Value) -> i64 {
    (amount.as_f64().unwrap_or_default() * 100.0).round() as i64
}

fn major(hundredths: i64) -> f64 {
    hundredths as f64 / 100.0
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

fn said(message: &str) -> SimResponse {
    SimResponse::json(200, &json!({"Message": message}))
}

fn refusal(status: u16, message: &str) -> SimResponse {
    SimResponse::json(status, &json!({"Message": message}))
}
