//! Reads the log of what a sender made, and notes what is not recorded.

use crate::{Ctx, Recovered};
use domain::inbox::recovery::{Delivered, Miss, Progress, Span};
use domain::inbox::{EventKey, EventRow, EventSource};
use domain::retry::{Failure, Retry};
use domain::time::Timestamp;
use futures::future::try_join_all;
use std::collections::BTreeMap;
use store::{EventsCounted, MissNoted, Written};

/// The most pages of one run. The next run continues behind them.
const PAGES_MAX: u32 = 50;
/// The most rows to read at once.
const ROWS_AT_ONCE: usize = 16;

/// An event that a sender made.
struct Made {
    name: String,
    at: Timestamp,
    /// GitHub's newest delivery, and how the deliveries ended.
    delivery: Option<(u64, Delivered)>,
}

/// A part of a sender's log.
#[derive(Default)]
struct Part {
    made: BTreeMap<EventKey, Made>,
    /// Where the log continues; `None` if the reading is complete.
    next: Option<String>,
}

/// Reads what is due and saves how far it came. Returns the saved progress, or `None` if another run
/// has saved its own meanwhile.
pub async fn read(
    ctx: &Ctx,
    source: EventSource,
    progress: &Progress,
    run: &mut Recovered,
    deadline: Timestamp,
) -> Result<Option<Progress>, Failure> {
    let Some(span) = progress.due(source, ctx.outside.now()) else {
        return Ok(Some(progress.clone()));
    };
    let part = match source {
        EventSource::Github => github(ctx, &span, deadline).await,
        EventSource::Stripe => stripe(ctx, &span, deadline).await,
    };
    let part = match part {
        Ok(part) => part,
        Err(failure) => {
            // A place in the log that the sender no longer knows: the reading begins again.
            if failure.retry == Retry::Never && span.cursor.is_some() {
                let again = Progress {
                    span: None,
                    ..progress.clone()
                };
                save(ctx, source, again).await?;
            }
            return Err(failure);
        }
    };
    let count = compare(ctx, source, &span, &part, run).await?;
    let next = progress.advanced(&span, count, part.next);
    save(ctx, source, next).await
}

async fn save(
    ctx: &Ctx,
    source: EventSource,
    progress: Progress,
) -> Result<Option<Progress>, Failure> {
    Ok(
        match ctx.recoveries.recovery_save(source, &progress).await? {
            Written::Now => Some(Progress {
                version: progress.version.saturating_add(1),
                ..progress
            }),
            Written::Stale => None,
        },
    )
}

/// Compares a part of the log with what is recorded: notes what is missing, and counts if the
/// reading counts.
async fn compare(
    ctx: &Ctx,
    source: EventSource,
    span: &Span,
    part: &Part,
    run: &mut Recovered,
) -> Result<Option<domain::inbox::recovery::Count>, Failure> {
    let keys: Vec<&EventKey> = part.made.keys().collect();
    let mut rows: Vec<Option<EventRow>> = Vec::with_capacity(keys.len());
    for some in keys.chunks(ROWS_AT_ONCE) {
        rows.extend(try_join_all(some.iter().map(|key| ctx.inbox.find_row(key))).await?);
    }
    let now = ctx.outside.now();
    let mut count = span.count.clone();
    for ((key, made), row) in part.made.iter().zip(&rows) {
        let heeded = heeds(source, &made.name);
        let counted = count.as_mut().filter(|_| made.at < span.counts_until());
        match counted {
            Some(count) if heeded || row.is_some() => count.add(key, row.as_ref(), now),
            Some(count) => count.add_unheeded(),
            None => {}
        }
        if row.is_none() && heeded && source.is_settled(made.at, now) {
            note(ctx, key, made, run).await?;
        }
    }
    if let Some(count) = count.as_ref().filter(|_| part.next.is_none()) {
        let counted = EventsCounted {
            from: span.low,
            to: span.counts_until(),
            count: count.clone(),
        };
        ctx.recoveries.recovery_count_save(source, &counted).await?;
    }
    Ok(count)
}

