//! Webhooks that a marketplace gave up on, from its list to the books: nothing is lost, nothing is doubled.

mod channels;
mod fetching;
mod stage;

use stage::Stage;
