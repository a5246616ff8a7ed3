//! The guide for custom stores is held to its word: every example in it is run.

mod blocks;
mod events;
mod shop;

use blocks::{Block, blocks, commands, named};
use marketsink::{
    cli,
    domain::{Money, RemoteId, ReturnState, Timestamp, Window},
    marketplaces::{
        Carried, Marketplace, MarketplaceError, OrderQuery, OrderTime, PriceChange, ProductQuery,
        ProductScope, RawDelivery, StockLevel, WebhookKeys, find, simulation::Signing,
    },
};
use serde_json::Value;
use shop::Shop;
use std::collections::BTreeSet;

fn marketplace() -> &'static dyn Marketplace {
    find("standard_webhooks").unwrap()
}

#[test]
fn every_message_in_the_guide_is_understood() {
    let messages = named("json message");
    assert!(messages.len() >= 5, "{}", messages.len());

    for Block { text, .. } in messages {
        let delivery = RawDelivery::new(vec![], text.clone()).believed_before();
        let events = marketplace().parse(&delivery);
        let events = events.unwrap_or_else(|why| panic!("{why}: {text}"));
        let carried = marketplace().carried(&delivery);

        assert_eq!(events.len(), 1, "{text}");
        let data: Value = serde_json::from_str::<Value>(&text).unwrap()["data"].take();
        assert_eq!(
            data["id"].as_str(),
            events[0].subject.as_ref().map(RemoteId::as_str)
        );
        // Whole messages carry what they tell of; a thin one has nothing but an id and a version.
        let is_thin = data.as_object().unwrap().len() <= 2 && !text.contains(".deleted");
        assert_eq!(carried == Carried::default(), is_thin, "{text}");
    }
}

#[test]
fn every_type_of_message_is_in_the_guide() {
    let guide = blocks::GUIDE;
    for topic in marketplace().limits().topics.iter().chain(&["ping"]) {
        assert!(guide.contains(&format!("| `{topic}` |")), "{topic}");
    }
}

#[test]
fn the_order_that_is_changed_in_the_guide_is_changed_as_it_says() {
    let orders: Vec<_> = named("json message")
        .into_iter()
        .flat_map(|block| {
            let delivery = RawDelivery::new(vec![], block.text).believed_before();
            marketplace().carried(&delivery).orders
        })
        .collect();

    let [first, second, returned] = &orders[..] else {
        panic!("{} whole orders", orders.len())
    };
    assert_eq!(first.remote_id, second.remote_id);
    assert!(first.version < second.version);
    let charged = first.lines[0].total.minor + 1_400_000;
    assert_eq!(first.total.minor, charged, "the lines and the shipping");
    assert_eq!(second.lines[0].open_quantity(), 1);
    assert_eq!(returned.remote_id, first.remote_id);
    assert!(second.version < returned.version);
    assert_eq!(
        returned.total, first.total,
        "what goes back is in its returns"
    );
    let told = returned.returns.as_ref().unwrap();
    assert_eq!(told[0].state, ReturnState::Refunded);
    assert_eq!(told[0].refund.unwrap().minor, 9_375_000);
    assert_eq!(told[0].lines[0].quantity, 1);
}

#[test]
fn the_worked_example_gives_the_signature_that_it_shows() {
    let example = named("text signing").remove(0).text;
    let lines = example.lines().map(|line| line.split_once(' ').unwrap());
    let pairs: Vec<_> = lines.map(|(name, value)| (name, value.trim())).collect();
    let value = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("no {wanted}")).1
    };
    let at = Timestamp::from_secs(value("webhook-timestamp").parse().unwrap());
    let signing = Signing {
        secret: value("secret"),
        id: value("webhook-id"),
        at,
        ..Signing::default()
    };

    let body = value("body");
    let signed = marketplace().simulator().sign(&signing, body.as_bytes());
    let raw = RawDelivery::new(signed.clone(), body.to_owned()).at(at);
    let believed = marketplace().verify(raw, &WebhookKeys::one("", value("secret")));

    let shown: BTreeSet<_> = pairs[1..]
        .iter()
        .filter(|(name, _)| *name != "body")
        .collect();
    let made: Vec<_> = signed
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(made.iter().collect::<BTreeSet<_>>(), shown);
    assert_eq!(marketplace().topic(&believed.unwrap()), "ping");
}

