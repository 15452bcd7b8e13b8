//! What every HTTP door answers alike: errors as problems in JSON, request ids, and cursors.
//!
//! Not a wall: it speaks to nobody and knows the room only for what an error may say.

pub mod cursors;
mod error;
pub mod requests;

pub use error::ApiError;
