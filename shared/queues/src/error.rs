//! Errors of SQS. A message that could not be sent is never lost, because its row is still due.

use crate::Queue;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A call to SQS that failed.
#[derive(Debug)]
pub struct QueueError {
    operation: &'static str,
    queue: Queue,
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unclear,
    Denied,
    NotOurs,
}

impl QueueError {
    pub(crate) fn sdk<E>(
        operation: &'static str,
        queue: Queue,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
            .unwrap_or_default();
        let denied = [
            "AccessDenied",
            "InvalidClientTokenId",
            "UnrecognizedClient",
            "NonExistentQueue",
            "QueueDoesNotExist",
        ];
        let kind = if denied.iter().any(|word| code.contains(word)) {
            Kind::Denied
        } else {
            Kind::Unclear
        };
        Self {
            operation,
            queue,
            kind,
            source: Some(Box::new(error)),
        }
    }

    pub(crate) fn refused(queue: Queue, count: usize, code: &str) -> Self {
        let source = format!("{count} refused, the first with {code}");
        Self {
            operation: "send messages",
            queue,
            kind: Kind::Unclear,
            source: Some(source.into()),
        }
    }

    pub(crate) const fn not_ours(queue: Queue) -> Self {
        Self {
            operation: "send a message",
            queue,
            kind: Kind::NotOurs,
            source: None,
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} at queue {}", self.operation, self.queue)?;
        match self.kind {
            Kind::Unclear => Ok(()),
            Kind::Denied => {
                f.write_str(" (denied or no such queue; check this function's role and settings)")
            }
            Kind::NotOurs => write!(
                f,
                " ({} is not set for this function)",
                self.queue.setting()
            ),
        }
    }
}

impl Error for QueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

impl Retryable for QueueError {
    fn retry(&self) -> Retry {
        match self.kind {
            Kind::Unclear => Retry::Outage,
            Kind::Denied => Retry::Alarm(Duration::from_secs(300)),
            Kind::NotOurs => Retry::Never,
        }
    }
}
