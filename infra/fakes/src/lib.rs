//! Stand-ins for everything outside, behind the same clients as the real ones.
//!
//! GitHub, Stripe, the model and mail are small routers with state (`github`, `stripe`, `model`, `mail`); DynamoDB and SQS
//! are embedded (`aws`); `mapping` wakes functions as Lambda does; `weather` decides what goes wrong on the way. Used by the
//! local stack and the tests, never linked into a Lambda binary, and dependent on no other crate of this workspace.

use std::sync::Arc;

pub mod aws;
pub mod github;
pub mod keys;
pub mod mail;
pub mod mapping;
pub mod model;
mod pages;
pub mod stripe;
pub mod weather;
pub mod web;
pub mod yardstick;

/// The clock, handed in: milliseconds since the epoch, UTC.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;
