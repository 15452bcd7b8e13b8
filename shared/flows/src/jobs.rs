//! Jobs and assists: ordering them, refusing them with a reason, and GitHub's limits.

pub mod admission;
pub mod assists;
pub mod cancellations;
#[cfg(feature = "github")]
pub mod github;
pub mod lookup;
pub mod obstacles;
pub mod order;
mod refuse;
pub mod repositories;
pub mod requests;
