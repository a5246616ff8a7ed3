//! Whatever was read, how often and in which order: the same readings end in the same books (hazards O3 and O8).

use super::{Desk, line, order, refund, usd};
use crate::support::databases;
use marketsink::{
    db::Db,
    domain::{Goods, Order, ReturnState, Standing},
};

databases!(readings_in_any_order_and_number_end_in_the_same_books);

/// A life of an order: called off in part, sent, returned, refunded, and the refund deleted.
fn life() -> Vec<Order> {
    let mut placed = order(Standing::PLACED, 1);
    placed.remote_status = "placed".to_owned();
    let sold = order(Standing::SOLD, 2);
    let mut less = order(Standing::SOLD, 3);
    less.lines[0].cancelled = 1;
    less.lines[0].total = usd(2_000);
    less.total = usd(2_900);
    let sent = Order {
        standing: Standing::SHIPPED,
        version: super::at(4),
        ..less.clone()
    };
    let mut asked = Order {
        standing: Standing::COMPLETED,
        version: super::at(5),
        ..less.clone()
    };
    let mut wish = refund("R1", 5, 1, 1_000, Goods::Coming);
    wish.state = ReturnState::Requested;
    asked.returns = Some(vec![wish]);
    let mut refunded = asked.clone();
    refunded.version = super::at(6);
    refunded.returns = Some(vec![
        refund("R1", 6, 1, 1_000, Goods::Back),
        refund("R2", 6, 0, 300, Goods::Kept),
    ]);
    let mut deleted = refunded.clone();
    deleted.version = super::at(7);
    deleted.returns = Some(vec![refund("R1", 6, 1, 1_000, Goods::Back)]);
    let mut added = deleted.clone();
    added.version = super::at(8);
    added.lines.push(line("9", "TEA", 2, 1_000));
    added.total = usd(3_900);
    vec![placed, sold, less, sent, asked, refunded, deleted, added]
}

async fn readings_in_any_order_and_number_end_in_the_same_books(db: Db) {
    let life = life();
    let desk = Desk::open(db.clone()).await;
    for reading in &life {
        desk.record(reading).await;
    }
    let expected = desk.books().await;
    assert!(expected.contains("credited 1000"), "{expected}");

    // Each number shuffles them in its own way, and repeats some.
    for seed in 1_u64..12 {
        let desk = Desk::open(db.clone()).await;
        let mut state = seed;
        let mut heard: Vec<&Order> = life.iter().chain(&life[..4]).collect();
        for n in (1..heard.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            heard.swap(n, (state >> 33) as usize % (n + 1));
        }
        for reading in heard {
            desk.record(reading).await;
        }

        // A return that was deleted before it was heard of leaves no row, and no effect either.
        let books = desk.books().await;
        let of_deleted = |line: &&str| !line.ends_with("deleted");
        let told = |books: &str| {
            books
                .lines()
                .filter(of_deleted)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(told(&books), told(&expected), "seed {seed}");
    }
}
