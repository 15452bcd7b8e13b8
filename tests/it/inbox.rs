//! Events from their signature to their outcome: receivers, the event log, queues, the sweeper and
//! the switches.

pub mod attribution;
pub mod bodies;
pub mod contents;
pub mod events;
pub mod load;
pub mod log;
pub mod memory;
pub mod outages;
pub mod queues;
pub mod races;
pub mod recovery;
pub mod redeliveries;
pub mod replays;
pub mod secrets;
pub mod signatures;
pub mod sweeping;
pub mod switches;
pub mod twins;
