//! What the HTTP routes answer, a folder for each part of the tree.

mod admin;
pub mod api;
