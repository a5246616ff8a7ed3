//! What every marketplace must keep: the adapter against its fixtures, and against its own simulator.
//!
//! Each test walks over `marketplaces::all()`, so a new marketplace inherits them with its line in the list.

mod connection;
mod consent;
mod courier;
mod driven;
mod faults;
mod fixture;
mod forgery;
mod missed;
mod orders;
mod pages;
mod parsing;
mod products;
mod pushes;
mod returns;
mod stage;
mod subscriptions;
mod support;
mod tokens;
mod webhooks;

use fixture::Fixture;
use stage::Stage;
