//! The end-to-end tests: journeys through the real doors, the real AWS SDKs and the embedded store.

mod books;
mod cancel;
mod crash;
mod fates;
mod inbox;
mod jobs;
mod late_usage;
mod ledger;
mod metering;
mod models;
mod money;
mod notices;
mod obstacles;
mod pulls;
mod queues;
mod routes;
mod sealing;
mod steps;
mod stripe_events;
mod sweeping;
mod triggers;
mod unbilled;
mod verbs;
mod wire;
mod wishes;
mod world;
