//! Steps that several functions share and that need both the store and a queue.
//!
//! This is the only crate that joins `store` and `queues`. A flow takes what it uses (`&Store,
//! &Queues, &Catalogue, now`), never a function's whole context. The receiver and the vendors are
//! features, so a function links only what it uses.

pub mod accounts;
mod act;
pub mod billing;
pub mod cache;
pub mod jobs;
pub mod owe;
#[cfg(feature = "receive")]
pub mod receive;
pub mod work;

pub use act::act;
