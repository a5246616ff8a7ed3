//! What the program costs while nothing happens: its size, its start, its memory.
//!
//! `cargo bench --bench idle`. It starts the program that was built beside it, optimized, over a new SQLite
//! file, and asks `/readyz` until the answer is 200.

mod memory;

use anyhow::{bail, ensure};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_marketsink");
const STARTS: usize = 5;
const LONGEST_START: Duration = Duration::from_secs(30);
/// Requests before the memory is looked at, so that every part of the server has worked once.
const REQUESTS: usize = 1_000;

/// Ended when it is dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let size = fs::metadata(PROGRAM)?.len() as f64 / f64::from(1 << 20);
    println!("program: {size:.1} MiB");
    println!(
        "start | database | ms to the first 200 of /readyz | MiB then | MiB after {REQUESTS} requests"
    );
    let dir = TempDir::new()?;
    for start in 0..STARTS {
        let database = if start == 0 { "made anew" } else { "there" };
        let address = free_address()?;
        let begun = Instant::now();
        let served = serve(&dir, address)?;
        let process = served.0.id().to_string();
        wait_until_ready(address, begun + LONGEST_START)?;
        let took = begun.elapsed();
        let fresh = memory::mebibytes(&process, "VmRSS")?;
        for _ in 0..REQUESTS {
            ensure!(is_ready(address)?, "not ready any more");
        }
        let used = memory::mebibytes(&process, "VmRSS")?;
        println!(
            "{start:>5} | {database:<9} | {:>6.0} | {fresh:.1} | {used:.1}",
            took.as_secs_f64() * 1e3
        );
    }
    dir.close()?;
    Ok(())
}

/// A port that was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn serve(dir: &TempDir, address: SocketAddr) -> anyhow::Result<Served> {
    let child = Command::new(PROGRAM)
        .arg("serve")
        .current_dir(dir.path())
        .env("MARKETSINK_HTTP_LISTEN", address.to_string())
        .env("MARKETSINK_HTTP_PUBLIC_URL", format!("http://{address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Served(child))
}

fn wait_until_ready(address: SocketAddr, until: Instant) -> anyhow::Result<()> {
    while Instant::now() < until {
        // Nobody listens yet: that is what is measured.
        if is_ready(address).unwrap_or(false) {
            return Ok(());
        }
        std::thread::yield_now();
    }
    bail!("not ready in time")
}

fn is_ready(address: SocketAddr) -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
