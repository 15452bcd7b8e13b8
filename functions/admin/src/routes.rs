//! The routes, one file for each part of the path.

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

/// Answers a request whose path matches no route.
pub async fn absent() -> ApiError {
    ApiError::not_found("there is nothing at this path")
}

/// Answers a request whose path exists but does not support the method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
