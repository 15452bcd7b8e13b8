//! Behavior common to all HTTP routes: callers, problems, rate limits, request ids and the OpenAPI
//! documents.

pub mod document;
pub mod hardening;
pub mod matrix;
pub mod operators;
pub mod operators_matrix;
pub mod operators_pages;
pub mod overview;
pub mod paths;
pub mod rates;
pub mod request_ids;
