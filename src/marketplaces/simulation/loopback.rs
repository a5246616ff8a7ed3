//! Hosts a simulated shop on a local port, so that a client can be tested against its simulator.
//!
//! Only what that needs: no TLS, one request a connection, and no weather, for which there is `sandbox`.

use super::{Shop, SimRequest, Simulator};
use crate::clock::Clock;
use crate::domain::{ChannelId, Timestamp};
use crate::marketplaces::{Access, access::Unpaced, http::Http};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

pub type Shared = Arc<Mutex<Shop>>;

/// Hosts `shop`, whose clock stands at `now`, and gives access to it.
pub async fn host(simulator: &'static dyn Simulator, shop: &Shared, now: Timestamp) -> Access {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let api: Url = origin.parse().unwrap();
    let (hosted, secrets) = (shop.clone(), simulator.credentials(&shop.lock().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let request = read(&mut socket, &origin).await;
            let answer = simulator.answer(&mut hosted.lock().unwrap(), &request, now);
            let headers = answer.headers.iter().map(|(k, v)| format!("{k}: {v}\r\n"));
            let head = format!(
                "HTTP/1.1 {} x\r\n{}content-length: {}\r\nconnection: close\r\n\r\n",
                answer.status,
                headers.collect::<String>(),
                answer.body.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&answer.body).await.unwrap();
        }
    });
    Access {
        channel: ChannelId(1),
        shop: "".into(),
        auth: api.clone(),
        consent: api.clone(),
        api,
        secrets,
        version: 0,
        http: Http::new(true, Duration::from_secs(5)),
        pace: Arc::new(Unpaced),
        clock: Clock::standing(now),
    }
}

async fn read(socket: &mut TcpStream, origin: &str) -> SimRequest {
    let mut bytes = Vec::new();
    loop {
        let n = socket.read_buf(&mut bytes).await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = parsed(head, body, origin);
            let length = request
                .header("content-length")
                .map_or(0, |n| n.parse().unwrap());
            if n == 0 || body.len() >= length {
                return request;
            }
        }
    }
}

fn parsed(head: &str, body: &str, origin: &str) -> SimRequest {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method = first.next().unwrap().to_owned();
    let url = Url::parse(&format!("{origin}{}", first.next().unwrap())).unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    SimRequest {
        method,
        origin: origin.to_owned(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers
            .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()))
            .collect(),
        body: body.to_owned().into(),
    }
}
