//! What is sold, what an account may do, and what is billed.

pub mod entitlements;
pub mod marketplace;
pub mod payments;
pub mod plans;
pub mod spending;
pub mod subscriptions;
pub mod usage;
