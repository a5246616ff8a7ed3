//! A shop that answers with the examples of the guide, and with nothing else.

use super::blocks::named;
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use marketsink::{
    clock::Clock,
    domain::{ChannelId, Timestamp},
    marketplaces::{Access, Secrets, access::Unpaced, http::Http},
};
use serde_json::Value;
use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Path and body of each PUT.
type Put = Arc<Mutex<Vec<(String, Value)>>>;

pub struct Shop {
    origin: String,
    put: Put,
    server: ServerHandle,
}

impl Shop {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let put = Put::default();
        let data = Data::new(put.clone());
        let app = move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            origin,
            put,
            server: handle,
        }
    }

    pub fn access(&self, key: &str) -> Access {
        let api: url::Url = self.origin.parse().unwrap();
        Access {
            channel: ChannelId(1),
            shop: "".into(),
            auth: api.clone(),
            consent: api.clone(),
            api,
            secrets: Secrets::of([("api_key", key)]),
            version: 0,
            http: Http::new(true, Duration::from_secs(5)),
            pace: Arc::new(Unpaced),
            clock: Clock::standing(Timestamp::EPOCH),
        }
    }

    /// What was put.
    pub fn put(&self) -> Vec<(String, Value)> {
        let put = self.put.lock().unwrap().clone();
        assert!(!put.is_empty());
        put
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn answer(request: HttpRequest, body: Bytes, put: Data<Put>) -> HttpResponse {
    if request.headers().get("authorization").unwrap() == "Bearer problem" {
        let problem = named("json problem").remove(0).json();
        let status = u16::try_from(problem["status"].as_u64().unwrap()).unwrap();
        return HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .content_type("application/problem+json")
            .insert_header(("retry-after", "7"))
            .body(problem.to_string());
    }
    let path = request.path().to_owned();
    let block = named(&format!("json answer {} {path}", request.method())).remove(0);
    if request.method() == "PUT" {
        let body = serde_json::from_slice(&body).unwrap();
        put.lock().unwrap().push((path, body));
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .body(block.text)
}
