//! From where units are sold, and what a change of an order line does to the outlets that hold them. Pure.
//!
//! 1. Units that are sent leave from where they were allocated; units that are called off are free again there; units
//!    that come back come back there.
//! 2. Units that are sold anew are taken from the first outlet that has enough of everything; else they are split,
//!    in the order of the outlets; what nobody has is oversold at the first.
//! 3. A bundle moves its components. What it holds is read from the ledger, so that a bundle whose parts were changed
//!    after the sale gives back what it took.

use super::MovementKind;
use crate::domain::{OutletId, SkuId};
use std::collections::{BTreeMap, HashMap};

/// A SKU of the ledger, and how many units of it one unit of what is sold takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub sku: SkuId,
    pub units: i64,
}

/// Units of a line: allocated and shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    pub allocated: i64,
    pub shipped: i64,
}

/// Where units of a line are, as the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub sku: SkuId,
    pub outlet: OutletId,
    pub units: Units,
}

/// What is free at each outlet; decides where units are sold from. Empty where there is nothing to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Free {
    units: HashMap<(SkuId, OutletId), i64>,
    /// Where a whole order finds all its units of a SKU, though its lines ask one by one.
    whole: HashMap<SkuId, OutletId>,
}

impl Free {
    pub fn new(units: HashMap<(SkuId, OutletId), i64>) -> Self {
        let whole = HashMap::new();
        Self { units, whole }
    }

    /// Looks for the first outlet that has everything an order needs, or else, of each SKU, for the first that has
    /// all of that.
    pub fn look_for(&mut self, needs: &BTreeMap<SkuId, i64>, outlets: &[OutletId]) {
        let has = |outlet: &OutletId, sku: SkuId, units: i64| self.at(sku, *outlet) >= units;
        let has_all = |outlet: &&OutletId| needs.iter().all(|(sku, n)| has(outlet, *sku, *n));
        let all = outlets.iter().find(has_all).copied();
        let of_sku = |(sku, n): (&SkuId, &i64)| {
            let found = outlets.iter().find(|outlet| has(outlet, *sku, *n));
            Some((*sku, all.or(found.copied())?))
        };
        self.whole = needs.iter().filter_map(of_sku).collect();
    }

    fn at(&self, sku: SkuId, outlet: OutletId) -> i64 {
        self.units.get(&(sku, outlet)).copied().unwrap_or(0)
    }
}

/// Units of each counted SKU that a line takes anew when it goes from `before` to `after`.
pub fn needs(
    (before, after): (Units, Units),
    parts: &[Part],
) -> impl Iterator<Item = (SkuId, i64)> + '_ {
    let more = after.allocated + after.shipped - before.allocated - before.shipped;
    let more = more.max(0);
    parts.iter().map(move |part| (part.sku, part.units * more))
}

/// One movement to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub sku: SkuId,
    pub outlet: OutletId,
    pub kind: MovementKind,
    pub on_hand: i64,
    pub allocated: i64,
}

/// Splits `units` over outlets in the order of priority, each with what is free there. The parts sum to `units`, and
/// only the first outlet is given more than it has.
pub fn choose(units: i64, outlets: &[(OutletId, i64)]) -> Vec<(OutletId, i64)> {
    let Some((first, _)) = outlets.first() else {
        return Vec::new();
    };
    if let Some((outlet, _)) = outlets.iter().find(|(_, free)| *free >= units) {
        return vec![(*outlet, units)];
    }
    let mut left = units;
    let mut chosen: Vec<(OutletId, i64)> = Vec::new();
    for (outlet, free) in outlets {
        let taken = left.min((*free).max(0));
        if taken > 0 {
            chosen.push((*outlet, taken));
            left -= taken;
        }
    }
    if left > 0 {
        match chosen.iter_mut().find(|(outlet, _)| outlet == first) {
            Some((_, taken)) => *taken += left,
            None => chosen.insert(0, (*first, left)),
        }
    }
    chosen
}

/// What makes the ledger agree with a line that held `before` and holds `after`.
///
/// `parts` is what one unit of it takes now, `held` what the ledger says it holds, `outlets` where the channel sells
/// from, first first. `free` is lowered by what is taken.
pub fn moves(
    (before, after): (Units, Units),
    parts: &[Part],
    held: &[Held],
    outlets: &[OutletId],
    free: &mut Free,
) -> Vec<Move> {
    let mut book = Book::new(held, outlets);
    let released = (before.allocated - after.allocated).max(0);
    let added = (after.allocated - before.allocated).max(0);
    let sent = (after.shipped - before.shipped).max(0);
    let back = (before.shipped - after.shipped).max(0);
    let shifted = released.min(sent);
    book.ship(shifted, before.allocated, parts);
    book.cancel(released - shifted, before.allocated - shifted, parts);
    book.take_back(back, before.shipped, parts);
    book.take(MovementKind::Allocate, added, parts, free);
    book.take(MovementKind::Ship, sent - shifted, parts, free);
    book.moves()
}

