//! A gate before a marketplace's token service: requests wait in front of it until a test lets them through.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use marketsink::sandbox::SimShop;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub struct Gate {
    origin: String,
    behind: Arc<Mutex<Option<SimShop>>>,
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub fn closed() -> Self {
        let mut gate = Self {
            origin: String::new(),
            behind: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
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

    /// Returns when one more request stands at the gate.
    pub async fn one_arrives(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Requests that have arrived and were not waited for.
    pub fn n_waiting(&self) -> usize {
        self.arrived.available_permits()
    }

    pub fn let_through(&self, n: usize) {
        self.open.add_permits(n);
    }
}

async fn pass(request: HttpRequest, gate: web::Data<Gate>) -> HttpResponse {
    gate.arrived.add_permits(1);
    gate.open.acquire().await.unwrap().forget();
    let origin = gate.behind.lock().unwrap().as_ref().unwrap().origin();
    let answer = reqwest::get(format!("{origin}{}", request.uri()))
        .await
        .unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    HttpResponse::build(status)
        .content_type("application/json")
        .body(answer.bytes().await.unwrap())
}
