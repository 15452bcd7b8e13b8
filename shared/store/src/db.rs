//! DynamoDB primitives shared by every module: keys, items, conditional writes, transactions,
//! paging, and errors.

pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod digests;
pub(crate) mod error;
pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod pages;
pub mod schema;
pub(crate) mod table;
pub(crate) mod tx;
pub(crate) mod versions;
