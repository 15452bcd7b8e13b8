//! Behavior common to all HTTP routes: callers, problems, rate limits, request ids and the OpenAPI
//! document.

pub mod document;
pub mod hardening;
pub mod matrix;
pub mod operators;
pub mod rates;
pub mod request_ids;
