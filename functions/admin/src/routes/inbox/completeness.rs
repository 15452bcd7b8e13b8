//! `/api/v1/admin/completeness`: whether everything that GitHub and Stripe made has arrived.
//!
//! It shows what `recovery` found. Where its last complete reading is too old, nothing is known, and
//! the answer says so.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::inbox::EventSource;
use domain::inbox::recovery::{Completeness, Miss, Progress};
use domain::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use store::EventsCounted;
use utoipa::ToSchema;

/// The most missing events that an answer lists.
const MISSES_MAX: usize = 100;

/// What is known about the events of each sender.
#[derive(Serialize, ToSchema)]
pub struct CompletenessShown {
    pub sources: Vec<SourceShown>,
}

/// What is known about the events of one sender.
#[derive(Serialize, ToSchema)]
pub struct SourceShown {
    /// The sender: `github` or `stripe`.
    pub source: &'static str,
    /// `complete` if nothing is missing or late; `incomplete`; or `unknown` if the sender's log was
    /// not read lately.
    pub state: &'static str,
    /// Everything that the sender made before was compared with what is recorded.
    pub read_through: Option<String>,
    /// The last count; it is repeated every hour.
    pub counted: Option<CountShown>,
    /// The number of events that are missing now.
    pub missing: usize,
    /// The number of events that were given up.
    pub given_up: usize,
    /// Some of the events that are missing or were given up.
    pub misses: Vec<MissShown>,
}

/// What a sender made in a time, and what became of it.
#[derive(Serialize, ToSchema)]
pub struct CountShown {
    pub from: String,
    pub to: String,
    /// Distinct events, each in one of the following numbers.
    pub made: u64,
    /// Processed, ignored, or of a type that Tallyhook does not act on.
    pub done: u64,
    /// Recorded less than 15 minutes ago and not acted on yet.
    pub pending: u64,
    /// Recorded earlier and not acted on yet.
    pub late: u64,
    /// Failed, quarantined or unattributed.
    pub held: u64,
    /// Not recorded when it was counted.
    pub missing: u64,
    /// The ids of some that were late or held.
    pub examples: Vec<String>,
}

/// An event that the sender made and that is not recorded.
#[derive(Serialize, ToSchema)]
pub struct MissShown {
    pub id: String,
    #[serde(rename = "type")]
    pub name: String,
    pub made_at: String,
    /// How often GitHub was asked to deliver it again.
    pub redeliveries: u32,
    /// How often it was fetched from the sender's API.
    pub fetches: u32,
    /// When it is tried next; absent if it was given up.
    pub next_at: Option<String>,
    /// Why it was given up.
    pub given_up: Option<String>,
}

/// Shows whether everything that GitHub and Stripe made has arrived.
#[utoipa::path(get, path = "/api/v1/admin/completeness", tag = "inbox",
    responses((status = 200, body = CompletenessShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<CompletenessShown>, ApiError> {
    let mut sources = Vec::new();
    for source in EventSource::ALL {
        let progress = ctx.recoveries.recovery_progress(source).await?;
        let counted = ctx.recoveries.recovery_count(source).await?;
        let misses = ctx.recoveries.miss_list(source).await?;
        let now = ctx.outside.now();
        sources.push(shown(
            source,
            progress.as_ref(),
            counted.as_ref(),
            &misses,
            now,
        ));
    }
    Ok(Json(CompletenessShown { sources }))
}

fn shown(
    source: EventSource,
    progress: Option<&Progress>,
    counted: Option<&EventsCounted>,
    misses: &[Miss],
    now: Timestamp,
) -> SourceShown {
    let given_up = misses.iter().filter(|miss| miss.given_up.is_some()).count();
    let count = counted.map(|counted| &counted.count);
    SourceShown {
        source: source.as_str(),
        state: Completeness::of(progress, count, misses.len(), now).as_str(),
        read_through: progress.map(|progress| progress.read_through.to_string()),
        counted: counted.map(count_shown),
        missing: misses.len() - given_up,
        given_up,
        misses: misses.iter().take(MISSES_MAX).map(miss_shown).collect(),
    }
}

fn count_shown(counted: &EventsCounted) -> CountShown {
    let count = &counted.count;
    CountShown {
        from: counted.from.to_string(),
        to: counted.to.to_string(),
        made: count.made,
        done: count.done,
        pending: count.pending,
        late: count.late,
        held: count.held,
        missing: count.missing,
        examples: count
            .examples
            .iter()
            .map(|key| key.id().to_owned())
            .collect(),
    }
}

fn miss_shown(miss: &Miss) -> MissShown {
    MissShown {
        id: miss.key.id().to_owned(),
        name: miss.name.clone(),
        made_at: miss.made_at.to_string(),
        redeliveries: miss.redeliveries,
        fetches: miss.fetches,
        next_at: miss.given_up.is_none().then(|| miss.next_at.to_string()),
        given_up: miss.given_up.clone(),
    }
}