#[tokio::test]
async fn the_answers_in_the_guide_are_read_by_the_client() {
    let shop = Shop::open();
    let access = shop.access("key");
    let everything = Window {
        from: Timestamp::EPOCH,
        to: Timestamp::from_secs(2_000_000_000),
    };
    let orders = OrderQuery {
        window: everything,
        by: OrderTime::Updated,
        page: None,
    };
    let products = ProductQuery {
        scope: ProductScope::Active,
        page: None,
    };

    let shops = marketplace().shops(&access).await.unwrap();
    let listed = marketplace().orders(&access, &orders).await.unwrap();
    let ids = ["SO-10042".into()];
    let read = marketplace().orders_by_id(&access, &ids).await.unwrap();
    let catalogue = marketplace().products(&access, &products).await.unwrap();
    let ids = ["P-7".into()];
    let product = marketplace().products_by_id(&access, &ids).await.unwrap();

    assert_eq!(shops[0].remote_id.as_str(), "shop.example.com");
    assert_eq!((listed.items.len(), listed.total), (1, Some(2)));
    assert!(listed.next.is_some() && listed.unreadable.is_empty());
    assert_eq!(read[0].version, listed.items[0].version);
    assert_eq!((catalogue.items, catalogue.next), (product, None));
}

#[tokio::test]
async fn what_the_client_pushes_is_what_the_guide_shows() {
    let shop = Shop::open();
    let access = shop.access("key");
    let (product_id, variant_id) = (RemoteId::from("P-7"), RemoteId::from("P-7-250"));
    let level = StockLevel {
        product_id: product_id.clone(),
        variant_id: variant_id.clone(),
        quantity: 38,
        push_ref: None,
    };
    let currency = marketsink::domain::Currency::from_code("IDR").unwrap();
    let price = PriceChange {
        product_id,
        variant_id,
        price: Money::parse("99000", currency).unwrap(),
        push_ref: None,
    };

    let stock = marketplace().set_stock(&access, &[level]).await.unwrap();
    let prices = marketplace().set_price(&access, &[price]).await.unwrap();

    assert_eq!(stock, [Ok(())]);
    let refusal = prices[0].as_ref().unwrap_err().to_string();
    assert!(refusal.contains("fixed until Sunday"), "{refusal}");
    for (path, body) in shop.put() {
        let shown = named(&format!("json request PUT {path}")).remove(0).json();
        assert_eq!(body, shown, "{path}");
    }
}

#[tokio::test]
async fn the_problem_in_the_guide_is_the_wait_that_it_asks_for() {
    let shop = Shop::open();

    let refused = marketplace().shops(&shop.access("problem")).await;

    let wait = Some(std::time::Duration::from_secs(7));
    assert!(
        matches!(&refused, Err(MarketplaceError::RateLimited { retry_after, .. }) if *retry_after == wait),
        "{refused:?}"
    );
}

#[test]
fn every_command_in_the_guide_is_one() {
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");

    for words in commands {
        let shown = words.join(" ");
        let understood = cli::commands().try_get_matches_from(words);
        assert!(understood.is_ok(), "{shown}: {:?}", understood.err());
    }
}

#[test]
fn every_example_is_run_by_one_of_these_tests() {
    let known = ["json message", "json problem", "text signing", "text", "sh"];
    for block in blocks() {
        let is_known = known.contains(&block.info.as_str());
        let is_call = ["json answer ", "json request "]
            .iter()
            .any(|beginning| block.info.starts_with(beginning));
        assert!(is_known || is_call, "{}", block.info);
    }
}
