//! Returns and refunds: what the shop holds is what the client reads, to the minor unit.

use super::Stage;
use marketsink::{
    domain::{Currency, Goods, Order, OrderLine, RemoteId, Return, ReturnState},
    marketplaces::{
        RawDelivery,
        simulation::{ShopChange, SimStatus, Wish},
    },
};
use std::time::Duration;

/// Stages whose webhooks go out.
async fn subscribed() -> Vec<Stage> {
    let stages = Stage::every().await;
    for stage in &stages {
        stage.subscribe().await;
    }
    stages
}

async fn read(stage: &Stage, order: &RemoteId) -> Order {
    let ids = std::slice::from_ref(order);
    let read = stage.marketplace.orders_by_id(&stage.access, ids).await;
    let mut orders = read.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()));
    assert_eq!(orders.len(), 1, "{}", stage.slug());
    orders.remove(0)
}

/// All returns of an order: as it tells them itself, or as webhooks do.
async fn returns(stage: &Stage, order: &RemoteId) -> Vec<Return> {
    let mut read = read(stage, order).await;
    if let Some(told) = read.returns.take() {
        return told;
    }
    assert!(
        stage.marketplace.limits().tells_returns_apart,
        "{} tells no returns",
        stage.slug()
    );
    let (simulator, now) = (stage.marketplace.simulator(), stage.clock.now());
    let sent = stage.shop.with(|shop| {
        let ids = shop.orders[order].returns.iter().map(|of| of.id.clone());
        let changes = ids.map(|id| ShopChange::ReturnChanged {
            order: order.clone(),
            id,
        });
        let changes: Vec<_> = changes.collect();
        let sent = changes
            .iter()
            .flat_map(|change| simulator.webhooks(shop, change, now));
        sent.collect::<Vec<_>>()
    });
    let told = sent.into_iter().flat_map(|sent| {
        let raw = RawDelivery::new(sent.headers, sent.body);
        stage
            .marketplace
            .returns_told(&raw.believed_before(), &read)
    });
    Return::newest(told.collect())
}

/// Whether a request says which units it is about, before money has gone back.
fn tells_units_early(stage: &Stage) -> bool {
    stage.slug() != "tiktok_shop"
}

/// Whether the amount that went back is told; otherwise it is what was paid for the units.
fn tells_amounts(stage: &Stage) -> bool {
    stage.slug() != "lazada"
}

/// An order that was sent and received: two lines, of 3 and 2 units.
fn received(stage: &Stage) -> RemoteId {
    let order = stage.order(&[("MUG", 3), ("TEA-25", 2)], SimStatus::Paid);
    for status in [SimStatus::Shipped, SimStatus::Delivered] {
        stage.clock.advance(Duration::from_secs(5));
        stage.shop.move_order(&order, status);
    }
    stage.clock.advance(Duration::from_secs(5));
    order
}

/// What a unit of the first line costs.
fn price(stage: &Stage, order: &RemoteId) -> i64 {
    stage
        .shop
        .with(|shop| shop.orders[order].lines[0].unit_price.minor)
}

/// Units of the order's lines with this SKU that are in these returns; lines may be split otherwise.
fn units(order: &Order, returns: &[Return], sku: &str) -> i64 {
    let is_its = |id: &RemoteId| {
        let line = order.lines.iter().find(|line| line.remote_id == *id);
        line.expect("a return names lines of its order")
            .seller_sku
            .as_deref()
            == Some(sku)
    };
    let lines = returns.iter().flat_map(|of| &of.lines);
    lines
        .filter(|line| is_its(&line.line))
        .map(|line| line.quantity)
        .sum()
}

/// A store that knows no requests tells of refunds alone.
fn knows_requests(stage: &Stage) -> bool {
    stage.slug() != "woocommerce"
}

#[tokio::test]
async fn a_return_is_told_from_the_wish_to_the_money() {
    for stage in subscribed().await {
        let slug = stage.slug();
        let id = received(&stage);
        let before = read(&stage, &id).await;
        let shop = &stage.shop;
        let asked = shop.ask_return(&id, &[(0, 2)], Wish::Return, "DEFECTIVE");
        let asked = asked.unwrap();

        let mut states = Vec::new();
        if knows_requests(&stage) {
            let told = returns(&stage, &id).await;
            assert_eq!(told.len(), 1, "{slug}");
            let expected = if tells_units_early(&stage) { 2 } else { 0 };
            assert_eq!(units(&before, &told, "MUG"), expected, "{slug}");
            states.push(told[0].state);
        }
        stage.clock.advance(Duration::from_secs(5));
        assert!(shop.accept_return(&id, &asked), "{slug}");
        if knows_requests(&stage) {
            states.push(returns(&stage, &id).await[0].state);
        }
        stage.clock.advance(Duration::from_secs(5));
        assert!(shop.goods_back(&id, &asked, true), "{slug}");
        assert!(shop.refund_return(&id, &asked, None), "{slug}");
        let after = read(&stage, &id).await;
        let told = returns(&stage, &id).await;
        states.push(told[0].state);

        assert!(states.is_sorted(), "{slug}: {states:?}");
        assert_eq!(states.last(), Some(&ReturnState::Refunded), "{slug}");
        assert!(
            states.first() == Some(&ReturnState::Requested) || !knows_requests(&stage),
            "{slug}: {states:?}"
        );
        assert_eq!(told.len(), 1, "{slug}");
        let refund = told[0].refund.unwrap();
        assert_eq!(refund.minor, 2 * price(&stage, &id), "{slug}");
        assert_eq!(refund.currency, after.currency, "{slug}");
        assert_eq!(units(&after, &told, "MUG"), 2, "{slug}");
        let goods = |of: &Return| of.lines.iter().all(|line| line.goods != Goods::Kept);
        assert!(told.iter().all(goods), "{slug}");
        // A return takes nothing out of the order: the credit is the books' to make.
        assert_eq!(after.total, before.total, "{slug}");
        let open = |order: &Order| {
            let lines = order.lines.iter();
            lines.map(OrderLine::open_quantity).sum::<i64>()
        };
        assert_eq!(open(&after), open(&before), "{slug}");
        assert_eq!(after.standing.document, before.standing.document, "{slug}");
    }
}

