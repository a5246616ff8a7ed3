//! The process dies between any two of its commits, and is started again.
//!
//! One script of sales, edits, scans, downloads and pushes is run to its end, and then again for every
//! transaction of that run, with a fuse that lets so many begin and none after them. A new process over the
//! same database must come to the same books. What was answered with a 2xx must be there, each time.

use super::{World, hands::product};
use crate::support::database::{at_postgres, at_sqlite};
use marketsink::{
    domain::{Download, RemoteId, ScanKind, Source, Work},
    marketplaces::simulation::{
        SimProduct,
        SimStatus::{Cancelled, Paid, Shipped},
    },
    queue::{self, NewJob},
    sandbox::{DeliveryFault::Lost, SimShop},
    schedule,
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

/// Runs that go on at once: each waits for the disk most of the time.
const LANES: usize = 4;
/// A script that never ends would burn every fuse.
const MOST_TRANSACTIONS: i64 = 2_000;

mod sqlite {
    #[test]
    fn a_crash_between_any_two_commits_changes_nothing() {
        super::cut_everywhere(super::on_sqlite);
    }
}

mod postgres {
    #[test]
    fn a_crash_between_any_two_commits_changes_nothing() {
        super::cut_everywhere(super::on_postgres);
    }
}

/// Every other marketplace is cut behind every sixth transaction only: what a crash does to the books does not
/// depend on the marketplace, what its adapter makes of half a conversation does.
mod elsewhere {
    use super::{cut, on_sqlite};

    macro_rules! marketplaces {
        ($($slug:ident),+) => {
            $(#[test]
            fn $slug() {
                cut(|n| {
                    let mut end = None;
                    crate::scenarios::elsewhere(stringify!($slug), || end = on_sqlite(n));
                    end
                }, 6, None);
            })+
        };
    }

    marketplaces!(shopee, lazada, shopify, woocommerce, standard_webhooks);
}

/// The books at the end, and whether the fuse blew.
type End = (String, bool);

/// `None` when there is no such database.
fn on_sqlite(cut: Option<i64>) -> Option<End> {
    let mut end = None;
    at_sqlite(|url| async { end = Some(live(url, cut).await) });
    end
}

fn on_postgres(cut: Option<i64>) -> Option<End> {
    let mut end = None;
    at_postgres(|url| async { end = Some(live(url, cut).await) });
    end
}

fn cut_everywhere(run: impl Fn(Option<i64>) -> Option<End> + Sync) {
    cut(run, 1, Some("crash"));
}

/// Cuts behind every `step`th transaction; the books that nobody cut are the snapshot of this name.
fn cut(run: impl Fn(Option<i64>) -> Option<End> + Sync, step: i64, snapshot: Option<&str>) {
    let Some((expected, _)) = run(None) else {
        return;
    };
    if let Some(name) = snapshot {
        insta::assert_snapshot!(name, expected);
    }
    let next = AtomicI64::new(0);
    let cuts = Mutex::new(0);
    let lane = || {
        loop {
            let n = next.fetch_add(step, Ordering::SeqCst);
            assert!(n < MOST_TRANSACTIONS, "the fuse burns for ever");
            let (books, has_blown) = run(Some(n)).expect("it was there a moment ago");
            assert_eq!(books, expected, "after a crash behind {n} transactions");
            if !has_blown {
                return;
            }
            *cuts.lock().unwrap() += 1;
        }
    };
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let n_cuts = *cuts.lock().unwrap();
    assert!(n_cuts > 50 / step, "only {n_cuts} transactions were cut");
}

/// What the script must remember of its orders.
#[derive(Default)]
struct Orders {
    first: Option<RemoteId>,
    second: Option<RemoteId>,
}

/// The whole script; after a crash a new process takes over before the script goes on.
async fn live(url: String, cut: Option<i64>) -> End {
    let mut world = World::unconnected(url).await;
    world.stock_shops().await;
    world.connect_all().await;
    world.settle_in(2).await;
    let mut orders = Orders::default();
    if let Some(n) = cut {
        world.fuse.blow_after(n);
    }
    let mut was_cut = false;
    for phase in 0..PHASES {
        let asked = act(&world, phase, &mut orders);
        let mut is_asked = ask(&world, &asked).await;
        work(&world).await;
        if world.fuse.has_blown() {
            was_cut = true;
            assert_acknowledged_is_stored(&world).await;
            world = world.restarted().await;
            world.take_up_abandoned().await;
            world.settle_in(4).await;
            if !is_asked {
                // Whoever got an error asks again.
                is_asked = ask(&world, &asked).await;
            }
            assert!(is_asked);
            world.clock.advance(Duration::from_secs(660));
            fire(&world).await;
            world.settle_in(4).await;
        }
    }
    world.fuse.mend();
    world.clock.advance(Duration::from_secs(900));
    fire(&world).await;
    world.settle_in(6).await;
    world.assert_in_step().await;
    assert_acknowledged_is_stored(&world).await;
    assert_eq!(world.section("left to do").await, "");
    let books = books(&world).await;
    world.close().await;
    (books, was_cut)
}

const PHASES: usize = 3;

/// What happens in the shops, and the work that somebody asks for.
fn act(world: &World, phase: usize, orders: &mut Orders) -> Vec<(SimShop, Work)> {
    let (first, second) = (&world.first, &world.second);
    let rename = |product: &mut SimProduct| "Mug, renamed".clone_into(&mut product.title);
    match phase {
        0 => {
            let order = world.order(first, Paid, &[("MUG", 2)]);
            orders.first = Some(order);
            orders.second = Some(world.order(second, Paid, &[("MUG", 1)]));
        }
        1 => {
            first.edit_product(&product(first, "MUG"), rename);
            second.next_deliveries(vec![Lost; 3]);
            world.order(second, Paid, &[("TEA-25", 2)]);
            let orders = Download::Updated;
            let scan = ScanKind::Full;
            return vec![
                (second.clone(), Work::DownloadOrders { orders }),
                (
                    first.clone(),
                    Work::RunScan {
                        scan,
                        method: marketsink::domain::ScanMethod::Async,
                    },
                ),
            ];
        }
        _ => {
            first.move_order(orders.first.as_ref().unwrap(), Shipped);
            second.move_order(orders.second.as_ref().unwrap(), Cancelled);
        }
    }
    Vec::new()
}

/// False when it could not be stored.
async fn ask(world: &World, asked: &[(SimShop, Work)]) -> bool {
    let mut jobs = Vec::new();
    for (shop, work) in asked {
        jobs.push(NewJob {
            merchant: world.merchant,
            channel: world.channel(shop).await.id,
            work: work.clone(),
            source: Source::Schedule,
            run_at: None,
        });
    }
    if jobs.is_empty() {
        return true;
    }
    let Ok(tx) = world.running.app.db.write_tx().await else {
        return false;
    };
    queue::enqueue(&tx, &jobs, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    true
}

async fn fire(world: &World) {
    let now = world.clock.now();
    schedule::fire_due(&world.running.app.db, now)
        .await
        .unwrap();
}

/// Works until nothing is left, or until the process is dead.
async fn work(world: &World) {
    let app = &world.running.app;
    for _ in 0..4 {
        world.sandbox.courier().deliver_due().await;
        let fired = schedule::fire_due(&app.db, world.clock.now()).await;
        let worked = app.worker().run_due().await;
        if world.fuse.has_blown() {
            return;
        }
        fired.unwrap();
        worked.unwrap();
        world.clock.advance(Duration::from_secs(5));
    }
}

/// What was accepted is stored, or was already: where deliveries have no id, the same news told twice is one.
async fn assert_acknowledged_is_stored(world: &World) {
    let accepted = world.sandbox.ledger().accepted;
    let stored = world.n_genuine().await + world.n_duplicates();
    assert_eq!(stored, accepted, "a 2xx means stored");
}

/// Orders, stock and listings; not what found an order first, nor in which order its steps were done: a
/// process that was dead has heard of things later.
async fn books(world: &World) -> String {
    let mut books = String::new();
    for line in world.section("orders").await.lines() {
        let line = line.split(" by ").next().unwrap_or_default();
        let line = match line.split_once("steps: ") {
            None => line.to_owned(),
            Some((indent, steps)) => {
                let mut steps: Vec<&str> = steps.split(", ").collect();
                steps.sort_unstable();
                format!("{indent}steps: {}", steps.join(", "))
            }
        };
        books.push_str(&line);
        books.push('\n');
    }
    books + &world.section("stock").await + &world.section("listings").await
}
