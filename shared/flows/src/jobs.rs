//! Jobs and assists: what asks for one and what moves one.

pub mod assists;
