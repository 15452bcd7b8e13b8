//! A batch of messages, each on its own.
//!
//! The only place that knows what becomes of a message: it catches panics, bounds concurrency, says each outcome once, and
//! turns a failure's class into what SQS must do. Work is safe to repeat, so when in doubt the message comes back.
//!
//! | the handler says | the message | the row |
//! |---|---|---|
//! | done, a duplicate, ignored | acknowledged | the handler's business |
//! | failed, soon | hidden for the wait, reported failed | a try counted |
//! | failed, after a while | sent anew with a delay, acknowledged | due then |
//! | failed for good | acknowledged | failed, or the job failed |
//! | it cannot be read, or its row cannot be written | reported failed, in the end a dead letter | untouched |

use crate::{Message, Queues, SqsBatchResponse, SqsEvent};
use aws_lambda_events::event::sqs::SqsMessage;
use domain::ids::AccountId;
use domain::retry::{Done, Failure, MessageFate, Retry};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// A message as SQS handed it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The pointer.
    pub message: Message,
    /// How often SQS has handed it over, this time included.
    pub receives: u32,
    /// Whose share of the queue it took.
    pub account: Option<AccountId>,
}

/// A handler that panicked: a bug, treated as a failure that may pass.
#[derive(Debug)]
pub(crate) struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler panicked")
    }
}

impl std::error::Error for Panicked {}

enum Verdict {
    Acknowledge,
    Return,
}

/// Hands every message of a batch to `handle`, at most `concurrency` at once. When that fails, `fail` writes the failure to
/// the row the message points to and says what shall become of the message.
pub async fn consume<H, HF, W, WF>(
    queues: &Queues,
    event: SqsEvent,
    concurrency: usize,
    handle: H,
    fail: W,
) -> SqsBatchResponse
where
    H: Fn(Delivered) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
    W: Fn(Delivered, Failure) -> WF,
    WF: Future<Output = Result<(MessageFate, Failure), Failure>>,
{
    let (handle, fail) = (&handle, &fail);
    let failed: Vec<Option<String>> = stream::iter(event.records)
        .map(|record| async move {
            let id = record.message_id.clone().unwrap_or_default();
            match one(queues, record, handle, fail).await {
                Verdict::Acknowledge => None,
                Verdict::Return => Some(id),
            }
        })
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.into_iter().flatten());
    response
}

async fn one<H, HF, W, WF>(queues: &Queues, record: SqsMessage, handle: &H, fail: &W) -> Verdict
where
    H: Fn(Delivered) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
    W: Fn(Delivered, Failure) -> WF,
    WF: Future<Output = Result<(MessageFate, Failure), Failure>>,
{
    let Some(delivered) = read(&record) else {
        tracing::error!(
            message.id = record.message_id,
            "a message that is not ours stays in the queue"
        );
        return Verdict::Return;
    };
    let (kind, key) = (delivered.message.kind(), delivered.message.key());
    let handled = AssertUnwindSafe(handle(delivered.clone()))
        .catch_unwind()
        .await;
    let failure = match handled {
        Ok(Ok(done)) => {
            tracing::info!(message.kind = kind, message.key = key, outcome = ?done, "handled");
            return Verdict::Acknowledge;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            retry: Retry::Soon,
            source: Box::new(Panicked),
        },
    };
    let receipt = record.receipt_handle.unwrap_or_default();
    match fail(delivered.clone(), failure).await {
        Ok((MessageFate::Acknowledge, failure)) => {
            tracing::error!(message.kind = kind, message.key = key, error = %failure, alarm = true, "given up");
            Verdict::Acknowledge
        }
        Ok((MessageFate::Retry(wait), failure)) => {
            say(kind, &key, &failure);
            again(queues, &delivered, &receipt, failure.retry, wait).await
        }
        Err(failure) => {
            tracing::warn!(message.kind = kind, message.key = key, error = %failure, "could not write the failure down");
            Verdict::Return
        }
    }
}

fn read(record: &SqsMessage) -> Option<Delivered> {
    let message = Message::from_json(record.body.as_deref()?).ok()?;
    let receives = record
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok());
    let account = record
        .attributes
        .get("MessageGroupId")
        .and_then(|group| AccountId::parse(group).ok());
    Some(Delivered {
        message,
        receives: receives.unwrap_or(1),
        account,
    })
}

fn say(kind: &str, key: &str, failure: &Failure) {
    match failure.retry {
        Retry::After(_) => {
            tracing::info!(message.kind = kind, message.key = key, error = %failure, "later")
        }
        Retry::Alarm(_) => {
            tracing::error!(message.kind = kind, message.key = key, error = %failure, alarm = true, "our set-up is refused");
        }
        Retry::Soon | Retry::Never => {
            tracing::warn!(message.kind = kind, message.key = key, error = %failure, "again")
        }
    }
}

async fn again(
    queues: &Queues,
    delivered: &Delivered,
    receipt: &str,
    retry: Retry,
    wait: Duration,
) -> Verdict {
    let Delivered {
        message, account, ..
    } = delivered;
    let postponed = match retry {
        Retry::Soon | Retry::Never => queues
            .hide(message.queue(), receipt, wait)
            .await
            .map(|()| Verdict::Return),
        Retry::After(_) | Retry::Alarm(_) => queues
            .send_later(message, account.as_ref(), wait)
            .await
            .map(|()| Verdict::Acknowledge),
    };
    // Where even that fails, the queue's own timeout brings the message back.
    postponed.unwrap_or(Verdict::Return)
}
