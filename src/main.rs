//! The `marketsink` program: everything is in the library.

fn main() {}
