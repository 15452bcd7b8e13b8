//! Consumes a batch of messages that others send to our queue. They name no row, so no row counts
//! their attempts.
//!
//! The queue keeps the message: a failed message returns when its visibility timeout ends, and
//! after the queue's maximum of receives it becomes a dead letter, which raises an alarm. A body is
//! never logged, because it contains other people's words.

use crate::consume::Panicked;
use crate::{SqsBatchResponse, SqsEvent};
use aws_lambda_events::event::sqs::SqsMessage;
use domain::retry::{Done, Failure, Retry};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use std::panic::AssertUnwindSafe;

/// Passes the body of every message of a batch to `handle`, at most `concurrency` at once.
pub async fn accept<H, HF>(event: SqsEvent, concurrency: usize, handle: H) -> SqsBatchResponse
where
    H: Fn(String) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
{
    let handle = &handle;
    let failed: Vec<Option<String>> = stream::iter(event.records)
        .map(|record| one(record, handle))
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.into_iter().flatten());
    response
}

/// Returns the message's id if it failed.
async fn one<H, HF>(record: SqsMessage, handle: &H) -> Option<String>
where
    H: Fn(String) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
{
    let id = record.message_id.unwrap_or_default();
    let handled = AssertUnwindSafe(handle(record.body.unwrap_or_default()))
        .catch_unwind()
        .await;
    let failure = match handled {
        Ok(Ok(done)) => {
            tracing::info!(message.id = id, outcome = ?done, "accepted");
            return None;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            retry: Retry::Soon,
            source: Box::new(Panicked),
        },
    };
    match failure.retry {
        Retry::Never => {
            tracing::error!(message.id = id, error = %failure, "a message that cannot be read stays in the queue")
        }
        Retry::Soon | Retry::Outage | Retry::After(_) | Retry::Alarm(_) => {
            tracing::warn!(message.id = id, error = %failure, "again")
        }
    }
    Some(id)
}
