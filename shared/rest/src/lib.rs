//! What the HTTP functions share: extractors, errors as JSON problems, request ids, idempotency
//! keys, cursors, views and the common parts of their OpenAPI documents, and for browsers session
//! cookies, the CSRF check and the address of our site.
//!
//! This crate calls no vendor, no store and no queue. Every extractor rejects with an [`ApiError`],
//! so a malformed request gets the same kind of response everywhere.

pub mod browsers;
pub mod csrf;
pub mod cursors;
pub mod document;
mod error;
pub mod explanations;
mod extract;
pub mod idempotency;
pub mod requests;
mod respond;
pub mod site;
pub mod tables;
pub mod views;
pub mod welcome;

pub use error::{ApiError, Problem, too_many_without_key};
pub use extract::{Body, Form, Params, Path};
pub use idempotency::{Act, IdempotencyKey, OptionalKey};
pub use respond::{BODY_BYTES_MAX, respond};
