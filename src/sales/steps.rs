//! The document actions on an order, each taken once; those on a return, an edit or a conflict once for each.

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
        /// The marketplace changed what was ordered after it was booked.
        ChangeOrder = "change_order",
        /// A buyer asks to return something.
        OpenReturn = "open_return",
        AcceptReturn = "accept_return",
        /// What went back to the buyer is credited on the invoice.
        CreditNote = "credit_note",
        /// A credit is taken back, in part or whole.
        ReverseCredit = "reverse_credit",
        /// Returned units are on the shelf again.
        RestockReturn = "restock_return",
        /// Returned units are put aside, to be looked at.
        QuarantineReturn = "quarantine_return",
        /// Returned units are worth nothing.
        WriteOffReturn = "write_off_return",
        /// What had become of returned units is taken back.
        UndoReturn = "undo_return",
        /// Refused, or taken back by the buyer.
        CloseReturn = "close_return",
        /// The marketplace deleted it: nothing of it counts any more.
        DeleteReturn = "delete_return",
        /// A person decided a conflict.
        Decide = "decide",
    }
);