async fn note(ctx: &Ctx, key: &EventKey, made: &Made, run: &mut Recovered) -> Result<(), Failure> {
    let mut miss = Miss::new(key.clone(), made.name.clone(), made.at, ctx.outside.now());
    if let Some((delivery, how)) = made.delivery {
        miss = miss.delivered(delivery, how);
    }
    if ctx.recoveries.miss_note(&miss).await? == MissNoted::Known {
        return Ok(());
    }
    run.missing += 1;
    // We answered 2xx, so the event must be recorded.
    let alarm = matches!(made.delivery, Some((_, Delivered::Accepted)));
    tracing::warn!(event.key = %key, event.name = made.name, alarm, "an event that {} made is not recorded", key.source());
    Ok(())
}

/// Whether an event of this type is missed.
fn heeds(source: EventSource, name: &str) -> bool {
    match source {
        EventSource::Github => webhooks::github::EVENTS.contains(&name),
        EventSource::Stripe => webhooks::stripe::EVENTS.contains(&name),
    }
}

async fn github(ctx: &Ctx, span: &Span, deadline: Timestamp) -> Result<Part, Failure> {
    let api = ctx.github.client().await?;
    let mut part = Part {
        next: span.cursor.clone(),
        ..Part::default()
    };
    for _ in 0..PAGES_MAX {
        let page = api
            .delivery_list(part.next.as_deref(), ctx.outside.now())
            .await?;
        let whole = page.deliveries.len();
        let recent = page
            .deliveries
            .into_iter()
            .take_while(|delivery| delivery.delivered_at >= span.low);
        let mut taken = 0;
        for delivery in recent {
            taken += 1;
            let Ok(key) = EventKey::parse(EventSource::Github, &delivery.guid) else {
                tracing::error!("GitHub lists a delivery without a valid id; it is skipped");
                continue;
            };
            let name = match &delivery.action {
                Some(action) => format!("{}.{action}", delivery.event),
                None => delivery.event,
            };
            let how = match delivery.status_code {
                200..=299 => Delivered::Accepted,
                413 => Delivered::TooLarge,
                _ => Delivered::Failed,
            };
            part.add(key, name, delivery.delivered_at, (delivery.id, how));
        }
        part.next = page.next.filter(|_| taken == whole);
        if part.next.is_none() || ctx.is_late(deadline) {
            break;
        }
    }
    Ok(part)
}

impl Part {
    /// Adds a delivery; the newest of an event comes first.
    fn add(&mut self, key: EventKey, name: String, at: Timestamp, delivery: (u64, Delivered)) {
        let made = self.made.entry(key).or_insert(Made {
            name,
            at,
            delivery: Some(delivery),
        });
        made.at = made.at.min(at);
        if let Some((_, how)) = &mut made.delivery
            && delivery.1 != Delivered::Failed
            && *how != Delivered::Accepted
        {
            *how = delivery.1;
        }
    }
}

async fn stripe(ctx: &Ctx, span: &Span, deadline: Timestamp) -> Result<Part, Failure> {
    let Some(stripe) = &ctx.stripe else {
        return Ok(Part::default());
    };
    let api = stripe.client().await?;
    let mut part = Part::default();
    let cursor = span.cursor.as_deref();
    let mut after = cursor
        .map(domain::ids::StripeEventId::parse)
        .transpose()
        .map_err(|_| Failure::never("the saved place in Stripe's list is no event"))?;
    for _ in 0..PAGES_MAX {
        let page = api.event_list(span.low, after.as_ref()).await?;
        after = page.data.last().map(|event| event.id.clone());
        for event in page.data {
            match webhooks::stripe::listed(&event.body) {
                // Stripe filters by whole seconds.
                Ok(listed) if listed.created_at < span.low => {}
                Ok(listed) => {
                    let made = Made {
                        name: listed.name,
                        at: listed.created_at,
                        delivery: None,
                    };
                    part.made.insert(listed.key, made);
                }
                Err(error) => {
                    tracing::error!(%error, "Stripe lists an event that cannot be read; it is skipped");
                }
            }
        }
        part.next = after
            .as_ref()
            .filter(|_| page.has_more)
            .map(|id| id.as_str().to_owned());
        if part.next.is_none() || ctx.is_late(deadline) {
            break;
        }
    }
    Ok(part)
}
