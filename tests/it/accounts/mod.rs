//! Who did what, and who may.

mod access;
mod audit;
mod erasing;
