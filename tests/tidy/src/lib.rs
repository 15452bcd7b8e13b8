//! The architecture as tests: dependencies, functions, roles, tables, fixtures, sources. They read the repository as files
//! and build in seconds. A rule is a test here, not a sentence in a document, so that it can fail.
//!
//! Every test collects all faults before it fails, one line each, and each line says what to do.

#[cfg(test)]
mod contracts;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod template;