#[tokio::test]
async fn what_is_refused_comes_to_nothing() {
    for stage in subscribed().await {
        let slug = stage.slug();
        let id = received(&stage);
        let asked = stage
            .shop
            .ask_return(&id, &[(1, 1)], Wish::Return, "OTHER")
            .unwrap();
        stage.clock.advance(Duration::from_secs(5));
        stage.shop.refuse_return(&id, &asked);

        let told = returns(&stage, &id).await;

        let is_over = |of: &Return| of.state == ReturnState::Closed;
        assert!(told.iter().all(is_over), "{slug}: {told:?}");
        assert_eq!(told.len(), usize::from(knows_requests(&stage)), "{slug}");
    }
}

#[tokio::test]
async fn money_without_goods_leaves_the_units_with_the_buyer() {
    for stage in subscribed().await {
        let slug = stage.slug();
        let id = received(&stage);
        let asked = stage
            .shop
            .ask_return(&id, &[(0, 1)], Wish::RefundOnly, "DAMAGED")
            .unwrap();
        stage.clock.advance(Duration::from_secs(5));
        let part = price(&stage, &id) / 3;
        stage.shop.refund_return(&id, &asked, Some(part));

        let told = returns(&stage, &id).await;

        assert_eq!(told.len(), 1, "{slug}");
        let whole = price(&stage, &id);
        let expected = if tells_amounts(&stage) { part } else { whole };
        let refund = told[0].refund.map(|money| money.minor);
        assert_eq!(refund, Some(expected), "{slug}");
        let comes = |goods: Goods| matches!(goods, Goods::Back | Goods::Coming);
        assert!(
            told[0].lines.iter().all(|line| !comes(line.goods)),
            "{slug}"
        );
        let of_lines: i64 = told[0]
            .lines
            .iter()
            .filter_map(|line| line.refund)
            .map(|money| money.minor)
            .sum();
        assert!(of_lines <= expected, "{slug}");
    }
}

#[tokio::test]
async fn several_returns_of_one_order_are_told_apart() {
    for stage in subscribed().await {
        let slug = stage.slug();
        let id = received(&stage);
        let shop = &stage.shop;
        let first = shop.ask_return(&id, &[(0, 1)], Wish::Return, "OTHER");
        shop.refund_return(&id, &first.unwrap(), None);
        stage.clock.advance(Duration::from_secs(60));
        let second = shop.ask_return(&id, &[(0, 1), (1, 2)], Wish::Return, "OTHER");
        shop.refund_return(&id, &second.unwrap(), None);

        let order = read(&stage, &id).await;
        let told = returns(&stage, &id).await;

        let mut ids: Vec<_> = told.iter().map(|of| of.remote_id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2, "{slug}: {told:?}");
        assert_eq!(units(&order, &told, "MUG"), 2, "{slug}");
        assert_eq!(units(&order, &told, "TEA-25"), 2, "{slug}");
        let refunded: i64 = told
            .iter()
            .filter_map(|of| of.refund)
            .map(|m| m.minor)
            .sum();
        let expected = shop.with(|shop| shop.orders[&id].refunded());
        assert_eq!(refunded, expected, "{slug}");
    }
}

#[tokio::test]
async fn a_refund_that_was_deleted_is_told_no_more() {
    for stage in subscribed().await {
        let slug = stage.slug();
        if !["woocommerce", "standard_webhooks"].contains(&slug) {
            continue;
        }
        let id = received(&stage);
        let made = stage.shop.refund_units(&id, &[(0, 1)], None, Goods::Back);
        let there = returns(&stage, &id).await;
        stage.clock.advance(Duration::from_secs(5));
        assert!(stage.shop.delete_return(&id, &made.unwrap()));

        let gone = returns(&stage, &id).await;

        assert_eq!((there.len(), gone.len()), (1, 0), "{slug}");
    }
}

#[tokio::test]
async fn refunds_are_exact_in_currencies_of_no_and_of_three_decimals() {
    for stage in subscribed().await {
        let slug = stage.slug();
        for code in ["JPY", "KWD"] {
            let currency = Currency::from_code(code).unwrap();
            stage.shop.with(|shop| {
                shop.currency = currency;
                let variants = shop.products.values_mut().flat_map(|p| &mut p.variants);
                for variant in variants {
                    variant.price.currency = currency;
                    variant.price.minor = 1_237;
                }
            });
            let id = received(&stage);
            let ids = std::slice::from_ref(&id);
            let order = stage.marketplace.orders_by_id(&stage.access, ids).await;
            // Marketplaces of some countries sell in the currencies of these alone.
            let is_so = order.is_ok_and(|orders| orders[0].currency == currency);
            if !is_so || !tells_amounts(&stage) {
                continue;
            }
            let asked = stage
                .shop
                .ask_return(&id, &[(0, 2)], Wish::Return, "OTHER")
                .unwrap();
            stage.shop.refund_return(&id, &asked, Some(1_001));

            let told = returns(&stage, &id).await;

            let money = told[0].refund.unwrap();
            assert_eq!((money.minor, money.currency), (1_001, currency), "{slug}");
        }
    }
}
