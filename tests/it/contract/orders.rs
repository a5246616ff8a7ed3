//! Orders: what the shop holds is what the client reads, to the cent.

use super::Stage;
use marketsink::{
    domain::{Document, Fulfilment, Money, Order, RemoteId, Window},
    marketplaces::{
        OrderTime,
        simulation::{SimOrder, SimStatus},
    },
};
use std::{collections::BTreeMap, time::Duration};

async fn read_orders(stage: &Stage, ids: &[RemoteId]) -> Vec<Order> {
    let read = stage.marketplace.orders_by_id(&stage.access, ids).await;
    read.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()))
}

async fn read_order(stage: &Stage, id: &RemoteId) -> Order {
    let mut orders = read_orders(stage, std::slice::from_ref(id)).await;
    assert_eq!(orders.len(), 1, "{}", stage.slug());
    orders.remove(0)
}

fn simulated(stage: &Stage, id: &RemoteId) -> SimOrder {
    stage.shop.with(|shop| shop.orders[id].clone())
}

/// Units, units called off, and amount by seller SKU: lines may be split otherwise.
type Lines = BTreeMap<String, (i64, i64, i64)>;

fn lines_read(order: &Order) -> Lines {
    let mut lines = Lines::new();
    for line in &order.lines {
        let sum = lines
            .entry(line.seller_sku.clone().unwrap_or_default())
            .or_default();
        sum.0 += line.quantity;
        sum.1 += line.cancelled;
        sum.2 += line.total.minor;
    }
    lines
}

fn lines_simulated(stage: &Stage, order: &SimOrder) -> Lines {
    let mut lines = Lines::new();
    for line in &order.lines {
        let sku = stage.shop.with(|shop| {
            let variant = shop.variant(&line.variant_id).unwrap();
            variant.seller_sku.clone().unwrap_or_default()
        });
        let sum = lines.entry(sku).or_default();
        sum.0 += line.quantity;
        sum.1 += line.cancelled;
        sum.2 += line.quantity * line.unit_price.minor;
    }
    lines
}

#[tokio::test]
async fn money_is_exact() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(
            &[("MUG", 3), ("TEA-25", 7), ("TEA-100", 1)],
            SimStatus::Paid,
        );

        let order = read_order(&stage, &id).await;

        let expected = simulated(&stage, &id);
        assert_eq!(
            lines_read(&order),
            lines_simulated(&stage, &expected),
            "{slug}"
        );
        let currency = stage.shop.with(|shop| shop.currency);
        let minor = expected
            .lines
            .iter()
            .map(|line| line.quantity * line.unit_price.minor)
            .sum();
        assert_eq!(order.total, Money { minor, currency }, "{slug}");
        assert_eq!(order.currency, currency, "{slug}");
    }
}

#[tokio::test]
async fn an_order_is_read_as_the_shop_holds_it() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        for platform in stage.shop.with(|shop| shop.platforms.clone()) {
            let placed_at = stage.clock.now();
            let id = stage.order_on(platform, &[("TEA-25", 2)], SimStatus::Unpaid);
            stage.clock.advance(Duration::from_secs(90));
            stage.shop.move_order(&id, SimStatus::Paid);

            let order = read_order(&stage, &id).await;

            assert_eq!(order.remote_id, id, "{slug}");
            assert_eq!(order.platform, platform, "{slug}");
            assert_eq!(order.placed_at, placed_at, "{slug}");
            assert_eq!(order.version, simulated(&stage, &id).updated_at, "{slug}");
            let tea = stage.product_of("TEA-25");
            assert!(
                order.lines.iter().all(|line| line.product_id == tea),
                "{slug}"
            );
            assert!(!order.number.is_empty() && !order.remote_status.is_empty());
            let known = stage.marketplace.limits().platforms;
            assert!(known.iter().any(|known| known.slug == platform), "{slug}");
        }
    }
}

