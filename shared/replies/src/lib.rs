//! What every HTTP door answers alike: errors as problems in JSON, and cursors.
//!
//! Not a wall: it speaks to nobody and knows the room only for what an error may say.

pub mod cursors;
mod error;

pub use error::ApiError;
