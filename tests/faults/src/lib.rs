//! What remains true when things break. A platform that fails on demand, servers in this process or in
//! processes of their own, and a page that leaves, stalls and comes back: all over real sockets.
//!
//! The tests themselves are in `tests/`; `docs/guarantees.md` is what `tests/matrix.rs` prints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests, and a test may fail")]

pub mod again;
pub mod fate;
pub mod gates;
pub mod hold;
pub mod model;
pub mod page;
pub mod platform;
pub mod process;
pub mod server;
pub mod wait;