#[tokio::test]
async fn the_standing_follows_the_order_through_its_life() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 1)], SimStatus::Unpaid);

        let unpaid = read_order(&stage, &id).await.standing;
        assert!(
            unpaid.document <= Document::SalesOrder && !unpaid.paid,
            "{slug}"
        );
        let mut versions = vec![simulated(&stage, &id).updated_at];
        for status in [
            SimStatus::Paid,
            SimStatus::Arranged,
            SimStatus::Shipped,
            SimStatus::Delivered,
            SimStatus::Completed,
        ] {
            stage.clock.advance(Duration::from_secs(5));
            assert!(stage.shop.move_order(&id, status));
            let order = read_order(&stage, &id).await;
            assert_eq!(
                order.standing.document,
                Document::Invoice,
                "{slug} {status:?}"
            );
            versions.push(order.version);
        }

        let done = read_order(&stage, &id).await;
        assert_eq!(done.standing.fulfilment, Fulfilment::Sent, "{slug}");
        assert!(versions.is_sorted(), "{slug}: {versions:?}");
    }
}

#[tokio::test]
async fn a_cancelled_order_is_void_and_none_of_its_units_is_sold() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 2), ("TEA-25", 1)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(5));
        stage.shop.move_order(&id, SimStatus::Cancelled);

        let order = read_order(&stage, &id).await;

        assert_eq!(order.standing.document, Document::Void, "{slug}");
        let quantity: i64 = order.lines.iter().map(|line| line.quantity).sum();
        assert_eq!(quantity, 3, "{slug}");
    }
}

#[tokio::test]
async fn units_that_were_called_off_are_not_open() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 3), ("TEA-25", 2)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(5));
        assert!(stage.shop.cancel_units(&id, 0, 1));

        let order = read_order(&stage, &id).await;

        // Some take the units out of the line, others keep them and say so.
        let read = lines_read(&order);
        let open: Vec<_> = read
            .iter()
            .map(|(sku, (quantity, cancelled, _))| (sku.as_str(), quantity - cancelled))
            .collect();
        assert_eq!(open, [("MUG", 2), ("TEA-25", 2)], "{slug}");
        assert_eq!(order.standing.document, Document::Invoice, "{slug}");
    }
}

#[tokio::test]
async fn unknown_orders_are_left_out_and_known_ones_are_read() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let first = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let second = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let unknown = RemoteId::from("999999999");

        let mixed = [unknown.clone(), second.clone(), first.clone()];
        let mut found: Vec<_> = read_orders(&stage, &mixed)
            .await
            .into_iter()
            .map(|order| order.remote_id)
            .collect();
        let none = read_orders(&stage, &[unknown]).await;
        let nothing_asked = read_orders(&stage, &[]).await;

        found.sort();
        assert_eq!(found, [first, second], "{slug}");
        assert!(none.is_empty() && nothing_asked.is_empty(), "{slug}");
    }
}

#[tokio::test]
async fn a_full_batch_of_orders_is_read_in_one_call() {
    for stage in Stage::every().await {
        let n = stage.marketplace.limits().order_batch;
        let mut ids: Vec<_> = (0..n)
            .map(|_| stage.order(&[("MUG", 1)], SimStatus::Paid))
            .collect();

        let found = read_orders(&stage, &ids).await;

        let mut found: Vec<_> = found.into_iter().map(|order| order.remote_id).collect();
        found.sort();
        ids.sort();
        assert_eq!(found, ids, "{}", stage.slug());
    }
}

