//! What every adapter has to do (`docs/adapters.md`), each rule a test for each framework.

pub(crate) mod layers;
pub(crate) mod requests;
pub(crate) mod streams;
pub(crate) mod turns;