/// What a line holds while its movements are worked out.
struct Book<'a> {
    outlets: &'a [OutletId],
    /// By outlet in the order of priority; those that the channel no longer sells from come last.
    held: Vec<Held>,
    /// Summed by SKU, outlet and kind: one line of the ledger each.
    moved: BTreeMap<(SkuId, OutletId, MovementKind), Units>,
}

impl<'a> Book<'a> {
    fn new(held: &[Held], outlets: &'a [OutletId]) -> Self {
        let mut held = held.to_vec();
        let rank = |outlet: OutletId| {
            let known = outlets.iter().position(|one| *one == outlet);
            known.unwrap_or(outlets.len())
        };
        held.sort_by_key(|one| (one.sku, rank(one.outlet), one.outlet));
        Self {
            outlets,
            held,
            moved: BTreeMap::new(),
        }
    }

    /// `k` of the `n` allocated units leave.
    fn ship(&mut self, k: i64, n: i64, parts: &[Part]) {
        for (sku, outlet, units) in self.portions(k, n, parts, |units| &mut units.allocated) {
            self.add(sku, outlet, MovementKind::Ship, (-units, units));
        }
    }

    /// `k` of the `n` allocated units are called off.
    fn cancel(&mut self, k: i64, n: i64, parts: &[Part]) {
        for (sku, outlet, units) in self.portions(k, n, parts, |units| &mut units.allocated) {
            self.add(sku, outlet, MovementKind::Cancel, (-units, 0));
        }
    }

    /// `k` of the `n` shipped units come back.
    fn take_back(&mut self, k: i64, n: i64, parts: &[Part]) {
        for (sku, outlet, units) in self.portions(k, n, parts, |units| &mut units.shipped) {
            self.add(sku, outlet, MovementKind::Return, (0, -units));
        }
    }

    fn take(&mut self, kind: MovementKind, n: i64, parts: &[Part], free: &mut Free) {
        if n == 0 {
            return;
        }
        for (sku, outlet, units) in taken(n, parts, self.outlets, free) {
            let change = match kind {
                MovementKind::Ship => (0, units),
                _ => (units, 0),
            };
            self.add(sku, outlet, kind, change);
        }
    }

    /// Which held units are meant by `k` of `n`: the same share of every SKU, whole units, and all of them by all of
    /// `n`. A line whose units the ledger does not know, because they moved before the shop was connected, is taken
    /// to hold its parts at the first outlet.
    fn portions(
        &mut self,
        k: i64,
        n: i64,
        parts: &[Part],
        of: fn(&mut Units) -> &mut i64,
    ) -> Vec<(SkuId, OutletId, i64)> {
        if k <= 0 {
            return Vec::new();
        }
        let mut totals: BTreeMap<SkuId, i64> = BTreeMap::new();
        for held in &mut self.held {
            let units = *of(&mut held.units);
            if units > 0 {
                *totals.entry(held.sku).or_default() += units;
            }
        }
        if totals.is_empty() {
            let first = self.outlets.first().copied();
            let at_first = |part: &Part| Some((part.sku, first?, part.units * k));
            return parts.iter().filter_map(at_first).collect();
        }
        let mut chosen = Vec::new();
        for (sku, total) in totals {
            let mut left = if k >= n { total } else { total * k / n };
            for held in self.held.iter_mut().filter(|held| held.sku == sku) {
                let outlet = held.outlet;
                let units = of(&mut held.units);
                let taken = left.min((*units).max(0));
                if taken > 0 {
                    *units -= taken;
                    left -= taken;
                    chosen.push((sku, outlet, taken));
                }
            }
        }
        chosen
    }

    /// `change` is of allocated and of shipped units.
    fn add(&mut self, sku: SkuId, outlet: OutletId, kind: MovementKind, change: (i64, i64)) {
        let moved = self.moved.entry((sku, outlet, kind)).or_default();
        moved.allocated += change.0;
        moved.shipped += change.1;
    }

