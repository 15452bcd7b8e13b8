//! Operators of Tallyhook.

/// A person or program that presented an operator's token. Only the extractor of `admin` creates
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name before the colon of the token, which the audit log records.
    pub name: String,
}
