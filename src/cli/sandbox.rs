//! `sandbox`: the simulated marketplaces alone, for whoever writes a client or tries this one out.

use super::{
    context::Context,
    demo::WeatherName,
    output::{say, say_json, tell},
    serve::told_to_stop,
};
use crate::accounts::DEFAULT_OUTLET;
use crate::clock::Clock;
use crate::marketplaces::{self, ShopAddress, Subscribing};
use crate::sandbox::{Driver, Sandbox, SimShop, SimTill};
use crate::sinks::dealpos::DealPosSimulator;
use clap::Args;
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

/// Runs the simulated marketplaces alone, on loopback, until Ctrl-C
///
/// Each is one shop that answers as the marketplace's API does and checks what it checks. All credentials are
/// invented. Port by port: the first marketplace is at --port-base, the next at the port after it.
/// Behind the last there is a simulated till, DealPOS.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink sandbox
  marketsink sandbox --port-base 4000 --orders-per-minute 10 --weather breezy")]
pub struct SandboxArgs {
    /// The port of the first shop; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    port_base: u16,
    /// What goes wrong on the way
    #[arg(long, value_enum, default_value = "calm")]
    weather: WeatherName,
    /// The same seed makes the same things happen
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often something happens in a shop: mostly, a buyer orders or an order moves on
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=6_000))]
    orders_per_minute: u32,
}

pub async fn run(context: &Context, args: &SandboxArgs) -> anyhow::Result<ExitCode> {
    context.log();
    let sandbox = Sandbox::new(Clock::system(), args.weather.weather(), args.seed);
    let mut port = args.port_base;
    let mut shops = Vec::new();
    for (seed, marketplace) in (1..).zip(marketplaces::all()) {
        let name = format!("Kopi Toko ({})", marketplace.name());
        shops.push(sandbox.open_at(*marketplace, seed, &name, port).await?);
        if port != 0 {
            port = port.saturating_add(1);
        }
    }
    let driver = Driver::new(sandbox.clone(), args.seed);
    driver.stock_catalogue(&shops);
    let codes = codes(&shops);
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let till = DealPosSimulator::new(&[DEFAULT_OUTLET], &codes);
    let till = sandbox.open_till_at(till, port).await?;
    if context.json {
        let mut places: Vec<Value> = shops.iter().map(shop_json).collect();
        places.push(till_json(&till));
        say_json(&places)?;
    } else {
        shops.iter().for_each(say_shop);
        say_till(&till);
    }
    let stop = CancellationToken::new();
    let sending = tokio::spawn({
        let (sandbox, stop) = (sandbox.clone(), stop.clone());
        async move { sandbox.run(stop).await }
    });
    tokio::select! {
        told = told_to_stop() => told?,
        () = live(&driver, args.orders_per_minute) => {}
    }
    stop.cancel();
    sandbox.stop().await;
    sending.await?;
    tell("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Lets something happen so many times a minute, for ever.
async fn live(driver: &Driver, per_minute: u32) {
    if per_minute == 0 {
        return std::future::pending().await;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(60) / per_minute);
    loop {
        ticks.tick().await;
        tell(driver.step());
    }
}

/// The seller SKUs of all shops.
fn codes(shops: &[SimShop]) -> BTreeSet<String> {
    let of = |shop: &SimShop| {
        shop.with(|shop| {
            let variants = shop.products.values().flat_map(|product| &product.variants);
            let codes = variants.filter_map(|variant| variant.seller_sku.clone());
            codes.collect::<Vec<_>>()
        })
    };
    shops.iter().flat_map(of).collect()
}

fn till_json(till: &SimTill) -> Value {
    json!({
        "sink": "dealpos",
        "url": till.origin,
        "credentials": {
            "client_id": DealPosSimulator::CLIENT_ID,
            "client_secret": DealPosSimulator::CLIENT_SECRET,
        },
    })
}

fn say_till(till: &SimTill) {
    say(format!("DealPOS at {}", till.origin));
    say("  tell it of sales:");
    say(format!(
        "    marketsink dealpos connect {} --client-id {} --client-secret {} --payment-method Marketplace",
        till.origin,
        DealPosSimulator::CLIENT_ID,
        DealPosSimulator::CLIENT_SECRET
    ));
    say("");
}

/// Invented, so they may be shown.
fn credentials(shop: &SimShop) -> Value {
    json!(shop.credentials())
}

fn shop_json(shop: &SimShop) -> Value {
    json!({
        "marketplace": shop.marketplace().slug(),
        "name": shop.name(),
        "shop": shop.remote_id(),
        "url": shop.origin(),
        "credentials": credentials(shop),
    })
}

fn say_shop(shop: &SimShop) {
    let (slug, origin) = (shop.marketplace().slug(), shop.origin());
    say(format!(
        "{} at {origin} ({slug}, shop {})",
        shop.marketplace().name(),
        shop.remote_id()
    ));
    let secrets = credentials(shop);
    let secret = |name: &str| secrets[name].as_str().unwrap_or_default().to_owned();
    for (name, value) in secrets.as_object().into_iter().flatten() {
        say(format!(
            "  {name:16}  {}",
            value.as_str().unwrap_or_default()
        ));
    }
    let connecting = shop.marketplace().connecting();
    say(match shop.marketplace().limits().subscribing {
        Subscribing::Api => {
            "  webhooks: register an address as with the real shop, through its webhook API"
        }
        Subscribing::AddressOnly => {
            "  webhooks: one address for the app; register it through its webhook API"
        }
        Subscribing::ByHand => {
            "  webhooks: a person sets their address; here, POST {\"address\", \"secret\"} to /-/console"
        }
    });
    say("  connect it to marketsink:");
    say("    export MARKETSINK_SYNC_ALLOW_PRIVATE_HOSTS=true");
    for (name, value) in shop.environment() {
        say(format!("    export {name}={value}"));
    }
    let given: Vec<String> = connecting
        .secrets
        .iter()
        .filter(|handed| !secret(handed.name).is_empty())
        .map(|handed| format!("--secret '{}={}'", handed.name, secret(handed.name)))
        .collect();
    let url = shop
        .base_url()
        .map_or_else(String::new, |url| format!(" --url {url}"));
    say(format!(
        "    marketsink channel add {slug}{url} {}",
        given.join(" ")
    ));
    if connecting.consent {
        say(format!(
            "    or by consent: marketsink channel link {slug}{url}"
        ));
    }
    if connecting.consent && connecting.address == ShopAddress::Shared {
        say(
            "    first, POST {\"callback\"} to /-/console, where the marketplace's own console has that address",
        );
    }
    say("");
}
