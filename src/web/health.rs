//! Whether this process runs, and whether it can do its work.

use super::WebState;
use actix_web::{HttpResponse, web};

/// 200 while the process runs.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().body("alive\n")
}

/// 200 when the database takes writes, 503 with the reason's kind when it does not.
pub async fn ready(state: web::Data<WebState>) -> HttpResponse {
    match state.queue.db().ping().await {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(error) => {
            tracing::error!(%error, "not ready: the database does not answer");
            HttpResponse::ServiceUnavailable().body("the database does not answer\n")
        }
    }
}
