//! A client that costs little: HTTP/1.1 over connections that stay open, one request at a time on each.
//!
//! The model is closed: a connection sends when it has been answered, so latencies are those of a server
//! that is never asked for more than it can do.

use anyhow::{Context, bail};
use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinSet};

/// Longest answer: head and body.
const LONGEST_ANSWER: usize = 4 << 10;

/// One request and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Which of the requests.
    pub request: usize,
    pub status: u16,
    pub took: Duration,
}

/// What a round of requests came to.
#[derive(Debug, Default)]
pub struct Round {
    pub exchanges: Vec<Exchange>,
    pub took: Duration,
}

/// Sends the requests in order, so many times, over so many connections; begins none after `limit`.
pub async fn send_all(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    times: usize,
    connections: usize,
    limit: Duration,
) -> anyhow::Result<Round> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        let until = begun + limit;
        tasks.spawn(async move { send_some(&stream, &requests, times, &next, until).await });
    }
    let mut round = Round::default();
    while let Some(done) = tasks.join_next().await {
        round.exchanges.extend(done??);
    }
    round.took = begun.elapsed();
    Ok(round)
}

async fn send_some(
    stream: &TcpStream,
    requests: &[Vec<u8>],
    times: usize,
    next: &AtomicUsize,
    until: Instant,
) -> anyhow::Result<Vec<Exchange>> {
    let mut exchanges = Vec::new();
    let mut buffer = [0; LONGEST_ANSWER];
    loop {
        let begun = Instant::now();
        let sent = next.fetch_add(1, Ordering::Relaxed);
        if sent >= requests.len() * times || begun >= until {
            return Ok(exchanges);
        }
        let request = sent % requests.len();
        write(stream, &requests[request]).await?;
        let status = read_status(stream, &mut buffer).await?;
        exchanges.push(Exchange {
            request,
            status,
            took: begun.elapsed(),
        });
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> anyhow::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads one whole answer and returns its status.
async fn read_status(stream: &TcpStream, buffer: &mut [u8]) -> anyhow::Result<u16> {
    let mut filled = 0;
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer[filled..]) {
            Ok(0) => bail!("the connection ended within an answer"),
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = whole_answer(&buffer[..filled])? {
            return Ok(status);
        }
    }
}

/// The status, once head and body are there.
fn whole_answer(bytes: &[u8]) -> anyhow::Result<Option<u16>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("an answer without a length")?;
    if bytes.len() < end + 4 + length {
        return Ok(None);
    }
    let status = head
        .split(' ')
        .nth(1)
        .context("an answer without a status")?;
    Ok(Some(status.parse()?))
}
