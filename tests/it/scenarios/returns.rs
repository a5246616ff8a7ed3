//! What buyers send back, from the shop to the books: refunds in part, deleted refunds, goods that a person looks at.

use super::{World, world::snap};
use crate::support::scenarios;
use marketsink::{
    domain::{ConflictId, Goods, Handling, RemoteId, ReturnId},
    marketplaces::simulation::SimStatus::{Completed, Paid, Shipped},
    sales::{self, Asked, Choice, Decision, Resolved},
};

scenarios!(
    a_refund_in_part_is_credited_and_its_goods_wait_for_a_person,
    a_refund_that_is_deleted_is_taken_back,
    a_link_that_changes_under_a_reserved_line_is_asked_about,
);

/// Three mugs that were sold, sent and received at the second shop.
async fn received(world: &World) -> RemoteId {
    let order = world.order(&world.second, Paid, &[("MUG", 3)]);
    for status in [Shipped, Completed] {
        world.settle().await;
        world.second.move_order(&order, status);
    }
    world.settle().await;
    order
}

async fn a_refund_in_part_is_credited_and_its_goods_wait_for_a_person(url: String) {
    let world = World::open(url).await;
    let order = received(&world).await;

    let units = [(0, 1)];
    world
        .second
        .refund_units(&order, &units, None, Goods::Unknown)
        .unwrap();
    world.settle().await;
    let asked = world.section("orders").await;
    let app = &world.running.app;
    let open = sales::list_returns(app.db.read(), world.merchant, true, 10)
        .await
        .unwrap();
    let id = ReturnId(open[0].row.id);
    let tx = app.db.write_tx().await.unwrap();
    let decision = (Handling::Restock, "Rani", Some("as new"));
    let now = world.clock.now();
    sales::decide_return(&tx, world.merchant, id, decision, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.settle().await;

    assert_eq!(world.available("MUG").await, 8);
    assert_eq!(
        world.shown(&world.first, "MUG"),
        8,
        "others are told of the unit"
    );
    let text = format!("asked\n{asked}decided\n{}", world.section("orders").await);
    snap!(world, "returned_in_part", text);
    world.close().await;
}

async fn a_refund_that_is_deleted_is_taken_back(url: String) {
    let world = World::open(url).await;
    let order = received(&world).await;
    let id = world
        .second
        .refund_units(&order, &[(0, 2)], Some(500_000), Goods::Unknown);
    world.settle().await;

    world.second.delete_return(&order, &id.unwrap());
    // A store tells nothing when a refund is deleted: the next reading finds it.
    let work = marketsink::domain::Work::FetchOrder { order };
    world
        .ask_for(&world.second, work, marketsink::domain::Source::Manual)
        .await;
    world.settle().await;

    assert_eq!(world.available("MUG").await, 7);
    snap!(world, "refund_deleted", world.section("orders").await);
    world.close().await;
}

/// Two mugs are reserved when somebody links their listing to another SKU.
async fn a_link_that_changes_under_a_reserved_line_is_asked_about(url: String) {
    let world = World::open(url).await;
    world.order(&world.second, Paid, &[("MUG", 2)]);
    world.settle().await;
    let listing = world.listing_of(&world.second, "MUG").await;

    world.link(&listing, "TEA-25").await;
    world.link(&listing, "MUG").await;
    assert_eq!(open(&world).await.len(), 0, "it is as it was");
    world.link(&listing, "TEA-25").await;
    let asked = open(&world).await;
    assert_eq!(asked.len(), 1);
    assert_eq!(world.available("MUG").await, 8);
    let tx = world.running.app.db.write_tx().await.unwrap();
    let decision = Decision {
        choice: Choice::MoveToNewSku,
        by: "Rani",
        why: None,
    };
    let (id, now) = (ConflictId(asked[0].id), world.clock.now());
    let done = sales::resolve(&tx, world.merchant, id, decision, now).await;
    assert_eq!(done.unwrap(), Resolved::Done);
    tx.commit().await.unwrap();
    world.settle().await;

    assert_eq!(world.available("MUG").await, 10);
    assert_eq!(world.available("TEA-25").await, 8);
    assert_eq!(open(&world).await.len(), 0);
    world.close().await;
}

async fn open(world: &World) -> Vec<entity::conflicts::Model> {
    let db = world.running.app.db.read();
    let found = sales::list_conflicts(db, world.merchant, &Asked::default(), 10).await;
    found.unwrap()
}
