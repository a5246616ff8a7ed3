//! What each marketplace supports, as the README shows it: made from `limits()` and `connecting()`, which the
//! other contract tests hold the adapters to.

use super::fixture::root;
use marketsink::marketplaces::{Marketplace, ShopAddress, Subscribing, WebhookAddress, all};
use std::{fmt::Write, fs};

/// A row of the table: what it is about, and what a marketplace has of it.
type Row = (&'static str, fn(&dyn Marketplace) -> String);

const ROWS: [Row; 16] = [
    ("connected by", connected_by),
    ("address of the API", address),
    ("webhooks come to", webhook_address),
    ("webhooks are set up", set_up),
    ("order webhooks", |_| "native".to_owned()),
    ("product webhooks", |m| {
        native_or(
            m.limits().pushes_product_edits,
            "emulated by frequent scans",
        )
    }),
    ("missed webhooks are kept for us", |m| {
        native_or(
            m.limits().keeps_missed,
            "not offered; downloads and scans find them",
        )
    }),
    ("tokens", |m| {
        let renewed = m.limits().tokens_expire;
        if renewed { "renewed" } else { "do not expire" }.to_owned()
    }),
    ("order download by update time", |m| {
        match m.limits().longest_order_window {
            None => "native".to_owned(),
            Some(window) => format!("native, {} days a question", window.as_secs() / 86_400),
        }
    }),
    ("scan `full`", |m| match m.limits().product_result_cap {
        None => "native".to_owned(),
        Some(cap) => format!("native, in windows beyond {cap} products"),
    }),
    ("scan `active`", |m| {
        native_or(
            m.limits().active_filter,
            "emulated: all are walked and compared",
        )
    }),
    ("scan `updated`", |m| {
        native_or(
            m.limits().updated_filter,
            "emulated: all are walked and compared",
        )
    }),
    ("scan `single`", |_| "native".to_owned()),
    ("stock and price push", |m| match m.limits().stock_batch {
        0 | 1 => "one listing a call".to_owned(),
        n => format!("up to {n} listings a job"),
    }),
    ("orders, products a page", |m| {
        format!("{}, {}", m.limits().order_page, m.limits().product_page)
    }),
    ("our pace, requests a second", |m| {
        format!(
            "{} (at once {})",
            m.limits().requests_per_second,
            m.limits().burst
        )
    }),
];

fn native_or(is_native: bool, otherwise: &str) -> String {
    if is_native { "native" } else { otherwise }.to_owned()
}

fn connected_by(marketplace: &dyn Marketplace) -> String {
    let connecting = marketplace.connecting();
    match (connecting.consent, connecting.secrets.is_empty()) {
        (true, false) => "consent or keys",
        (true, true) => "consent",
        (false, _) => "keys",
    }
    .to_owned()
}

fn address(marketplace: &dyn Marketplace) -> String {
    match marketplace.connecting().address {
        ShopAddress::Shared => "one for all shops",
        ShopAddress::Own(_) => "the shop's own",
        ShopAddress::Optional(_) => "the shop's own, or none",
    }
    .to_owned()
}

fn webhook_address(marketplace: &dyn Marketplace) -> String {
    match marketplace.limits().webhook_address {
        WebhookAddress::App => "one address",
        WebhookAddress::Channel => "an address for each shop",
        WebhookAddress::Either => "one address, or one for each shop",
    }
    .to_owned()
}

fn set_up(marketplace: &dyn Marketplace) -> String {
    match marketplace.limits().subscribing {
        Subscribing::Api => "by us, and repaired",
        Subscribing::AddressOnly => "the address by us; topics in its console",
        Subscribing::ByHand => "by hand",
    }
    .to_owned()
}

fn table() -> String {
    let mut table = String::from("| |");
    for marketplace in all() {
        let _ = write!(table, " {} |", marketplace.name());
    }
    table.push_str("\n| --- |");
    table.push_str(&" --- |".repeat(all().len()));
    table.push('\n');
    for (what, of) in ROWS {
        let _ = write!(table, "| {what} |");
        for marketplace in all() {
            let _ = write!(table, " {} |", of(*marketplace));
        }
        table.push('\n');
    }
    table
}

#[test]
fn the_readme_says_what_each_marketplace_supports() {
    let readme = fs::read_to_string(root().with_file_name("README.md")).unwrap();
    let expected = table();

    let begin = readme
        .find("| | TikTok Shop |")
        .expect("the README has the table of marketplaces");
    let shown: String = readme[begin..]
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'))
        .collect();

    assert!(
        shown == expected,
        "put this table into README.md:\n\n{expected}"
    );
}
