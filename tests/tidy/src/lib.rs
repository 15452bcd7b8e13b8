//! The architecture as tests: walls, doors, roles, tables, fixtures, sources. They read the repository as it lies there
//! and build in seconds, so a rule that a sentence in a document would ask for is here instead, and can fail.
//!
//! Every test collects all faults before it fails, one line each, and each line says what to do.

#[cfg(test)]
mod contracts;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod fixtures;
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
#[cfg(test)]
mod walls;
