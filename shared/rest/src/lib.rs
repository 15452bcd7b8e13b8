//! What every HTTP function does alike: extractors, errors as problems in JSON, request ids, idempotency keys and cursors.
//!
//! It calls no vendor, no store and no queue. A rejection of any extractor here is an [`ApiError`], so a malformed request
//! gets the same kind of answer everywhere.

pub mod cursors;
mod error;
mod extract;
mod idempotency;
pub mod requests;

pub use error::{ApiError, Problem};
pub use extract::{Body, Form, Params, Path};
pub use idempotency::{Act, IdempotencyKey};
