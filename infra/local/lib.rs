//! The local stack: every function in one process, on an embedded AWS and stand-ins for the
//! vendors.
//!
//! Owns the wiring that `cargo run` and the end-to-end tests share. The functions and SDK clients
//! are those that run on Lambda; only the HTTP client below them differs. No function knows whether
//! it runs here or on AWS.

pub mod apps;
pub mod catalogue;

pub mod cli;
pub mod demo;
pub mod demo_sign_in;
mod github_hooks;
mod hybrid;
pub mod ledger;

pub mod server;
pub mod settings;
pub mod shop;
pub mod signing;
pub mod skips;
pub mod stack;
pub mod subscribed;
pub mod vendors_file;
pub mod world;