    fn moves(self) -> Vec<Move> {
        let of_ledger = |((sku, outlet, kind), units): (_, Units)| Move {
            sku,
            outlet,
            kind,
            on_hand: -units.shipped,
            allocated: units.allocated,
        };
        let moved = self.moved.into_iter().map(of_ledger);
        moved
            .filter(|one| one.on_hand != 0 || one.allocated != 0)
            .collect()
    }
}

/// Where `n` of what is sold are taken from.
fn taken(
    n: i64,
    parts: &[Part],
    outlets: &[OutletId],
    free: &mut Free,
) -> Vec<(SkuId, OutletId, i64)> {
    let has_all = |outlet: &&OutletId| {
        let enough = |part: &Part| free.at(part.sku, **outlet) >= part.units * n;
        parts.iter().all(enough)
    };
    let together = outlets.iter().find(has_all).copied();
    let mut all = Vec::new();
    for part in parts {
        let here: Vec<(OutletId, i64)> = match free.whole.get(&part.sku).copied().or(together) {
            Some(outlet) => vec![(outlet, part.units * n)],
            None => outlets
                .iter()
                .map(|outlet| (*outlet, free.at(part.sku, *outlet)))
                .collect(),
        };
        for (outlet, units) in choose(part.units * n, &here) {
            *free.units.entry((part.sku, outlet)).or_default() -= units;
            all.push((part.sku, outlet, units));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: OutletId = OutletId(1);
    const SECOND: OutletId = OutletId(2);
    const MUG: SkuId = SkuId(7);
    const TEA: SkuId = SkuId(8);

    fn units(allocated: i64, shipped: i64) -> Units {
        Units { allocated, shipped }
    }

    fn mug() -> Vec<Part> {
        vec![Part { sku: MUG, units: 1 }]
    }

    /// What a line holds after these movements.
    fn held_after(held: &[Held], moves: &[Move]) -> Vec<Held> {
        let mut sums: BTreeMap<(SkuId, OutletId), Units> = BTreeMap::new();
        for one in held {
            sums.insert((one.sku, one.outlet), one.units);
        }
        for one in moves {
            let sum = sums.entry((one.sku, one.outlet)).or_default();
            sum.allocated += one.allocated;
            sum.shipped -= one.on_hand;
        }
        let held = |((sku, outlet), units)| Held { sku, outlet, units };
        sums.into_iter().map(held).collect()
    }

    #[test]
    fn the_first_outlet_that_has_enough_sells() {
        assert_eq!(choose(3, &[(FIRST, 2), (SECOND, 5)]), [(SECOND, 3)]);
        assert_eq!(choose(2, &[(FIRST, 2), (SECOND, 5)]), [(FIRST, 2)]);
    }

    #[test]
    fn what_no_outlet_has_alone_is_split_and_what_nobody_has_is_oversold_at_the_first() {
        assert_eq!(
            choose(6, &[(FIRST, 2), (SECOND, 5)]),
            [(FIRST, 2), (SECOND, 4)]
        );
        assert_eq!(
            choose(9, &[(FIRST, 2), (SECOND, 5)]),
            [(FIRST, 4), (SECOND, 5)]
        );
        assert_eq!(choose(1, &[(FIRST, -3), (SECOND, 0)]), [(FIRST, 1)]);
    }

    #[test]
    fn units_leave_and_come_back_where_they_were_allocated() {
        let outlets = [FIRST, SECOND];
        let mut free = Free::new(HashMap::from([((MUG, FIRST), 1), ((MUG, SECOND), 5)]));

        let sold = moves((units(0, 0), units(3, 0)), &mug(), &[], &outlets, &mut free);
        assert_eq!(sold.len(), 1);
        assert_eq!((sold[0].outlet, sold[0].allocated), (SECOND, 3));

        // The first outlet is filled up meanwhile: the units are at the second all the same.
        let held = held_after(&[], &sold);
        let change = (units(3, 0), units(0, 2));
        let sent = moves(change, &mug(), &held, &outlets, &mut Free::default());
        let held = held_after(&held, &sent);
        assert_eq!(held[0].units, units(0, 2));
        assert!(sent.iter().all(|one| one.outlet == SECOND));
        let kinds: Vec<MovementKind> = sent.iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [MovementKind::Ship, MovementKind::Cancel]);

        let change = (units(0, 2), units(0, 0));
        let back = moves(change, &mug(), &held, &outlets, &mut Free::default());
        assert_eq!((back[0].outlet, back[0].on_hand), (SECOND, 2));
        assert_eq!(back[0].kind, MovementKind::Return);
    }

    #[test]
    fn a_bundle_moves_its_components_and_gives_back_what_it_took() {
        let parts = [Part { sku: MUG, units: 1 }, Part { sku: TEA, units: 2 }];
        let change = (units(0, 0), units(3, 0));
        let sold = moves(change, &parts, &[], &[FIRST], &mut Free::default());
        let allocated: Vec<_> = sold.iter().map(|one| (one.sku, one.allocated)).collect();
        assert_eq!(allocated, [(MUG, 3), (TEA, 6)]);

        // The bundle holds one bag of tea from now on; this one was sold with two.
        let held = held_after(&[], &sold);
        let now = [Part { sku: MUG, units: 1 }, Part { sku: TEA, units: 1 }];
        let change = (units(3, 0), units(1, 0));
        let off = moves(change, &now, &held, &[FIRST], &mut Free::default());
        let released: Vec<_> = off.iter().map(|one| (one.sku, one.allocated)).collect();
        assert_eq!(released, [(MUG, -2), (TEA, -4)]);
    }

    #[test]
    fn an_order_with_a_line_for_each_unit_is_not_split_where_one_outlet_has_them_all() {
        let outlets = [FIRST, SECOND];
        let mut free = Free::new(HashMap::from([((MUG, FIRST), 1), ((MUG, SECOND), 2)]));
        let line = (units(0, 0), units(1, 0));
        let mut needed = BTreeMap::new();
        for (sku, n) in [line, line]
            .iter()
            .flat_map(|_| needs(line, &[Part { sku: MUG, units: 1 }]).collect::<Vec<_>>())
        {
            *needed.entry(sku).or_default() += n;
        }

        free.look_for(&needed, &outlets);
        let sold = [line, line].map(|line| moves(line, &mug(), &[], &outlets, &mut free)[0].outlet);

        assert_eq!(sold, [SECOND, SECOND]);
    }

    #[test]
    fn what_left_before_the_ledger_began_comes_back_to_the_first_outlet() {
        let change = (units(0, 2), units(0, 1));
        let back = moves(change, &mug(), &[], &[FIRST, SECOND], &mut Free::default());

        assert_eq!((back[0].outlet, back[0].on_hand), (FIRST, 1));
    }

    fn any_parts() -> impl Strategy<Value = Vec<Part>> {
        prop::collection::vec(1_i64..4, 1..3).prop_map(|units| {
            let part = |(sku, units): (i64, i64)| Part {
                sku: SkuId(sku),
                units,
            };
            (7..).zip(units).map(part).collect()
        })
    }

    proptest! {
        #[test]
        fn a_split_loses_no_unit_and_only_the_first_outlet_is_oversold(
            units in 1_i64..100,
            free in prop::collection::vec(-20_i64..60, 1..5),
        ) {
            let outlets: Vec<_> = (1..).map(OutletId).zip(free).collect();

            let chosen = choose(units, &outlets);

            prop_assert_eq!(chosen.iter().map(|(_, units)| units).sum::<i64>(), units);
            for (outlet, taken) in &chosen {
                let (rank, (_, free)) = outlets.iter().enumerate().find(|(_, o)| o.0 == *outlet).unwrap();
                prop_assert!(rank == 0 || taken <= free);
            }
        }

        #[test]
        fn the_ledger_holds_what_the_line_holds_whatever_it_went_through(
            parts in any_parts(),
            walk in prop::collection::vec((0_i64..6, 0_i64..6), 1..8),
            free in prop::collection::vec(-3_i64..30, 6),
        ) {
            let outlets = [OutletId(1), OutletId(2), OutletId(3)];
            let mut at = units(0, 0);
            let mut held = Vec::new();
            let left = free
                .iter()
                .enumerate()
                .map(|(n, units)| {
                    let n = i64::try_from(n).unwrap();
                    ((SkuId(7 + n % 2), OutletId(1 + n / 2)), *units)
                })
                .collect();
            let mut left = Free::new(left);
            for (allocated, shipped) in walk {
                let next = units(allocated, shipped);
                let moved = moves((at, next), &parts, &held, &outlets, &mut left);
                held = held_after(&held, &moved);
                at = next;
                for part in &parts {
                    let of_part = held.iter().filter(|one| one.sku == part.sku);
                    let (mut allocated, mut shipped) = (0, 0);
                    for one in of_part {
                        prop_assert!(one.units.allocated >= 0 && one.units.shipped >= 0);
                        allocated += one.units.allocated;
                        shipped += one.units.shipped;
                    }
                    prop_assert_eq!((allocated, shipped), (at.allocated * part.units, at.shipped * part.units));
                }
            }
        }
    }
}
