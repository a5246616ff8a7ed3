//! What must not happen by itself: it is raised once, closes by itself, and is decided once, with who and why.

use super::{Desk, NOW, OPENING, at, order, usd};
use crate::support::databases;
use entity::conflicts;
use marketsink::{
    db::Db,
    domain::{ConflictId, Currency, Money, Order, OrderId, Standing},
    sales::{self, Asked, Choice, Conflict, ConflictKind, Decision, Resolved},
};
use serde_json::json;

databases!(
    goods_of_an_order_cancelled_after_shipping_are_taken_back_or_left_out_by_a_person,
    a_policy_keeps_cancelled_goods_out_until_somebody_says_that_they_came,
    units_called_off_after_they_left_are_decided_once,
    a_void_order_that_is_paid_after_all_is_booked_again_only_by_a_person,
    a_total_that_its_lines_do_not_come_to_is_never_an_overwrite,
    another_currency_is_never_an_overwrite,
    a_status_that_nobody_knows_is_asked_about_until_it_is_known,
    an_order_that_is_shown_again_is_no_question_any_more,
    the_same_question_is_raised_once_and_taken_by_one,
);

impl Desk {
    async fn conflict(&self, kind: ConflictKind) -> conflicts::Model {
        let asked = Asked {
            kind: Some(kind),
            ..Asked::default()
        };
        let found = sales::list_conflicts(self.db.read(), self.merchant, &asked, 10).await;
        found.unwrap().remove(0)
    }

    async fn decide(&self, kind: ConflictKind, choice: Choice) -> Resolved {
        let id = ConflictId(self.conflict(kind).await.id);
        self.decide_one(id, choice).await
    }

    async fn decide_one(&self, id: ConflictId, choice: Choice) -> Resolved {
        let decision = Decision {
            choice,
            by: "Rani",
            why: Some("seen"),
        };
        let tx = self.db.write_tx().await.unwrap();
        let done = sales::resolve(&tx, self.merchant, id, decision, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        done
    }

    /// The same order once more, later and with another word, so that it is written.
    async fn again(&self, order: &Order, n: i64) {
        let mut later = order.clone();
        later.version = at(n);
        later.remote_status = format!("seen at {n}");
        self.record(&later).await;
    }
}

async fn goods_of_an_order_cancelled_after_shipping_are_taken_back_or_left_out_by_a_person(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SHIPPED, 1)).await;
    let void = order(Standing::CANCELLED, 2);
    desk.record(&void).await;
    assert_eq!(desk.questions().await, ["cancelled_after_sent"]);
    assert_eq!(desk.order().await.order.fulfilment, "returned");
    assert_eq!(desk.levels().await, ["MUG 10", "TEA 10"]);
    let id = ConflictId(desk.conflict(ConflictKind::CancelledAfterSent).await.id);

    assert_eq!(desk.decide_one(id, Choice::LeaveOut).await, Resolved::Done);
    let second = desk.decide_one(id, Choice::TakeBack).await;
    desk.again(&void, 3).await;

    assert!(
        matches!(second, Resolved::EndedBefore(row) if row.choice.as_deref() == Some("leave_out"))
    );
    assert_eq!(desk.levels().await, ["MUG 7", "TEA 9"]);
    let order = desk.order().await.order;
    assert_eq!((order.fulfilment.as_str(), order.attention), ("sent", None));
    assert_eq!(desk.questions().await, [""; 0]);
}

async fn a_policy_keeps_cancelled_goods_out_until_somebody_says_that_they_came(db: Db) {
    let desk = Desk::open(db).await.with_policy("CANCELLED:ask").await;
    desk.record(&order(Standing::SHIPPED, 1)).await;
    let void = order(Standing::CANCELLED, 2);
    desk.record(&void).await;
    desk.again(&void, 3).await;
    assert_eq!(desk.levels().await, ["MUG 7", "TEA 9"]);

    desk.decide(ConflictKind::CancelledAfterSent, Choice::Quarantine)
        .await;
    desk.again(&void, 4).await;

    let aside = ["MUG 7", "MUG aside 3", "TEA 9", "TEA aside 1"];
    assert_eq!(desk.levels().await, aside);
    assert_eq!(desk.order().await.order.fulfilment, "returned");
}

async fn units_called_off_after_they_left_are_decided_once(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SHIPPED, 1)).await;
    let mut less = order(Standing::SHIPPED, 2);
    less.lines[0].cancelled = 2;
    desk.record(&less).await;
    assert_eq!(desk.questions().await, ["called_off_after_sent"]);
    assert_eq!(desk.levels().await, ["MUG 7", "TEA 9"]);

    desk.decide(ConflictKind::CalledOffAfterSent, Choice::TakeBack)
        .await;
    desk.again(&less, 3).await;

    assert_eq!(desk.levels().await, ["MUG 9", "TEA 9"]);
    assert_eq!(desk.questions().await, [""; 0]);
}

async fn a_void_order_that_is_paid_after_all_is_booked_again_only_by_a_person(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SOLD, 1)).await;
    desk.record(&order(Standing::CANCELLED, 2)).await;
    let mut paid = order(Standing::SOLD, 3);
    paid.standing.paid = true;
    desk.record(&paid).await;
    assert_eq!(desk.order().await.order.document, "void");
    assert_eq!(desk.questions().await, ["paid_after_void"]);

    desk.decide(ConflictKind::PaidAfterVoid, Choice::BookAgain)
        .await;
    desk.record(&paid).await;

    let full = desk.order().await;
    assert_eq!(
        (full.order.document.as_str(), full.order.paid),
        ("invoice", true)
    );
    assert_eq!(desk.levels().await, ["MUG 7", "TEA 9"]);
    let invoices = full
        .steps
        .iter()
        .filter(|step| step.step == "create_invoice");
    assert_eq!(invoices.count(), 2);
    assert_eq!(desk.questions().await, [""; 0]);
}

