//! The end-to-end tests: journeys through the real functions, the real AWS SDKs and the embedded
//! store.

// The futures of a journey are nested deeper than the default limit of 128 allows.
#![recursion_limit = "256"]
#![expect(
    clippy::too_many_lines,
    reason = "a journey reads as one story from top to bottom"
)]

mod accounts;
mod attacks;
mod billing;
mod generated;
mod inbox;
mod interleavings;
mod jobs;
mod ledger;
mod notices;
mod routes;
mod settings;
mod transactions;
mod world;
