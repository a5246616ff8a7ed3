//! The rules of the house, as tests that read the sources.
//!
//! They read text, not types: each rule is simple enough that breaking it by accident shows. Rules about
//! behaviour look at code only (no comments, no texts, no unit tests); rules about form look at all of it.

mod fields;
mod form;
mod layers;
mod marketplaces;
mod network;
mod readme;
mod routes;
mod source;
mod tables;
mod time;
