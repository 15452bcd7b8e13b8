//! Who may act for the house.

/// A person (or program) that proved to hold an operator's token; only the admin door's extractor makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name before the colon of their token, which stands in the audit log.
    pub name: String,
}
