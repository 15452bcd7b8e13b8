//! Acts on missing events: asks GitHub to deliver one again, or fetches and records it.
//!
//! Each try is noted by a conditional write before its call, so a process that dies has used it, and
//! two runs at once make one call. A try that gets no answer is given back.

use crate::{Ctx, Recovered};
use domain::ids::StripeEventId;
use domain::inbox::recovery::{Act, Miss};
use domain::inbox::{Delivery, EventSource, Verified};
use domain::retry::{Failure, Retry, Retryable};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::Message;
use std::time::Duration;
use store::{Recorded, Written};

/// The most redeliveries of one run.
const REDELIVERIES_MAX: usize = 25;
/// The time between two redeliveries. GitHub delivers each as soon as it can.
const REDELIVERY_EVERY: Duration = Duration::from_secs(1);
/// The most fetches of one run.
const FETCHES_MAX: usize = 100;
/// After this many calls without an answer, the sender counts as down.
const UNANSWERED_MAX: usize = 3;

/// What the calls of one run have come to.
#[derive(Default)]
struct Calls {
    redeliveries: usize,
    fetches: usize,
    unanswered: usize,
}

/// What came of fetching an event.
enum Fetched {
    Found(Verified<Delivery>),
    /// It cannot be recovered, for this reason.
    Never(String),
}

