//! Every command is one that reads or one that changes, and what changes leaves an entry in the audit trail.

use super::Place;
use marketsink::cli;
use serde_json::Value;
use std::collections::BTreeSet;

/// Commands that change nothing of a merchant's.
const READING: &str = "\
alarms list, alarms misses, audit check, audit head, audit list, audit show, bundles list, buyer list, \
channel calendar, channel list, channel needs, channel show, completeness list, completeness show, config, \
conflicts list, conflicts show, dealpos show, deliveries list, deliveries show, demo, doctor, drift, \
endpoints deliveries, endpoints list, endpoints show, endpoints test, export, guide, import list, import show, \
import template, issues list, issues show, jobs list, jobs show, listings in-pos, listings missing-in, listings multiple, listings not-in-channel, \
listings not-in-pos, listings sold-in-channel, listings statistic, listings suggest, migrate, numbers check, \
numbers show, orders returns, orders show, outlets list, payouts check, payouts list, payouts show, people list, \
people roles, prices pushes, prices rules list, prices show, prices simulate, quarantine list, quarantine show, quarantine verify, replay list, replay plan deliveries, \
replay plan jobs, replay show, report check, report returns, \
report sales, report valuation, retention show, sandbox, scans changes, scans list, scans show, schedule list, schedule next, \
secrets status, serve, state, stock compared, stock history, stock oversold, stock rules list, \
stock rules simulate, stock show, sync-log orders, tokens list, webhook send, webhook verify";

/// Commands that change, and need a shop, an order or something that waits; what they call records itself.
const WITH_A_SHOP: &str = "\
buyer erase, channel add, channel answer, channel link, channel remove, channel rotate-secret, channel settings, \
channel test, completeness run, conflicts resolve, conflicts take, dealpos connect, dealpos disconnect, \
dealpos replay, deliveries replay, find, import counts, import invoices, issues check, issues mute, issues unmute, jobs cancel, jobs revive, listings create-skus, listings link, \
listings unlink, orders decide, orders download, outlets use, payouts import, payouts read, quarantine discard, \
quarantine release, replay cancel, replay run deliveries, replay run jobs, retention run, scan, scans cancel, \
scans notices, scans pause, scans resume, schedule pause, schedule resume, schedule run-now, schedule set, \
secrets forget, stock pushes";

/// Commands that change, in an order in which each finds what it needs, and the actions they leave.
const CHANGING: &[(&[&str], &str)] = &[
    (
        &["stock", "set", "--sku", "MUG", "--units", "5"],
        "stock.set",
    ),
    (
        &["stock", "set", "--sku", "TEA", "--units", "5"],
        "stock.set",
    ),
    (
        &[
            "stock",
            "price",
            "--sku",
            "MUG",
            "55000",
            "--currency",
            "IDR",
        ],
        "sku.price_set",
    ),
    (
        &[
            "prices",
            "set",
            "--sku",
            "MUG",
            "56000",
            "--currency",
            "IDR",
        ],
        "sku.price_set",
    ),
    (&["prices", "push", "--sku", "MUG"], "prices.pushed"),
    (
        &["prices", "rules", "set", "--sku", "MUG", "--percent", "10"],
        "price_rule.set",
    ),
    (
        &["prices", "rules", "remove", "--sku", "MUG"],
        "price_rule.removed",
    ),
    (
        &[
            "stock", "adjust", "--sku", "MUG", "--units", "3", "--reason", "found",
        ],
        "stock.adjusted",
    ),
    (
        &[
            "stock", "reserve", "--sku", "MUG", "--units", "2", "--note", "sale",
        ],
        "stock.reserved",
    ),
    (
        &[
            "stock", "release", "--sku", "MUG", "--units", "2", "--note", "over",
        ],
        "stock.released",
    ),
    (
        &["stock", "rules", "set", "--sku", "MUG", "--maximum", "9"],
        "stock_rule.set",
    ),
    (
        &["stock", "rules", "remove", "--sku", "MUG"],
        "stock_rule.removed",
    ),
    (&["outlets", "open", "Second"], "outlet.opened"),
    (
        &[
            "stock", "transfer", "--sku", "MUG", "--from", "Main", "--to", "Second", "--units", "1",
        ],
        "stock.transferred",
    ),
    (&["outlets", "rename", "Second", "Kemang"], "outlet.renamed"),
    (&["numbers", "code", "Kemang", "KMG"], "numbers.code_set"),
    (
        &["numbers", "format", "INV/{outlet}/{yyyy}/{seq:6}"],
        "numbers.format_set",
    ),
    (
        &[
            "bundles", "set", "--sku", "SET", "--part", "MUG=1", "--part", "TEA=1",
        ],
        "bundle.set",
    ),
    (&["bundles", "remove", "--sku", "SET"], "bundle.removed"),
    (
        &["import", "skus", "skus.csv", "--currency", "IDR", "--apply"],
        "import.begun",
    ),
    (
        &["endpoints", "add", "https://erp.example.com/hooks"],
        "endpoint.added",
    ),
    (&["endpoints", "rotate", "1"], "endpoint.secret_rotated"),
    (&["endpoints", "pause", "1"], "endpoint.paused"),
    (&["endpoints", "resume", "1"], "endpoint.resumed"),
    (
        &["endpoints", "replay", "1", "--failed"],
        "happenings.replayed",
    ),
    (&["endpoints", "remove", "1"], "endpoint.removed"),
    (
        &["people", "add", "budi", "--name", "Budi", "--role", "staff"],
        "person.added",
    ),
    (
        &["people", "change", "budi", "--role", "owner"],
        "person.changed",
    ),
    (&["people", "disable", "budi"], "person.disabled"),
    (
        &["tokens", "create", "a screen", "--role", "staff"],
        "token.created",
    ),
    (&["tokens", "revoke", "1"], "token.revoked"),
];

