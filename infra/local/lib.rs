//! The local stack: every door in one process, on an embedded AWS and stand-ins for the vendors.
//!
//! Owns the wiring that `cargo run` and the end-to-end tests share. The doors are the very functions that Lambda runs, the
//! clients are the real SDKs; only what stands behind their HTTP differs. There is no switch inside a door that says so.

pub mod apps;
pub mod books;
pub mod cli;
pub mod demo;
pub mod sales;
pub mod server;
pub mod settings;
pub mod signing;
pub mod stack;
pub mod vendors_file;
pub mod world;
