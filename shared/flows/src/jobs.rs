//! How jobs begin: ordered, or refused with the reason.

pub mod order;
mod refuse;
