//! What every HTTP function does alike: extractors, errors as problems in JSON, request ids, idempotency keys, cursors, and for
//! browsers the session's cookie and pages.
//!
//! It calls no vendor, no store and no queue. A rejection of any extractor here is an [`ApiError`], so a malformed request
//! gets the same kind of answer everywhere.

pub mod browsers;
pub mod cursors;
mod error;
mod extract;
mod idempotency;
pub mod pages;
pub mod requests;
mod respond;
pub mod welcome;

pub use error::{ApiError, Problem, too_many_without_key};
pub use extract::{Body, Form, Params, Path};
pub use idempotency::{Act, IdempotencyKey};
pub use respond::{BODY_BYTES_MAX, respond};
