//! Returns and refunds by line (hazards O12, O13 and O14): what moves, what is credited, and what is taken back.

use super::{Desk, OPENING, line, order, refund, usd};
use crate::support::databases;
use marketsink::{
    db::Db,
    domain::{Goods, Handling, ReturnId, ReturnState, Standing},
    sales,
};

databases!(
    a_request_moves_nothing_and_a_refund_credits_the_line,
    goods_go_where_the_policy_of_their_reason_says,
    a_person_says_where_goods_are_once,
    a_deleted_refund_is_reversed_and_stays_in_the_history,
    refunds_never_exceed_the_invoice,
    a_full_refund_takes_every_unit_and_every_cent_back,
    edits_after_the_sale_are_applied_once_and_told,
    a_return_then_a_cancellation_then_an_exchange_take_legal_steps_alone,
    a_return_told_by_itself_joins_its_order,
);

async fn a_request_moves_nothing_and_a_refund_credits_the_line(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::COMPLETED, 1)).await;
    let before = desk.levels().await;

    let mut asked = order(Standing::COMPLETED, 2);
    let mut wish = refund("R1", 2, 1, 1_000, Goods::Coming);
    wish.state = ReturnState::Requested;
    asked.returns = Some(vec![wish.clone()]);
    desk.record(&asked).await;

    assert_eq!(desk.levels().await, before);
    assert_eq!(desk.order().await.order.refunded_minor, 0);

    let mut done = order(Standing::COMPLETED, 3);
    done.returns = Some(vec![refund("R1", 3, 1, 1_000, Goods::Back)]);
    desk.record(&done).await;
    desk.record(&done).await;

    let full = desk.order().await;
    assert_eq!(full.order.refunded_minor, 1_000);
    assert_eq!(full.lines[0].refunded_minor, 1_000);
    assert_eq!((full.lines[0].shipped, full.lines[0].restocked), (2, 1));
    assert_eq!(desk.levels().await, ["MUG 8", "TEA 9"]);
    let steps = desk.steps().await;
    let of_return = &steps[steps.len() - 4..];
    let expected = [
        "open_return",
        "accept_return",
        "restock_return",
        "credit_note",
    ];
    assert_eq!(of_return, expected);
}

async fn goods_go_where_the_policy_of_their_reason_says(db: Db) {
    let desk = Desk::open(db).await;
    let desk = desk
        .with_policy("restock,DAMAGED:quarantine,BROKEN:write_off")
        .await;
    let mut sold = order(Standing::SHIPPED, 1);
    let reasons = ["DAMAGED", "BROKEN", "TOO_LATE"];
    let returns = reasons.iter().zip(1..).map(|(reason, n)| {
        let mut one = refund(&format!("R{n}"), n, 1, 100, Goods::Unknown);
        one.reason = Some((*reason).to_owned());
        one
    });
    sold.returns = Some(returns.collect());

    desk.record(&sold).await;

    let line = &desk.order().await.lines[0];
    assert_eq!((line.shipped, line.restocked, line.quarantined), (1, 1, 1));
    assert_eq!(desk.levels().await, ["MUG 8", "MUG aside 1", "TEA 9"]);
    assert_eq!(desk.questions().await, [""; 0]);
}

async fn a_person_says_where_goods_are_once(db: Db) {
    let desk = Desk::open(db).await;
    let mut sold = order(Standing::SHIPPED, 1);
    sold.returns = Some(vec![refund("R1", 1, 2, 2_000, Goods::Unknown)]);
    desk.record(&sold).await;
    assert_eq!(desk.questions().await, ["goods_undecided"]);
    assert_eq!(desk.levels().await, ["MUG 7", "TEA 9"]);
    let id = ReturnId(desk.order().await.returns[0].row.id);

    let tx = desk.db.write_tx().await.unwrap();
    let quarantine = (Handling::Quarantine, "Rani", Some("a scratch"));
    let units = sales::decide_return(&tx, desk.merchant, id, quarantine, super::NOW).await;
    assert_eq!(units.unwrap(), 2);
    let again = (Handling::Restock, "Budi", None);
    let second = sales::decide_return(&tx, desk.merchant, id, again, super::NOW).await;
    assert!(second.is_err());
    tx.commit().await.unwrap();
    sold.version = super::at(9);
    sold.remote_status = "later".to_owned();
    desk.record(&sold).await;

    assert_eq!(desk.questions().await, [""; 0]);
    assert_eq!(desk.order().await.order.attention, None);
    assert_eq!(desk.levels().await, ["MUG 7", "MUG aside 2", "TEA 9"]);
    let steps = desk.order().await.steps;
    let decided = steps.iter().find(|step| step.step == "decide").unwrap();
    assert!(
        decided
            .detail
            .as_deref()
            .unwrap()
            .contains("Rani: a scratch")
    );
}

async fn a_deleted_refund_is_reversed_and_stays_in_the_history(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::COMPLETED, 1)).await;
    let before = desk.levels().await;
    let mut refunded = order(Standing::COMPLETED, 2);
    refunded.returns = Some(vec![refund("R1", 2, 2, 2_000, Goods::Back)]);
    desk.record(&refunded).await;
    assert_eq!(desk.levels().await, ["MUG 9", "TEA 9"]);

    desk.record(&order(Standing::COMPLETED, 3)).await;

    let full = desk.order().await;
    assert_eq!(desk.levels().await, before);
    assert_eq!((full.order.refunded_minor, full.lines[0].restocked), (0, 0));
    assert!(full.returns[0].row.deleted_at.is_some());
    let steps = desk.steps().await;
    for step in ["reverse_credit", "undo_return", "delete_return"] {
        assert!(steps.iter().any(|taken| taken == step), "{step}: {steps:?}");
    }
}

