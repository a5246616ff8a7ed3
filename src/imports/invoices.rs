//! Files of invoices that never arrived: recorded by the same road as those that marketplaces tell.
//!
//! The columns are those that merchants know from their POS. What the books have no use for is not kept: SalesPerson,
//! Customer, CustomerEmail, Mobile, DueDate, TaxType, Note, and PaymentMethod. Rows of one invoice stand together.

use super::{
    Column, Fault, ImportError, cells, needed, optional,
    rows::Row,
    skus::{code, keep},
    take::{Import, Kind, Placed, Verdict},
};
use crate::accounts;
use crate::catalog;
use crate::channels::{self, Channel};
use crate::db::{Db, Tx};
use crate::domain::{
    Currency, Document, Fulfilment, MerchantId, Money, Order, OrderLine, OutletId, RemoteId,
    Source, Standing, Timestamp,
};
use crate::sales::{self, Recorded, Recording};
use chrono_tz::Tz;

pub const COLUMNS: &[Column] = &[
    needed("Number", "241123ABCDEF01"),
    optional("Outlet", "Main"),
    needed("Date", "2026-11-22"),
    optional("DueDate", ""),
    optional("SalesPerson", ""),
    optional("Customer", ""),
    optional("CustomerEmail", ""),
    optional("Mobile", ""),
    optional("TaxType", ""),
    needed("Code", "MUG-01"),
    needed("Quantity", "2"),
    needed("UnitPrice", "55000"),
    optional("Discount", "5000"),
    optional("Note", ""),
    optional("PaymentMethod", ""),
    optional("PaymentAmount", "105000"),
];

/// What the books know of an imported order's state until its marketplace tells more.
const STATUS: &str = "IMPORTED";

#[derive(Debug)]
pub struct Invoice {
    number: String,
    date: Timestamp,
    lines: Vec<Line>,
    /// Minor units; told once, or the same in every row.
    payment: Option<i64>,
}

#[derive(Debug)]
struct Line {
    row: u64,
    code: String,
    quantity: i64,
    gross: i64,
    discount: i64,
}

impl Invoice {
    fn total(&self) -> i64 {
        self.lines
            .iter()
            .map(|line| line.gross - line.discount)
            .sum()
    }
}

#[derive(Debug)]
pub struct Invoices {
    merchant: MerchantId,
    channel: Channel,
    connection: Channel,
    outlet: String,
    platform: &'static str,
    currency: Currency,
    zone: Tz,
    has_left: bool,
    now: Timestamp,
}

impl Invoices {
    pub async fn open(db: &Db, import: &Import<'_>, now: Timestamp) -> Result<Self, ImportError> {
        let options = import.options;
        let lacks = |what: &str| ImportError::Options(what.to_owned());
        let channel = options
            .channel
            .ok_or_else(|| lacks("which channel sold them? name it with --channel"))?;
        let currency = options
            .currency
            .ok_or_else(|| lacks("in which currency are they? name it with --currency"))?;
        let channel = channels::load(db.read(), channel).await?;
        if channel.merchant != import.merchant {
            return Err(lacks("the merchant has no such channel"));
        }
        let connection = channels::load(db.read(), channel.connection()).await?;
        let platforms = channel.marketplace.limits().platforms;
        let platform = platforms.iter().find(|one| one.slug == channel.platform);
        let platform =
            platform.ok_or_else(|| lacks("the channel's platform is not known any more"))?;
        let outlets = accounts::outlets(db, import.merchant).await?;
        let own = outlets
            .into_iter()
            .find(|one| OutletId(one.id) == channel.outlet);
        Ok(Self {
            merchant: import.merchant,
            connection,
            outlet: own.map(|outlet| outlet.name).unwrap_or_default(),
            platform: platform.slug,
            channel,
            currency,
            zone: accounts::time_zone(db, import.merchant).await?,
            has_left: options.has_left,
            now,
        })
    }

    fn own_outlet(&self, cell: &str) -> Result<(), String> {
        if cell.is_empty() || cell == self.outlet {
            return Ok(());
        }
        Err(format!(
            "{} sells from {}; leave the outlet empty, or import these rows for another channel",
            self.channel.name, self.outlet
        ))
    }

