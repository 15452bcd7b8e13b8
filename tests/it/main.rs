//! The end-to-end tests: journeys through the real doors, the real AWS SDKs and the embedded store.

mod jobs;
mod world;
