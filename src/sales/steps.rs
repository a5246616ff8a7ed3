//! The document actions on an order, each taken once.

use crate::domain::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// A POS action. The names are those that merchants know from their sync log.
    Step {
        /// A sales order: ordered, not paid for.
        CreateOrder = "create_order",
        /// The sales order became an invoice.
        ConvertToInvoice = "convert_to_invoice",
        /// An invoice without a sales order before it.
        CreateInvoice = "create_invoice",
        /// The courier's tracking number was written to the invoice.
        ArrangeShipment = "arrange_shipment",
        /// The goods left.
        OutboundLogistic = "outbound_logistic",
        /// The marketplace paid, or will.
        AddPayment = "add_payment",
        /// Called off.
        VoidInvoice = "void_invoice",
        /// Called off after the goods had left: they come back.
        ReturnGoods = "return",
    }
);
