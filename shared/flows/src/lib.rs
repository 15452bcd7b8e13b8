//! What several functions do alike: steps that need both the store and a queue.
//!
//! The only crate that joins `store` and `queues`. A flow takes what it uses (`&Store, &Queues, &Catalogue, now`), never a
//! function's whole context. The receiver and vendors are features, so a function links only what it uses.

mod act;
pub mod jobs;
pub mod owe;
#[cfg(feature = "receive")]
pub mod receive;
pub mod work;

pub use act::act;