async fn refunds_never_exceed_the_invoice(db: Db) {
    let desk = Desk::open(db).await;
    let mut sold = order(Standing::COMPLETED, 1);
    let first = refund("R1", 1, 1, 3_000, Goods::Kept);
    let second = refund("R2", 2, 0, 2_000, Goods::Kept);
    sold.returns = Some(vec![second, first]);

    desk.record(&sold).await;

    let full = desk.order().await;
    assert_eq!(full.order.refunded_minor, 3_900);
    let credits: Vec<_> = full
        .returns
        .iter()
        .map(|one| one.row.credited_minor)
        .collect();
    assert_eq!(credits, [3_000, 900]);
    assert_eq!(full.returns[1].row.refund_minor, Some(2_000));
    assert_eq!(desk.questions().await, ["refund_over_paid"]);

    sold.version = super::at(5);
    sold.returns.as_mut().unwrap().remove(0);
    desk.record(&sold).await;

    assert_eq!(desk.questions().await, [""; 0], "the cause is gone");
}

async fn a_full_refund_takes_every_unit_and_every_cent_back(db: Db) {
    let desk = Desk::open(db).await;
    let mut sold = order(Standing::COMPLETED, 1);
    let mut all = refund("R1", 1, 3, 3_900, Goods::Back);
    let mut tea = all.lines[0].clone();
    (tea.line, tea.quantity, tea.refund) = ("2".into(), 1, Some(usd(500)));
    all.lines[0].refund = Some(usd(3_000));
    all.lines.push(tea);
    sold.returns = Some(vec![all]);

    desk.record(&sold).await;

    let full = desk.order().await;
    let by_line: Vec<_> = full.lines.iter().map(|line| line.refunded_minor).collect();
    assert_eq!(
        (full.order.refunded_minor, by_line),
        (3_900, vec![3_000, 500])
    );
    let all = [format!("MUG {OPENING}"), format!("TEA {OPENING}")];
    assert_eq!(desk.levels().await, all);
}

async fn edits_after_the_sale_are_applied_once_and_told(db: Db) {
    let desk = Desk::open(db).await;
    desk.record(&order(Standing::SOLD, 1)).await;

    let mut edited = order(Standing::SOLD, 2);
    edited.lines = vec![line("1", "MUG", 1, 1_000), line("3", "TEA", 4, 2_000)];
    edited.total = usd(3_400);
    desk.record(&edited).await;
    edited.version = super::at(3);
    desk.record(&edited).await;

    assert_eq!(desk.levels().await, ["MUG 9", "TEA 6"]);
    let full = desk.order().await;
    assert_eq!(full.order.total_minor, 3_400);
    let edits: Vec<_> = full
        .steps
        .iter()
        .filter(|step| step.step == "change_order")
        .collect();
    assert_eq!(edits.len(), 1);
    assert_eq!(
        edits[0].detail.as_deref(),
        Some(
            "MUG: 3 units, now 1; TEA: 4 units added; TEA: 1 units, now 0; total 39.00 USD, now 34.00 USD"
        )
    );
}

async fn a_return_then_a_cancellation_then_an_exchange_take_legal_steps_alone(db: Db) {
    let desk = Desk::open(db).await;
    let mut sold = order(Standing::SHIPPED, 1);
    sold.returns = Some(vec![refund("R1", 1, 1, 1_000, Goods::Back)]);
    desk.record(&sold).await;
    let mut void = order(Standing::CANCELLED, 2);
    void.returns = sold.returns.clone();
    desk.record(&void).await;
    let mut exchanged = void.clone();
    exchanged.version = super::at(3);
    let exchange = refund("R2", 3, 1, 0, Goods::Back);
    exchanged.returns.as_mut().unwrap().push(exchange);
    desk.record(&exchanged).await;

    let full = desk.order().await;
    assert_eq!(
        (full.order.document.as_str(), full.order.refunded_minor),
        ("void", 0)
    );
    let all = [format!("MUG {OPENING}"), format!("TEA {OPENING}")];
    assert_eq!(desk.levels().await, all, "nothing comes back twice");
    assert_eq!(desk.questions().await, ["cancelled_after_sent"]);
}

async fn a_return_told_by_itself_joins_its_order(db: Db) {
    let desk = Desk::open(db).await;
    let mut sold = order(Standing::SHIPPED, 1);
    sold.returns = None;
    desk.record(&sold).await;
    let told = refund("R1", 1, 1, 1_000, Goods::Back);
    let recording = sales::Recording {
        connection: &desk.channel,
        source: marketsink::domain::Source::Webhook,
    };

    let tx = desk.db.write_tx().await.unwrap();
    for _ in 0..2 {
        let order = "1001".into();
        let recorded = sales::record_return(&tx, recording, &order, &told, super::NOW).await;
        assert!(recorded.unwrap().is_some());
    }
    tx.commit().await.unwrap();
    sold.version = super::at(5);
    sold.remote_status = "later".to_owned();
    desk.record(&sold).await;

    assert_eq!(desk.order().await.order.refunded_minor, 1_000);
    assert_eq!(desk.levels().await, ["MUG 8", "TEA 9"]);
}
