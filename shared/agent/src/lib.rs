//! What the coding agent knows without a model and without a network: bytes and values in, values out.
//!
//! [`snapshot`] reads a repository's tarball into memory under bounds, [`outline`] finds what its files
//! declare.

pub mod outline;
pub mod snapshot;

#[cfg(test)]
mod noise;
