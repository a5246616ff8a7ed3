//! Who did what, and who may.

mod audit;
