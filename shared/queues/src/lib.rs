//! The adapter for SQS, the only importer of its SDK and of Lambda's SQS events.
//!
//! Owns the messages, how they are sent, and how a batch is consumed (`consume`). A message is only
//! a pointer: it may come twice, late or never, because the row that it names stays due until the
//! work is done. `accept` consumes messages that others send.

mod accept;
mod consume;
mod depth;
mod error;
mod message;

pub use accept::accept;
pub use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
pub use consume::{consume, consume_with};
pub use depth::Depth;
pub use error::QueueError;
pub use message::{BadMessage, Message, Queue};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::ids::AccountId;
use std::collections::BTreeMap;
use std::time::Duration;

/// The queues that a function may send to.
#[derive(Clone)]
pub struct Queues {
    client: Client,
    urls: BTreeMap<Queue, String>,
}

/// The longest delay of SQS. A longer wait is stored on the row.
pub const DELAY_MAX: Duration = Duration::from_secs(900);
const BATCH_MAX: usize = 10;

/// SQS counts in seconds. Rounding up keeps a message from arriving early.
const fn seconds_up(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(1_000)
}

/// A message to send, with the account whose share of the queue it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    pub message: Message,
    /// The account, if it is known. SQS shares the queue fairly between accounts.
    pub account: Option<AccountId>,
}

impl Queues {
    /// Builds the client from the process's AWS settings. `endpoint` replaces the region's own.
    pub fn new(
        aws: &aws_types::SdkConfig,
        endpoint: Option<&str>,
        urls: impl IntoIterator<Item = (Queue, String)>,
    ) -> Self {
        let mut config = aws_sdk_sqs::config::Builder::from(aws);
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(config.build()),
            urls: urls.into_iter().collect(),
        }
    }

    fn url(&self, queue: Queue) -> Result<&str, QueueError> {
        self.urls
            .get(&queue)
            .map(String::as_str)
            .ok_or(QueueError::not_ours(queue))
    }

    /// Sends one message.
    pub async fn send(
        &self,
        message: &Message,
        account: Option<&AccountId>,
    ) -> Result<(), QueueError> {
        self.send_later(message, account, Duration::ZERO).await
    }

    /// Sends one message that becomes visible after `wait`.
    pub async fn send_later(
        &self,
        message: &Message,
        account: Option<&AccountId>,
        wait: Duration,
    ) -> Result<(), QueueError> {
        let queue = message.queue();
        let send = self
            .client
            .send_message()
            .queue_url(self.url(queue)?)
            .message_body(message.to_json())
            .set_message_group_id(account.map(|account| account.to_string()));
        let delay = i32::try_from(seconds_up(wait.min(DELAY_MAX))).unwrap_or(0);
        let send = if delay > 0 {
            send.delay_seconds(delay)
        } else {
            send
        };
        send.send()
            .await
            .map_err(|error| QueueError::sdk("send a message", queue, error))?;
        Ok(())
    }

    /// Sends many messages, ten in each call. Returns an error if SQS refuses a message; the
    /// message's row stays due, so it is sent again.
    pub async fn send_all(&self, messages: &[Sending]) -> Result<(), QueueError> {
        let mut by_queue: BTreeMap<Queue, Vec<&Sending>> = BTreeMap::new();
        for sending in messages {
            by_queue
                .entry(sending.message.queue())
                .or_default()
                .push(sending);
        }
        for (queue, sendings) in by_queue {
            for batch in sendings.chunks(BATCH_MAX) {
                self.send_batch(queue, batch).await?;
            }
        }
        Ok(())
    }

    async fn send_batch(&self, queue: Queue, batch: &[&Sending]) -> Result<(), QueueError> {
        let entries = batch.iter().enumerate().map(|(place, sending)| {
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(sending.message.to_json())
                .set_message_group_id(sending.account.as_ref().map(AccountId::to_string))
                .build()
                .expect("id and body are given")
        });
        let call = self
            .client
            .send_message_batch()
            .queue_url(self.url(queue)?)
            .set_entries(Some(entries.collect()));
        let sent = call
            .send()
            .await
            .map_err(|error| QueueError::sdk("send messages", queue, error))?;
        match sent.failed().first() {
            None => Ok(()),
            Some(failed) => Err(QueueError::refused(
                queue,
                sent.failed().len(),
                failed.code(),
            )),
        }
    }

    /// Moves a queue's dead letters back to it, where they are handled like new messages.
    pub async fn redrive(&self, queue: Queue) -> Result<(), QueueError> {
        let url = self.url(queue)?;
        let arn = self.arn(queue, &format!("{url}-dlq")).await?;
        // Without a destination, SQS moves each message back to the queue that it came from.
        self.client
            .start_message_move_task()
            .source_arn(arn)
            .send()
            .await
            .map_err(|error| QueueError::sdk("redrive dead letters", queue, error))?;
        Ok(())
    }

    async fn arn(&self, queue: Queue, url: &str) -> Result<String, QueueError> {
        let name = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(name.clone());
        let found = call
            .send()
            .await
            .map_err(|error| QueueError::sdk("find a queue", queue, error))?;
        let arn = found
            .attributes()
            .and_then(|attributes| attributes.get(&name));
        arn.cloned()
            .ok_or(QueueError::refused(queue, 1, "NoQueueArn"))
    }

    /// Makes a message visible again after `wait` instead of after the queue's own timeout.
    async fn hide(&self, queue: Queue, receipt: &str, wait: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(seconds_up(wait).max(1))
            .unwrap_or(i32::MAX)
            .min(43_200);
        let call = self
            .client
            .change_message_visibility()
            .queue_url(self.url(queue)?)
            .receipt_handle(receipt);
        call.visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| QueueError::sdk("postpone a message", queue, error))?;
        Ok(())
    }
}
