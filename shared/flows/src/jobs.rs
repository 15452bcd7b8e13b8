//! Jobs and assists: ordering them, and refusing them with a reason.

pub mod assists;
pub mod order;
mod refuse;
