//! Walking over a channel's order list, whatever its API can filter by.

use crate::channels::Channel;
use crate::domain::{Timestamp, Window};
use crate::marketplaces::{
    Access, MarketplaceError, OrderQuery, OrderSummary, OrderTime, Page, Result,
};
use crate::sync::position::Position;
use std::time::Duration;

/// How far beyond the present an emulated walk reaches: clocks differ.
const AHEAD: Duration = Duration::from_secs(3_600);

/// Which orders are walked over, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Of that time the window is.
    pub by: OrderTime,
    pub window: Window,
    /// The API has no filter by creation time: what changed since is walked, and of that only is taken what was
    /// placed in this window.
    pub placed_in: Option<Window>,
}

impl Asked {
    /// An order changes when it is placed or later: what was placed in a window is among what changed since its
    /// start.
    pub fn of(connection: &Channel, by: OrderTime, window: Window, now: Timestamp) -> Self {
        if by == OrderTime::Updated || connection.marketplace.limits().created_filter {
            return Self {
                by,
                window,
                placed_in: None,
            };
        }
        Self {
            by: OrderTime::Updated,
            window: Window {
                from: window.from,
                to: window.to.max(now + AHEAD),
            },
            placed_in: Some(window),
        }
    }

    pub fn is_emulated(&self) -> bool {
        self.placed_in.is_some()
    }

    pub fn start(&self, connection: &Channel) -> Position {
        match connection.marketplace.limits().longest_order_window {
            Some(longest) => Position::in_pieces(self.window, longest),
            None => Position::within(self.window),
        }
    }
}

/// A walk under way.
#[derive(Debug)]
pub struct OrderWalk<'a> {
    pub connection: &'a Channel,
    pub access: &'a Access,
    pub asked: Asked,
    /// `None` when it is over.
    pub position: Option<Position>,
}

impl OrderWalk<'_> {
    /// The next page, after which `position` is where to go on; `None` when the walk is over.
    ///
    /// # Errors
    /// When the page cannot be read: then the position is as it was.
    pub async fn next(&mut self) -> Result<Option<Page<OrderSummary>>> {
        loop {
            let Some(position) = self.position.clone() else {
                return Ok(None);
            };
            let Some(window) = position.window() else {
                self.position = None;
                return Ok(None);
            };
            let query = OrderQuery {
                window,
                by: self.asked.by,
                page: position.page.clone(),
            };
            let mut page = match self
                .connection
                .marketplace
                .orders(self.access, &query)
                .await
            {
                Ok(page) => page,
                Err(error @ MarketplaceError::TooManyResults { .. }) => {
                    self.position = Some(position.cut().ok_or(error)?);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.position = position.after(page.next.clone());
            if let Some(placed_in) = self.asked.placed_in {
                let is_in = |at: Timestamp| placed_in.contains(at);
                page.items.retain(|order| order.placed_at.is_none_or(is_in));
            }
            return Ok(Some(page));
        }
    }
}
