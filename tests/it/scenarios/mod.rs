//! Days in a merchant's life, through the real HTTP surface, on both databases; each ends in one snapshot.

mod days;
mod world;

use world::World;
