//! Returns and refunds of a simulated shop, and the deeds that move them on.
//!
//! A return is asked for by a buyer, or is made by the seller at once, as a refund. What a marketplace's protocol
//! cannot say is left out by its `simulator.rs`, not here.

use super::{Shop, ShopChange, SimOrder};
use crate::domain::{Goods, RemoteId, Timestamp};

/// A return of an order.
///
/// ```text
/// Requested -> Accepted -> Refunded
///      \___________\-> Refused
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimReturn {
    pub id: RemoteId,
    pub state: SimReturnState,
    /// A buyer asked for it; otherwise the seller refunded on their own account.
    pub is_asked: bool,
    /// The buyer gets goods instead of money.
    pub is_exchange: bool,
    /// In the simulator's neutral words, such as `DEFECTIVE`.
    pub reason: String,
    pub lines: Vec<SimReturnLine>,
    /// What goes back to the buyer, in minor units; what of it the lines do not have is shipping and the like.
    pub refund: i64,
    pub goods: Goods,
    /// Whether the units, once back, were put on the shelf of the marketplace.
    pub is_restocked: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimReturnState {
    Requested,
    Accepted,
    Refunded,
    /// By the seller, or taken back by the buyer.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimReturnLine {
    /// Which of the order's lines; 0 is the first.
    pub line: usize,
    pub quantity: i64,
    /// Of the return's refund, in minor units.
    pub refund: i64,
}

/// When a return moves the time of its order's last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovesOrder {
    Always,
    /// When money goes back, and with nothing else.
    WithRefunds,
    Never,
}

/// What a buyer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The goods go back, then the money.
    Return,
    /// Money, and the goods stay.
    RefundOnly,
    /// The goods go back, and others come.
    Exchange,
}

impl SimOrder {
    pub fn find_return(&self, id: &RemoteId) -> Option<&SimReturn> {
        self.returns.iter().find(|found| found.id == *id)
    }

    /// Money that went back, in minor units.
    pub fn refunded(&self) -> i64 {
        let done = self
            .returns
            .iter()
            .filter(|of| of.state == SimReturnState::Refunded);
        done.map(|of| of.refund).sum()
    }

    /// What the open units cost, in minor units.
    pub fn open_total(&self) -> i64 {
        let lines = self.lines.iter();
        lines
            .map(|line| (line.quantity - line.cancelled) * line.unit_price.minor)
            .sum()
    }

    /// Units of a line that are not called off, and not in a return that stands.
    pub fn returnable(&self, line: usize) -> i64 {
        let open = self
            .lines
            .get(line)
            .map_or(0, |line| line.quantity - line.cancelled);
        let standing = self
            .returns
            .iter()
            .filter(|of| of.state != SimReturnState::Refused);
        let taken = standing.flat_map(|of| &of.lines);
        let taken = taken.filter(|of| of.line == line).map(|of| of.quantity);
        open - taken.sum::<i64>()
    }
}

impl Shop {
    /// A buyer asks for a return of units, each `(line, units)`. `None` when the order is unknown, called off or not
    /// paid, or does not have so many units.
    pub fn ask_return(
        &mut self,
        order: &RemoteId,
        units: &[(usize, i64)],
        wish: Wish,
        reason: &str,
        now: Timestamp,
    ) -> Option<RemoteId> {
        let goods = match wish {
            Wish::RefundOnly => Goods::Kept,
            Wish::Return | Wish::Exchange => Goods::Coming,
        };
        let mut asked = self.new_return(order, units, reason, goods, now)?;
        asked.is_asked = true;
        if wish == Wish::Exchange {
            asked.is_exchange = true;
            asked.set_refund(0);
        }
        self.add_return(order, asked, now)
    }

    /// The seller gives money back without being asked: `minor` units of money, or what the units cost. With
    /// `Goods::Back` the units go on the shelf again.
    pub fn refund_units(
        &mut self,
        order: &RemoteId,
        units: &[(usize, i64)],
        minor: Option<i64>,
        goods: Goods,
        now: Timestamp,
    ) -> Option<RemoteId> {
        let mut made = self.new_return(order, units, "OTHER", goods, now)?;
        made.state = SimReturnState::Refunded;
        if let Some(minor) = minor {
            made.set_refund(minor);
        }
        made.is_restocked = goods == Goods::Back;
        let lines = made.lines.clone();
        let id = self.add_return(order, made, now)?;
        if goods == Goods::Back {
            self.shelve(order, &lines, now);
        }
        Some(id)
    }

