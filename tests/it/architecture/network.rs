//! Only `sync` calls a marketplace, and only the edges speak HTTP.

use super::source::{mentions, nothing_breaks, sources};

fn outside(allowed: &[&str], words: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        if allowed.contains(&source.module()) {
            continue;
        }
        let code = source.production();
        for word in words.iter().filter(|word| mentions(&code, word)) {
            broken.push(format!("{}: `{word}`", source.path));
        }
    }
    broken
}

/// Every network call of an adapter takes an `Access`; who cannot make one cannot call.
#[test]
fn only_sync_calls_marketplaces() {
    let broken = outside(
        &["marketplaces", "sync"],
        &["Access {", "Access{", "&Access", "&access"],
    );

    nothing_breaks("only `sync` opens a shop's API", &broken);
}

#[test]
fn only_the_edges_speak_http() {
    let broken = outside(
        &["marketplaces", "sandbox", "cli"],
        &["reqwest", "TcpStream"],
    );

    nothing_breaks(
        "requests leave through marketplaces, sandbox and cli",
        &broken,
    );
}