#[tokio::test]
async fn the_order_list_and_the_orders_agree_on_versions_and_states() {
    for stage in Stage::every().await {
        for status in [SimStatus::Paid, SimStatus::Shipped, SimStatus::Completed] {
            stage.clock.advance(Duration::from_secs(3));
            stage.order(&[("MUG", 1)], status);
        }

        let (listed, _) = stage.all_orders(stage.until_now()).await;

        assert_eq!(listed.len(), 3, "{}", stage.slug());
        for summary in listed {
            let order = read_order(&stage, &summary.remote_id).await;
            assert_eq!(summary.version, order.version, "{}", stage.slug());
            assert_eq!(summary.number, order.number, "{}", stage.slug());
            let state = summary.remote_status.unwrap_or(order.remote_status.clone());
            assert_eq!(state, order.remote_status, "{}", stage.slug());
            assert!(summary.bookable, "{}", stage.slug());
            assert_eq!(summary.placed_at, Some(order.placed_at), "{}", stage.slug());
            let document = summary.standing.map(|standing| standing.document);
            assert_eq!(document, Some(order.standing.document), "{}", stage.slug());
            assert_eq!(summary.total, Some(order.total), "{}", stage.slug());
        }
    }
}

#[tokio::test]
async fn the_list_by_creation_holds_what_was_placed_in_the_window_whatever_changed_since() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        if !stage.marketplace.limits().created_filter {
            continue;
        }
        let early = stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(60));
        let from = stage.clock.now();
        // More than two pages hold, several of them placed within one second.
        let n = stage.marketplace.limits().order_page as usize * 2 + 5;
        let mut placed: Vec<RemoteId> = (0..n)
            .map(|n| {
                if n % 7 == 0 {
                    stage.clock.advance(Duration::from_secs(1));
                }
                stage.order(&[("MUG", 1)], SimStatus::Paid)
            })
            .collect();
        stage.clock.advance(Duration::from_secs(1));
        let to = stage.clock.now();
        stage.clock.advance(Duration::from_secs(60));
        stage.order(&[("MUG", 1)], SimStatus::Paid);
        for order in [&early, &placed[3]] {
            stage.shop.move_order(order, SimStatus::Shipped);
        }

        let window = Window { from, to };
        let (listed, _) = stage.all_orders_by(OrderTime::Created, window).await;

        let mut ids: Vec<RemoteId> = listed.into_iter().map(|order| order.remote_id).collect();
        ids.sort();
        placed.sort();
        assert_eq!(ids, placed, "{slug}");
    }
}

#[tokio::test]
async fn the_list_tells_no_total_or_the_one_of_the_order_itself() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        for status in [SimStatus::Unpaid, SimStatus::Paid, SimStatus::Cancelled] {
            let id = stage.order(&[("MUG", 2), ("TEA-25", 1)], SimStatus::Unpaid);
            stage.clock.advance(Duration::from_secs(2));
            stage.shop.move_order(&id, status);
        }

        let (listed, _) = stage.all_orders(stage.until_now()).await;

        assert_eq!(listed.len(), 3, "{slug}");
        for summary in listed {
            let order = read_order(&stage, &summary.remote_id).await;
            let total = summary.total.unwrap_or(order.total);
            assert_eq!(total, order.total, "{slug} {}", order.remote_status);
            let document = summary.standing.map(|standing| standing.document);
            let own = order.standing.document;
            assert_eq!(
                document.unwrap_or(own),
                own,
                "{slug} {}",
                order.remote_status
            );
        }
    }
}

#[tokio::test]
async fn orders_are_found_by_the_numbers_that_people_know_them_by() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let first = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let second = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let mut numbers = Vec::new();
        for id in [&first, &second] {
            numbers.push(read_order(&stage, id).await.number);
        }
        let asked = [
            numbers.clone(),
            vec!["nobody's".to_owned(), "42".to_owned()],
        ]
        .concat();

        let found = stage.marketplace.order_ids(&stage.access, &asked).await;

        let found: BTreeMap<String, RemoteId> = found.unwrap().into_iter().collect();
        for (number, id) in numbers.iter().zip([&first, &second]) {
            // What is left out is an id itself.
            let is_id = *number == id.to_string() && !found.contains_key(number);
            assert!(is_id || found.get(number) == Some(id), "{slug}: {found:?}");
        }
        assert!(!found.contains_key("42"), "{slug}: {found:?}");
    }
}
