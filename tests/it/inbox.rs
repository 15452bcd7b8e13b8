//! The event log.

mod bodies;
mod contents;
mod log;
mod secrets;
mod signatures;