async fn a_total_that_its_lines_do_not_come_to_is_never_an_overwrite(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SOLD, 1)).await;
    let mut wrong = order(Standing::SOLD, 2);
    wrong.total = usd(9_900);
    desk.record(&wrong).await;
    assert_eq!(desk.order().await.order.total_minor, 3_900);
    assert_eq!(desk.questions().await, ["total_differs"]);

    desk.decide(ConflictKind::TotalDiffers, Choice::AcceptTotal)
        .await;
    desk.again(&wrong, 3).await;
    assert_eq!(desk.order().await.order.total_minor, 9_900);
    assert_eq!(desk.questions().await, [""; 0]);

    wrong.total = usd(1);
    desk.again(&wrong, 4).await;
    assert_eq!(desk.questions().await, ["total_differs"]);
    desk.record(&order(Standing::SOLD, 5)).await;

    assert_eq!(desk.questions().await, [""; 0], "the cause is gone");
    assert_eq!(desk.order().await.order.total_minor, 3_900);
}

async fn another_currency_is_never_an_overwrite(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SOLD, 1)).await;
    let mut euros = order(Standing::SOLD, 2);
    let currency = Currency::from_code("EUR").unwrap();
    let in_euros = |money: Money| Money { currency, ..money };
    euros.currency = currency;
    euros.total = in_euros(euros.total);
    euros.charges = euros.charges.map(in_euros);
    for line in &mut euros.lines {
        line.total = in_euros(line.total);
    }
    desk.record(&euros).await;
    assert_eq!(desk.order().await.order.currency, "USD");
    assert_eq!(desk.questions().await, ["currency_changed"]);

    desk.decide(ConflictKind::CurrencyChanged, Choice::AcceptCurrency)
        .await;
    desk.record(&euros).await;

    assert_eq!(desk.order().await.order.currency, "EUR");
    assert_eq!(desk.questions().await, [""; 0]);
}

async fn a_status_that_nobody_knows_is_asked_about_until_it_is_known(db: Db) {
    let desk = Desk::open(db).await;
    let mut strange = order(Standing::SOLD, 1);
    strange.remote_status = "TELEPORTED".to_owned();
    strange.remark = Some("unknown status `TELEPORTED`".to_owned());
    desk.record(&strange).await;
    assert_eq!(desk.questions().await, ["unknown_status"]);
    let attention = desk.order().await.order.attention.unwrap();
    assert!(attention.contains("TELEPORTED"), "{attention}");

    desk.record(&order(Standing::SHIPPED, 2)).await;

    assert_eq!(desk.questions().await, [""; 0]);
    assert_eq!(desk.order().await.order.attention, None);
}

async fn an_order_that_is_shown_again_is_no_question_any_more(db: Db) {
    let desk = Desk::open(db).await;
    let sold = order(Standing::SOLD, 1);
    desk.record(&sold).await;
    for _ in 0..2 {
        let tx = desk.db.write_tx().await.unwrap();
        let gone = sales::mark_attention(&tx, &desk.channel, &sold.remote_id, "it is gone", NOW);
        assert!(gone.await.unwrap());
        tx.commit().await.unwrap();
    }
    assert_eq!(desk.questions().await, ["order_not_shown"]);
    assert_eq!(
        desk.order().await.order.attention.as_deref(),
        Some("it is gone")
    );

    desk.record(&sold).await;
    assert_eq!(desk.questions().await, [""; 0]);
    assert_eq!(desk.order().await.order.attention, None);

    let tx = desk.db.write_tx().await.unwrap();
    sales::mark_attention(&tx, &desk.channel, &sold.remote_id, "it is gone", NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    desk.decide(ConflictKind::OrderNotShown, Choice::VoidOrder)
        .await;

    assert_eq!(desk.order().await.order.document, "void");
    let all = [format!("MUG {OPENING}"), format!("TEA {OPENING}")];
    assert_eq!(desk.levels().await, all);
}

async fn the_same_question_is_raised_once_and_taken_by_one(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SOLD, 1)).await;
    let id = OrderId(desk.order().await.order.id);
    let asked = |units: i64| {
        let facts = json!({ "units": units });
        Conflict::of_order(ConflictKind::FeeDiffers, id, "the fee differs", facts)
    };
    let tx = desk.db.write_tx().await.unwrap();
    let raised = sales::raise(&tx, desk.merchant, asked(1), NOW)
        .await
        .unwrap();
    let again = sales::raise(&tx, desk.merchant, asked(2), NOW)
        .await
        .unwrap();
    let one = raised.unwrap();
    assert!(again.is_none());
    assert!(
        sales::take(&tx, desk.merchant, one, Some("Rani"))
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    assert_eq!(desk.decide_one(one, Choice::Settled).await, Resolved::Done);

    let tx = desk.db.write_tx().await.unwrap();
    let same = sales::raise(&tx, desk.merchant, asked(2), NOW)
        .await
        .unwrap();
    let other = sales::raise(&tx, desk.merchant, asked(3), NOW)
        .await
        .unwrap();
    let (kind, subject) = (ConflictKind::FeeDiffers, format!("order:{id}"));
    let closed = sales::close_gone(&tx, desk.merchant, kind, &subject, NOW)
        .await
        .unwrap();
    let closed_again = sales::close_gone(&tx, desk.merchant, kind, &subject, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    assert!(same.is_none() && other.is_some());
    assert_eq!((closed, closed_again), (1, 0));
    assert_eq!(desk.order().await.order.open_conflicts, 0);
}
