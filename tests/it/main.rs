//! The end-to-end tests: journeys through the real doors, the real AWS SDKs and the embedded store.

mod crash;
mod jobs;
mod world;
