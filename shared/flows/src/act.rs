//! Processes a recorded event once: loads it, dispatches it and records the outcome.
//!
//! Safe to run twice: only a pending event is dispatched, the effects of a handler are conditional,
//! and the row is finished only while it is pending.

use crate::work::NOT_NOW;
use domain::inbox::{EventKey, EventRow, EventState, Finish};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use store::{Inbox, Switchboard};

/// Processes an event with `dispatch`, unless an operator has paused the events of its source.
pub async fn act(
    inbox: &Inbox,
    switches: &Switchboard,
    clock: impl Fn() -> Timestamp,
    key: &EventKey,
    dispatch: impl AsyncFnOnce(&EventRow, &[u8]) -> Result<Done, Failure>,
) -> Result<Done, Failure> {
    let now = clock();
    let process = switches.switch_now(now, |switches| switches.process(key.source()));
    if process.await == Switch::Off {
        inbox.postpone(key, now).await?;
        return Ok(Done::Waiting("event processing is paused"));
    }
    let Some(event) = inbox.find(key).await? else {
        return Ok(Done::Ignored("no such event"));
    };
    if event.row.state != EventState::Pending {
        return Ok(Done::Duplicate);
    }
    // A copy of the message, while the row waits after a failed attempt.
    if event.row.tries.is_early(now) {
        return Ok(NOT_NOW);
    }
    let done = dispatch(&event.row, &event.body).await?;
    match Finish::of(&done) {
        Some(finish) => inbox.finish(key, &finish, clock()).await.map(drop)?,
        None => inbox.postpone(key, clock()).await?,
    }
    Ok(done)
}
