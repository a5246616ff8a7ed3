//! How an order's money falls on its lines. Pure.
//!
//! Whatever a report is grouped by, its sums are those of the documents: so what belongs to a whole order is split over
//! its lines without a minor unit lost or gained.

use crate::sales::apportion;

/// A line, as far as its money is concerned; amounts in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFacts {
    pub quantity: i64,
    pub cancelled: i64,
    /// For all of `quantity`, after the seller's discounts.
    pub total: i64,
    /// The same before them; none: not told, and so without a discount.
    pub gross: Option<i64>,
    /// Money that went back for this line, as far as it is known by line.
    pub refunded: i64,
}

/// What belongs to the whole order; amounts in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderFacts {
    pub total: i64,
    pub refunded: i64,
    pub fee: i64,
}

/// What falls on one line, or the sum of many; amounts in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Units that are still sold.
    pub units: i64,
    /// Before the seller's discounts.
    pub gross: i64,
    pub discounts: i64,
    /// What the order's total has beyond its lines: shipping, taxes, vouchers over all.
    pub charges: i64,
    pub refunds: i64,
    pub fees: i64,
}

impl Share {
    /// What the document says.
    pub fn total(&self) -> i64 {
        self.gross - self.discounts + self.charges
    }

    /// What is left of it for the merchant.
    pub fn net(&self) -> i64 {
        self.total() - self.refunds - self.fees
    }

    pub fn add(&mut self, other: &Self) {
        self.units += other.units;
        self.gross += other.gross;
        self.discounts += other.discounts;
        self.charges += other.charges;
        self.refunds += other.refunds;
        self.fees += other.fees;
    }
}

/// One share for each line, in their order; one for an order without lines.
pub fn shares(order: OrderFacts, lines: &[LineFacts]) -> Vec<Share> {
    if lines.is_empty() {
        return vec![Share {
            charges: order.total,
            refunds: order.refunded,
            fees: order.fee,
            ..Share::default()
        }];
    }
    let mut shares: Vec<Share> = lines.iter().map(own_share).collect();
    let totals: Vec<i64> = shares.iter().map(Share::total).collect();
    let beyond = order.total - totals.iter().sum::<i64>();
    let by_line: Vec<i64> = lines.iter().map(|line| line.refunded).collect();
    let rest = order.refunded - by_line.iter().sum::<i64>();
    let charges = apportion(beyond, &totals);
    let refunds = apportion(rest, &totals);
    let fees = apportion(order.fee, &totals);
    for (n, share) in shares.iter_mut().enumerate() {
        share.charges = charges[n];
        share.refunds = by_line[n] + refunds[n];
        share.fees = fees[n];
    }
    shares
}

fn own_share(line: &LineFacts) -> Share {
    let open = (line.quantity - line.cancelled).max(0);
    let total = part(line.total, open, line.quantity);
    let gross = part(line.gross.unwrap_or(line.total), open, line.quantity);
    Share {
        units: open,
        gross,
        discounts: gross - total,
        ..Share::default()
    }
}

/// What `open` of `all` units cost; whole minor units, the rest is the other units'.
fn part(amount: i64, open: i64, all: i64) -> i64 {
    if open >= all {
        return amount;
    }
    let part = i128::from(amount) * i128::from(open) / i128::from(all);
    i64::try_from(part).expect("a part is no more than the whole")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(quantity: i64, cancelled: i64, total: i64, gross: Option<i64>) -> LineFacts {
        LineFacts {
            quantity,
            cancelled,
            total,
            gross,
            refunded: 0,
        }
    }

    #[test]
    fn what_belongs_to_the_whole_order_falls_on_lines_by_what_they_cost() {
        let order = OrderFacts {
            total: 1_100,
            refunded: 100,
            fee: 10,
        };
        let lines = [line(1, 0, 600, Some(800)), line(2, 0, 300, None)];

        let shares = shares(order, &lines);

        let told = |share: &Share| (share.gross, share.discounts, share.charges, share.net());
        assert_eq!(told(&shares[0]), (800, 200, 133, 659));
        assert_eq!(told(&shares[1]), (300, 0, 67, 331));
        assert_eq!((shares[0].fees, shares[1].fees), (7, 3));
    }

    #[test]
    fn units_that_were_called_off_take_their_money_with_them() {
        let order = OrderFacts {
            total: 667,
            ..OrderFacts::default()
        };

        let shares = shares(order, &[line(3, 1, 1_000, Some(1_200))]);

        assert_eq!((shares[0].units, shares[0].gross), (2, 800));
        assert_eq!((shares[0].discounts, shares[0].charges), (134, 1));
    }

    #[test]
    fn a_refund_that_is_known_by_line_stays_there() {
        let order = OrderFacts {
            total: 200,
            refunded: 110,
            fee: 0,
        };
        let mut lines = [line(1, 0, 100, None), line(1, 0, 100, None)];
        lines[1].refunded = 100;

        let refunds: Vec<i64> = shares(order, &lines).iter().map(|s| s.refunds).collect();

        assert_eq!(refunds, [5, 105]);
    }

    prop_compose! {
        fn any_line()(
            quantity in 0_i64..9,
            cancelled in 0_i64..9,
            total in 0_i64..1_000_000,
            more in prop::option::of(0_i64..1_000_000),
            refunded in 0_i64..1_000,
        ) -> LineFacts {
            let gross = more.map(|more| total + more);
            LineFacts { quantity, cancelled, total, gross, refunded }
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_documents_whatever_they_hold(
            lines in prop::collection::vec(any_line(), 0..8),
            total in -1_000_000_i64..10_000_000,
            refunded in 0_i64..10_000_000,
            fee in 0_i64..1_000_000,
        ) {
            let order = OrderFacts { total, refunded, fee };

            let mut sum = Share::default();
            for share in shares(order, &lines) {
                sum.add(&share);
            }

            prop_assert_eq!((sum.total(), sum.refunds, sum.fees), (total, refunded, fee));
        }
    }
}
