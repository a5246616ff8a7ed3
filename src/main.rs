//! The `marketsink` program: everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    marketsink::cli::run().await
}
