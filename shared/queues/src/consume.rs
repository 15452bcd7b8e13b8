//! Consumes a batch of messages, each handled separately.
//!
//! This is the only code that decides what happens to a message. It catches panics, limits
//! concurrency, logs each outcome once, and translates a failure's class into what SQS must do.
//! Work is safe to repeat, so if in doubt the message comes back.
//!
//! | the handler returns | the message | the row |
//! |---|---|---|
//! | done, a duplicate, ignored | acknowledged | up to the handler |
//! | failed, `Soon` | hidden for the backoff, reported as failed | an attempt is counted |
//! | failed, `Outage` | the same, ten times; then the sweeper sends the row | no attempt is counted for two days |
//! | failed, but another copy of the message carries the row | acknowledged | unchanged |
//! | failed, `After` or `Alarm` | sent again with a delay, acknowledged | due at that time |
//! | failed, `Never` | acknowledged | failed, or its job failed |
//! | unreadable message, or unwritable row | reported as failed, then dead-lettered | unchanged |

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

/// A message as SQS delivered it.
struct Delivered {
    message: Message,
    /// How often SQS has delivered it, including this time.
    receives: u32,
    /// The account whose share of the queue the message uses.
    account: Option<AccountId>,
}

/// A handler panicked. This is a bug, treated as a temporary failure.
#[derive(Debug)]
pub(crate) struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler panicked")
    }
}

impl std::error::Error for Panicked {}

enum Answer {
    Acknowledge,
    Return,
}

/// Consumes a batch whose rows say when they are due. A failed message returns at about that time.
///
/// `select` returns the work of a message, or `None` if the message belongs to another function.
/// Such a message is logged and acknowledged here. At most `concurrency` messages are handled at
/// once. `random` spreads the retries.
pub async fn consume<W, H, HF>(
    queues: &Queues,
    event: SqsEvent,
    concurrency: usize,
    random: impl Fn() -> u64,
    select: fn(&Message) -> Option<W>,
    handle: H,
) -> SqsBatchResponse
where
    W: Clone,
    H: Fn(W) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
{
    let random = &random;
    let fail = async |_: W, failure: Failure, receives: u32| {
        Ok((MessageFate::of(failure.retry, receives, random()), failure))
    };
    consume_with(queues, event, concurrency, select, handle, fail).await
}

/// Consumes a batch, and uses `fail` to write each failure to the row that its message names.
/// `fail` also gets the number of receives, and decides whether the message comes back.
pub async fn consume_with<W, H, HF, F, FF>(
    queues: &Queues,
    event: SqsEvent,
    concurrency: usize,
    select: fn(&Message) -> Option<W>,
    handle: H,
    fail: F,
) -> SqsBatchResponse
where
    W: Clone,
    H: Fn(W) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
    F: Fn(W, Failure, u32) -> FF,
    FF: Future<Output = Result<(MessageFate, Failure), Failure>>,
{
    let (handle, fail) = (&handle, &fail);
    let failed: Vec<Option<String>> = stream::iter(event.records)
        .map(|record| async move {
            let id = record.message_id.clone().unwrap_or_default();
            match one(queues, record, select, handle, fail).await {
                Answer::Acknowledge => None,
                Answer::Return => Some(id),
            }
        })
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.into_iter().flatten());
    response
}

async fn one<W, H, HF, F, FF>(
    queues: &Queues,
    record: SqsMessage,
    select: fn(&Message) -> Option<W>,
    handle: &H,
    fail: &F,
) -> Answer
where
    W: Clone,
    H: Fn(W) -> HF,
    HF: Future<Output = Result<Done, Failure>>,
    F: Fn(W, Failure, u32) -> FF,
    FF: Future<Output = Result<(MessageFate, Failure), Failure>>,
{
    let Some(delivered) = read(&record) else {
        tracing::error!(
            message.id = record.message_id,
            "a message that is not one of Tallyhook stays in the queue"
        );
        return Answer::Return;
    };
    let (kind, key) = (delivered.message.kind(), delivered.message.key());
    let Some(work) = select(&delivered.message) else {
        tracing::info!(
            message.kind = kind,
            message.key = key,
            "ignored: the message belongs to another function"
        );
        return Answer::Acknowledge;
    };
    let handled = AssertUnwindSafe(handle(work.clone())).catch_unwind().await;
    let failure = match handled {
        Ok(Ok(done)) => {
            tracing::info!(message.kind = kind, message.key = key, outcome = ?done, "handled");
            return Answer::Acknowledge;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            retry: Retry::Soon,
            source: Box::new(Panicked),
        },
    };
    let receipt = record.receipt_handle.unwrap_or_default();
    match fail(work, failure, delivered.receives).await {
        Ok((MessageFate::Acknowledge, failure)) => {
            tracing::error!(message.kind = kind, message.key = key, error = %failure, alarm = true, "given up");
            Answer::Acknowledge
        }
        Ok((MessageFate::Drop, failure)) => {
            tracing::info!(message.kind = kind, message.key = key, error = %failure, "left to the row");
            Answer::Acknowledge
        }
        Ok((MessageFate::Retry(wait), failure)) => {
            log(kind, &key, &failure);
            again(queues, &delivered, &receipt, failure.retry, wait).await
        }
        Err(failure) => {
            tracing::warn!(message.kind = kind, message.key = key, error = %failure, "could not record the failure");
            Answer::Return
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

fn log(kind: &str, key: &str, failure: &Failure) {
    match failure.retry {
        Retry::After(_) => {
            tracing::info!(message.kind = kind, message.key = key, error = %failure, "will retry later")
        }
        Retry::Alarm(_) => {
            tracing::error!(message.kind = kind, message.key = key, error = %failure, alarm = true, "our credentials or set-up were rejected");
        }
        Retry::Soon | Retry::Outage | Retry::Never => {
            tracing::warn!(message.kind = kind, message.key = key, error = %failure, "will retry")
        }
    }
}

async fn again(
    queues: &Queues,
    delivered: &Delivered,
    receipt: &str,
    retry: Retry,
    wait: Duration,
) -> Answer {
    let Delivered {
        message, account, ..
    } = delivered;
    let postponed = match retry {
        Retry::Soon | Retry::Outage | Retry::Never => queues
            .hide(message.queue(), receipt, wait)
            .await
            .map(|()| Answer::Return),
        Retry::After(_) | Retry::Alarm(_) => queues
            .send_later(message, account.as_ref(), wait)
            .await
            .map(|()| Answer::Acknowledge),
    };
    // If this fails too, the queue's own visibility timeout brings the message back.
    postponed.unwrap_or(Answer::Return)
}