/// The same for what concerns every merchant.
const OF_ALL: &[(&[&str], &str)] = &[
    (&["secrets", "rotate"], "secrets.sealed_anew"),
    (
        &[
            "people", "add", "sari", "--name", "Sari", "--role", "support",
        ],
        "person.added",
    ),
];

fn leaves() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![(String::new(), cli::commands())];
    while let Some((words, command)) = open.pop() {
        if !command.has_subcommands() && !words.is_empty() {
            found.insert(words.clone());
        }
        for inner in command.get_subcommands() {
            let words = format!("{words} {}", inner.get_name());
            open.push((words.trim().to_owned(), inner.clone()));
        }
    }
    found
}

/// The words of a command, without what it is given.
fn called(args: &[&str], leaves: &BTreeSet<String>) -> String {
    let n_words = (1..=args.len()).find(|n| leaves.contains(&args[..*n].join(" ")));
    args[..n_words.expect("it is a command")].join(" ")
}

#[test]
fn every_command_reads_or_changes() {
    let leaves = leaves();
    let listed = [READING, WITH_A_SHOP].map(|list| list.split(", ").map(str::to_owned));
    let tried = CHANGING.iter().chain(OF_ALL);
    let tried = tried.map(|(args, _)| called(args, &leaves));

    let known: BTreeSet<String> = listed.into_iter().flatten().chain(tried).collect();

    let unknown: Vec<_> = leaves.difference(&known).collect();
    let gone: Vec<_> = known.difference(&leaves).collect();
    assert!(
        unknown.is_empty() && gone.is_empty(),
        "say whether these read or change: {unknown:?}; these are gone: {gone:?}"
    );
}

fn trail(place: &Place, more: &[&str]) -> Vec<Value> {
    let listed = place.json(&[&["audit", "list", "--limit", "1000"], more].concat());
    listed.as_array().expect("a list").clone()
}

#[test]
fn what_changes_leaves_an_entry_with_who_and_why() {
    let place = Place::new();
    place.file("skus.csv", "sku,name,price\nCUP,Cup,1000\n");
    let template = place.run(&["import", "template", "skus"]).works().out;
    place.file("skus.csv", template);

    for (of, more) in [(CHANGING, &[][..]), (OF_ALL, &["--all-merchants"][..])] {
        let mut known = 0;
        for (args, action) in of {
            let who = ["--by", "rani", "--why", "as agreed"];

            place.run(&[*args, &who[..]].concat()).works();

            let trail = trail(&place, more);
            assert_eq!(trail.len(), known + 1, "{args:?}");
            let newest = &trail[0];
            assert_eq!(newest["action"], *action, "{args:?}");
            assert_eq!(
                (&newest["who"], &newest["why"]),
                (&"rani".into(), &"as agreed".into())
            );
            known = trail.len();
        }
    }

    let checked = place.json(&["audit", "check"]);
    assert_eq!(checked["is_whole"], true);
    let all = place.run(&["audit", "list", "--csv"]).works().out;
    assert!(!all.contains("whsec_") && !all.contains("mks_"), "{all}");
}
