//! Jobs and assists: how they begin, are refused with a reason, and move.

pub mod assists;
pub mod order;
mod refuse;
