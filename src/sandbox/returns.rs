//! Returns and refunds, as buyers and sellers bring them about at a hosted shop; their webhooks go out.
//!
//! What a protocol cannot say is not told: a WooCommerce store knows no requests, and only WooCommerce and custom
//! stores let a refund be deleted.

use super::SimShop;
use crate::domain::{Goods, RemoteId, Timestamp};
use crate::marketplaces::simulation::{Shop, ShopChange, Wish};

impl SimShop {
    /// A buyer asks for a return of units, each `(line, units)`; 0 is the first line. `None` when the order is
    /// unknown, called off or not paid, or does not have so many units.
    pub fn ask_return(
        &self,
        order: &RemoteId,
        units: &[(usize, i64)],
        wish: Wish,
        reason: &str,
    ) -> Option<RemoteId> {
        self.new_return(order, |shop, now| {
            shop.ask_return(order, units, wish, reason, now)
        })
    }

    /// The seller gives money back without being asked: this much in minor units, or what the units cost; without
    /// units, money alone. With `Goods::Back` the units go on the shop's shelf again.
    pub fn refund_units(
        &self,
        order: &RemoteId,
        units: &[(usize, i64)],
        minor: Option<i64>,
        goods: Goods,
    ) -> Option<RemoteId> {
        self.new_return(order, |shop, now| {
            shop.refund_units(order, units, minor, goods, now)
        })
    }

    /// Returns whether it was still to be decided.
    pub fn accept_return(&self, order: &RemoteId, id: &RemoteId) -> bool {
        self.change_order(order, |shop, now| shop.accept_return(order, id, now))
    }

    /// The seller refuses, or the buyer thinks better of it. Returns whether it was still open.
    pub fn refuse_return(&self, order: &RemoteId, id: &RemoteId) -> bool {
        self.change_order(order, |shop, now| shop.refuse_return(order, id, now))
    }

    /// The money goes back: this much in minor units, or what was asked for. Of an exchange the other goods leave.
    /// Returns whether it was still open.
    pub fn refund_return(&self, order: &RemoteId, id: &RemoteId, minor: Option<i64>) -> bool {
        self.change_order(order, |shop, now| shop.refund_return(order, id, minor, now))
    }

    /// The goods are in the seller's hands again, and on the shop's shelf where `is_restocked`. Returns whether they
    /// were still on their way.
    pub fn goods_back(&self, order: &RemoteId, id: &RemoteId, is_restocked: bool) -> bool {
        self.change_order(order, |shop, now| {
            shop.goods_back(order, id, is_restocked, now)
        })
    }

    /// Takes a refund out of the order as if it had never been. Returns whether it was there.
    pub fn delete_return(&self, order: &RemoteId, id: &RemoteId) -> bool {
        self.change_order(order, |shop, now| shop.delete_return(order, id, now))
    }

    fn new_return(
        &self,
        order: &RemoteId,
        make: impl FnOnce(&mut Shop, Timestamp) -> Option<RemoteId>,
    ) -> Option<RemoteId> {
        let mut made = None;
        self.change_order(order, |shop, now| {
            let id = make(shop, now)?;
            made = Some(id.clone());
            Some(ShopChange::ReturnChanged {
                order: order.clone(),
                id,
            })
        });
        made
    }
}
