//! What tests share: both databases, and rows to begin with.

pub mod builders;
pub mod database;

pub(crate) use database::{databases, everywhere, scenarios};
