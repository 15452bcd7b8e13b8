//! What several functions do alike: steps that need both the store and a queue.
//!
//! The only crate that joins `store` and `queues`; vendors come in behind features. A flow takes what it uses
//! (`&Store, &Queues, &Catalogue, now`), never a function's whole context.

pub mod accounts;
pub mod billing;
pub mod cache;
pub mod jobs;