    /// `5000`, or `10%` of the line.
    fn discount(&self, row: &Row<'_>, gross: i64) -> Result<i64, Fault> {
        let told = row.read_if("Discount", |cell| {
            let Some(percent) = cell.strip_suffix('%') else {
                return cells::amount(cell, self.currency, row.mark).map(|money| money.minor);
            };
            let of_hundred = cells::plain_number(percent, row.mark)
                .and_then(|plain| plain.parse::<rust_decimal::Decimal>().ok())
                .filter(rust_decimal::Decimal::is_sign_positive)
                .ok_or("an amount or a percentage was expected, such as 5000 or 10%")?;
            let part = rust_decimal::Decimal::from(gross)
                .checked_mul(of_hundred)
                .map(|hundredfold| (hundredfold / rust_decimal::Decimal::ONE_HUNDRED).round());
            part.and_then(|part| i64::try_from(part).ok())
                .ok_or_else(|| "it is too large a discount".to_owned())
        })?;
        let discount = told.unwrap_or(0);
        if discount > gross {
            return Err(row.fault("Discount", "it is more than the line costs"));
        }
        Ok(discount)
    }

    fn line(&self, row: &Row<'_>, faults: &mut Vec<Fault>) -> Option<Line> {
        let code = keep(row.read("Code", code), faults);
        let quantity = row.read("Quantity", |cell| match cells::units(cell, row.mark)? {
            0 => Err("a line sells at least one unit".to_owned()),
            units => Ok(units),
        });
        let quantity = keep(quantity, faults);
        let price = row.read("UnitPrice", |cell| {
            cells::amount(cell, self.currency, row.mark)
        });
        let (code, quantity, price) = (code?, quantity?, keep(price, faults)?);
        let Some(gross) = price.minor.checked_mul(quantity) else {
            faults.push(row.fault("UnitPrice", "it is too large an amount"));
            return None;
        };
        Some(Line {
            row: row.line,
            code,
            quantity,
            gross,
            discount: keep(self.discount(row, gross), faults)?,
        })
    }

    fn order(&self, invoice: &Invoice) -> Order {
        let money = |minor: i64| Money {
            minor,
            currency: self.currency,
        };
        let line = |(n, line): (usize, &Line)| OrderLine {
            remote_id: RemoteId::new(format!("import:{}", n + 1)),
            product_id: RemoteId::from(""),
            variant_id: RemoteId::from(""),
            seller_sku: Some(line.code.clone()),
            title: line.code.clone(),
            quantity: line.quantity,
            cancelled: 0,
            off_shelf: 0,
            total: money(line.gross - line.discount),
            gross: Some(money(line.gross)),
        };
        let total = invoice.total();
        let is_paid = invoice
            .payment
            .is_some_and(|paid| paid > 0 && paid >= total);
        let fulfilment = if self.has_left {
            Fulfilment::Sent
        } else {
            Fulfilment::Unsent
        };
        Order {
            remote_id: sales::imported_id(&invoice.number),
            number: invoice.number.clone(),
            platform: self.platform,
            remote_status: STATUS.to_owned(),
            standing: Standing::of(Document::Invoice, is_paid, fulfilment),
            version: invoice.date,
            placed_at: invoice.date,
            currency: self.currency,
            total: money(total),
            tracking_number: None,
            lines: invoice.lines.iter().enumerate().map(line).collect(),
            charges: Some(money(0)),
            returns: None,
            remark: None,
        }
    }

    async fn booked<C: sea_orm::ConnectionTrait>(
        &self,
        db: &C,
        items: &[Placed<Invoice>],
    ) -> Result<std::collections::HashSet<String>, ImportError> {
        let numbers: Vec<&str> = items.iter().map(|one| one.item.number.as_str()).collect();
        let connection = self.connection.id;
        Ok(sales::booked_numbers(db, self.merchant, connection, &numbers).await?)
    }
}

