//! A gate before a marketplace's services: requests wait in front of it until a test lets them through, and their
//! answers may be changed on the way back.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use bytes::Bytes;
use marketsink::sandbox::SimShop;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Changes the answer to a request for this path.
type Change = fn(&str, String) -> String;

#[derive(Clone)]
pub struct Gate {
    origin: String,
    behind: Arc<Mutex<Option<SimShop>>>,
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
    change: Arc<Mutex<Option<Change>>>,
}

impl Gate {
    pub fn closed() -> Self {
        let mut gate = Self {
            origin: String::new(),
            behind: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
            change: Arc::default(),
        };
        let shared = gate.clone();
        let app = move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .default_service(web::to(pass))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        gate.origin = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        gate
    }

    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    pub fn stands_before(&self, shop: &SimShop) {
        *self.behind.lock().unwrap() = Some(shop.clone());
    }

    pub fn changes_answers(&self, change: Change) {
        *self.change.lock().unwrap() = Some(change);
    }

    /// Returns when one more request stands at the gate.
    pub async fn one_arrives(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Requests that have arrived and were not waited for.
    pub fn n_waiting(&self) -> usize {
        self.arrived.available_permits()
    }

    /// Lets nobody through any more, and forgets who came.
    pub fn close(&self) {
        self.open.forget_permits(usize::MAX);
        self.arrived.forget_permits(usize::MAX);
    }

    pub fn let_through(&self, n: usize) {
        self.open.add_permits(n);
    }
}

async fn pass(request: HttpRequest, body: Bytes, gate: web::Data<Gate>) -> HttpResponse {
    gate.arrived.add_permits(1);
    gate.open.acquire().await.unwrap().forget();
    let origin = gate.behind.lock().unwrap().as_ref().unwrap().origin();
    let method = request.method().as_str().parse().unwrap();
    let url = format!("{origin}{}", request.uri());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut onward = client.request(method, url).body(body);
    for (name, value) in request.headers() {
        if !["host", "content-length", "accept-encoding"].contains(&name.as_str()) {
            onward = onward.header(name.as_str(), value.as_bytes());
        }
    }
    let answer = onward.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let mut text = answer.text().await.unwrap();
    if let Some(change) = *gate.change.lock().unwrap() {
        text = change(request.path(), text);
    }
    HttpResponse::build(status)
        .content_type("application/json")
        .body(text)
}
