//! What every adapter has to do (`docs/adapters.md`), each rule a test for each framework.

pub mod layers;
pub mod requests;
pub mod streams;
pub mod turns;
