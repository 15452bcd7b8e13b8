//! Pending events: failed attempts, and the list of events that are due.
//!
//! A failed attempt sets when the next one may begin. Until then, copies of the message are
//! ignored, and the row is due only some time later. So the attempts between two waits count once,
//! however many copies of the message there are.

use super::{Finished, state_of};
use crate::Inbox;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::{Updated, page};
use crate::db::tx::Change;
use domain::inbox::{EventKey, EventRow, EventSource, EventState, Finish, RESEND_AFTER};
use domain::retry::{Failure, MessageFate, Retry, gave_up};
use domain::time::Timestamp;
use domain::work::{Lifecycle, NextAttempt};
use std::time::Duration;

/// A pending event and the time it was due, as listed in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEvent {
    pub key: EventKey,
    pub due_at: Timestamp,
}

/// Whether this call took a due event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The due time was moved forward; the caller must queue the event.
    Now {
        /// When the event was received.
        received_at: Timestamp,
    },
    /// The event is no longer pending, or another caller took it.
    Gone,
}

/// The longest time until the sweeper sends a pending event again.
const RESEND_MAX: Duration = Duration::from_secs(3_600);

impl Inbox {
    /// Records that acting on an event failed: sets when the next attempt may begin, or marks the
    /// event as failed.
    pub async fn fail(
        &self,
        key: &EventKey,
        failure: &Failure,
        jitter: u64,
        now: Timestamp,
    ) -> Result<MessageFate, StoreError> {
        let found = self.find_row(key).await?;
        let Some(row) = found.filter(|row| row.state == EventState::Pending) else {
            return Ok(MessageFate::Drop);
        };
        // Another copy of the message failed at the same time, and its wait has begun.
        if row.tries.is_early(now) && failure.retry != Retry::Never {
            return Ok(MessageFate::Drop);
        }
        match row.tries.failed(failure, jitter, now) {
            NextAttempt::Over => self.bury(key, failure.chain(), now).await,
            NextAttempt::Last(_) => self.bury(key, gave_up(&failure.chain()), now).await,
            NextAttempt::Again(next) => self.wait(&row, next, now).await,
        }
    }

    /// Makes the event wait, unless another failed attempt has done so since `row` was read.
    async fn wait(
        &self,
        row: &EventRow,
        next: Lifecycle,
        now: Timestamp,
    ) -> Result<MessageFate, StoreError> {
        let wait = next.wait(now);
        let due_at = now.plus(wait).plus(RESEND_AFTER);
        let change = postponement(&row.key, due_at)
            .set("t", number(next.attempts))
            .set_or_remove("nb", next.not_before.map(time))
            .set_or_remove("os", next.outage_since.map(time));
        let change = match row.tries.not_before {
            Some(moment) => change.and("#nb = :was", vec![("was", time(moment))]),
            None => change.and("attribute_not_exists(#nb)", vec![]),
        };
        Ok(
            match self.table.update("postpone an event", change).await? {
                Updated::Done(()) => MessageFate::Retry(wait),
                Updated::Refused(_) => MessageFate::Drop,
            },
        )
    }

    async fn bury(
        &self,
        key: &EventKey,
        why: String,
        now: Timestamp,
    ) -> Result<MessageFate, StoreError> {
        Ok(match self.finish(key, &Finish::Failed(why), now).await? {
            Finished::Now => MessageFate::Acknowledge,
            Finished::Already => MessageFate::Drop,
        })
    }

    /// Postpones an event that cannot be processed now. This is not a failure, so it does not count
    /// as an attempt.
    pub async fn postpone(&self, key: &EventKey, now: Timestamp) -> Result<(), StoreError> {
        let change = postponement(key, now.plus(RESEND_AFTER));
        // The event may have been finished in the meantime, which is fine.
        match self.table.update("postpone an event", change).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Lists pending events that are due, at most `limit` from each shard.
    pub async fn due_list(
        &self,
        source: EventSource,
        now: Timestamp,
        limit: i32,
    ) -> Result<Vec<DueEvent>, StoreError> {
        let shards = (0..keys::SHARDS).map(|shard| async move {
            let query = self
                .table
                .query()
                .index_name("state")
                .key_condition_expression("sx = :sx AND #at <= :now")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(
                    ":sx",
                    text(keys::state_shard(source, EventState::Pending, shard)),
                )
                .expression_attribute_values(":now", time(now))
                .limit(limit);
            let found = page("list due events", query).await?;
            found
                .iter()
                .map(|item| due_event_of(source, item))
                .collect::<Result<Vec<_>, _>>()
        });
        Ok(futures::future::try_join_all(shards).await?.concat())
    }

    /// Takes a due event: moves its due time forward and doubles the wait, unless another caller
    /// did so first. Of two concurrent sweepers, one wins.
    pub async fn due_take(&self, due: &DueEvent, now: Timestamp) -> Result<Taken, StoreError> {
        let Some(head) = self.head(&due.key).await? else {
            return Ok(Taken::Gone);
        };
        let item = Item::new(&head, "take a due event");
        if state_of(&item)? != EventState::Pending || item.time("at")? != due.due_at {
            return Ok(Taken::Gone);
        }
        let received_at = item.time("rx")?;
        let waited = due
            .due_at
            .since(received_at)
            .clamp(RESEND_AFTER, RESEND_MAX);
        let pending = text(keys::state(&due.key, EventState::Pending));
        let change = Change::of(keys::event(&due.key))
            .set("at", time(now.plus(waited)))
            .when(
                "#sx = :pending AND #at = :was",
                vec![("pending", pending), ("was", time(due.due_at))],
            );
        Ok(match self.table.update("take a due event", change).await? {
            Updated::Done(()) => Taken::Now { received_at },
            Updated::Refused(_) => Taken::Gone,
        })
    }
}

fn postponement(key: &EventKey, due_at: Timestamp) -> Change {
    let pending = text(keys::state(key, EventState::Pending));
    Change::of(keys::event(key))
        .set("at", time(due_at))
        .when("#sx = :pending", vec![("pending", pending)])
}

pub(super) fn due_event_of(
    source: EventSource,
    attributes: &Attributes,
) -> Result<DueEvent, StoreError> {
    let item = Item::new(attributes, "list events");
    let key = keys::event_of(source, item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
    Ok(DueEvent {
        key,
        due_at: item.time("at")?,
    })
}
