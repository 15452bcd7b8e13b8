//! The routes, a file for each part of the path.

pub mod accounts;
pub mod api_keys;
pub mod billing;
pub mod credits;
pub mod events;
pub mod health;
pub mod jobs;
pub mod mail;
pub mod queues;
pub mod signups;
pub mod switches;
pub mod usage;

pub use rest::cursors;

use crate::ApiError;

/// No such path.
pub async fn absent() -> ApiError {
    ApiError::not_found("there is nothing at this path")
}

/// A path, but not by this method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
