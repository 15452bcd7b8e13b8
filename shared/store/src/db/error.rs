//! Store errors, and whether to retry after each.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::retry::{Failure, Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A store operation that failed without a result the caller can act on.
#[derive(Debug)]
pub struct StoreError {
    operation: &'static str,
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Throttling, or two transactions on the same item. Nothing was written.
    Contended,
    /// No response, or a server error. The write may have been applied.
    Unclear,
    /// Our credentials or permissions were rejected.
    Denied,
    /// The request is invalid: a bug, or a missing table.
    Refused,
    /// The ledger key is unavailable, or this function has none.
    NoKey(Retry),
    /// An entry exists without the job it must be written with: a bug, or a manual edit of the
    /// tables.
    Inconsistent,
    /// A required attribute of an item is missing or invalid.
    BadItem {
        key: String,
        attribute: &'static str,
    },
}

impl StoreError {
    pub(crate) fn bad_item(operation: &'static str, key: &str, attribute: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::BadItem {
                key: key.to_owned(),
                attribute,
            },
            source: None,
        }
    }

    /// The ledger key is unavailable.
    pub(crate) fn no_key(operation: &'static str, failure: Failure) -> Self {
        Self {
            operation,
            kind: Kind::NoKey(failure.retry),
            source: Some(failure.source),
        }
    }

    /// The stored data contradicts itself.
    pub(crate) fn inconsistent(operation: &'static str, what: String) -> Self {
        Self {
            operation,
            kind: Kind::Inconsistent,
            source: Some(what.into()),
        }
    }

    /// Whether the operation failed because of concurrent writes, so that nothing was written.
    pub(crate) fn is_contended(&self) -> bool {
        self.kind == Kind::Contended
    }

    /// Whether a required attribute of an item is missing or invalid.
    pub(crate) fn is_bad_item(&self) -> bool {
        matches!(self.kind, Kind::BadItem { .. })
    }

    /// Concurrent writes made the operation fail, so nothing was written.
    pub(crate) const fn contended(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::Contended,
            source: None,
        }
    }

    pub(crate) fn sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let kind = match (
            error
                .as_service_error()
                .and_then(ProvideErrorMetadata::code),
            status,
        ) {
            (Some(code), _) if CONTENDED.contains(&code) => Kind::Contended,
            (Some(code), _) if DENIED.contains(&code) => Kind::Denied,
            (Some(_), Some(400..=499)) => Kind::Refused,
            _ => Kind::Unclear,
        };
        Self {
            operation,
            kind,
            source: Some(Box::new(error)),
        }
    }

    /// A cancelled transaction in which none of our conditions failed: one of its items hit a
    /// conflict or a throttle.
    pub(crate) fn cancelled(operation: &'static str, reasons: &[CancellationReason]) -> Self {
        let codes: Vec<&str> = reasons
            .iter()
            .filter_map(CancellationReason::code)
            .collect();
        let kind = if codes.contains(&"ValidationError") {
            Kind::Refused
        } else {
            Kind::Contended
        };
        Self {
            operation,
            kind,
            source: Some(format!("cancelled for {}", codes.join(", ")).into()),
        }
    }
}

const CONTENDED: [&str; 6] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
];
const DENIED: [&str; 6] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
];

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.operation)?;
        match &self.kind {
            Kind::Contended => f.write_str(" (contended)"),
            Kind::Unclear => f.write_str(" (no clear answer)"),
            Kind::Denied => f.write_str(" (denied: see this function's role)"),
            Kind::Refused => f.write_str(" (refused)"),
            Kind::NoKey(_) => f.write_str(" (without the ledger's key, LEDGER_KEY)"),
            Kind::Inconsistent => f.write_str(" (the books do not agree)"),
            Kind::BadItem { key, attribute } => {
                write!(f, " (item {key} has no usable `{attribute}`)")
            }
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

impl Retryable for StoreError {
    fn retry(&self) -> Retry {
        match self.kind {
            Kind::Contended => Retry::Soon,
            Kind::Unclear => Retry::Outage,
            Kind::Denied => Retry::Alarm(Duration::from_secs(300)),
            Kind::NoKey(retry) => retry,
            Kind::Refused | Kind::Inconsistent | Kind::BadItem { .. } => Retry::Never,
        }
    }
}
