//! Connecting shops by consent, the whole way over HTTP, and keeping them connected.
//!
//! One marketsink, and one simulated shop of every marketplace that has a page for consenting: a new
//! marketplace inherits these tests with its line in the list.

mod browser;
mod calendar;
mod consents;
mod gate;
mod lockout;
mod misuse;
mod removal;
mod renewal;
mod several;
mod town;

use browser::{Browser, Page};
pub(crate) use gate::Gate;
pub(crate) use town::Town;