/// Acts on every missing event of a sender, as far as time allows.
pub async fn act(
    ctx: &Ctx,
    source: EventSource,
    run: &mut Recovered,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let misses = ctx.recoveries.miss_list(source).await?;
    if misses.is_empty() {
        return Ok(());
    }
    let ingest = ctx.ingest(source).ingest_find().await?;
    let paused = ingest.is_some_and(|row| row.position == Switch::Off);
    let mut calls = Calls::default();
    for miss in misses {
        if ctx.inbox.find_row(&miss.key).await?.is_some() {
            back(ctx, &miss, run).await?;
            continue;
        }
        // Receivers answer 503 now, and GitHub would not come back automatically.
        if paused {
            run.waiting += usize::from(miss.given_up.is_none());
            continue;
        }
        if ctx.is_late(deadline) {
            break;
        }
        let acted = match miss.act(ctx.outside.now()) {
            Act::Wait => continue,
            Act::Redeliver if calls.redeliveries < REDELIVERIES_MAX => {
                redeliver(ctx, &miss, &mut calls, run).await
            }
            Act::Fetch if calls.fetches < FETCHES_MAX => {
                calls.fetches += 1;
                fetch(ctx, &miss, run).await
            }
            Act::Redeliver | Act::Fetch => continue,
            Act::GiveUp => give_up(ctx, &miss, "every try failed", run).await,
        };
        if let Err(failure) = acted {
            calls.unanswered += 1;
            if !failure.retry.is_transient() || calls.unanswered >= UNANSWERED_MAX {
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// Ends a miss whose event is recorded.
async fn back(ctx: &Ctx, miss: &Miss, run: &mut Recovered) -> Result<(), Failure> {
    ctx.recoveries.miss_end(&miss.key).await?;
    run.back += 1;
    tracing::info!(event.key = %miss.key, event.name = miss.name, "a missing event is recorded");
    Ok(())
}

async fn redeliver(
    ctx: &Ctx,
    miss: &Miss,
    calls: &mut Calls,
    run: &mut Recovered,
) -> Result<(), Failure> {
    let Some(delivery) = miss.delivery else {
        return give_up(ctx, miss, "GitHub names no delivery of it", run).await;
    };
    if calls.redeliveries > 0 {
        tokio::time::sleep(REDELIVERY_EVERY).await;
    }
    calls.redeliveries += 1;
    let api = ctx.github.client().await?;
    let now = ctx.outside.now();
    let next = miss.redelivering(now);
    if ctx.recoveries.miss_change(miss, &next, now).await? == Written::Stale {
        return Ok(());
    }
    match api.delivery_repeat(delivery, now).await {
        Ok(()) => {
            run.redeliveries += 1;
            tracing::info!(event.key = %miss.key, event.name = miss.name, tries = next.redeliveries, "asked GitHub to deliver an event again");
            Ok(())
        }
        Err(error) if error.retry() == Retry::Never => {
            tracing::warn!(event.key = %miss.key, %error, "GitHub does not deliver an event again; it is fetched");
            change(ctx, &next, &next.to_fetch(now)).await
        }
        Err(error) => unanswered(ctx, miss, &next, error.into()).await,
    }
}

async fn fetch(ctx: &Ctx, miss: &Miss, run: &mut Recovered) -> Result<(), Failure> {
    let now = ctx.outside.now();
    let next = miss.fetching(now);
    if ctx.recoveries.miss_change(miss, &next, now).await? == Written::Stale {
        return Ok(());
    }
    let verified = match fetched(ctx, miss).await {
        Ok(Fetched::Found(verified)) if verified.get().key == miss.key => verified,
        Ok(Fetched::Found(_)) => {
            let why = "the sender returned another event under its id";
            return give_up(ctx, &next, why, run).await;
        }
        Ok(Fetched::Never(why)) => return give_up(ctx, &next, &why, run).await,
        Err(failure) if failure.retry == Retry::Never => {
            return give_up(ctx, &next, &failure.chain(), run).await;
        }
        Err(failure) => return unanswered(ctx, miss, &next, failure).await,
    };
    let recorded = match ctx.inbox.record(&verified, ctx.outside.now()).await {
        Ok(recorded) => recorded,
        Err(error) => return unanswered(ctx, miss, &next, error.into()).await,
    };
    tracing::info!(event.key = %miss.key, event.name = miss.name, outcome = ?recorded, "recorded an event from its sender's API");
    match recorded {
        Recorded::New | Recorded::Pending | Recorded::Reopened => {
            run.recorded += 1;
            // A lost pointer costs only time, because the row is due.
            if let Err(error) = ctx
                .queues
                .send(&Message::Event(miss.key.clone()), None)
                .await
            {
                tracing::warn!(event.key = %miss.key, %error, "recorded but not queued; the sweeper will queue it");
            }
        }
        Recorded::Settled | Recorded::Quarantined(_) => {}
    }
    ctx.recoveries.miss_end(&miss.key).await?;
    run.back += 1;
    Ok(())
}

/// Asks the sender's API for the event.
async fn fetched(ctx: &Ctx, miss: &Miss) -> Result<Fetched, Failure> {
    let gone = |sender: &str| Ok(Fetched::Never(format!("{sender} no longer has it")));
    let read = match miss.key.source() {
        EventSource::Github => {
            let Some(delivery) = miss.delivery else {
                return gone("GitHub");
            };
            let api = ctx.github.client().await?;
            let Some(full) = api.delivery_find(delivery, ctx.outside.now()).await? else {
                return gone("GitHub");
            };
            webhooks::github::fetched(&full.guid, &full.event, full.payload.to_vec())
        }
        EventSource::Stripe => {
            let id = StripeEventId::parse(miss.key.id());
            let (Some(stripe), Ok(id)) = (&ctx.stripe, id) else {
                return gone("Stripe");
            };
            let Some(event) = stripe.client().await?.event_find(&id).await? else {
                return gone("Stripe");
            };
            webhooks::stripe::fetched(event.body.to_vec())
        }
    };
    Ok(match read {
        Ok(verified) => Fetched::Found(verified),
        Err(rejected) => Fetched::Never(rejected.to_string()),
    })
}

/// Gives back a try that got no answer, or whose answer could not be recorded.
async fn unanswered(ctx: &Ctx, miss: &Miss, tried: &Miss, failure: Failure) -> Result<(), Failure> {
    change(ctx, tried, &miss.untried(ctx.outside.now())).await?;
    Err(failure)
}

async fn give_up(ctx: &Ctx, miss: &Miss, why: &str, run: &mut Recovered) -> Result<(), Failure> {
    let next = Miss {
        given_up: Some(domain::text::truncate(why, 200).to_owned()),
        ..miss.clone()
    };
    change(ctx, miss, &next).await?;
    run.given_up += 1;
    tracing::error!(event.key = %miss.key, event.name = miss.name, alarm = true, "gave up a missing event: {why}");
    Ok(())
}

/// Another run that has changed it meanwhile continues with it.
async fn change(ctx: &Ctx, miss: &Miss, next: &Miss) -> Result<(), Failure> {
    let changed = ctx.recoveries.miss_change(miss, next, ctx.outside.now());
    match changed.await? {
        Written::Now | Written::Stale => Ok(()),
    }
}
