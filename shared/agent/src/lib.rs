//! What the coding agent knows without a model and without a network: bytes and values in, values out.
//!
//! [`snapshot`] reads a repository's tarball into memory under bounds, [`outline`] finds what its
//! files declare, [`retrieval`] finds the files that an issue is about, [`tools`] read and change
//! them, and [`lint`] judges the change.

pub mod lint;
pub mod outline;
pub mod retrieval;
pub mod snapshot;
pub mod tools;

#[cfg(test)]
mod noise;
