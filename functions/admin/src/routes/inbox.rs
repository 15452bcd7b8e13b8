//! The inbox: recorded events, queues, and the switches that stop work.

pub mod events;
pub mod queues;
pub mod switches;
