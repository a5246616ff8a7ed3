//! What must be the same on every marketplace when a scenario ends: documents, fulfilment, units and stock.
//!
//! Ids, statuses, amounts and payments are each marketplace's own: one is paid by the buyer before shipping,
//! another pays the seller at the end.

use super::hands::section;
use std::{collections::BTreeMap, fs, path::Path};

/// Compares `state` with the books of the snapshot of this name, which another marketplace has made.
pub fn assert_same(module: &str, name: &str, state: &str) {
    let expected = books(&snapshot(module, name));
    assert_eq!(books(state), expected, "{name}: the books differ\n{state}");
}

fn snapshot(module: &str, name: &str) -> String {
    let file = format!("{}__{name}.snap", module.replace("::", "__"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scenarios/snapshots");
    let text = fs::read_to_string(path.join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let parts: Vec<&str> = text.splitn(3, "---\n").collect();
    parts[2].to_owned()
}

/// Orders without their names, in the order of what they hold; and the stock.
fn books(state: &str) -> (Vec<String>, String) {
    let mut orders: Vec<Order> = Vec::new();
    for line in section(state, "orders").lines() {
        if line.starts_with("    ") {
            if let Some(order) = orders.last_mut() {
                order.read(line.trim());
            }
        } else {
            orders.push(Order::named(line));
        }
    }
    let mut told: Vec<String> = orders.iter().map(Order::to_text).collect();
    told.sort();
    (told, section(state, "stock"))
}

/// An order of a state, with its lines added up by SKU: some marketplaces have a line per unit.
struct Order {
    /// Document and fulfilment.
    standing: String,
    /// What is still ordered, allocated and shipped, by SKU. Marketplaces show units that were called off as
    /// cancelled, or as never ordered.
    units: BTreeMap<String, [i64; 3]>,
}

impl Order {
    /// `tiktok_shop 17290 [SHIPPED] invoice unpaid sent 5500000 IDR by webhook`
    fn named(line: &str) -> Self {
        let (_, standing) = line.split_once("] ").unwrap_or(("", line));
        let words: Vec<&str> = standing.split(' ').collect();
        let word = |n: usize| words.get(n).copied().unwrap_or_default();
        Self {
            standing: format!("{} {}", word(0), word(2)),
            units: BTreeMap::new(),
        }
    }

    /// `MUG x1 cancelled 0 allocated 0 shipped 1`
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(units) = words.get(1).and_then(|word| word.strip_prefix('x')) else {
            return;
        };
        let number = |n: usize| words.get(n).and_then(|word| word.parse().ok()).unwrap_or(0);
        let ordered = units.parse().unwrap_or(0) - number(3);
        let is_void = self.standing.starts_with("void");
        let read = [if is_void { 0 } else { ordered }, number(5), number(7)];
        let sums = self.units.entry(words[0].to_owned()).or_default();
        for (sum, units) in sums.iter_mut().zip(read) {
            *sum += units;
        }
    }

    fn to_text(&self) -> String {
        format!("{} {:?}", self.standing, self.units)
    }
}
