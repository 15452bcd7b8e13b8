//! Shared by the stand-ins: fault injection, an in-process web of hosts, records of what went over
//! it, HTML for their pages, dates.
//!
//! A stand-in replaces one outside service behind the client that the product uses for the real
//! one. Stand-ins depend on no crate of the product, so they cannot share its mistakes, and no
//! Lambda binary links them.

use std::sync::Arc;

pub mod dates;
pub mod faults;
pub mod html;
pub mod record;
pub mod web;

/// The clock, passed in: milliseconds since the epoch, UTC.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;
