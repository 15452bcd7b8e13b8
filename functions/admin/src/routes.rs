//! The routes, with one folder per context.

pub mod accounts;
pub mod billing;
pub mod health;
pub mod inbox;
pub mod jobs;
pub mod ledger;
pub mod notices;

use crate::ApiError;

/// Answers a request whose path matches no route.
pub async fn absent() -> ApiError {
    ApiError::not_found("there is nothing at this path")
}

/// Answers a request whose path exists but does not support the method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