    pub fn accept_return(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        now: Timestamp,
    ) -> Option<ShopChange> {
        self.edit_return(order, id, now, |found| {
            let is_open = found.state == SimReturnState::Requested;
            is_open.then(|| found.state = SimReturnState::Accepted)
        })
    }

    /// The seller refuses, or the buyer thinks better of it.
    pub fn refuse_return(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        now: Timestamp,
    ) -> Option<ShopChange> {
        self.edit_return(order, id, now, |found| {
            let is_open = found.state < SimReturnState::Refunded;
            is_open.then(|| found.state = SimReturnState::Refused)
        })
    }

    /// The money goes back, or the other goods leave: `minor` units of money, or what was asked for.
    pub fn refund_return(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        minor: Option<i64>,
        now: Timestamp,
    ) -> Option<ShopChange> {
        self.edit_return(order, id, now, |found| {
            if found.state >= SimReturnState::Refunded {
                return None;
            }
            if let Some(minor) = minor {
                found.set_refund(minor);
            }
            found.state = SimReturnState::Refunded;
            Some(())
        })
    }

    /// The goods are in the seller's hands again, and on the shelf where `is_restocked`.
    pub fn goods_back(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        is_restocked: bool,
        now: Timestamp,
    ) -> Option<ShopChange> {
        let change = self.edit_return(order, id, now, |found| {
            let is_coming = matches!(found.goods, Goods::Coming | Goods::Unknown);
            is_coming.then(|| {
                found.goods = Goods::Back;
                found.is_restocked = is_restocked;
            })
        })?;
        if is_restocked {
            let lines = self.orders.get(order)?.find_return(id)?.lines.clone();
            self.shelve(order, &lines, now);
        }
        Some(change)
    }

    /// Takes a refund out of the order, as if it had never been; its units leave the shelf again. Only some
    /// marketplaces let a seller do that.
    pub fn delete_return(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        now: Timestamp,
    ) -> Option<ShopChange> {
        let moves = self.returns_move_orders;
        let held = self.orders.get_mut(order)?;
        let at = held.returns.iter().position(|found| found.id == *id)?;
        let deleted = held.returns.remove(at);
        if moves == MovesOrder::Always {
            held.updated_at = held.updated_at.max(now);
        }
        if deleted.is_restocked {
            let lines = deleted.lines.into_iter().map(|line| SimReturnLine {
                quantity: -line.quantity,
                ..line
            });
            self.shelve(order, &lines.collect::<Vec<_>>(), now);
        }
        Some(ShopChange::ReturnChanged {
            order: order.clone(),
            id: id.clone(),
        })
    }

    fn new_return(
        &mut self,
        order: &RemoteId,
        units: &[(usize, i64)],
        reason: &str,
        goods: Goods,
        now: Timestamp,
    ) -> Option<SimReturn> {
        let held = self.orders.get(order)?;
        let can_be = held.paid_at.is_some() && held.status != super::SimStatus::Cancelled;
        let is_there = |(line, n): &(usize, i64)| *n > 0 && *n <= held.returnable(*line);
        if !can_be || !units.iter().all(is_there) {
            return None;
        }
        let lines = units.iter().map(|(line, quantity)| SimReturnLine {
            line: *line,
            quantity: *quantity,
            refund: held.lines[*line].unit_price.minor * quantity,
        });
        let lines: Vec<SimReturnLine> = lines.collect();
        Some(SimReturn {
            refund: lines.iter().map(|line| line.refund).sum(),
            id: self.take_ids(1).into(),
            state: SimReturnState::Requested,
            is_asked: false,
            is_exchange: false,
            reason: reason.to_owned(),
            lines,
            goods,
            is_restocked: false,
            created_at: now,
            updated_at: now,
        })
    }

    fn add_return(
        &mut self,
        order: &RemoteId,
        made: SimReturn,
        now: Timestamp,
    ) -> Option<RemoteId> {
        let does_move = self.does_move_order(&made);
        let held = self.orders.get_mut(order)?;
        let id = made.id.clone();
        held.returns.push(made);
        if does_move {
            held.updated_at = held.updated_at.max(now);
        }
        Some(id)
    }