impl Kind for Invoices {
    type Item = Invoice;

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn read(&self, row: &Row<'_>) -> Result<Invoice, Vec<Fault>> {
        let mut faults = Vec::new();
        let number = row.read("Number", |cell| match cells::identity(cell)? {
            number if number.is_empty() => Err("every row needs the order's number".to_owned()),
            number if number.chars().count() > 100 => Err("it is too long".to_owned()),
            number => Ok(number),
        });
        let number = keep(number, &mut faults);
        let date = row.read("Date", |cell| match cells::date(cell, self.zone)? {
            date if date > self.now + std::time::Duration::from_secs(86_400) => {
                Err("the day has not come yet".to_owned())
            }
            date => Ok(date),
        });
        let date = keep(date, &mut faults);
        keep(
            row.read("Outlet", |cell| self.own_outlet(cell)),
            &mut faults,
        );
        let line = self.line(row, &mut faults);
        let payment = row.read_if("PaymentAmount", |cell| {
            cells::amount(cell, self.currency, row.mark).map(|money| money.minor)
        });
        let payment = keep(payment, &mut faults);
        match (number, date, line, payment) {
            (Some(number), Some(date), Some(line), Some(payment)) if faults.is_empty() => {
                Ok(Invoice {
                    number,
                    date,
                    lines: vec![line],
                    payment,
                })
            }
            _ => Err(faults),
        }
    }

    fn key(&self, item: &Invoice) -> String {
        item.number.clone()
    }

    fn join(&self, invoice: &mut Invoice, next: Invoice) -> Result<(), String> {
        if next.date != invoice.date {
            return Err("rows of one invoice have one date".to_owned());
        }
        if next.payment.is_some() && invoice.payment.is_some() && next.payment != invoice.payment {
            return Err("rows of one invoice have one payment: fill it in once".to_owned());
        }
        invoice.payment = invoice.payment.or(next.payment);
        invoice.lines.extend(next.lines);
        Ok(())
    }

    async fn compare(
        &self,
        db: &Db,
        items: &[Placed<Invoice>],
    ) -> Result<Vec<Verdict>, ImportError> {
        let booked = self.booked(db.read(), items).await?;
        let lines = items.iter().flat_map(|one| &one.item.lines);
        let codes: Vec<&str> = lines.map(|line| line.code.as_str()).collect();
        let known = catalog::skus_of_codes(db.read(), self.merchant, &codes).await?;
        let mut verdicts = Vec::new();
        for one in items {
            if booked.contains(&one.item.number) {
                verdicts.push(Verdict::Unchanged);
                continue;
            }
            let unknown = one
                .item
                .lines
                .iter()
                .filter(|line| !known.contains_key(&line.code));
            let faults: Vec<Verdict> = unknown.map(unknown_code).collect();
            if faults.is_empty() {
                verdicts.push(Verdict::Added);
            }
            verdicts.extend(faults);
        }
        Ok(verdicts)
    }

    async fn write(
        &self,
        tx: &Tx,
        items: &[Placed<Invoice>],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, ImportError> {
        let booked = self.booked(tx, items).await?;
        let recording = Recording {
            connection: &self.connection,
            source: Source::Import,
        };
        let mut verdicts = Vec::new();
        for one in items {
            // What arrived since the look is left to its marketplace.
            if booked.contains(&one.item.number) {
                verdicts.push(Verdict::Unchanged);
                continue;
            }
            let order = self.order(&one.item);
            verdicts.push(
                match sales::record_order(tx, recording, &order, now).await? {
                    Recorded::Booked { is_new: true, .. } => Verdict::Added,
                    Recorded::Booked { .. } => Verdict::Changed,
                    _ => Verdict::Unchanged,
                },
            );
        }
        Ok(verdicts)
    }
}

fn unknown_code(line: &Line) -> Verdict {
    Verdict::Wrong(Fault {
        row: line.row,
        column: Some("Code".to_owned()),
        value: line.code.chars().take(40).collect(),
        problem:
            "no SKU has this code; import it first with `marketsink import skus`, or mend the code"
                .to_owned(),
    })
}
