//! How many messages wait in a queue and among its dead letters.
//!
//! SQS counts approximately. The age of the oldest message is a metric of CloudWatch, not an
//! attribute of the queue, so it is not here.

use crate::{Queue, QueueError, Queues};
use aws_sdk_sqs::types::QueueAttributeName as Name;

/// The messages of a queue, approximately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub ready: u64,
    /// Received, and not deleted yet.
    pub in_flight: u64,
    /// Not visible yet.
    pub delayed: u64,
    /// Moved away after too many failed deliveries.
    pub dead: u64,
}

impl Queues {
    /// Counts the messages of a queue and its dead letters.
    pub async fn depth(&self, queue: Queue) -> Result<Depth, QueueError> {
        let url = self.url(queue)?;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let [ready, in_flight, delayed] = self.counts(queue, url, names).await?;
        let dead = format!("{url}-dlq");
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
        ];
        let [waiting, received] = self.counts(queue, &dead, names).await?;
        Ok(Depth {
            ready,
            in_flight,
            delayed,
            dead: waiting.saturating_add(received),
        })
    }

    async fn counts<const N: usize>(
        &self,
        queue: Queue,
        url: &str,
        names: [Name; N],
    ) -> Result<[u64; N], QueueError> {
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(names.to_vec()));
        let found = call
            .send()
            .await
            .map_err(|error| QueueError::sdk("count messages", queue, error))?;
        let attributes = found.attributes();
        let count = |name: Name| {
            attributes
                .and_then(|attributes| attributes.get(&name))
                .and_then(|value| value.parse().ok())
                .ok_or(QueueError::refused(queue, 1, "NoCount"))
        };
        let mut counts = [0; N];
        for (place, name) in counts.iter_mut().zip(names) {
            *place = count(name)?;
        }
        Ok(counts)
    }
}
