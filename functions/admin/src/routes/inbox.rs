//! The inbox: recorded events, dead letters, and the switches and pauses that stop work.

pub mod completeness;
pub mod events;
pub mod pauses;
pub mod queues;
pub mod switches;
