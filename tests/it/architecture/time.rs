//! No clock and no sleep below the edges: `now` is a parameter.

use super::source::{Source, mentions, nothing_breaks, sources};

/// `sync` and `sinks` are: time passes while they wait for an answer, so one `now` for a whole call would lie.
const EDGES: &[&str] = &[
    "clock", "web", "worker", "app", "cli", "sandbox", "sync", "sinks",
];

fn is_client(source: &Source) -> bool {
    source.module() == "marketplaces" && source.path.ends_with("/client.rs")
}

#[test]
fn only_the_edges_read_the_time() {
    let mut broken = Vec::new();

    for source in sources(&["src"]) {
        if EDGES.contains(&source.module()) {
            continue;
        }
        // Clients sign with the time of the `Clock` in their `Access`.
        let code = source.production().replace("access.clock.now()", "");
        let own = [
            "Utc::now",
            "Local::now",
            "SystemTime",
            "Instant::now",
            "Clock::now",
            "Clock::system",
        ];
        let asked = [".now()"];
        let words = own.iter().chain(&asked);
        for word in words.filter(|word| mentions(&code, word)) {
            broken.push(format!("{}: `{word}`", source.path));
        }
        if !is_client(&source) && mentions(&source.production(), "access.clock") {
            broken.push(format!("{}: `access.clock` is for clients", source.path));
        }
    }

    nothing_breaks("below the edges `now` is a parameter", &broken);
}

#[test]
fn only_loops_sleep_and_tests_never() {
    let may_sleep = |source: &Source| {
        ["worker", "app", "sandbox", "cli"].contains(&source.module())
            || ["src/sync/pace.rs", "src/web/api/scans.rs"].contains(&source.path.as_str())
    };
    let words = ["sleep(", "sleep_until(", "thread::sleep", "time::sleep"];
    let mut broken = Vec::new();

    for source in sources(&["src", "tests"])
        .iter()
        .filter(|source| !may_sleep(source))
    {
        let code = source.code();
        for word in words.iter().filter(|word| mentions(&code, word)) {
            broken.push(format!("{}: `{word}`", source.path));
        }
    }

    nothing_breaks(
        "waiting is for the loops of worker, app, sandbox and pace, and for whoever waits for a scan",
        &broken,
    );
}