    fn edit_return(
        &mut self,
        order: &RemoteId,
        id: &RemoteId,
        now: Timestamp,
        edit: impl FnOnce(&mut SimReturn) -> Option<()>,
    ) -> Option<ShopChange> {
        let held = self.orders.get_mut(order)?;
        let found = held.returns.iter_mut().find(|found| found.id == *id)?;
        edit(found)?;
        found.updated_at = found.updated_at.max(now);
        let changed = found.clone();
        let does_move = self.does_move_order(&changed);
        let held = self.orders.get_mut(order)?;
        if does_move {
            held.updated_at = held.updated_at.max(now);
        }
        Some(ShopChange::ReturnChanged {
            order: order.clone(),
            id: id.clone(),
        })
    }

    fn does_move_order(&self, changed: &SimReturn) -> bool {
        match self.returns_move_orders {
            MovesOrder::Always => true,
            MovesOrder::WithRefunds => changed.state == SimReturnState::Refunded,
            MovesOrder::Never => false,
        }
    }

    /// Puts units on the shelf again; fewer than none takes them off it.
    fn shelve(&mut self, order: &RemoteId, lines: &[SimReturnLine], now: Timestamp) {
        let Some(held) = self.orders.get(order) else {
            return;
        };
        let units: Vec<_> = lines
            .iter()
            .filter_map(|line| Some((held.lines.get(line.line)?.variant_id.clone(), line.quantity)))
            .collect();
        for (variant, n) in units {
            self.edit_variant(&variant, now, |variant| variant.quantity += n);
        }
    }
}

impl SimReturn {
    /// Splits an amount over the lines by what their units cost: the first takes what does not come out even. What
    /// is beyond the price of the units is shipping, and of no line.
    fn set_refund(&mut self, minor: i64) {
        let full: i64 = self.lines.iter().map(|line| line.refund).sum();
        self.refund = minor;
        if full <= 0 || minor >= full {
            return;
        }
        let mut left = minor;
        for line in self.lines.iter_mut().skip(1) {
            line.refund = (i128::from(line.refund) * i128::from(minor) / i128::from(full)) as i64;
            left -= line.refund;
        }
        if let Some(first) = self.lines.first_mut() {
            first.refund = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;
    use crate::marketplaces::simulation::{NewLine, SimStatus};

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

    fn shop() -> (Shop, RemoteId) {
        let mut shop = Shop::new("1".into(), "x", Currency::from_code("IDR").unwrap(), 1);
        shop.add_product("Tea", &[("", Some("TEA"), 300, 9)], NOW);
        shop.add_product("Mug", &[("", Some("MUG"), 1_000, 9)], NOW);
        let wanted = ["TEA", "MUG"].map(|sku| NewLine {
            variant_id: shop.variant_by_sku(sku).unwrap().id.clone(),
            quantity: 3,
        });
        let order = shop.place_order("x", SimStatus::Paid, &wanted, NOW);
        (shop, order.unwrap())
    }

    #[test]
    fn units_are_returned_once_and_what_was_refused_can_be_asked_for_again() {
        let (mut shop, order) = shop();
        let units = [(0, 2)];

        let first = shop.ask_return(&order, &units, Wish::Return, "DEFECTIVE", NOW);
        let too_many = shop.ask_return(&order, &units, Wish::Return, "DEFECTIVE", NOW);
        let refused = shop.refuse_return(&order, &first.unwrap(), NOW);
        let again = shop.ask_return(&order, &units, Wish::Return, "DEFECTIVE", NOW);

        assert_eq!((too_many, refused.is_some()), (None, true));
        assert!(again.is_some());
    }

    #[test]
    fn a_part_of_the_money_is_split_over_the_lines_to_the_last_unit() {
        let (mut shop, order) = shop();

        let made = shop.refund_units(&order, &[(0, 1), (1, 1)], Some(1_000), Goods::Kept, NOW);

        let made = shop.orders[&order].find_return(&made.unwrap()).unwrap();
        let of_lines: Vec<i64> = made.lines.iter().map(|line| line.refund).collect();
        assert_eq!((made.refund, of_lines), (1_000, vec![231, 769]));
    }

    #[test]
    fn a_deleted_refund_takes_its_units_off_the_shelf_again() {
        let (mut shop, order) = shop();
        let on_shelf = |shop: &Shop| shop.variant_by_sku("TEA").unwrap().quantity;

        let made = shop.refund_units(&order, &[(0, 2)], None, Goods::Back, NOW);
        let back = on_shelf(&shop);
        shop.delete_return(&order, &made.unwrap(), NOW);

        assert_eq!((back, on_shelf(&shop)), (8, 6));
        assert_eq!(shop.orders[&order].refunded(), 0);
    }
}
