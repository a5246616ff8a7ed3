//! What runs beside the work: old rows are taken away and bodies are packed, a page at a time.
//!
//! Owns the table `upkeep`: how far each piece has come.
//!
//! - Each page is one short transaction, and says in it where the next one begins: whatever stops it, it goes on there.
//! - One process at a time holds it; a process that died is replaced after a while.
//! - The owners of the tables delete, and know what must stay; here is only when, and how far.

mod progress;
mod rules;
mod run;

pub use progress::{State, states};
pub use rules::Kept;
pub use run::{Keeping, Tended, dry_run, pack_some, run_all, tend};
