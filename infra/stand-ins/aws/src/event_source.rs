//! Lambda's event source mapping: receives messages from a queue and passes them to a function in
//! batches.
//!
//! Delivery is at least once. Messages that the function does not report as failed are deleted. The
//! others become visible again by the rules of the queue, which also counts receives and moves dead
//! letters. A function that times out, crashes or names a message outside the batch fails the whole
//! batch.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
pub use aws_sdk_sqs::Client as SqsClient;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use stand_in_shared::Now;
use stand_in_shared::faults::Faults;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

type Answer = Pin<Box<dyn Future<Output = SqsBatchResponse> + Send>>;

/// A function that takes a batch and its deadline in milliseconds.
pub type Function = Arc<dyn Fn(SqsEvent, i64) -> Answer + Send + Sync>;

/// One queue and the function that it invokes.
#[derive(Clone)]
pub struct Mapping {
    pub queue_url: String,
    /// The maximum number of messages in a batch.
    pub batch: i32,
    pub timeout: Duration,
    pub function: Function,
}

/// How batches are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Once, in order.
    Once,
    /// Shuffled, and every batch twice, one after the other.
    TwiceShuffled(u64),
    /// Shuffled, and every batch twice at the same time.
    TwiceAtOnce(u64),
}

/// The result of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// No message was visible.
    Idle,
    /// The number of messages delivered.
    Delivered(usize),
}

/// A call to the queue that failed.
pub type QueueFailure = Box<dyn std::error::Error + Send + Sync>;

/// An SQS client with the settings of the functions.
pub fn client(aws: &aws_types::SdkConfig) -> SqsClient {
    SqsClient::new(aws)
}

/// Messages in a queue: visible, hidden and delayed.
pub async fn count(client: &SqsClient, queue_url: &str) -> Result<i64, QueueFailure> {
    let found = client
        .get_queue_attributes()
        .queue_url(queue_url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await?;
    let attributes = found.attributes().into_iter().flatten();
    let counts = attributes.filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOf"));
    Ok(counts
        .filter_map(|(_, value)| value.parse::<i64>().ok())
        .sum())
}

impl Mapping {
    /// Creates the queue and its dead-letter queue, as the template does on AWS.
    pub async fn queue_create(
        client: &SqsClient,
        name: &str,
        visibility: Duration,
        receives_max: u32,
    ) -> Result<String, QueueFailure> {
        let dead = client
            .create_queue()
            .queue_name(format!("{name}-dlq"))
            .send()
            .await?;
        let dead_url = dead.queue_url().unwrap_or_default();
        let found = client
            .get_queue_attributes()
            .queue_url(dead_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await?;
        let arn = found
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::QueueArn))
            .cloned()
            .unwrap_or_default();
        let redrive =
            serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": receives_max })
                .to_string();
        let live = client
            .create_queue()
            .queue_name(name)
            .attributes(
                QueueAttributeName::VisibilityTimeout,
                visibility.as_secs().to_string(),
            )
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await?;
        Ok(live.queue_url().unwrap_or_default().to_owned())
    }

    /// Polls the queue for up to `wait_seconds` and delivers the batch.
    pub async fn turn(
        &self,
        client: &SqsClient,
        wait_seconds: i32,
        delivery: Delivery,
        faults: &Faults,
        now: &Now,
    ) -> Result<Turn, QueueFailure> {
        let received = client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(self.batch)
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await?;
        let mut messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(Turn::Idle);
        }
        let failed = match delivery {
            Delivery::Once => self.invoke(&messages, faults, now).await,
            Delivery::TwiceShuffled(seed) => {
                shuffle(&mut messages, seed);
                let first = self.invoke(&messages, faults, now).await;
                shuffle(&mut messages, seed.wrapping_mul(31));
                both(first, self.invoke(&messages, faults, now).await)
            }
            Delivery::TwiceAtOnce(seed) => {
                shuffle(&mut messages, seed);
                let (first, second) = tokio::join!(
                    self.invoke(&messages, faults, now),
                    self.invoke(&messages, faults, now)
                );
                both(first, second)
            }
        };
        if let Some(failed) = failed {
            self.delete(client, &messages, &failed).await?;
        }
        Ok(Turn::Delivered(messages.len()))
    }

    fn name(&self) -> &str {
        self.queue_url.rsplit('/').next().unwrap_or_default()
    }

    /// Runs the function on a batch. Returns the messages that failed, or `None` if the whole batch
    /// failed.
    async fn invoke(
        &self,
        messages: &[Message],
        faults: &Faults,
        now: &Now,
    ) -> Option<BTreeSet<String>> {
        let deadline = now() + i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let running = (self.function)(event(messages, self.name())?, deadline);
        let response = faults
            .run(tokio::time::timeout(self.timeout, running))
            .await?
            .ok()?;
        let known: BTreeSet<&str> = messages.iter().filter_map(Message::message_id).collect();
        let failed: BTreeSet<String> = response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect();
        failed
            .iter()
            .all(|id| known.contains(id.as_str()))
            .then_some(failed)
    }

    async fn delete(
        &self,
        client: &SqsClient,
        messages: &[Message],
        failed: &BTreeSet<String>,
    ) -> Result<(), QueueFailure> {
        let done = messages
            .iter()
            .filter(|message| message.message_id().is_some_and(|id| !failed.contains(id)));
        let entries: Vec<_> = done
            .enumerate()
            .filter_map(|(place, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry
                    .set_receipt_handle(message.receipt_handle.clone())
                    .build()
                    .ok()
            })
            .collect();
        if !entries.is_empty() {
            client
                .delete_message_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries))
                .send()
                .await?;
        }
        Ok(())
    }
}

/// A message is processed only if both runs report success.
fn both(
    first: Option<BTreeSet<String>>,
    second: Option<BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    let mut failed = first?;
    failed.extend(second?);
    Some(failed)
}

fn shuffle(messages: &mut [Message], seed: u64) {
    let mut state = seed;
    for place in (1..messages.len()).rev() {
        state = stand_in_shared::faults::scramble(state);
        let range = u64::try_from(place).unwrap_or(0) + 1;
        messages.swap(place, usize::try_from(state % range).unwrap_or(0));
    }
}

/// The event as Lambda builds it.
fn event(messages: &[Message], queue: &str) -> Option<SqsEvent> {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            let attributes: BTreeMap<&str, &str> = message
                .attributes()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            serde_json::json!({
                "messageId": message.message_id(),
                "receiptHandle": message.receipt_handle(),
                "body": message.body(),
                "md5OfBody": message.md5_of_body(),
                "attributes": attributes,
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).ok()
}
